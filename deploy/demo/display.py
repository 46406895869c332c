"""What the demo shows: bars on a terminal, plain lines in a pipe, and a table at the end."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn
from rich.table import Table

LINE_EVERY_S = 2.0
PIPE_WIDTH = 120


class Display:
    """Progress of the homes, one step after the other."""

    def __init__(self, homes: dict[str, int]) -> None:
        self.console = Console(highlight=False)
        if not self.console.is_terminal:
            self.console = Console(highlight=False, width=PIPE_WIDTH)
        self.totals = homes
        self.began = time.monotonic()
        self._shown = dict.fromkeys(homes, (0, 0))
        self._last_line, self._last_at = "", 0.0
        self._bars = Progress(
            TextColumn("  {task.description:<24}"),
            BarColumn(36),
            TextColumn("{task.completed:>6,.0f} of {task.total:,.0f}"),
            TimeElapsedColumn(),
            console=self.console,
            disable=not self.console.is_terminal,
            transient=True,
        )
        self._recorded: dict[str, TaskID] = {}
        self._held: dict[str, TaskID] = {}

    def __enter__(self) -> Self:
        for home, total in self.totals.items():
            self._recorded[home] = self._bars.add_task(f"{home} recorded", total=total)
            self._held[home] = self._bars.add_task(f"{home} at the county", total=total)
        self._bars.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bars.stop()

    def elapsed_s(self) -> float:
        """Since the demo began."""
        return time.monotonic() - self.began

    def step(self, text: str) -> None:
        """Say what happens now."""
        self.console.print(f"[dim]{self.elapsed_s():5.1f} s[/]  {text}")

    def progress(self, home: str, *, recorded: int | None = None, held: int | None = None) -> None:
        """Move a home's bars; in a pipe, print a line of all homes every couple of seconds."""
        before = self._shown[home]
        now = (before[0] if recorded is None else recorded, before[1] if held is None else held)
        self._shown[home] = now
        self._bars.update(self._recorded[home], completed=now[0])
        self._bars.update(self._held[home], completed=now[1])
        if not self.console.is_terminal and time.monotonic() - self._last_at >= LINE_EVERY_S:
            line = "recorded / at the county: "
            line += " · ".join(f"{code} {recorded:,} / {held:,}" for code, (recorded, held) in self._shown.items())
            if line != self._last_line:
                self._last_line, self._last_at = line, time.monotonic()
                self.step(f"[dim]{line}[/]")

    def table(self, title: str, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
        """Print a table; the first column is words, the others are figures."""
        table = Table(title=title, title_justify="left", title_style="bold", header_style="bold")
        for n, column in enumerate(columns):
            table.add_column(column, justify="right" if n else "left", overflow="fold")
        for row in rows:
            table.add_row(*(f"{cell:,}" if isinstance(cell, int) else str(cell) for cell in row))
        self.console.print()
        self.console.print(table)

    def verdicts(self, promises: Iterable[tuple[str, bool, str]]) -> None:
        """Print each promise with what was found."""
        self.console.print()
        for promise, held, found in promises:
            mark = "[green]held[/]  " if held else "[bold red]BROKEN[/]"
            self.console.print(f"  {mark}  {promise}: {found}" if found else f"  {mark}  {promise}")
