"""A clock for an embedded exchange that waits until whoever looks at it is ready."""

import time


class Held:
    """Real seconds that do not pass until they are let go."""

    def __init__(self):
        self._since = None

    def let_go(self):
        """From now on they pass."""
        self._since = time.monotonic()

    def __call__(self):
        return 0.0 if self._since is None else time.monotonic() - self._since
