"""Errors of the disk at every call: no room, half a write, a sync or a read that fails, once or for good.

A fixed day is recorded first to count its calls; then it is lived again with one fault at each call's number. Whatever
happens:

* every future is answered, soon, and what was stored can be read on, unless it is reading that fails;
* an answer that says "stored" is true, now and after a power cut right then, when only what was synced is there; one
  that says why not, other than `OutcomeUnknown`, is true too: nothing of it is there, then or later;
* a fault that comes once leaves no outcome unknown, and what is asked after it is stored;
* requests of unknown outcome are there whole or not at all, and nothing is there twice;
* the folder opens again and verifies once the fault is gone, and writing goes on with the next seq.
"""

from __future__ import annotations

import random
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import closing, nullcontext, suppress
from pathlib import Path
from typing import Any, NamedTuple
from unittest import mock

import apsw
import pytest

from sync import verify
from sync.batch import Batch, Draft
from sync.database import OutcomeUnknown
from sync.errors import SyncError
from sync.store import Store
from sync.stored_log import StoredLog
from sync.writer import Writer
from tests.crash.contents import slots_of
from tests.crash.disk import Disk, Files
from tests.crash.recording import FAULTY_CALL, Answered, Fault, FaultKind, Op, Tape, recording
from tests.crash.sweep import scratch
from tests.crash.workload import batch_of, payloads_of, repeatable
from tests.sync.conftest import Author

ANSWER_S_MAX = 20.0
REQUESTS = 15
PEER_SIZES = (3, 7, 8)
GROUP_MAX = 3
ANSWERS_CUT = 3  # after a fault
EVERY = 3  # of the calls in the short run; the long one takes all


class Request(NamedTuple):
    """What was asked, what came back, and what the log must hold of it: payloads of own entries, or the peer's size."""

    answer: Future[Any]
    numbers: list[int]
    peer_size: int


class Day:
    """A fixed day on a folder that has been made before; every request is asked whatever happened to those before."""

    def __init__(
        self, folder: Path, reads_fail: bool, tape: Tape, make_room: Callable[[], bool] = lambda: False
    ) -> None:
        self.folder = folder
        self.tape = tape
        self.make_room = make_room
        self.reads_fail = reads_fail
        self.seen: list[int] = []
        self.author = Author(9)
        self.requests: list[Request] = []
        self.store: Store | None = None
        self.not_opened: list[BaseException] = []

    def live(self) -> None:
        batches, start = [], 0
        for size in PEER_SIZES:
            batch = batch_of(self.author.write_many(size - start, 5), start, size)
            batches.append((batch, size))
            start = size
        self._open()
        self._record(1, 2)
        self._ask(lambda store: store.add_log(self.author.log, self.author.public_key), [], 0)
        self._record(3)
        self._append(*batches[0])
        self._group((4,), (5, 6, 7))
        self._checkpoint()
        self._record(*range(8, 20))
        self._append(*batches[1])
        self._close()
        self._open()
        self._record(20)
        self._append(*batches[2])
        self._record(*range(21, 31))
        self._group((31,), (32,), (33, 34))
        self._record(35)
        self._close()

    def _open(self) -> None:
        try:
            self.store = Store(self.folder, make_room=self.make_room)
        except (SyncError, apsw.Error) as error:
            self.not_opened.append(error)
            return
        self.store.submit(lambda db: db.execute("PRAGMA wal_autocheckpoint=12").get)

    def _close(self) -> None:
        if self.store is not None:
            with suppress(apsw.Error) if self.reads_fail else nullcontext():
                self.seen = [entry.seq for entry in self.store.entries_of_log(self.store.log)]
            self.store.close()
        self.store = None

    def _ask(self, ask, numbers: list[int], peer_size: int, wait: bool = True) -> None:
        if self.store is None:
            return
        answer, number = ask(self.store), len(self.requests)
        self.requests.append(Request(answer, numbers, peer_size))
        answer.add_done_callback(lambda _: self.tape.mark(Answered(number)))
        if wait:
            answer.exception(ANSWER_S_MAX)

    def _record(self, *numbers: int, wait: bool = True) -> None:
        drafts = [
            Draft(f"visit/{n % 3}", "li", bytes([n % 6]) * 16, n, {"n": n, "pad": "x" * (n % 4) * 300}) for n in numbers
        ]
        self._ask(lambda store: store.record(drafts), list(numbers), 0, wait)

    def _append(self, batch: Batch, size: int) -> None:
        with suppress(SyncError):  # if the log could not be begun
            self._ask(lambda store: store.append(batch), [], size)

    def _group(self, *groups: tuple[int, ...]) -> None:
        if self.store is None:
            return
        go_on = threading.Event()
        self.store.submit(lambda db: go_on.wait(ANSWER_S_MAX))
        for numbers in groups:
            self._record(*numbers, wait=False)
        go_on.set()
        for request in self.requests[-len(groups) :]:
            request.answer.exception(ANSWER_S_MAX)

    def _checkpoint(self) -> None:
        with suppress(SyncError, apsw.Error):
            if self.store is not None:
                self.store.reading(lambda db: db.execute("PRAGMA wal_checkpoint(RESTART)").get)


