"""A hub's `bundle` towards the hub above it: what that one does not hold yet, on a stick, where there is no line.

The same as a home's, and behind its own logs those that it passes on, each in files of its own. It only reads, so it
works beside `serve`. A log that two hubs below name stays here until this hub has said whose it is, which `take` and
every exchange do.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator

from central_hub.forwarding import passed_on
from central_hub.registry import Registry
from node import cli, journeys, sticks
from node.folder import Folder
from node.journeys import Passed, hub_of
from node.opening import reading
from sync.entry import log_id
from sync.stored_log import StoredLog


def add_command(commands: cli.Commands) -> None:
    """`bundle`."""
    made = cli.add(commands, "bundle", bundle, "write what the hub above does not hold yet into new files on a stick; "
                   "only that hub can read them", as_json=True)  # fmt: skip
    journeys.add_options(made)


def bundle(arguments: argparse.Namespace) -> int:
    """Write bundles."""
    folder = Folder(arguments.dir, "hub")
    key = bytes.fromhex(hub_of(folder).key)
    sticks.require_folder(arguments.out)
    with reading(folder) as store:
        return journeys.write(folder, store, passed(store, Registry(store), key), arguments)


def passed(store: StoredLog, registry: Registry, hub_key: bytes) -> Iterator[Passed]:
    """The logs that may go up, with the photographs behind them that the hub above does not hold."""
    unclaimed = registry.unclaimed()
    waiting: dict[bytes, list[bytes]] = {}
    for log, name in store.files.waiting_above(log_id(hub_key)):
        waiting.setdefault(log, []).append(name)
    for one in passed_on(store, registry, hub_key):
        if one.log not in unclaimed:
            yield Passed(one, waiting.get(one.log, []))
