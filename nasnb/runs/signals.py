"""Signals that wait until the state is whole."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from nasnb.runs.progress import say

CAUGHT = (signal.SIGINT, signal.SIGTERM)


class Pending:
    """The signal that came, if one did."""

    def __init__(self):
        self.signal: int | None = None
        self.before: dict[int, object] = {}

    def restore(self) -> None:
        """Put the handlers back that were there before."""
        for number, handler in self.before.items():
            signal.signal(number, handler)
        self.before = {}

    def deliver(self) -> None:
        """Let the signal do now what it would have done; what is left is a KeyboardInterrupt."""
        self.restore()
        signal.raise_signal(self.signal)
        raise KeyboardInterrupt


@contextmanager
def held_back() -> Iterator[Pending]:
    """Within the block SIGINT and SIGTERM are only noted, the second of them acts at once. Main thread only."""
    pending = Pending()

    def note(number: int, frame: object) -> None:
        if pending.signal is not None:
            pending.deliver()
        pending.signal = number
        say(f"{signal.Signals(number).name}: saving after this step (again to stop without saving)")

    if threading.current_thread() is threading.main_thread():
        pending.before = {number: signal.signal(number, note) for number in CAUGHT}
    try:
        yield pending
    finally:
        pending.restore()
