"""Revoking a node's log, and letting it count again: for a PC that was stolen, or whose key somebody else has.

The home goes on being served: its entries are taken and receipted, so nothing is lost should it have been a mistake.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import Any, Final

from central_hub.registry import Registry
from domain.errors import Refused
from node import cli, desk, exits
from node.clock import rfc3339, system_clock
from node.desk import Asked
from node.folder import Folder
from node.opening import HomesOf
from node.revocation import REINSTATED, REVOKED, Revocations, said_again
from sync.batch import Draft
from sync.store import Store
from sync.stored_log import StoredLog

GROUND_SIZE_MAX: Final = 2000


def add_commands(commands: cli.Commands, homes_of: Callable[[Folder], HomesOf]) -> None:
    """`revoke` and `reinstate`."""
    for name, task, help_text in (
        ("revoke", revoke, "let a home's log, or all of them, count only up to what is held now"),
        ("reinstate", reinstate, "let a revoked log count in full again"),
    ):
        made = cli.add(commands, name, _runner(name, task, homes_of), help_text, as_json=True)
        made.add_argument("which", metavar="HOME_OR_LOG", help="a home's code, or a log's id")
        made.add_argument("--by", required=True, metavar="OFFICER", help="who decided it")
        made.add_argument("--ground", required=True, metavar="TEXT", help="on what ground; it is kept")


def _runner(name: str, task: desk.Task, homes_of: Callable[[Folder], HomesOf]) -> cli.Run:
    def run(arguments: argparse.Namespace) -> int:
        folder = Folder(arguments.dir, "hub")
        by, ground = arguments.by.strip(), arguments.ground.strip()
        if not by or not ground or len(ground) > GROUND_SIZE_MAX:
            raise Refused("请填写办理人和依据", "this names who decided it and on what ground")
        asked = {"which": arguments.which.strip(), "by": by, "ground": ground}
        cli.show(desk.carry_out(folder, homes_of(folder), name, task, asked, system_clock()), arguments.json)
        return exits.DONE

    return run


def revoke(store: Store, homes_of: HomesOf, asked: Asked, now_ms: int) -> dict[str, Any]:
    """Record that logs count up to what is held of them now, and with what was said again of them."""
    standing = Revocations(store).by_log
    logs = [log for log in _logs(store, str(asked["which"])) if log not in standing]
    if not logs:
        raise Refused(f"“{asked['which']}”已经停用", f"{asked['which']} is revoked already")
    sizes = {branch.log: branch.size for branch in store.branches()}
    found = [(log, sizes.get(log, 0)) for log in logs]
    again = {log: said_again(store, homes_of(store), log, size) for log, size in found}
    payloads = [{"log": log, "size": size, **({"again": again[log]} if again[log] else {})} for log, size in found]
    _record(store, REVOKED, payloads, asked, now_ms)
    return {"revoked": [{"log": log.hex(), "size": size} for log, size in found]}


def reinstate(store: Store, _homes_of: HomesOf, asked: Asked, now_ms: int) -> dict[str, Any]:
    """Record that revoked logs count in full again."""
    standing = Revocations(store).by_log
    logs = [log for log in _logs(store, str(asked["which"])) if log in standing]
    if not logs:
        raise Refused(f"“{asked['which']}”没有被停用", f"{asked['which']} is not revoked")
    _record(store, REINSTATED, [{"log": log} for log in logs], asked, now_ms)
    return {"reinstated": [{"log": log.hex(), "size": standing[log].size} for log in logs]}


def _record(store: Store, kind: str, payloads: list[dict[str, Any]], asked: Asked, now_ms: int) -> None:
    by, ground = str(asked["by"]), str(asked["ground"])
    store.record(
        [Draft(kind, by, store.log, now_ms, {**payload, "by": by, "ground": ground}) for payload in payloads]
    ).result()


def _logs(store: StoredLog, which: str) -> list[bytes]:
    """The logs that a home's code, or a log's id, names; raises Refused where the county knows none."""
    for home in Registry(store).homes():
        if home.code == which and home.logs:
            return sorted(home.logs)
        for log in home.logs:
            if log.hex() == which.lower():
                return [log]
    raise Refused(f"县里没有编号为“{which}”的之家或电脑", f"no home or log of the county is named {which!r}")


def shown(store: StoredLog, registry: Registry) -> list[dict[str, Any]]:
    """The standing revocations as `status` shows them, by home and log."""
    found = [
        {"code": registry.code_of(log), "log": log.hex(), "size": one.size, "by": one.by, "ground": one.ground,
         "at": rfc3339(one.at_ms)}
        for log, one in Revocations(store).by_log.items()
    ]  # fmt: skip
    return sorted(found, key=lambda one: (one["code"], one["log"]))


TASKS: Final[dict[str, desk.Task]] = {"revoke": revoke, "reinstate": reinstate}
