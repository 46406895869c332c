"""Bundles at a home: `bundle`, which puts what the county does not hold yet on a stick, and `take` for its answers.

Also where nothing is new a bundle is made: it says what this home holds, and asks for the rest.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, Final

from node import cli, control, erasing, healing, journeys, sticks
from node.answers import COMMAND, take_all, take_file
from node.clock import system_clock
from node.folder import Folder
from node.handing import here_or_served
from node.journeys import hub_of
from node.opening import HomesOf, reading, writing
from sync.bundle_file import Progress

ANSWER_TIMEOUT_S: Final = 3600.0  # of one file, which may bring all that a lost computer had
MENDED: Final = "补回 {mended} 条在硬盘上损坏的内容 (the content of {mended} damaged entries came back)"
PHOTOS: Final = "收到县里 {photos} 张照片或扫描件 ({photos} photographs or scans came from the county)"
CAME: Final = "收到县里 {came} 条 ({came} entries came from the county)"


def add_commands(commands: cli.Commands, homes_of: Callable[[Folder], HomesOf]) -> None:
    """`bundle` and `take`."""
    made = cli.add(commands, "bundle", bundle, "write what the county does not hold yet into new files on a stick; "
                   "only the county can read them", as_json=True)  # fmt: skip
    journeys.add_options(made)
    made = cli.add(commands, COMMAND, partial(take, homes_of), "take the county's answers from a stick, and what they "
                   "bring, also while serving", as_json=True)  # fmt: skip
    made.add_argument("file", type=Path, nargs="+", metavar="FILE", help="an answer, or a folder that holds answers")


def bundle(arguments: argparse.Namespace) -> int:
    """Write bundles."""
    folder = Folder(arguments.dir, "home")
    hub_of(folder)
    sticks.require_folder(arguments.out)
    with reading(folder) as store:
        return journeys.write(folder, store, (), arguments)


def take(homes_of: Callable[[Folder], HomesOf], arguments: argparse.Namespace) -> int:
    """Take answers."""
    folder = Folder(arguments.dir, "home")
    hub_of(folder)
    gathered = sticks.gather(folder, arguments.file)
    clock = system_clock()

    def here() -> tuple[list[Any], int]:
        with writing(folder) as store:
            obey = partial(erasing.erase_in, folder, store, homes_of(folder), clock=clock)
            return take_all(gathered.files, partial(take_file, folder, store, clock, obey))

    def served() -> tuple[list[Any], int]:
        def hand_over(file: Path, _: Progress) -> dict[str, Any]:
            return control.ask(folder.path, COMMAND, {"file": str(file)}, ANSWER_TIMEOUT_S)

        return take_all(gathered.files, hand_over)

    found, code = here_or_served(here, served)
    with reading(folder) as store:
        _, held = healing.sizes(store)
    came = sum(one.get("came", 0) for one in found)
    erased, mended, photos = (sum(one.get(what, 0) for one in found) for what in ("erased", "mended", "photos"))
    shown = {"files": found, "at_the_county": held, "came": came, "mended": mended, "photos": photos, "erased": erased}
    shown["others"] = gathered.others
    cli.show(shown, arguments.json)
    if came:
        print(CAME.format(came=came), file=sys.stderr)
    if photos:
        print(PHOTOS.format(photos=photos), file=sys.stderr)
    if mended:
        print(MENDED.format(mended=mended), file=sys.stderr)
    return code
