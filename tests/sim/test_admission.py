"""Who may ask the embedded exchange: programs here, and no page from elsewhere."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from klinetail.errors import UsageError
from klinetail.sim.admission import Admission

HERE = Admission()
MORE = Admission.of(
    ["exchange.test", "[::2]"],
    ["https://App.example", "http://app.example:8080", "http://old.example:80"],
)
ports = st.just("") | st.integers(0, 65_535).map(lambda port: f":{port}")
loopback = st.sampled_from(["127.0.0.1", "localhost", "LocalHost", "[::1]"])


@given(loopback, ports)
def test_this_machine_is_asked_by_its_loopback_names_with_any_port(host, port):
    assert HERE.refusal([host + port], []) is None


@given(loopback, ports, st.sampled_from(["http", "https", "ws", "HTTP"]))
def test_an_origin_on_this_machine_is_no_other_site(host, port, scheme):
    assert HERE.refusal(["127.0.0.1:8776"], [f"{scheme}://{host}{port}"]) is None


@pytest.mark.parametrize(
    "hosts",
    [
        [],
        [""],
        ["evil.example"],
        ["evil.example:8776"],
        ["127.0.0.1.evil.example"],
        ["localhost.evil.example:80"],
        ["evil.example#127.0.0.1"],
        ["user@localhost"],
        ["localhost:"],
        ["localhost:port"],
        ["localhost, evil.example"],
        ["localhost", "localhost"],
        ["127.0.0.1", "evil.example"],
        ["127.0.0.2"],
        ["0.0.0.0"],
        ["::1"],
        ["[::1"],
        ["[::2]"],
        ["exchange.test"],
        ["localhost\n"],
    ],
)
def test_another_host_is_refused(hosts):
    assert "--allow-host" in HERE.refusal(hosts, [])


@pytest.mark.parametrize(
    "origins",
    [
        [""],
        ["null"],
        ["https://evil.example"],
        ["http://localhost.evil.example"],
        ["http://evil.example/localhost"],
        ["http://localhost@evil.example"],
        ["http://127.0.0.1:80:80"],
        ["localhost"],
        ["//localhost"],
        ["http://localhost", "http://localhost"],
        ["http://localhost http://evil.example"],
        ["http://localhost\n"],
        ["https://app.example"],
    ],
)
def test_another_origin_is_refused(origins):
    assert "--allow-origin" in HERE.refusal(["localhost"], origins)


@pytest.mark.parametrize(
    ("host", "origin", "passes"),
    [
        ("exchange.test", None, True),
        ("Exchange.Test:8776", None, True),
        ("[::2]:1", None, True),
        ("localhost", None, True),
        ("other.test", None, False),
        ("localhost", "https://app.example", True),
        ("localhost", "https://app.example:443", True),
        ("localhost", "https://app.example:8443", False),
        ("localhost", "http://app.example", False),
        ("localhost", "http://app.example:8080", True),
        ("localhost", "http://old.example", True),
        ("localhost", "https://exchange.test", False),
        ("exchange.test", "http://localhost:3000", True),
        ("app.example", "https://app.example", False),
    ],
)
def test_more_is_allowed_by_name(host, origin, passes):
    refusal = MORE.refusal([host], [] if origin is None else [origin])
    assert (refusal is None) == passes


@pytest.mark.parametrize(
    "host", ["", "*", "http://a.test", "a.test:80", "a b", "a/b", "::1"]
)
def test_what_is_no_host_cannot_be_allowed(host):
    with pytest.raises(UsageError, match="--allow-host"):
        Admission.of([host], [])


@pytest.mark.parametrize("origin", ["", "*", "null", "a.test", "https://a.test/"])
def test_what_is_no_origin_cannot_be_allowed(origin):
    with pytest.raises(UsageError, match="--allow-origin"):
        Admission.of([], [origin])


@given(st.lists(st.text(), max_size=2), st.lists(st.text(), max_size=2))
def test_any_headers_are_judged(hosts, origins):
    for admission in (HERE, MORE):
        refusal = admission.refusal(hosts, origins)
        assert refusal is None or "--allow-" in refusal
