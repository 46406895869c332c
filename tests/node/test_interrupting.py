"""Ctrl-C is heeded where work shows how far it is, and nowhere else; twice is at once."""

from __future__ import annotations

import signal

import pytest

from node.interrupting import heeded


def test_it_waits_for_the_next_step():
    """Nothing is torn in the middle; the handler of before is back afterwards."""
    seen = []
    before = signal.getsignal(signal.SIGINT)

    def work() -> None:
        with heeded() as heeding:
            show = heeding(lambda done, of=None, what=None: seen.append(done))
            show(1)
            signal.raise_signal(signal.SIGINT)
            seen.append("still at it")
            show(2)

    with pytest.raises(KeyboardInterrupt):
        work()
    assert seen == [1, "still at it"]
    assert signal.getsignal(signal.SIGINT) is before


def test_twice_is_at_once():
    """Whoever insists is not kept waiting."""

    def work() -> None:
        with heeded():
            signal.raise_signal(signal.SIGINT)
            signal.raise_signal(signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        work()
