"""Bundles at a home: `bundle`, which puts what the county does not hold yet on a stick, and `take` for its answers.

`bundle` only reads, so it works beside `serve`; `take` keeps receipts, and goes through the process that serves. What
answers asked for is kept in `bundle.json`, which may be lost. A home that never had a network joins in this way too:
`join --offline` keeps the invitation in `joining.json` until an answer says that the county admitted it.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import threading
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, Final

from aiohttp import web

from domain.errors import Refused
from node import cli, control, exits, joining, sticks
from node.clock import system_clock
from node.control import Control, failed
from node.folder import Folder, Hub
from node.handing import here_or_served
from node.invitation import Invitation, parse
from node.opening import reading, writing
from node.progress import bar
from sync.bundle_file import Progress
from sync.bundling import PART_SIZE_BYTES_MAX, PART_SIZE_BYTES_MIN, Bundler, Heard, Instructions, take_answer
from sync.database import OutcomeUnknown
from sync.errors import RefusedByPeer
from sync.note import Signer
from sync.small_file import FOR_THE_OWNER, write_file
from sync.store import Store

COMMAND: Final = "take"
BUNDLE_FILE: Final = "bundle.json"
JOINING_FILE: Final = "joining.json"
ANSWER_TIMEOUT_S: Final = 600.0


def add_commands(commands: cli.Commands) -> None:
    """`bundle` and `take`."""
    made = cli.add(commands, "bundle", bundle, "write what the county does not hold yet into new files on a stick; "
                   "only the county can read them", as_json=True)  # fmt: skip
    made.add_argument("out", type=Path, metavar="OUT", help="the stick's folder")
    made.add_argument("--photos", action="store_true", help="photographs too, behind everything else")
    made.add_argument("--part-size", type=_part_size, default=PART_SIZE_BYTES_MAX, metavar="BYTES",
                      help="about how large a file may become; a stick takes up to 4 GiB (default: 2 GiB)")  # fmt: skip
    made = cli.add(commands, COMMAND, take, "take the county's answers from a stick, also while serving", as_json=True)
    made.add_argument("file", type=Path, nargs="+", metavar="FILE", help="an answer, or a folder that holds answers")


def _part_size(text: str) -> int:
    number = int(text) if text.isdecimal() else 0
    if not PART_SIZE_BYTES_MIN <= number <= PART_SIZE_BYTES_MAX:
        limits = f"{PART_SIZE_BYTES_MIN:,} to {PART_SIZE_BYTES_MAX:,}"
        raise argparse.ArgumentTypeError(f"a part has {limits} bytes, found {text!r}")
    return number


def bundle(arguments: argparse.Namespace) -> int:
    """Write bundles."""
    folder = Folder(arguments.dir, "home")
    hub = _hub_of(folder)
    sticks.require_folder(arguments.out)
    with reading(folder) as store:
        bundler = Bundler(
            store, bytes.fromhex(hub.key), instructions(folder), system_clock(), photos=arguments.photos,
            enclosed=_question(folder, store.signer), part_size_bytes=arguments.part_size,
        )  # fmt: skip
        parts = []
        if not bundler.is_empty:
            with bar("bundle", bundler.size - bundler.start) as progress:
                parts = [part._asdict() | {"path": str(part.path)} for part in bundler.write(arguments.out, progress)]
    end = bundler.size if bundler.damage is None else bundler.damage.seq - 1
    shown = {"files": parts, "start": bundler.start, "end": end}
    if arguments.json or parts:
        cli.show(shown, arguments.json)
    else:
        print("nothing to carry: the county's receipt covers everything 没有需要送出的数据")
    if bundler.damage is not None:
        raise bundler.damage
    return exits.DONE


def take(arguments: argparse.Namespace) -> int:
    """Take answers."""
    folder = Folder(arguments.dir, "home")
    _hub_of(folder)
    gathered = sticks.gather(folder, arguments.file)

    def here() -> tuple[list[Any], int]:
        with writing(folder) as store:
            return sticks.take_each(gathered.files, partial(take_file, folder, store))

    def served() -> tuple[list[Any], int]:
        def hand_over(file: Path, _: Progress) -> dict[str, Any]:
            return control.ask(folder.path, COMMAND, {"file": str(file)}, ANSWER_TIMEOUT_S)

        return sticks.take_each(gathered.files, hand_over)

    found, code = here_or_served(here, served)
    with reading(folder) as store:
        receipt = store.last_checkpoint(store.log, with_receipt=True)
    shown = {"files": found, "at_the_county": receipt.size if receipt else 0, "others": gathered.others}
    cli.show(shown, arguments.json)
    return code


def _hub_of(folder: Folder) -> Hub:
    if folder.config.hub is None:
        raise RefusedByPeer(
            "joined",
            f"{folder.config.name} has not joined a county: use `join` with its invitation, and --offline where there "
            "is no network",
        )
    return folder.config.hub


def take_file(folder: Folder, store: Store, file: Path, progress: Progress) -> dict[str, Any]:
    """Take one answer, in the process that holds the folder; raises as `take_answer`."""
    hub = _hub_of(folder)
    hub_key = bytes.fromhex(hub.key)
    heard = take_answer(store, hub_key, instructions(folder), file, progress)
    if heard.instructions != instructions(folder):
        keep_instructions(folder, heard.instructions)
    _admitted(folder, store, heard.enclosed)
    _note(folder, store, hub_key, heard)
    refused = Refused("县里没有接受这份数据", heard.refusal) if heard.refusal else None
    return {
        "file": str(file),
        "held": heard.held,
        "receipt": heard.receipt.signed.size if heard.receipt else None,
        "why": exits.sentence(refused) if refused else None,
        "exit": exits.REFUSED if refused else exits.DONE,
    }


def _note(folder: Folder, store: Store, hub_key: bytes, heard: Heard) -> None:
    """For people: an exchange ended when the county gave its receipt; by hand that says nothing about our clock."""
    state = folder.exchange_state()
    changes: dict[str, Any] = {"last_failure": heard.refusal}
    if heard.rose and heard.receipt is not None:
        at_ms = heard.receipt.timestamp_s * 1000
        changes |= {"exchanges": state.exchanges + 1, "last_exchange_ms": max(at_ms, state.last_exchange_ms or 0)}
    with contextlib.suppress(OSError):  # nothing depends on it but what a person is shown
        folder.save_exchange_state(replace(state, **changes))
        folder.save_checkpoint(store, hub_key)


def instructions(folder: Folder) -> Instructions:
    """What answers asked for; nothing if that is lost."""
    try:
        found = json.loads((folder.path / BUNDLE_FILE).read_text("utf-8"))
        resume_at = found["resume_at"]
        return Instructions(None if resume_at is None else int(resume_at), frozenset(map(int, found["withheld"])))
    except (OSError, ValueError, KeyError, TypeError):
        return Instructions()


def keep_instructions(folder: Folder, told: Instructions) -> None:
    """Keep what answers asked for."""
    kept = {"resume_at": told.resume_at, "withheld": sorted(told.withheld)}
    write_file(folder.path / BUNDLE_FILE, json.dumps(kept) + "\n")


def forget(folder: Folder, hub_key: bytes) -> None:
    """The home joins this hub: what another one asked for does not count, and an older invitation is used up."""
    former = folder.config.hub
    (folder.path / JOINING_FILE).unlink(missing_ok=True)
    if former is not None and former.key != hub_key.hex():
        keep_instructions(folder, Instructions(resume_at=0))


def join_offline(folder: Folder, invitation: Invitation, url: str, store: Store) -> None:
    """Pin the hub of an invitation, and ask it to admit this node in every bundle until it says that it did."""
    forget(folder, invitation.hub_key)
    write_file(folder.path / JOINING_FILE, json.dumps({"invitation": invitation.text()}) + "\n", FOR_THE_OWNER)
    folder.save_config(hub=Hub(url=url, key=invitation.hub_key.hex(), name=""))
    store.files.offer_again(store.log)


def _invitation(folder: Folder) -> Invitation | None:
    try:
        return parse(json.loads((folder.path / JOINING_FILE).read_text("utf-8"))["invitation"])
    except FileNotFoundError:
        return None
    except (ValueError, KeyError, TypeError, AttributeError):
        raise Refused("邀请码文件已损坏，请重新 join", f"{JOINING_FILE} is damaged: join again") from None


def _question(folder: Folder, signer: Signer) -> bytes:
    invitation = _invitation(folder)
    return b"" if invitation is None else json.dumps(joining.question_of(invitation, signer)).encode()


def _admitted(folder: Folder, store: Store, enclosed: bytes) -> None:
    """The answer encloses that the county admitted this node."""
    invitation = _invitation(folder)
    if not enclosed or invitation is None or folder.config.hub is None:
        return
    county = joining.read_answer(json.loads(enclosed), invitation, store.signer)
    if county is not None:
        folder.save_config(hub=replace(folder.config.hub, name=county))
        (folder.path / JOINING_FILE).unlink(missing_ok=True)


class ServedTaker:
    """Takes answers for a command of the folder's owner, in the process that serves."""

    def __init__(self, folder: Folder, store: Store, owner: Control) -> None:
        self._folder = folder
        self._store = store
        self._owner = owner
        self._one_at_a_time = threading.Lock()

    def routes(self) -> list[web.RouteDef]:
        """What to add to the application's router."""
        return [web.post(f"/control/{COMMAND}", self.take)]

    async def take(self, request: web.Request) -> web.Response:
        """Take one answer."""
        self._owner.require_token(request)
        try:
            file = Path((await request.json())["file"])
        except (ValueError, KeyError, TypeError, RecursionError):
            raise web.HTTPBadRequest(text="no file is named") from None
        try:
            return web.json_response(await asyncio.to_thread(self._take, file))
        except OutcomeUnknown:
            raise  # ends the node
        except exits.EXPECTED as error:
            return failed(error)

    def _take(self, file: Path) -> dict[str, Any]:
        with self._one_at_a_time:
            return take_file(self._folder, self._store, file, lambda _: None)
