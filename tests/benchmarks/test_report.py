"""Lines of JSON become tables."""

from benchmarks.report import BEGIN, END, TITLES, inserted, markdown


def test_klinetail_is_compared_with_the_others():
    lines = [
        {"figure": "versions", "python": "3.11.7", "jq": "1.6"},
        {"figure": "speed", "contestant": "klinetail", "cpu_us": 5.0, "equal": True},
        {"figure": "speed", "contestant": "websocat-jq", "cpu_us": 12.5, "equal": None},
    ]
    text = markdown(lines)
    assert text.startswith("Measured with python 3.11.7, jq 1.6.\n")
    assert f"### {TITLES['speed']}" in text
    assert "| klinetail | 5.0 | 1.00 | yes |" in text
    assert "| websocat-jq | 12.5 | 0.40 |  |" in text


def test_what_went_wrong_stands_out():
    text = markdown([{"figure": "market", "streams": 11_800, "complete": False}])
    assert "| 11,800 | **no** |" in text


def test_figures_without_a_comparison_stand_as_they_are():
    text = markdown([{"figure": "lag", "contestant": "klinetail", "p50_ms": 0.5}])
    assert "| klinetail | 0.5 |" in text


def test_the_share_of_tls_is_what_it_costs_more():
    both = [
        {"figure": "speed", "contestant": "klinetail", "cpu_us": 5.0},
        {"figure": "speed-tls", "contestant": "klinetail", "cpu_us": 6.5},
    ]
    assert "| klinetail | 6.5 | 1.5 |" in markdown(both)


def test_a_lag_without_end_is_compared_with_nothing():
    lines = [
        {"figure": "lag", "contestant": "klinetail", "p50_ms": None, "p99_ms": None},
        {"figure": "lag", "contestant": "websocat", "p50_ms": 0.5, "p99_ms": 0.0},
    ]
    assert "| websocat | 0.5 |  | 0.0 |  |" in markdown(lines)


def test_tables_go_between_the_marks():
    document = f"one\n{BEGIN}\nold\n{END}\ntwo\n"
    once = inserted(document, "tables\n")
    assert once == f"one\n{BEGIN}\n\ntables\n\n{END}\ntwo\n"
    assert inserted(once, "tables\n") == once
    assert inserted("no marks\n", "tables\n") == "tables\n"
