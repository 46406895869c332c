"""Bundles at the county: `take`, which brings homes' bundles in and writes one answer for each home.

Alone it holds the folder; beside a running `serve` each file is handed to that process. The answers are made here in
either case, from what is then on the disk: so a command that was stopped is simply run again.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import threading
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Final

from aiohttp import web

from central_hub import ordering, shelving
from central_hub.obeying import Obedience
from central_hub.registry import Admissions, Registry
from central_hub.restoring import Restoring
from central_hub.router import Router
from domain.errors import Refused
from node import cli, control, erasing, exits, joining, sticks
from node.backed_up import BackedUp
from node.clock import Clock, system_clock
from node.control import Control, failed
from node.erasing import Order
from node.folder import Folder
from node.handing import here_or_served
from node.opening import reading, writing
from sync import epoch, wire
from sync.answering import PART_SIZE_BYTES_MAX, Answer
from sync.bundle_file import Progress
from sync.database import OutcomeUnknown
from sync.entry import log_id
from sync.errors import RemoteProtocolError
from sync.messages import Declined, Hello, Holds, Refusal, Witness
from sync.parking import Parking
from sync.reply import Reply
from sync.store import Store
from sync.taking import Taker

COMMAND: Final = "take"
ANSWER_TIMEOUT_S: Final = 6 * 3600.0  # of one file, which may have gigabytes


def add_command(commands: cli.Commands) -> None:
    """`take`."""
    made = cli.add(commands, COMMAND, run, "take the bundles that homes sent on a stick, also while serving; without "
                   "a file those that had waited", as_json=True)  # fmt: skip
    made.add_argument("file", type=Path, nargs="*", metavar="FILE", help="a bundle, or a folder that holds bundles")
    made.add_argument("--answer", type=Path, metavar="OUT", required=True, help="the folder that the answers go into")
    made.add_argument("--photos", action="store_true", help="bring homes their photographs too, behind all else")
    made.add_argument("--part-size", type=_part_size, default=PART_SIZE_BYTES_MAX, metavar="BYTES",
                      help="about how large a file of an answer may become (default: 1 GiB)")  # fmt: skip


def _part_size(text: str) -> int:
    return sticks.part_size(text, PART_SIZE_BYTES_MAX)


def run(arguments: argparse.Namespace) -> int:
    """Take files, and answer."""
    folder = Folder(arguments.dir, "hub")
    sticks.require_folder(arguments.answer)
    gathered = sticks.gather(folder, arguments.file)

    def here() -> tuple[list[Any], int, list[Any]]:
        clock = system_clock()
        with writing(folder) as store:
            registry = Admissions(store, clock)
            restoring = Restoring(store, registry, clock)
            taker = taker_of(folder, store, registry, clock, restoring)
            found, code = sticks.take_each(gathered.files, partial(_take, taker))
            followed = [to_json(reply) for reply in taker.follow_all(lambda _: None)]
            router = Router(store, registry, clock)
            route(router, lambda _: None)
            erase = partial(_erase, folder, store, registry, clock)
            restoring.obey(erase)
            Obedience(store, registry, erase, clock).follow()
            route(router, lambda _: None)
            return found, code, followed

    def served() -> tuple[list[Any], int, list[Any]]:
        def hand_over(file: Path, _: Progress) -> dict[str, Any]:
            return control.ask(folder.path, COMMAND, {"file": str(file)}, ANSWER_TIMEOUT_S)

        found, code = sticks.take_each(gathered.files, hand_over)
        return found, code, control.ask(folder.path, COMMAND, {"file": None}, ANSWER_TIMEOUT_S)["followed"]

    found, code, followed = here_or_served(here, served)
    replies = by_node([from_json(told) for told in [one.pop("reply", None) for one in found] + followed if told])
    answers = answer(folder, arguments.answer, replies, arguments.part_size, photos=arguments.photos)
    shown = {"files": found, "answers": answers, "others": gathered.others}
    cli.show(shown, arguments.json)
    return code


def _erase(folder: Folder, store: Store, registry: Registry, clock: Clock, order: Order) -> None:
    erasing.erase_in(folder, store, lambda _: registry.code_of, order, clock, ordering.address)


def route(router: Router, go_on: Progress) -> None:
    """Fill the outboxes to the newest entry, so that an answer brings what the stick led to."""
    for position in router.catch_up():
        go_on(position)


def taker_of(
    folder: Folder, store: Store, registry: Admissions, clock: Clock, restoring: Restoring | None = None
) -> Taker:
    """What takes bundles into this folder; `restoring` is that of the lines, where there are any."""
    restoring = restoring or Restoring(store, registry, clock)

    def admit(public_key: bytes, enclosed: bytes) -> bytes:
        try:
            asked = joining.read_question(json.loads(enclosed))
        except (ValueError, RecursionError):
            raise RemoteProtocolError("what the bundle encloses is no question to join") from None
        if asked.public_key != public_key:
            raise RemoteProtocolError("the bundle encloses another node's question to join")
        if registry.key_of(log_id(public_key)) is None:
            registry.join(asked.code, asked.digest, public_key, is_hub=asked.is_hub)
        return json.dumps(joining.answer(folder.config.name, store.identity, asked.secret, public_key)).encode()

    return Taker(
        store, registry.key_of, admit, clock, Parking(folder.path), registry.admit, registry.logs_of,
        epoch_of=partial(epoch.current, store), backed_up_to=BackedUp(folder, store),
        restored=restoring.answer,
    )  # fmt: skip


def _take(taker: Taker, file: Path, progress: Progress) -> dict[str, Any]:
    reply = taker.take(file, progress)
    failure = reply.failure
    if failure is None and reply.refusal is not None:
        failure = Refused("这份数据与县里保存的不一致", reply.refusal.text)
    return {
        "file": str(file),
        "log": reply.log.hex(),
        "outcome": "parked" if reply.parked and failure is None else "taken",
        "entries": reply.held - reply.before,
        "held": reply.held,
        "mended": reply.mended,
        "photos": sum(isinstance(told, Holds) for told in reply.files.values()),
        "why": exits.sentence(failure) if failure else None,
        "exit": exits.code_of(failure) if failure else exits.DONE,
        "reply": to_json(reply) if reply.hello else None,
    }


def by_node(replies: Sequence[Reply]) -> list[list[Reply]]:
    """The replies to each node, one about each log."""
    merged: dict[tuple[bytes, bytes], Reply] = {}
    for reply in replies:
        known = merged.setdefault((reply.sender, reply.log), reply)
        if known is not reply:
            known.add(reply)
    nodes = dict.fromkeys(reply.sender for reply in merged.values())
    return [[reply for reply in merged.values() if reply.sender == node] for node in nodes]


def answer(
    folder: Folder, out: Path, nodes: Sequence[Sequence[Reply]], part_size: int, *, photos: bool
) -> list[dict[str, Any]]:
    """Files for each node; the names of the files say nothing, so what is printed says which is whose."""
    now_ms = system_clock()()
    with reading(folder) as store:
        registry = Registry(store)
        may_have = partial(shelving.may_have_now, store, registry) if photos else None
        answers = []
        for replies in nodes:
            log = replies[0].sender
            code, held = registry.code_of(log), store.size(log)
            answer = Answer(store, registry.logs_of(log), code, replies, now_ms, part_size, may_have)
            for written in answer.write(out):
                shown = {"code": code, "file": str(written.path), "held": held, "entries": written.entries}
                shown["photos"] = written.photos
                answers.append(shown)
    return sorted(answers, key=lambda one: str(one["code"]))


def parked(folder: Folder, registry: Registry) -> list[dict[str, Any]]:
    """The bundles that wait, as `status` shows them."""
    return [
        {"code": registry.code_of(one.log), "log": one.log.hex(), "start": one.start, "end": one.end}
        for one in Parking(folder.path).all()
    ]


def to_json(reply: Reply) -> dict[str, Any]:
    """A reply on its way from the process that serves to the command."""
    assert reply.hello is not None
    said = [reply.hello, *reply.shown.values(), *reply.files.values(), *([reply.refusal] if reply.refusal else [])]
    return {
        "log": reply.log.hex(),
        "sender": reply.sender.hex(),
        "receipted": reply.receipted,
        "begun": reply.begun,
        "withheld": sorted(reply.withheld),
        "follows": {log.hex(): size for log, size in reply.follows.items()},
        "unreadable": {log.hex(): sorted(ordinals) for log, ordinals in reply.unreadable.items()},
        "partly": {name.hex(): chunks for name, chunks in reply.partly.items()},
        "asked": {log.hex(): sorted(seqs) for log, seqs in reply.asked.items()},
        "took": {log.hex(): size for log, size in reply.took.items()},
        "said": [wire.encode(message).hex() for message in said],
        "enclosed": reply.enclosed.hex(),
    }


def from_json(told: dict[str, Any]) -> Reply:
    """The same, read."""
    reply = Reply(
        bytes.fromhex(told["log"]), bytes.fromhex(told["sender"]), receipted=told["receipted"], begun=told["begun"],
        withheld=set(told["withheld"]), enclosed=bytes.fromhex(told["enclosed"]),
        follows={bytes.fromhex(log): size for log, size in told["follows"].items()},
        unreadable={bytes.fromhex(log): set(ordinals) for log, ordinals in told["unreadable"].items()},
        partly={bytes.fromhex(name): chunks for name, chunks in told["partly"].items()},
        asked={bytes.fromhex(log): set(seqs) for log, seqs in told["asked"].items()},
        took={bytes.fromhex(log): size for log, size in told["took"].items()},
    )  # fmt: skip
    for said in told["said"]:
        match wire.decode(bytes.fromhex(said)):
            case Hello() as hello:
                reply.hello = hello
            case (Holds() | Declined()) as message:
                reply.files[message.name] = message
            case Refusal() as refusal:
                reply.refusal = refusal
            case Witness() as shown:
                reply.shown[shown.log] = shown
            case message:
                raise AssertionError(message)
    return reply


class _Stopping(Exception):
    """This node is asked to end: what was taken is taken, and the command goes on by itself."""


class ServedTaker:
    """Takes files for a command of the folder's owner, in the process that serves; its end does not wait for them."""

    def __init__(
        self,
        folder: Folder,
        store: Store,
        registry: Admissions,
        owner: Control,
        clock: Clock,
        router: Router,
        obey: Callable[[], object],
        restoring: Restoring | None = None,
    ) -> None:
        """`obey` carries out the orders to erase that came with what was taken."""
        self._obey = obey
        self._router = router
        self._taker = taker_of(folder, store, registry, clock, restoring)
        self._owner = owner
        self._one_at_a_time = threading.Lock()
        self._stopping = threading.Event()

    def add_to(self, app: web.Application) -> None:
        """Take files at the application's control address, until it shuts down."""
        app.add_routes([web.post(f"/control/{COMMAND}", self.take)])
        app.on_shutdown.append(self._stop)

    async def _stop(self, _app: web.Application) -> None:
        self._stopping.set()

    def _go_on(self, _done: int) -> None:
        if self._stopping.is_set():
            raise _Stopping

    async def take(self, request: web.Request) -> web.Response:
        """Take one file; without one those that had waited."""
        self._owner.require_token(request)
        try:
            file = (await request.json())["file"]
        except (ValueError, KeyError, TypeError, RecursionError):
            raise web.HTTPBadRequest(text="no file is named") from None
        try:
            return web.json_response(await asyncio.to_thread(self._take, file))
        except _Stopping:
            raise web.HTTPServiceUnavailable(text="this node is stopping") from None
        except OutcomeUnknown:
            raise  # ends the node
        except exits.EXPECTED as error:
            return failed(error)

    def _take(self, file: str | None) -> dict[str, Any]:
        with self._one_at_a_time:
            if file is None:
                followed = [to_json(reply) for reply in self._taker.follow_all(self._go_on)]
                route(self._router, self._go_on)
                self._obey()
                route(self._router, self._go_on)
                return {"followed": followed}
            return _take(self._taker, Path(file), self._go_on)
