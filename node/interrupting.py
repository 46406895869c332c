"""Ctrl-C during long work that hands things to another thread.

KeyboardInterrupt may be raised between any two instructions, also where a lock was just taken and not noted yet: then
nobody opens it again, and closing the store waits for ever. So Ctrl-C is noted here and raised where the work says how
far it is. Whoever presses it twice is not kept waiting.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

from node.progress import Show


class Interrupted(KeyboardInterrupt):
    """Ctrl-C during work that says itself what it leaves."""


@contextmanager
def heeded() -> Iterator[Callable[[Show], Show]]:
    """In this block Ctrl-C ends the work where it shows its progress; the block gives what does both."""
    asked = False

    def note(_number: int, _frame: FrameType | None) -> None:
        nonlocal asked
        if asked:
            raise KeyboardInterrupt
        asked = True

    def heeding(show: Show) -> Show:
        def shown(done: int, of: int | None = None, what: str | None = None) -> None:
            if asked:
                raise KeyboardInterrupt
            show(done, of, what)

        return shown

    if threading.current_thread() is not threading.main_thread():
        yield heeding
        return
    before = signal.signal(signal.SIGINT, note)
    try:
        yield heeding
    finally:
        signal.signal(signal.SIGINT, before)
