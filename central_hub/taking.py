"""Bundles at the county: `take`, which brings homes' bundles in and writes one answer for each home.

It takes the bundles of hubs below in the same way, and the answers of a hub above. What a hub passes on is known here
by that hub's own log, which may lie behind it on the stick: so what is not known is taken again when the others were.

Alone it holds the folder; beside a running `serve` each file is handed to that process. The answers are made here in
either case, from what is then on the disk: so a command that was stopped is simply run again.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
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
from node.answers import take_file
from node.backed_up import BackedUp
from node.clock import Clock, system_clock
from node.control import Control, failed
from node.erasing import Order
from node.folder import Folder
from node.handing import here_or_served
from node.obeying import Erase
from node.opening import reading, writing
from sync import epoch, wire
from sync.answering import PART_SIZE_BYTES_MAX, Answer
from sync.bundle import Kind
from sync.bundle_file import Progress
from sync.database import OutcomeUnknown
from sync.entry import log_id
from sync.errors import RefusedByPeer, RemoteProtocolError
from sync.messages import Declined, Hello, Holds, Refusal, Witness
from sync.parking import Parking
from sync.recipients import identities_of
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
    made.add_argument("--answer", type=Path, metavar="OUT", help="the folder that the answers go into; not needed "
                      "where only answers of a hub above are taken")  # fmt: skip
    made.add_argument("--photos", action="store_true", help="bring homes their photographs too, behind all else")
    made.add_argument("--part-size", type=_part_size, default=PART_SIZE_BYTES_MAX, metavar="BYTES",
                      help="about how large a file of an answer may become (default: 1 GiB)")  # fmt: skip


def _part_size(text: str) -> int:
    return sticks.part_size(text, PART_SIZE_BYTES_MAX)


def run(arguments: argparse.Namespace) -> int:
    """Take files, and answer."""
    folder = Folder(arguments.dir, "hub")
    gathered = sticks.gather(folder, arguments.file)
    _require_out(folder, gathered.files, arguments.answer)

    def here() -> tuple[list[Any], int, list[Any]]:
        clock = system_clock()
        with writing(folder) as store:
            registry = Admissions(store, clock)
            restoring = Restoring(store, registry, clock)
            taker = taker_of(folder, store, registry, clock, restoring)
            erase = partial(_erase, folder, store, registry, clock)
            found, code = _take_all(gathered.files, Taking(folder, store, clock, erase, taker).take)
            followed = [to_json(reply) for reply in taker.follow_all(lambda _: None)]
            router = Router(store, registry, clock)
            route(router, lambda _: None)
            registry.settle_claims()
            restoring.obey(erase)
            Obedience(store, registry, erase, clock).follow()
            route(router, lambda _: None)
            return found, code, followed

    def served() -> tuple[list[Any], int, list[Any]]:
        def hand_over(file: Path, _: Progress) -> dict[str, Any]:
            return control.ask(folder.path, COMMAND, {"file": str(file)}, ANSWER_TIMEOUT_S)

        found, code = _take_all(gathered.files, hand_over)
        return found, code, control.ask(folder.path, COMMAND, {"file": None}, ANSWER_TIMEOUT_S)["followed"]

    found, code, followed = here_or_served(here, served)
    replies = by_node([from_json(told) for told in [one.pop("reply", None) for one in found] + followed if told])
    answers = answer(folder, arguments.answer, replies, arguments.part_size, photos=arguments.photos) if replies else []
    shown = {"files": found, "answers": answers, "others": gathered.others}
    cli.show(shown, arguments.json)
    return code


def _require_out(folder: Folder, files: Sequence[Path], out: Path | None) -> None:
    """Whoever brings a bundle waits for its answer, so there must be a place for that."""
    if out is not None:
        sticks.require_folder(out)
        return
    with reading(folder) as store:
        identities = identities_of(store)
    if not files or any(sticks.kind_of(file, identities) != Kind.ANSWER for file in files):
        raise Refused("请用 --answer 写明回执放在哪个文件夹", "say with --answer which folder the answers go into")


def _take_all(files: Sequence[Path], take: Callable[[Path, Progress], dict[str, Any]]) -> tuple[list[Any], int]:
    """Take files; what is not known here again, as long as others make more of it known."""
    found, code = sticks.take_each(files, take)
    while unknown := [one for one in found if one.get("unknown")]:
        again, _ = sticks.take_each([Path(one["file"]) for one in unknown], take)
        by_file = {one["file"]: one for one in again}
        found = [by_file.get(one["file"], one) for one in found]
        if sum(bool(one.get("unknown")) for one in again) == len(unknown):
            break
    for one in found:
        if why := one.pop("unknown", None):
            one["why"], code = why, code or exits.code_of(RefusedByPeer("unknown", why))
            print(f"{one['file']}: {why}", file=sys.stderr)
    return found, code


class Taking:
    """Takes any file that is for this hub, in the process that holds the folder: a bundle, or an answer from above."""

    def __init__(self, folder: Folder, store: Store, clock: Clock, erase: Erase, taker: Taker) -> None:
        self._folder, self._store, self._clock, self._erase, self._taker = folder, store, clock, erase, taker
        self._identities = identities_of(store)

    def take(self, file: Path, progress: Progress) -> dict[str, Any]:
        """What a person is shown; raises for a file that is no good."""
        if sticks.kind_of(file, self._identities) == Kind.ANSWER:
            return {"outcome": "answer"} | take_file(
                self._folder, self._store, self._clock, self._erase, file, progress
            )
        try:
            return _take(self._taker, file, progress)
        except RefusedByPeer as error:
            if error.code != "unknown":
                raise
            return {"file": str(file), "why": None, "exit": exits.DONE, "unknown": exits.sentence(error)}


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
        restored=restoring.answer, passed_by=registry.passed_by,
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
            answer = Answer(
                store,
                registry.logs_of(log),
                registry.child_of(log),
                replies,
                now_ms,
                part_size,
                may_have,
                registry.all_passed_by(log),
            )
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
        erase: Erase = lambda _: None,
    ) -> None:
        """`obey` carries out the orders to erase that came with what was taken, `erase` one of a hub above."""
        self._registry = registry
        self._obey = obey
        self._router = router
        self._taker = taker_of(folder, store, registry, clock, restoring)
        self._any = Taking(folder, store, clock, erase, self._taker)
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
                self._registry.settle_claims()
                self._obey()
                route(self._router, self._go_on)
                return {"followed": followed}
            return self._any.take(Path(file), self._go_on)
