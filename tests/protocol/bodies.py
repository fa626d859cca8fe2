"""Bodies of answers, and what decoders make of bad bodies."""

import pytest

from klinetail.errors import BadMessage

HTML = b"<html><head><title>403 Forbidden</title></head></html>"


def refused(decoder, body, *arguments):
    """The BadMessage that `body` is; it must be one."""
    with pytest.raises(BadMessage) as caught:
        decoder(body, *arguments)
    return caught.value


def bad_or(decoder, body, *arguments):
    """What `body` decodes to, or None if it is a BadMessage; nothing else comes out."""
    try:
        return decoder(body, *arguments)
    except BadMessage:
        return None