@pytest.fixture(scope="module")
def made() -> tuple[Files, Counter[str]]:
    """A new node's files, and how many calls of each kind the day makes."""
    with scratch() as (folder, _), repeatable(5):
        Store.create(folder)
        files = {path.name: path.read_bytes() for path in folder.iterdir()}
        with recording(folder, Fault("read", -1, for_good=False)) as tape:
            day = Day(folder, reads_fail=False, tape=tape)
            day.live()
        assert [r.answer.exception() for r in day.requests] == [None] * len(day.requests)
        assert len(day.requests) == REQUESTS
        assert day.not_opened == []
    return files, tape.calls


def live(folder: Path, files: Files, fault: Fault) -> tuple[Day, Tape]:
    """The day with a fault; nobody waits for ever."""
    put(files, folder)
    with recording(folder, fault) as tape, repeatable(6):
        day = Day(folder, fault.kind == "read", tape)
        try:
            day.live()
        finally:
            if day.store is not None:
                day.store.close()
    return day, tape


def examine(folder: Path, day: Day, going_on: bool, heard: set[int] | None = None) -> None:
    """What the folder holds now is what the answers said; `heard`: the requests that had one, None for all."""
    with closing(StoredLog(folder)) as stored:
        assert verify.verify(stored, None, lambda _: None).first_bad is None
        own = [payload["n"] for payload in payloads_of(stored)]
        peer = {b.log: b.size for b in stored.branches()}.get(day.author.log, 0)
        count = stored.position()
    assert len(set(own)) == len(own), "doubled"
    assert peer in (0, *PEER_SIZES), "half a batch"
    for number, request in enumerate(day.requests):
        error, here = request.answer.exception(0), set(request.numbers) <= set(own) and request.peer_size <= peer
        nothing = not set(request.numbers) & set(own) and (request.peer_size == 0 or peer < request.peer_size)
        if heard is not None and number not in heard:
            assert here or nothing, f"{request} is half there, and was not answered"
        elif error is None:
            assert here, f"{request} is not there"
        elif isinstance(error, OutcomeUnknown):
            assert here or nothing, f"{request} is half there"
        else:
            assert isinstance(error, SyncError | apsw.Error), repr(error)
            assert nothing, f"{request} failed and is there"
    if going_on:
        with closing(Store(folder)) as store:
            recorded = store.record([Draft("after/1", "li", bytes([n]) * 16, 1, {"n": 100 + n}) for n in range(9)])
            assert [r.seq for r in recorded.result(ANSWER_S_MAX)] == [len(own) + n for n in range(1, 10)]
            assert [r.position for r in recorded.result(0)] == [count + n for n in range(1, 10)]
            assert verify.verify(store, None, lambda _: None).ok


def went_on(day: Day) -> None:
    """A fault that came once cost one group of requests, and left no doubt."""
    failed = [error for request in day.requests if request.numbers and (error := request.answer.exception(0))]
    assert len(failed) <= GROUP_MAX, failed
    assert not any(isinstance(error, OutcomeUnknown) for error in failed), failed


def cut(ops: list[Op], folder: Path) -> list[Files]:
    """The power goes at the end of the day: all is there, only what was synced, or something between."""
    disk, dice = Disk(), random.Random(len(ops))
    for op in ops:
        disk.apply(op)
    return [disk.everything(), disk.synced(), disk.reordered(dice), disk.reordered(dice)]


def cut_at_answers(tape: Tape) -> Iterator[tuple[Files, set[int]]]:
    """The power goes right after each of the first answers since the fault: what was synced, and who had heard."""
    disk, heard, left = Disk(), set(), ANSWERS_CUT
    for point, op in enumerate(tape.ops):
        disk.apply(op)
        if isinstance(op, Answered):
            heard.add(op.step)
            if point >= tape.struck_at:
                yield disk.synced(), set(heard)
                left -= 1
        if not left:
            return


