"""Bundles at a home: `bundle`, which puts what the county does not hold yet on a stick, and `take` for its answers.

`bundle` only reads, so it works beside `serve`; `take` keeps receipts and what comes down, and goes through the process
that serves. Also where nothing is new a bundle is made: it says what this home holds, and asks for the rest. What
answers asked for is kept in `bundle.json`, which may be lost. A home that never had a network joins in this way too:
`join --offline` keeps the invitation in `joining.json` until an answer says that the county admitted it.

What follows from an answer is what follows from an exchange: orders to erase are carried out at once, and where others
continued a log, this node goes on in a new one and takes the same answer again. *Killed anywhere on the way, the stick
is simply taken again.*
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import sys
import threading
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, Final

from aiohttp import web

from domain.errors import Refused
from node import cli, control, erasing, exits, healing, joining, sticks
from node.clock import Clock, system_clock
from node.control import Control, failed
from node.folder import Folder, Hub
from node.handing import here_or_served
from node.invitation import Invitation, parse
from node.obeying import Erase, obey
from node.opening import HomesOf, reading, writing
from node.progress import bar
from sync import erasure
from sync.answer_taking import Heard, take_answer
from sync.bundle_file import Progress
from sync.bundling import PART_SIZE_BYTES_MAX, Bundler, Part, receipted
from sync.database import OutcomeUnknown
from sync.errors import Diverged, RefusedByPeer
from sync.giving_by_hand import Given, due
from sync.instructions import Instructions, Told, holdings
from sync.note import Signer
from sync.small_file import FOR_THE_OWNER, write_file
from sync.store import Store
from sync.stored_log import StoredLog

COMMAND: Final = "take"
BUNDLE_FILE: Final = "bundle.json"
JOINING_FILE: Final = "joining.json"
ANSWER_TIMEOUT_S: Final = 3600.0  # of one file, which may bring all that a lost computer had
ADDED_UP: Final = ("came", "mended", "photos", "erased", "healed")  # where an answer is taken again
HEALED_COUNT_MAX: Final = 300  # by one answer, which names at most 256 logs
NOTHING_NEW: Final = (
    "没有新数据要送出，只写了一个小文件，问县里有什么要给这里"
    " (nothing new to carry: the file says what is here, and asks the county for what it has for this home)"
)
MENDED: Final = "补回 {mended} 条在硬盘上损坏的内容 (the content of {mended} damaged entries came back)"
PHOTOS: Final = "收到县里 {photos} 张照片或扫描件 ({photos} photographs or scans came from the county)"
CAME: Final = "收到县里 {came} 条 ({came} entries came from the county)"
EARLY: Final = (
    "前面的部分还没有到，这部分先不收；下一次送出会再要"
    " (a part that comes before this one has not come yet, so the rest is left: the next bundle asks for it again)"
)
APART: Final = (
    "这本日志在别处也写过，县里的与这里的不同；请再送一次，下一个回执会带来缺的记录"
    " (the same log was also continued elsewhere, and the county holds another copy: make a bundle once more, and its"
    " answer brings what is missing; nothing is lost)"
)

OWES: Final = (
    "县里的电脑恢复过旧数据；请再送一次，会带上县里自己缺的，之后的回执再带来其余的"
    " (the county's hub was put back to older data: make a bundle once more, which gives it back its own word, and the"
    " answer to that brings the rest; nothing is lost)"
)


def add_commands(commands: cli.Commands, homes_of: Callable[[Folder], HomesOf]) -> None:
    """`bundle` and `take`."""
    made = cli.add(commands, "bundle", bundle, "write what the county does not hold yet into new files on a stick; "
                   "only the county can read them", as_json=True)  # fmt: skip
    made.add_argument("out", type=Path, metavar="OUT", help="the stick's folder")
    made.add_argument("--photos", action="store_true", help="photographs too, behind everything else")
    made.add_argument("--part-size", type=_part_size, default=PART_SIZE_BYTES_MAX, metavar="BYTES",
                      help="about how large a file may become; a stick takes up to 4 GiB (default: 2 GiB)")  # fmt: skip
    made = cli.add(commands, COMMAND, partial(take, homes_of), "take the county's answers from a stick, and what they "
                   "bring, also while serving", as_json=True)  # fmt: skip
    made.add_argument("file", type=Path, nargs="+", metavar="FILE", help="an answer, or a folder that holds answers")


def _part_size(text: str) -> int:
    return sticks.part_size(text, PART_SIZE_BYTES_MAX)


def bundle(arguments: argparse.Namespace) -> int:
    """Write bundles."""
    folder = Folder(arguments.dir, "home")
    _hub_of(folder)
    sticks.require_folder(arguments.out)
    with reading(folder) as store:
        bundlers = journey(folder, store, photos=arguments.photos, part_size=arguments.part_size)
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


def journey(folder: Folder, store: StoredLog, *, photos: bool, part_size: int) -> list[Bundler]:
    """What makes the bundles: about the log that this node writes, and about those of which the county lacks some."""
    told, question, hub_key = instructions(folder), _question(folder, store.signer), bytes.fromhex(_hub_of(folder).key)
    holds = holdings(store, hub_key, folder.config.code, told)
    sizes = {branch.log: _hub_size(store, told, branch.log) for branch in store.branches()}

    def bundler(log: bytes, *, photos: bool, gives: Sequence[Given] = ()) -> Bundler:
        return Bundler(
            store, hub_key, told, system_clock(), photos=photos, enclosed=question, part_size_bytes=part_size, log=log,
            introduced=healing.introductions_by_hand(store, log), holds=holds, gives=gives,
        )  # fmt: skip

    others = [bundler(one.log, photos=False) for one in healing.behind(store, sizes)]
    gives = due(store, hub_key, folder.config.code)
    return [bundler(store.log, photos=photos, gives=gives), *others]


def _hub_size(store: StoredLog, told: Instructions, log: bytes) -> int:
    """How much of a log the county has, as far as it said."""
    resume_at = told.of(log).resume_at
    return receipted(store, log) if resume_at is None else resume_at


def _shown(part: Part) -> dict[str, Any]:
    return part._asdict() | {"path": str(part.path), "log": part.log.hex()}


def take(homes_of: Callable[[Folder], HomesOf], arguments: argparse.Namespace) -> int:
    """Take answers."""
    folder = Folder(arguments.dir, "home")
    _hub_of(folder)
    gathered = sticks.gather(folder, arguments.file)
    clock = system_clock()

    def here() -> tuple[list[Any], int]:
        with writing(folder) as store:
            obey = partial(erasing.erase_in, folder, store, homes_of(folder), clock=clock)
            return _take_all(gathered.files, partial(take_file, folder, store, clock, obey))

    def served() -> tuple[list[Any], int]:
        def hand_over(file: Path, _: Progress) -> dict[str, Any]:
            return control.ask(folder.path, COMMAND, {"file": str(file)}, ANSWER_TIMEOUT_S)

        return _take_all(gathered.files, hand_over)

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


def _take_all(files: Sequence[Path], take_one: Callable[[Path, Progress], dict[str, Any]]) -> tuple[list[Any], int]:
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


def _hub_of(folder: Folder) -> Hub:
    if folder.config.hub is None:
        raise RefusedByPeer(
            "joined",
            f"{folder.config.name} has not joined a county: use `join` with its invitation, and --offline where there "
            "is no network",
        )
    return folder.config.hub


def take_file(
    folder: Folder, store: Store, clock: Clock, erase: Erase, file: Path, progress: Progress
) -> dict[str, Any]:
    """Take one answer, in the process that holds the folder; raises as `take_answer`."""
    hub_key = bytes.fromhex(_hub_of(folder).key)
    healed = 0
    while True:
        try:
            heard = take_answer(store, hub_key, folder.config.code, instructions(folder), file, progress)
            break
        except Diverged as found:
            healed += 1
            if healed > HEALED_COUNT_MAX:
                raise
            healing.go_on(store, found, clock)
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


def _admitted(folder: Folder, store: Store, heard: Heard) -> None:
    """The answer encloses that the county admitted this node."""
    invitation = _invitation(folder)
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
