"""A pytest plugin for mutants: a test that hangs ends its process, as one whose time is up.

mutmut gives a mutant ten times what all tests that reach it took, a minute and more where these are many; but what
hangs, hangs in one test, and no test of the selection takes more than a second or two.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Generator
from typing import Final

import pytest

TEST_S_MAX: Final = 15.0
TIME_IS_UP: Final = 36  # mutmut's exit code for that


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
