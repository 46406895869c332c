"""A hub's commands towards the hub above it: `join` and `sync`.

A hub joins like a home, with the parent's invitation and under its own key. It may not be its own parent, nor join a
hub that belongs to it, over however many tiers: what it knows of that stands in the logs of the hubs below.
"""

from __future__ import annotations

import argparse
import asyncio
from collections.abc import Callable
from functools import partial

from central_hub import bundling, forwarding, ordering
from central_hub.forwarding import Forwarder
from central_hub.registry import Admissions, Registry
from domain.errors import Refused
from domain.tiers import SEPARATOR
from node import cli, erasing, exits, joining, journeys
from node.clock import system_clock
from node.exchanging import exchange_now
from node.folder import Folder, Hub
from node.invitation import parse, require_loopback, text_or_file
from node.opening import HomesOf, writing
from node.progress import bar
from sync.entry import log_id
from sync.store import Store


def add_commands(commands: cli.Commands, homes_of: Callable[[Folder], HomesOf]) -> None:
    """`join`, `sync`, and `bundle` where there is no line."""
    bundling.add_command(commands)
    made = cli.add(commands, "join", join, "join a hub above (prefecture, province) with its invitation")
    made.add_argument("invitation", metavar="INVITATION", help="the invitation's text, or a file that holds it")
    made.add_argument("--hub", metavar="URL", help="reach the hub above at this address instead of the invitation's")
    made.add_argument("--offline", action="store_true", help="without a network: the bundles ask the hub above")
    cli.add(commands, "sync", partial(sync, homes_of), "pass on to the hub above what it does not hold yet")


def join(arguments: argparse.Namespace) -> int:
    """Join a hub above."""
    folder = Folder(arguments.dir, "hub")
    invitation = parse(text_or_file(arguments.invitation))
    url = require_loopback(arguments.hub or invitation.url)
    with writing(folder) as store:
        _require_above(store, invitation.hub_key)
        if arguments.offline:
            folder.save_config(code=invitation.code)
            journeys.join_offline(folder, invitation, url, store)
            print(f"{folder.config.name} asks the hub above with its next bundle: make one with `bundle`")
            return exits.DONE
        name = asyncio.run(joining.join(url, invitation, store.signer, "hub"))
        journeys.forget(folder, invitation.hub_key, store.log)
        folder.save_config(hub=Hub(url=url, key=invitation.hub_key.hex(), name=name), code=invitation.code)
    print(f"{folder.config.name} belongs to {name} now ({url}), as {invitation.code}")
    return exits.DONE


def _require_above(store: Store, key: bytes) -> None:
    """Refuse a ring, as far as it shows here."""
    log, registry = log_id(key), Registry(store)
    if store.holds(log) and store.has_key(log):
        raise Refused("枢纽不能加入自己", "a hub cannot join itself")
    if registry.key_of(log) is not None:
        below = registry.code_of(log).removesuffix(SEPARATOR)
        raise Refused(
            f"“{below}”是本枢纽的下级，不能反过来加入它", f"{below} belongs to this hub, which cannot join it"
        )


def sync(homes_of: Callable[[Folder], HomesOf], arguments: argparse.Namespace) -> int:
    """One exchange with the hub above now."""
    folder = Folder(arguments.dir, "hub")
    if folder.config.hub is None:
        raise Refused(
            "还没有加入上级，请先用上级给的邀请码加入", f"{folder.config.name} has joined no hub above: use `join`"
        )
    with writing(folder) as store:
        clock = system_clock()
        registry = Admissions(store, clock)
        obey = partial(erasing.erase_in, folder, store, homes_of(folder), clock=clock, before=ordering.address)
        forwarder = Forwarder(folder, store, registry, clock, obey)
        with bar("exchange", store.size(store.log)) as progress:
            asyncio.run(exchange_now(forwarder, progress))
        found = forwarding.status_of(folder, store, registry)
    assert found is not None
    print(f"{found['name']}已收到 {found['held']} 条，等待 {found['waiting']} 条"
          f" (the hub above holds {found['held']} entries, {found['waiting']} are waiting)")  # fmt: skip
    if found["last_failure"]:
        print(found["last_failure"])
    return exits.DONE if found["waiting"] == 0 else exits.PROMISE_FAILED
