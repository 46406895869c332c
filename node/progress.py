"""Progress of long work: a bar on a terminal, nothing in a pipe."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn


class Show(Protocol):
    """Says how far the work is; `of` where it turns out to be another amount, and `what` where it is other work."""

    def __call__(self, done: int, of: int | None = None, what: str | None = None) -> None: ...


def _nothing(done: int, of: int | None = None, what: str | None = None) -> None:
    """Nobody watches."""


@contextmanager
def bar(what: str, total: int | None) -> Iterator[Show]:
    """A function that says how far the work is; the bar shows what is done, of how much, and for how long still."""
    console = Console(stderr=True)
    if not sys.stderr.isatty():
        yield _nothing
        return
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console) as progress:
        task = progress.add_task(what, total=total)

        def show(done: int, of: int | None = None, what: str | None = None) -> None:
            progress.update(task, completed=done, total=of, description=what)  # None leaves it as it is

        yield show
