"""What pytest does differently for a mutant: its module's own tests come first, and a test that hangs ends the process.

mutmut gives a mutant ten times what all tests that reach it took, a minute and more where these are many; but what
hangs, hangs in one test, and no test of the selection takes more than a second or two. It runs the shortest tests
first; but those about the mutant's own module, in their order, notice most of what can be noticed.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Generator
from typing import Final

import pytest

TEST_S_MAX: Final = 15.0
TIME_IS_UP: Final = 36  # mutmut's exit code for that


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The module's own tests first."""
    _, _, behind = os.environ.get("MUTANT_UNDER_TEST", "").partition("sync.")
    own = f"test_{behind.partition('.')[0]}.py"
    items.sort(key=lambda item: item.path.name != own)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol() -> Generator[None, object, object]:
    """Around one test with its fixtures."""
    patience = threading.Timer(TEST_S_MAX, os._exit, (TIME_IS_UP,))
    patience.daemon = True
    patience.start()
    try:
        return (yield)
    finally:
        patience.cancel()
