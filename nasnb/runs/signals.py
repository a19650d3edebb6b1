"""Signals that wait until the state is whole."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from nasnb.runs.progress import say

CAUGHT = (signal.SIGINT, signal.SIGTERM)
TOGETHER = 2.0  # seconds within which signals are one: a batch system tells every process, some tell each other too


class Pending:
    """The signal that came, if one did, and the handlers that it will go to."""

    def __init__(self):
        self.signal: int | None = None
        self.came_at = 0.0
        self.handlers: dict[int, object] = {}

    def deliver(self) -> None:
        """Put the handlers back, and let the signal do what it would have done."""
        for number, handler in self.handlers.items():
            signal.signal(number, handler)
        came, self.signal, self.handlers = self.signal, None, {}
        if came is not None:
            signal.raise_signal(came)


@contextmanager
def held_back() -> Iterator[Pending]:
    """Within the block SIGINT and SIGTERM are only noted, and act at its end; the second of them acts at once.

    Does nothing outside the main thread, where Python allows no handlers.
    """
    pending = Pending()

    def note(number: int, frame: object) -> None:
        if pending.signal is not None:
            if time.monotonic() - pending.came_at > TOGETHER:
                pending.deliver()
            return
        pending.signal, pending.came_at = number, time.monotonic()
        say(f"{signal.Signals(number).name}: saving after this step (again: stop at once)")

    if threading.current_thread() is threading.main_thread():
        pending.handlers = {number: signal.signal(number, note) for number in CAUGHT}
    try:
        yield pending
    finally:
        pending.deliver()
