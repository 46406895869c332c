"""`import-undo`: what was imported is taken back by whoever imported it, a home or, with its own files, the county.

A home's import is the home's word about its own children, and often the only one: the county does not take it back over
its head, but is told whose it is. What the county finds wrong in it, it says to the home.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import Any, Final

from domain.errors import Refused
from domain.tiers import COUNTY
from node import batches, cli, exits
from node.batches import Undone
from node.clock import rfc3339, system_clock
from node.folder import Folder, Kind
from node.opening import HomesOf, reading
from node.scribing import scribing
from node.views import HomeOf
from sync.stored_log import StoredLog

DOES: Final = "take back what was imported from a file; without BATCH list the imports"


def add_command(commands: cli.Commands, kind: Kind, homes_of: Callable[[Folder], HomesOf]) -> None:
    """`import-undo`, at a home and at the county."""

    def run(arguments: argparse.Namespace) -> int:
        folder = Folder(arguments.dir, kind)
        if arguments.batch is None:
            cli.show({"batches": listed(folder, homes_of(folder))}, arguments.json)
            return exits.DONE
        by, reason = (arguments.by or "").strip(), arguments.reason.strip()
        if not by or not reason:
            raise Refused("请用--by写明撤销人", "say with --by who takes the import back")
        with scribing(folder) as (log, scribe):
            home_of = homes_of(folder)(log)
            home, now_ms = home_of(log.log), system_clock()()
            _require_own(log, home_of, home, arguments.batch)
            done = batches.undo(log, scribe, home_of, home, arguments.batch, by, reason, now_ms)
        _tell(arguments.batch, done, arguments.json)
        return exits.DONE

    made = cli.add(commands, "import-undo", run, DOES, as_json=True)
    made.add_argument("batch", nargs="?", metavar="BATCH", help="the import's name, as it was printed")
    made.add_argument("--by", metavar="WORKER", help="who takes it back")
    made.add_argument("--reason", default="撤销导入", metavar="TEXT", help="why; it is kept")


def listed(folder: Folder, homes_of: HomesOf) -> list[dict[str, Any]]:
    """This node's own imports, the oldest first."""
    with reading(folder) as store:
        home_of = homes_of(store)
        home = home_of(store.log)
        return [
            {"batch": one.name, "at": rfc3339(one.at_ms), "by": one.by, "entries": len(one.members),
             "withdrawn": one.withdrawn}
            for one in batches.every(store, lambda log: home_of(log) == home).values()
        ]  # fmt: skip


def _require_own(store: StoredLog, home_of: HomeOf, home: str, name: str) -> None:
    """Say whose import it is, where it is another's."""
    if name in batches.every(store, lambda log: home_of(log) == home):
        return
    code = batches.imported_by(store, home_of, name)
    if code is not None:
        zh, en = (f"“{code}”", code) if code != COUNTY else ("县里", "the county")
        raise Refused(
            f"批次“{name}”是{zh}导入的，只有导入的一方能撤销：请在那里运行 import-undo",
            f"batch {name!r} was imported by {en}: run `import-undo` there, nobody else may",
        )


def _tell(batch: str, done: Undone, as_json: bool) -> None:
    left = [{"subject": str(one.subject), "zh": one.zh, "en": one.en} for one in done.left]
    if as_json:
        cli.show({"batch": batch, "withdrawn": done.withdrawn, "left": left}, as_json=True)
        return
    print(f"已撤回{done.withdrawn}条记录 ({done.withdrawn} entries were withdrawn)")
    for one in done.left:
        print(f"  {one.subject}：{one.zh} ({one.en})")