def put(files: Files, folder: Path) -> None:
    for path in folder.iterdir():
        path.unlink()
    for name, content in files.items():
        (folder / name).write_bytes(content)


def strike(made: tuple[Files, Counter[str]], kind: FaultKind, every: int, first: int = 0) -> int:
    files, calls = made
    tried = 0
    with scratch() as (folder, after):
        for at in range(first, calls[FAULTY_CALL[kind]], every):
            for for_good in (False, True):
                fault = Fault(kind, at, for_good)
                day, tape = live(folder, files, fault)
                try:
                    assert tape.struck
                    if not for_good:
                        went_on(day)
                    examine(folder, day, going_on=True)
                    for left in cut(tape.ops, after):
                        put(left, after)
                        examine(after, day, going_on=False)
                    for left, heard in cut_at_answers(tape):
                        put(left, after)
                        examine(after, day, going_on=False, heard=heard)
                except BaseException as error:
                    error.add_note(f"{fault}")
                    raise
                tried += 1
    return tried


def look_and_lie(writer: Writer, head: Any, error: BaseException) -> bool:
    LOOK(writer, head, error)
    return True


def do_not_look(writer: Writer, head: Any, error: BaseException) -> bool:
    writer._take_back()
    return False


LOOK = Writer._is_stored


@pytest.mark.parametrize(
    ("kind", "step", "lie", "found"),
    [
        ("sync", "_is_stored", look_and_lie, "is not there"),
        ("sync kept", "_is_stored", do_not_look, "failed and is there"),
        ("sync kept", "_leave_mark", lambda _: None, "failed and is there"),
    ],
    ids=["stored", "not looked", "the WAL comes back"],
)
def test_a_lie_about_a_failed_commit_is_caught(made, kind, step, lie, found):
    """A writer that answers without looking, or forgets to make the truncation durable, is found out."""
    with mock.patch.object(Writer, step, lie), pytest.raises(AssertionError, match=found):
        strike(made, kind, 1)


@pytest.mark.parametrize("kind", FAULTY_CALL)
def test_a_fault_of_the_disk_loses_nothing_that_was_acknowledged(made, kind):
    """A fault at every third call, once and for good."""
    print(kind, strike(made, kind, EVERY), "faults of", 2 * made[1][FAULTY_CALL[kind]])


@pytest.mark.long
@pytest.mark.parametrize("kind", FAULTY_CALL)
def test_a_fault_at_any_call_loses_nothing_that_was_acknowledged(made, kind):
    """A fault at every call, once and for good."""
    print(kind, strike(made, kind, 1), "faults")


@pytest.mark.parametrize("kind", ["full", "short write"])
def test_a_full_disk_with_a_reserve_refuses_nothing(made, kind):
    """From some write on the disk is full until the reserve is given back: everything that was asked is stored."""
    files, calls = made
    freed = 0
    with scratch() as (folder, after):
        for at in range(0, calls["write"], EVERY):
            put(files, folder)
            with recording(folder, Fault(kind, at, for_good=True)) as tape, repeatable(6):

                def free(tape: Tape = tape) -> bool:
                    was_full, tape.fault = tape.fault is not None, None
                    return was_full

                day = Day(folder, False, tape, free)
                day.live()
            freed += tape.fault is None
            assert [r.answer.exception(0) for r in day.requests] == [None] * REQUESTS, f"full from {at} on"
            examine(folder, day, going_on=True)
            put(cut(tape.ops, after)[1], after)
            examine(after, day, going_on=False)
    assert freed > 50


@pytest.mark.parametrize("kind", FAULTY_CALL)
def test_a_fault_while_a_folder_is_made_leaves_a_node_or_a_refusal(kind):
    """Whoever was told that the folder is made can use it; what a failed making left is used or refused in words."""
    at, struck = 0, True
    while struck:
        for for_good in (False, True):
            with scratch() as (folder, after):
                fault, log = Fault(kind, at, for_good), b""
                with recording(folder, fault) as tape, suppress(apsw.Error), repeatable(7):
                    log = Store.create(folder)
                disk = Disk()
                for op in tape.ops:
                    disk.apply(op)
                for left in (disk.everything(), disk.synced()):
                    put(left | slots_of(folder), after)
                    try:
                        with closing(Store(after)) as store:
                            assert log in (b"", store.log), fault
                    except SyncError:
                        assert not log, fault
        at, struck = at + 1, bool(tape.struck)
    assert at > 1
