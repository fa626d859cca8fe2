"""What all tests share: Hypothesis profiles and where the recorded data is."""

from pathlib import Path

import pytest
from hypothesis import settings

settings.register_profile("quick", max_examples=100, deadline=None, print_blob=True)
settings.register_profile("thorough", settings.get_profile("quick"), max_examples=5000)
settings.load_profile("quick")  # or: pytest --hypothesis-profile thorough


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Recorded frames and answers of the exchange. They are not ours to publish,
    so they lie beside the repository and not in it."""
    root = Path(__file__).resolve().parents[1]
    data = root.parent / "shared" / "data"
    if not data.is_dir():
        pytest.skip("the exchange's recorded data (../shared/data) is not here")
    return data
