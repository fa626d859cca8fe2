import pytest

from klinetail.exchange.status import LOOK, Renewal, Status


@pytest.mark.parametrize(
    ("status", "due"),
    [
        (Status(), 100.0 + LOOK),
        (Status(quiet_at=100.5), 100.5),
        (Status(renew_at=100.25), 100.25),
        (Status(renewal_due=100.75), 100.75),
        (Status(pinged=True, quiet_at=105.0, renew_at=900.0), 105.0),
        (Status(pinged=True, renewal=Renewal.ACKED, quiet_at=105.0), 100.0 + LOOK),
    ],
)
def test_the_first_thing_to_do_comes_first(status, due):
    """While our ping waits for an answer nothing is looked at, except a renewal."""
    assert status.scheduled(100.0) == status._replace(due=due)
