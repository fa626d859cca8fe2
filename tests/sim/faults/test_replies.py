"""What becomes of a request on the WebSocket."""

import json

from klinetail.sim.faults.chaos import Chaos
from klinetail.sim.faults.replies import fumble_of

SUBSCRIBE = '{"method":"SUBSCRIBE","params":["btcusdt@kline_1m"],"id":7}'


def fumbles(spec, message=SUBSCRIBE):
    chaos = Chaos.parse(spec, seed=1)
    found = (fumble_of(chaos, 1, number, message) for number in range(200))
    return [fumble for fumble in found if fumble is not None]


def test_errors_have_their_closes():
    found = fumbles("error=1")
    assert len(found) == 200
    codes, shapes = set(), set()
    for fumble in found:
        assert fumble.ignored
        reply = json.loads(fumble.instead.reply)
        bare = "error" not in reply
        code = reply["code"] if bare else reply["error"]["code"]
        codes.add(code)
        shapes.add(bare)
        assert fumble.instead.close is (code != 2)
        assert reply.get("id") == (7 if code == 2 and not bare else None)
    assert shapes == {True, False}
    assert codes == {2, 3, 4}


def test_acks():
    assert {(f.ignored, f.delay) for f in fumbles("noack=1")} == {
        (True, None),
        (False, None),
    }
    late = fumbles("lateack=1")
    assert all(not f.ignored and 1 <= f.delay <= 4 for f in late)
    assert fumbles("late") == []


def test_any_message_can_be_fumbled():
    for message in ("", "{", b"\xff", "[]"):
        assert len(fumbles("error=1", message)) == 200
