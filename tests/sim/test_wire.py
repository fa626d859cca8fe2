"""A disturbed transport writes nothing behind its own end."""

import asyncio

from klinetail.sim.wire import Wire


class Transport(asyncio.Transport):
    """A transport that refuses bytes after its end, as the loop's own does."""

    def __init__(self):
        super().__init__()
        self.written = b""
        self.ended = False

    def write(self, data):
        if self.ended:
            raise RuntimeError("Cannot call write() after write_eof()")
        self.written += bytes(data)

    def write_eof(self):
        self.ended = True

    def is_closing(self):
        return False


def test_held_bytes_go_out_before_the_end_and_none_behind():
    transport = Transport()
    wire = Wire(transport)
    wire.inject(b"first ")
    wire.hold()
    wire.write(b"held")
    wire.write_eof()
    assert transport.written == b"first held"
    wire.inject(b"a fault that comes late")
    wire.hold()
    wire.write(b"more")
    wire.squeeze(2)
    wire.release()
    wire.write(b"and more")
    assert transport.written == b"first held"
