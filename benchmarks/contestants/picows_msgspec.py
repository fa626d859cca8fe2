"""klinetail's lines by the fastest client and the fastest decoder that Python has, and
nothing else: no order, no checks, no history. It marks the limit.

    python picows_msgspec.py WS_URL NAME...
"""

import asyncio
import gc
import os
import sys

import msgspec
from picows import WSListener, WSMsgType, ws_connect


class Kline(msgspec.Struct, gc=False):
    t: int
    T: int
    s: str
    i: str
    o: str
    c: str
    h: str
    l: str  # noqa: E741
    v: str
    n: int
    x: bool
    q: str
    V: str
    Q: str


class Event(msgspec.Struct, gc=False):
    k: Kline | None = None


decode = msgspec.json.Decoder(Event).decode


class Lines(WSListener):
    def __init__(self):
        self.lines = []

    def on_ws_frame(self, transport, frame):
        if frame.msg_type is WSMsgType.TEXT:
            k = decode(frame.get_payload_as_memoryview()).k
            if k is not None:
                self.lines.append(
                    f'{{"symbol":"{k.s}","interval":"{k.i}","open_time":{k.t},'
                    f'"open":{k.o},"high":{k.h},"low":{k.l},"close":{k.c},'
                    f'"volume":{k.v},"close_time":{k.T},"quote_volume":{k.q},'
                    f'"count":{k.n},"taker_buy_volume":{k.V},'
                    f'"taker_buy_quote_volume":{k.Q},'
                    f'"closed":{"true" if k.x else "false"},"source":"stream"}}\n'
                )
        elif frame.msg_type is WSMsgType.CLOSE:
            transport.disconnect()
        if frame.last_in_buffer and self.lines:
            data = "".join(self.lines).encode()
            self.lines.clear()
            while data:
                data = data[os.write(1, data) :]


async def follow(url, names):
    transport, _ = await ws_connect(
        Lines, f"{url}/ws", read_buffer_init_size=256 * 1024
    )
    request = {"method": "SUBSCRIBE", "params": names, "id": 1}
    transport.send(WSMsgType.TEXT, msgspec.json.encode(request))
    await transport.wait_disconnected()


async def main(url, names):
    parts = [names[n : n + 1024] for n in range(0, len(names), 1024)]
    await asyncio.gather(*(follow(url, part) for part in parts))


gc.freeze()
asyncio.run(main(sys.argv[1], sys.argv[2:]))
