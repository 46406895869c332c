"""Who writes down what a command decided by itself: the command, or beside a running `serve` the process that serves.

An import reads its file, the log and the read models in its own process, so that the pages go on meanwhile. Only what
it decided is handed over: drafts, some hundred or a whole list of them, through the owner's door (`control`). They are
stored in one transaction before the answer, as in a log that is written here. *Whoever is killed, and whenever: of what
was handed over all is stored or nothing*, and the command, run again, learns from the log which of it is.

Imports of one folder take turns (`import.lock`), so that what one of them learned about the others stays true. What
everybody else records meanwhile is seen by `record_at`, which stores nothing then.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Final, Protocol, Self

import msgpack

from node import control, desk
from node.desk import Asked
from node.folder import CONTROL_FILE, IMPORT_LOCK_FILE, Folder
from node.opening import HomesOf, reading, writing
from sync.batch import Draft, Recorded
from sync.errors import FolderInUse, RemoteProtocolError, StaleVersion
from sync.store import Store
from sync.stored_log import StoredLog

TASK: Final = "write-down"
TIMEOUT_S: Final = 600.0
TRIES_MAX: Final = 10


class Scribe(Protocol):
    """Stores drafts durably, all of them or none, before the future answers."""

    def record(self, drafts: Sequence[Draft]) -> Future[list[Recorded]]:
        """See `Store.record`."""
        ...

    def record_at(self, position: int, drafts: Sequence[Draft]) -> Future[list[Recorded]]:
        """The same, unless anything was stored beyond a position: then StaleVersion, and nothing is."""
        ...


@contextmanager
def scribing(folder: Folder) -> Iterator[tuple[StoredLog, Scribe]]:
    """The log for reading, and who writes into it; FolderInUse where neither this process can nor a `serve` does."""
    with folder.lock(IMPORT_LOCK_FILE), ExitStack() as stack:
        try:
            store = stack.enter_context(writing(folder))
        except FolderInUse:
            if not (folder.path / CONTROL_FILE).exists():
                raise
            log = stack.enter_context(reading(folder))
            yield log, stack.enter_context(_Served(folder.path, log.log))
            return
        yield store, store


class _Served:
    """Hands drafts over to the process that serves, one request after the other."""

    def __init__(self, folder: Path, log: bytes) -> None:
        self._folder = folder
        self._log = log
        self._one = ThreadPoolExecutor(1, "handing over")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._one.shutdown()

    def record(self, drafts: Sequence[Draft]) -> Future[list[Recorded]]:
        """See `Scribe`."""
        return self._one.submit(self._hand_over, drafts, None)

    def record_at(self, position: int, drafts: Sequence[Draft]) -> Future[list[Recorded]]:
        """See `Scribe`."""
        return self._one.submit(self._hand_over, drafts, position)

    def _hand_over(self, drafts: Sequence[Draft], position: int | None) -> list[Recorded]:
        asked = {"log": self._log.hex(), "position": position, "drafts": _packed(drafts)}
        match control.ask(self._folder, TASK, asked, TIMEOUT_S):
            case {"recorded": list(found)}:
                return [Recorded(bytes.fromhex(id_), position, seq, version) for id_, position, seq, version in found]
            case {"moved": str(why)}:
                raise StaleVersion(why)
            case {"unfit": str(why)}:
                raise RemoteProtocolError(why)
            case {"elsewhere": str(why)}:
                raise FolderInUse(why)
            case answer:
                raise AssertionError(answer)


def _packed(drafts: Sequence[Draft]) -> str:
    assert all((one.stream, one.version, one.lamport) == (None, None, 0) for one in drafts)  # those are the library's
    try:
        return base64.b64encode(msgpack.packb([one[:8] for one in drafts])).decode("ascii")
    except (ValueError, TypeError) as error:  # half a character, a number beyond all bounds: no entry either
        raise RemoteProtocolError(str(error)) from None


def _unpacked(text: str) -> list[Draft]:
    return [Draft(*one) for one in msgpack.unpackb(base64.b64decode(text), strict_map_key=False)]


def write_down(store: Store, _homes_of: HomesOf, asked: Asked, _now_ms: int) -> dict[str, Any]:
    """Store what another process of this folder decided: the serving end."""
    drafts, position = _unpacked(str(asked["drafts"])), asked["position"]
    if store.log.hex() != asked["log"]:
        return {"elsewhere": f"{store.folder} went on in a new log meanwhile: run this again"}
    try:
        done = store.record(drafts) if position is None else store.record_at(int(position), drafts)
        return {"recorded": [(one.id.hex(), one.position, one.seq, one.version) for one in done.result()]}
    except StaleVersion as error:
        return {"moved": str(error)}
    except RemoteProtocolError as error:
        return {"unfit": str(error)}


TASKS: Final[dict[str, desk.Task]] = {TASK: write_down}
