"""Mutation testing: small faults put into the log, the tree and the wire, and which of them the fast tests notice.

    python -m tests.mutants [MODULE …] [--jobs 2]           MODULE as in sync/merkle.py; none means all

mutmut makes the faults (mutants) and runs against each the tests that reach its function; pyproject.toml says which
modules and which tests. What is printed is counted here, twice, so that no figure flatters:

    all        every mutant that was made
    behaviour  without those that only change the words of an error, and without those in equivalent.toml, which no
               test could notice and which each have their reason there

The modules are the log as it is stored, the tree, and the wire: the form of every message, what is read from or
written to a log for it, what receipts prove, and which epoch a log is of. Not the exchange (`speaking`, `pacing`,
`client`, `server`): what matters there `replicator` decides, and the rest is sockets and waiting, which the tests with
real processes are about. `messages`, `receipts` and `log_schema` only say what things consist of; they hold nothing
that could be mutated. Not yet what mends, cuts or completes a log (`damage`, `fork_sql`, `wholeness` and their SQL):
their tests are whole histories.

A mutant that runs until its time is up counts as noticed; these have a column of their own, for on a busy machine they
may only have been slow (`plugin` ends a test that hangs). Not mutated are constants, defaults that are calls, and
functions under a decorator (properties, caches): mutmut cannot exchange those while it runs. The stores of the tests
lie in memory, where there is /dev/shm: no mutant is about the disk's own time. Exit code 1 if a module's behaviour
figure is below 90 %, or if equivalent.toml names a mutant that was killed or is no more.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tomllib
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from tests.mutants.verdicts import Equivalents, Mutant, read_mutants

ROOT: Final = Path(__file__).resolve().parents[2]
WORK: Final = ROOT / "mutants"  # mutmut's own choice
MEMORY: Final = Path("/dev/shm")  # a thousand small stores, each with its fsyncs
FLOOR_PERCENT: Final = 90.0


def main(argv: Sequence[str] | None = None) -> int:
    """Make mutants, run them, count."""
    parser = argparse.ArgumentParser(prog="python -m tests.mutants", description="mutation testing with mutmut")
    known = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["mutmut"]["only_mutate"]
    parser.add_argument("modules", nargs="*", metavar="MODULE", help=f"of {', '.join(known)}; none means all")
    parser.add_argument("--jobs", type=int, default=2, help="processes (2)")
    arguments = parser.parse_args(argv)
    if unknown := sorted(set(arguments.modules) - set(known)):
        parser.error(f"{unknown[0]} is not among the modules of [tool.mutmut] in pyproject.toml: {', '.join(known)}")
    modules = arguments.modules or known
    if not run_mutmut(modules, arguments.jobs):
        return 1
    equivalents = Equivalents.read(Path(__file__).parent / "equivalent.toml")
    mutants = {module: read_mutants(WORK, module, equivalents) for module in modules}
    return report(Console(width=None if sys.stdout.isatty() else 132), mutants, equivalents)


def run_mutmut(modules: Sequence[str], jobs: int) -> bool:
    """Run the mutants of these modules, from nothing: mutmut keeps verdicts even when the tests have changed since."""
    shutil.rmtree(WORK, ignore_errors=True)
    patterns = [f"{module.removesuffix('.py').replace('/', '.')}.*" for module in modules]
    command = [Path(sys.executable).parent / "mutmut", "run", "--max-children", str(jobs), *patterns]
    shown = sys.stdout.isatty()
    memory = {"TMPDIR": str(MEMORY)} if os.access(MEMORY, os.W_OK) else {}  # no fault in question is the disk's
    done = subprocess.run(
        command,
        cwd=ROOT,
        check=False,
        env=os.environ | memory,
        stdout=None if shown else subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    if done.returncode:
        told = (done.stdout or b"").decode(errors="replace").replace("\r", "\n")
        print(f"{told[-3000:]}\nmutmut ended with {done.returncode}: the tests must pass before mutants mean anything.")
    return done.returncode == 0


def report(console: Console, mutants: dict[str, list[Mutant]], equivalents: Equivalents) -> int:
    """Survivors first, figures last, where the eye is."""
    for module, made in mutants.items():
        notes: Counter[str] = Counter()
        for mutant in made:
            note = mutant.equivalent or ("only the words of an error" if mutant.wording else "")
            if note and not mutant.killed:
                notes[note] += 1
            elif not mutant.killed:
                console.print(f"[bold]{module} {escape(mutant.function)}[/] {mutant.verdict}", highlight=False)
                console.print(escape(mutant.change), highlight=False)
        for note, count in notes.items():
            console.print(f"{module}: {count} survived, {escape(note)}", highlight=False)
    table = Table("module", *("mutants", "killed", "of these by time", "survived", "untested", "words", "equivalent"),
                  "all", "behaviour", title="Mutants")  # fmt: skip
    for column in table.columns[1:]:
        column.justify = "right"
    for module, made in mutants.items():
        table.add_row(module, *figures(made))
    table.add_section()
    table.add_row("total", *figures([mutant for made in mutants.values() for mutant in made]))
    console.print(table)
    wrong = [why for made in mutants.values() for why in equivalents.contradicted(made)]
    wrong += equivalents.unused(mutants)
    wrong += [f"{m}: less than {FLOOR_PERCENT:.0f} %" for m, made in mutants.items() if percent(made) < FLOOR_PERCENT]
    for line in wrong:
        console.print(f"[red]{escape(line)}[/]")
    return 1 if wrong else 0


def percent(mutants: Sequence[Mutant]) -> float:
    """How many of these mutants were killed; nothing to kill is all killed."""
    counted = [mutant for mutant in mutants if not mutant.wording and not mutant.equivalent]
    return 100 * sum(mutant.killed for mutant in counted) / len(counted) if counted else 100.0


def figures(mutants: Sequence[Mutant]) -> list[str]:
    """A line of the table."""
    alive = [mutant for mutant in mutants if not mutant.killed]
    counted = [mutant for mutant in alive if not mutant.equivalent and not mutant.wording]
    numbers = (
        len(mutants),
        len(mutants) - len(alive),
        sum(mutant.verdict == "timeout" for mutant in mutants),
        sum(mutant.verdict != "no tests" for mutant in counted),
        sum(mutant.verdict == "no tests" for mutant in counted),
        sum(mutant.wording for mutant in alive),
        sum(bool(mutant.equivalent) for mutant in alive),
    )
    everything = 100 * numbers[1] / len(mutants) if mutants else 100.0
    return [*map(str, numbers), f"{everything:.1f} %", f"{percent(mutants):.1f} %"]


if __name__ == "__main__":
    sys.exit(main())
