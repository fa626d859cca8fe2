"""Lines of JSON become tables."""

from benchmarks.report import TITLES, markdown


def test_klinetail_is_compared_with_the_others():
    lines = [
        {"figure": "versions", "python": "3.11.7", "jq": "1.6"},
        {"figure": "speed", "contestant": "klinetail", "cpu_us": 5.0, "equal": True},
        {"figure": "speed", "contestant": "websocat-jq", "cpu_us": 12.5, "equal": None},
    ]
    text = markdown(lines)
    assert text.startswith("Measured with python 3.11.7, jq 1.6.\n")
    assert f"### {TITLES['speed']}" in text
    assert "| klinetail | 1.00 | 5.0 | yes |" in text
    assert "| websocat-jq | 0.40 | 12.5 |  |" in text


def test_what_went_wrong_stands_out():
    text = markdown([{"figure": "market", "streams": 11_800, "complete": False}])
    assert "| 11,800 | **no** |" in text


def test_figures_without_a_comparison_stand_as_they_are():
    text = markdown([{"figure": "lag", "contestant": "klinetail", "p50_ms": 0.5}])
    assert "| klinetail | 0.5 |" in text
