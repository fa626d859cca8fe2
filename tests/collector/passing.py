"""Time that passes only by waiting."""

import threading


class Time(threading.Event):
    """Passes only by waiting."""

    def __init__(self):
        super().__init__()
        self.now = 50.0
        self.pauses = []

    def wait(self, timeout=None):
        self.now += timeout
        self.pauses.append(timeout)
        return self.is_set()
