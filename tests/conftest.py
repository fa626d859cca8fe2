"""What all tests share: signals, Hypothesis profiles, where the recorded data is."""

import gc
import signal
from pathlib import Path

import pytest
from hypothesis import settings

from tests import made_up

# What is started has to hear them, even if this was started with nohup or &.
signal.signal(signal.SIGINT, signal.default_int_handler)
signal.signal(signal.SIGHUP, signal.SIG_DFL)
signal.signal(signal.SIGQUIT, signal.SIG_DFL)

settings.register_profile("quick", max_examples=100, deadline=None, print_blob=True)
settings.register_profile("thorough", settings.get_profile("quick"), max_examples=5000)
settings.load_profile("quick")  # or: pytest --hypothesis-profile thorough


def pytest_collection_finish() -> None:
    """Thousands of tests and their modules live to the end of the run. A collection of
    garbage, which hundreds of tests ask for, need not look at them each time."""
    gc.collect()
    gc.freeze()


RECORDED = Path(__file__).resolve().parents[2] / "shared" / "data"
"""Recorded frames and answers of the exchange. They are not ours to publish, so they
lie beside the repository and not in it."""


@pytest.fixture(scope="session", params=["made up", *["recorded"] * RECORDED.is_dir()])
def shared_data(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """The folder of data in the exchange's spelling: one that is made up, and the
    recorded one as well where it is."""
    if request.param == "recorded":
        return RECORDED
    return made_up.write(tmp_path_factory.mktemp("made_up"))
