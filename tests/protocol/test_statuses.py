"""What statuses mean: at the start, and when no trade comes any more."""

import pytest

from klinetail.protocol.statuses import can_be_followed, has_ended


@pytest.mark.parametrize(
    ("status", "begins", "ends"),
    [
        ("TRADING", True, False),
        ("PENDING_TRADING", True, False),
        ("PRE_SETTLE", True, True),
        ("PRE_DELIVERING", True, True),
        ("SETTLING", False, True),
        ("DELIVERING", False, True),
        ("DELIVERED", False, True),
        ("CLOSE", False, True),
        ("trading", False, True),
        ("", True, False),
    ],
)
def test_what_begins_and_what_ends(status, begins, ends):
    assert (can_be_followed(status), has_ended(status)) == (begins, ends)
