"""What became of each mutant, read from mutmut's work folder, and what kind of mutant it was."""

from __future__ import annotations

import ast
import difflib
import json
import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

# By a worker's exit code: pytest's, mutmut's own (33, 36), or the signal that ended it.
VERDICTS: Final = {
    **dict.fromkeys((0,), "survived"),
    **dict.fromkeys((1, 3, -6, -11), "killed"),
    **dict.fromkeys((5, 33), "no tests"),
    **dict.fromkeys((-24, -9, 24, 36, 152, 255), "timeout"),
}


Function = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True)
class Mutant:
    """One fault. `change` is the lines that differ; `equivalent` is the reason why no test can notice it."""

    function: str
    verdict: str
    change: str
    wording: bool
    equivalent: str

    @property
    def killed(self) -> bool:
        return self.verdict in ("killed", "timeout")


@dataclass(frozen=True)
class Entry:
    """Mutants of one kind that are no faults: in `module`, a line where one `was` became one of `now`, and no more.

    Without `now`: where only letters changed their case.
    """

    module: str
    was: re.Pattern[str]
    now: tuple[str, ...]
    why: str
    met: list[Mutant] = field(default_factory=list)

    def fits(self, module: str, gone: str, new: str) -> bool:
        if self.module not in (module, "*"):
            return False
        if not self.now:
            return bool(self.was.search(gone)) and gone.lower() == new.lower()
        return any(
            gone[: found.start()] + found.expand(now) + gone[found.end() :] == new
            for found in self.was.finditer(gone)
            for now in self.now
        )


class Equivalents:
    """The list of mutants that change nothing, and what this run says of the list."""

    def __init__(self, entries: Sequence[Entry]) -> None:
        self.entries = entries

    @classmethod
    def read(cls, path: Path) -> Equivalents:
        listed = tomllib.loads(path.read_text(encoding="utf-8"))["equivalent"]
        return cls([Entry(e["module"], re.compile(e["was"]), tuple(e.get("now", ())), e["why"]) for e in listed])

    def of(self, module: str, gone: str, new: str) -> Entry | None:
        return next((entry for entry in self.entries if entry.fits(module, gone, new)), None)

    def contradicted(self, mutants: Sequence[Mutant]) -> list[str]:
        """A mutant that a test has killed is no equivalent one. One whose time was up may have met a busy machine."""
        return [
            f"listed as equivalent, but killed: {mutant.function}\n{mutant.change}"
            for mutant in mutants
            if mutant.equivalent and mutant.verdict == "killed"
        ]

    def unused(self, mutants: Mapping[str, Sequence[Mutant]]) -> list[str]:
        """What the list says of modules that were run must still be there."""
        return [
            f"equivalent.toml names a mutant that is no more: {entry.module} {entry.was.pattern}"
            for entry in self.entries
            if entry.module in mutants and not entry.met
        ]


def read_mutants(work: Path, module: str, equivalents: Equivalents) -> list[Mutant]:
    """All mutants of one module, in mutmut's order."""
    text = (work / module).read_text(encoding="utf-8")
    lines = text.splitlines()
    functions = {node.name: node for node in ast.walk(ast.parse(text)) if isinstance(node, Function)}
    codes = json.loads((work / f"{module}.meta").read_text(encoding="utf-8"))["exit_code_by_key"]
    found = []
    for key, code in codes.items():
        name = key.rpartition(".")[2]
        base = name.partition("__mutmut_")[0]
        whole, fault = functions[f"{base}__mutmut_orig"], functions[name]
        gone, new = changed(source(lines, whole), source(lines, fault))
        entry = equivalents.of(module, " ".join(gone), " ".join(new))
        function = base.removeprefix("x_") if base.startswith("x_") else ".".join(base.split("ǁ")[1:])
        change = "\n".join([f"  - {line}" for line in gone] + [f"  + {line}" for line in new])
        verdict = VERDICTS.get(code, f"not run ({code})")
        mutant = Mutant(function, verdict, change, said(whole) == said(fault), entry.why if entry else "")
        if entry:
            entry.met.append(mutant)
        found.append(mutant)
    return found


def source(lines: Sequence[str], node: Function) -> list[str]:
    """A function's lines without its name, which mutmut has changed."""
    start, *rest = lines[node.lineno - 1 : node.end_lineno]
    return [re.sub(r"def \w+", "def …", start), *rest]


def changed(whole: Sequence[str], fault: Sequence[str]) -> tuple[list[str], list[str]]:
    """The lines that are gone and the lines that are new, without their indentation."""
    diff = [line for line in difflib.ndiff(whole, fault) if line[:2] in ("- ", "+ ")]
    gone, new = ([line[2:].strip() for line in diff if line[0] == sign] for sign in "-+")
    return gone, new


class _Speechless(ast.NodeTransformer):
    """Takes the words out of every error that is raised: its last argument. A code before them stays."""

    def visit_Raise(self, node: ast.Raise) -> ast.Raise:
        if isinstance(node.exc, ast.Call) and node.exc.args:
            node.exc.args[-1] = ast.Constant(None)
        return node


def said(function: Function) -> str:
    """What a function does, but for the words of its errors."""
    copy = ast.parse(ast.unparse(function))
    copy.body[0].name = ""  # type: ignore[attr-defined]
    return ast.dump(_Speechless().visit(copy))
