"""Answers from a stick: what a node does with them, a home with its county's, a hub with those of the hub above it.

`take` keeps receipts and what comes down; it goes through the process that serves, where there is one. What follows
from an answer is what follows from an exchange: orders to erase are carried out at once, and where others continued a
log, this node goes on in a new one and takes the same answer again. *Killed anywhere on the way, the stick is simply
taken again.*
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import threading
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from aiohttp import web

from domain.errors import Refused
from node import exits, healing, joining, sticks
from node.clock import Clock
from node.control import Control, failed
from node.folder import Folder
from node.journeys import JOINING_FILE, hub_of, instructions, invitation_of, keep_instructions
from node.obeying import Erase, obey
from sync import erasure
from sync.answer_taking import Heard, take_answer
from sync.bundle_file import Progress
from sync.database import OutcomeUnknown
from sync.errors import Diverged
from sync.store import Store

COMMAND: Final = "take"
ADDED_UP: Final = ("came", "mended", "photos", "erased", "healed")  # where an answer is taken again
HEALED_COUNT_MAX: Final = 300  # by one answer, which names at most 256 logs
EARLY: Final = (
    "前面的部分还没有到，这部分先不收；下一次送出会再要"
    " (a part that comes before this one has not come yet, so the rest is left: the next bundle asks for it again)"
)
APART: Final = (
    "这本日志在别处也写过，县里的与这里的不同；请再送一次，下一个回执会带来缺的记录"
    " (the same log was also continued elsewhere, and the county holds another copy: make a bundle once more, and its"
    " answer brings what is missing; nothing is lost)"
)
OTHERWISE: Final = (
    "上级保存的日志 {logs} 与这里的不同，请审计人员核对",
    "the hub above holds log {logs} otherwise: an auditor should look",
)
OWES: Final = (
    "县里的电脑恢复过旧数据；请再送一次，会带上县里自己缺的，之后的回执再带来其余的"
    " (the county's hub was put back to older data: make a bundle once more, which gives it back its own word, and the"
    " answer to that brings the rest; nothing is lost)"
)


def take_all(files: Sequence[Path], take_one: Callable[[Path, Progress], dict[str, Any]]) -> tuple[list[Any], int]:
    """Take each; where a part came before one that belongs in front of it, again, until nothing more comes."""
    found, code = sticks.take_each(files, take_one)
    by_file = {one["file"]: one for one in found}
    waiting = [Path(one["file"]) for one in found if one.get("early")]
    while waiting:
        again, later = sticks.take_each(waiting, take_one)
        code = code or later
        for new in again:
            known = by_file[new["file"]]
            known |= new | {key: known[key] + new.get(key, 0) for key in ADDED_UP}
        if not any(one.get("came") or one.get("photos") for one in again):
            break
        waiting = [Path(one["file"]) for one in again if one.get("early")]
    for one in found:
        one.pop("early", None)
    return found, code


def take_file(
    folder: Folder, store: Store, clock: Clock, erase: Erase, file: Path, progress: Progress
) -> dict[str, Any]:
    """Take one answer, in the process that holds the folder; raises as `take_answer`."""
    hub_key = bytes.fromhex(hub_of(folder).key)
    healed = 0
    while True:
        try:
            heard = take_answer(store, hub_key, folder.config.code, instructions(folder), file, progress)
            break
        except Diverged as found:
            healed += 1
            if healed > HEALED_COUNT_MAX:
                raise
            healing.go_on(store, found, clock, is_hub=folder.config.kind == "hub")
    if heard.instructions != instructions(folder):
        keep_instructions(folder, heard.instructions)
    _admitted(folder, store, heard)
    _note(folder, store, hub_key, heard)
    if heard.came:
        erasure.follow_orders(store, clock())
    obeyed = obey(folder, store, erase)
    return _outcome(file, heard) | {"healed": healed, "erased": obeyed.done}


def _outcome(file: Path, heard: Heard) -> dict[str, Any]:
    """What a person is shown of one answer."""
    failure: Exception | None = heard.failure
    if failure is None and heard.refusal:
        failure = Refused("县里没有接受这份数据", heard.refusal)
    if failure is None and heard.otherwise:
        logs = ", ".join(log.hex() for log in heard.otherwise)
        failure = Refused(*(text.format(logs=logs) for text in OTHERWISE))
    why = (
        exits.sentence(failure)
        if failure
        else APART
        if heard.is_apart
        else OWES
        if heard.owes
        else EARLY
        if heard.is_early
        else None
    )
    return {
        "file": str(file),
        "held": heard.held,
        "receipt": heard.receipt.signed.size if heard.receipt else None,
        "came": heard.came,
        "mended": heard.mended,
        "photos": heard.photos,
        "left": heard.left,
        "early": heard.is_early,
        "why": why,
        "exit": exits.code_of(failure) if failure else exits.DONE,
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


def _admitted(folder: Folder, store: Store, heard: Heard) -> None:
    """The answer encloses that the county admitted this node."""
    invitation = invitation_of(folder)
    if not heard.enclosed or invitation is None or folder.config.hub is None:
        return
    county = joining.read_answer(json.loads(heard.enclosed), invitation, store.signer_of(heard.log))
    if county is not None:
        folder.save_config(hub=replace(folder.config.hub, name=county))
        (folder.path / JOINING_FILE).unlink(missing_ok=True)


class ServedTaker:
    """Takes answers for a command of the folder's owner, in the process that serves."""

    def __init__(self, folder: Folder, store: Store, owner: Control, clock: Clock, erase: Erase) -> None:
        self._folder = folder
        self._store = store
        self._owner = owner
        self._clock = clock
        self._erase = erase
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
            return take_file(self._folder, self._store, self._clock, self._erase, file, lambda _: None)
