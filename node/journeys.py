"""What a node puts on a stick for its hub, and what it remembers for the next one: a home, or a hub below another.

A journey is the bundles of one stick: about the log that this node writes, about its other logs of which the hub lacks
some, and at a hub about those that it passes on. Making them only reads, so it works beside `serve`. What answers asked
for is kept in `bundle.json`, which may be lost. A node that never had a network joins in this way too: `join --offline`
keeps the invitation in `joining.json` until an answer says that the hub above admitted it.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

from domain.errors import Refused
from node import cli, exits, healing, joining, sticks
from node.clock import system_clock
from node.folder import Folder, Hub
from node.healing import Behind
from node.invitation import Invitation, parse
from node.progress import bar
from sync.bundling import PART_SIZE_BYTES_MAX, Bundler, Part, receipted_of
from sync.errors import RefusedByPeer
from sync.giving_by_hand import Given, due
from sync.instructions import Instructions, Told, holdings
from sync.note import Signer
from sync.small_file import FOR_THE_OWNER, write_file
from sync.store import Store
from sync.stored_log import StoredLog

BUNDLE_FILE: Final = "bundle.json"
JOINING_FILE: Final = "joining.json"
NOTHING_NEW: Final = (
    "没有新数据要送出，只写了一个小文件，问县里有什么要给这里"
    " (nothing new to carry: the file says what is here, and asks the county for what it has for this home)"
)


class Passed(NamedTuple):
    """A log that a hub passes on, and the names of the photographs behind it."""

    log: Behind
    photos: Sequence[bytes]


def add_options(made: argparse.ArgumentParser) -> None:
    """What `bundle` asks of who runs it."""
    made.add_argument("out", type=Path, metavar="OUT", help="the stick's folder")
    made.add_argument("--photos", action="store_true", help="photographs too, behind everything else")
    made.add_argument("--part-size", type=_part_size, default=PART_SIZE_BYTES_MAX, metavar="BYTES",
                      help="about how large a file may become; a stick takes up to 4 GiB (default: 2 GiB)")  # fmt: skip


def _part_size(text: str) -> int:
    return sticks.part_size(text, PART_SIZE_BYTES_MAX)


def write(folder: Folder, store: StoredLog, passed: Iterable[Passed], arguments: argparse.Namespace) -> int:
    """Write the bundles of a journey, and say what they are."""
    bundlers = journey(folder, store, photos=arguments.photos, part_size=arguments.part_size, passed=passed)
    own = bundlers[0]
    parts: list[dict[str, Any]] = []
    for bundler in bundlers:
        with bar("bundle", bundler.size - bundler.start) as progress:
            parts += [_shown(part) for part in bundler.write(arguments.out, progress)]
    end = own.size if own.damage is None else own.damage.seq - 1
    cli.show({"files": parts, "start": own.start, "end": end, "new": not own.is_empty}, arguments.json)
    if len(bundlers) == 1 and own.is_empty:
        print(NOTHING_NEW, file=sys.stderr)
    for bundler in bundlers:
        if bundler.damage is not None:
            raise bundler.damage
    return exits.DONE


def journey(
    folder: Folder, store: StoredLog, *, photos: bool, part_size: int, passed: Iterable[Passed] = ()
) -> list[Bundler]:
    """What makes the bundles: about the log that this node writes, and about those of which the hub lacks some.

    `passed`: what a hub passes on; what its own hub holds already is left out, and what that one holds otherwise.
    """
    told, question, hub_key = instructions(folder), _question(folder, store.signer), bytes.fromhex(hub_of(folder).key)
    holds = holdings(store, hub_key, folder.config.code, told)
    sizes = {branch.log: _hub_size(store, told, branch.log) for branch in store.branches()}

    def bundler(
        log: bytes, photographs: Sequence[bytes] = (), gives: Sequence[Given] = (), receipted: int | None = None
    ) -> Bundler:
        return Bundler(
            store, hub_key, told, system_clock(), photos=photographs, receipted=receipted, enclosed=question,
            part_size_bytes=part_size, log=log, introduced=healing.introductions_by_hand(store, log), holds=holds,
            gives=gives,
        )  # fmt: skip

    others = [bundler(one.log) for one in healing.behind(store, sizes)]
    for one, photographs in passed:
        held = told.of(one.log).resume_at
        waiting = photographs if photos else []
        if told.of(one.log).ask_from is None and (waiting or one.size > (one.receipted if held is None else held)):
            others.append(bundler(one.log, waiting, receipted=one.receipted))
    gives = due(store, hub_key, folder.config.code)
    return [bundler(store.log, store.files.waiting() if photos else [], gives), *others]


def _hub_size(store: StoredLog, told: Instructions, log: bytes) -> int:
    """How much of a log the county has, as far as it said."""
    resume_at = told.of(log).resume_at
    return receipted_of(store, log) if resume_at is None else resume_at


def _shown(part: Part) -> dict[str, Any]:
    return part._asdict() | {"path": str(part.path), "log": part.log.hex()}


def hub_of(folder: Folder) -> Hub:
    """The hub that this node has joined; raises RefusedByPeer."""
    if folder.config.hub is None:
        raise RefusedByPeer(
            "joined",
            f"{folder.config.name} has not joined a county: use `join` with its invitation, and --offline where there "
            "is no network",
        )
    return folder.config.hub


def instructions(folder: Folder) -> Instructions:
    """What answers asked for; nothing if that is lost."""
    try:
        return Instructions.from_json(json.loads((folder.path / BUNDLE_FILE).read_text("utf-8")))
    except (OSError, ValueError, LookupError, TypeError, AttributeError):
        return Instructions()


def keep_instructions(folder: Folder, told: Instructions) -> None:
    """Keep what answers asked for."""
    write_file(folder.path / BUNDLE_FILE, json.dumps(told.to_json()) + "\n")


def forget(folder: Folder, hub_key: bytes, log: bytes) -> None:
    """The home joins this hub: what another one asked for does not count, and an older invitation is used up."""
    former = folder.config.hub
    (folder.path / JOINING_FILE).unlink(missing_ok=True)
    if former is not None and former.key != hub_key.hex():
        keep_instructions(folder, Instructions({log: Told(resume_at=0)}))


def join_offline(folder: Folder, invitation: Invitation, url: str, store: Store) -> None:
    """Pin the hub of an invitation, and ask it to admit this node in every bundle until it says that it did."""
    forget(folder, invitation.hub_key, store.log)
    write_file(folder.path / JOINING_FILE, json.dumps({"invitation": invitation.text()}) + "\n", FOR_THE_OWNER)
    folder.save_config(hub=Hub(url=url, key=invitation.hub_key.hex(), name=""))
    store.files.offer_again(store.log)


def invitation_of(folder: Folder) -> Invitation | None:
    """The invitation that no answer has granted yet."""
    try:
        return parse(json.loads((folder.path / JOINING_FILE).read_text("utf-8"))["invitation"])
    except FileNotFoundError:
        return None
    except (ValueError, KeyError, TypeError, AttributeError):
        raise Refused("邀请码文件已损坏，请重新 join", f"{JOINING_FILE} is damaged: join again") from None


def _question(folder: Folder, signer: Signer) -> bytes:
    invitation = invitation_of(folder)
    return (
        b"" if invitation is None else json.dumps(joining.question_of(invitation, signer, folder.config.kind)).encode()
    )
