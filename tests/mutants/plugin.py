"""What pytest does differently for a mutant: its module's own tests come first, and a test that hangs ends the process.

mutmut hands over the tests that reach the mutant's function as a set. Those about its own module notice most of what
can be noticed; of the others the short ones come first. And it gives a mutant ten times what all of them took, a minute
and more where they are many; but what hangs, hangs in one test, and none of the selection takes more than a second or
two.
"""

from __future__ import annotations

import gc
import os
import signal
from collections.abc import Generator
from typing import Final

import pytest
from mutmut.state import state

TEST_S_MAX: Final = 30
TIME_IS_UP: Final = 36  # mutmut's exit code for that


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The module's own tests first, then the quick ones."""
    _, _, behind = os.environ.get("MUTANT_UNDER_TEST", "").partition("sync.")
    own = f"test_{behind.partition('.')[0]}.py"
    took_s = state().duration_by_test
    items.sort(key=lambda item: (item.path.name != own, took_s.get(item.nodeid, 0.0)))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol() -> Generator[None, object, object]:
    """Around one test with its fixtures."""
    signal.alarm(TEST_S_MAX)
    try:
        return (yield)
    finally:
        signal.alarm(0)


def pytest_configure() -> None:
    """No test uses the alarm. And pytest collects garbage several times at the end of each run: only this run's."""
    gc.freeze()
    signal.signal(signal.SIGALRM, lambda *_: os._exit(TIME_IS_UP))
