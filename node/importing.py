"""Importing facts from a file: one line, one entry, exactly once.

A line is named by its home and instant, and that name is stored in its entry. So an import begins by reading which
lines the log holds already; a second run, or one after a power cut, adds only what is missing, whatever the first one
had reached. Entries are recorded some hundred at a time, each time durably; while one batch is on its way to the disk
the next is being read. A line that cannot be read stops the import: what was before it stays, nothing after it is lost,
and the next run goes on from there.

A line about somebody who was erased here, or that corrects a fact about them, is counted and left out: what it speaks
of is gone, and nothing more is recorded about them.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, NamedTuple
from uuid import UUID

from domain.commands import Command, CorrectFact, RecordFact
from domain.decide import decide
from domain.errors import BadField, Refused
from domain.event import RevokedEvent
from domain.facts import Book, Lifted, at_ms, lift, own_subject
from domain.folding import Folding
from domain.records import Record, canonical
from node import batches
from node.clock import Clock
from node.records import draft_of, fits, record_of
from node.scribing import Scribe
from sync.batch import Draft, Recorded
from sync.entry import EXT_SOURCE
from sync.erasure import erased_subjects
from sync.errors import RemoteProtocolError
from sync.stored_log import StoredLog

BATCH_COUNT: Final = 500
LINE_SIZE_BYTES_MAX: Final = 256 * 1024
FOLDINGS_MAX: Final = 50_000


class BadLine(Refused):
    """One line of the file cannot become an entry; those before it are stored."""

    def __init__(self, number: int, stored: int, why: Refused) -> None:
        self.number = number
        super().__init__(
            f"第{number}行有误：{why.zh}。之前的{stored}条已保存，改正后重新导入即可继续",
            f"line {number}: {why.en}; {stored} lines before it are stored, mend it and run the import again to go on",
        )


@dataclass(slots=True)
class Imported:
    """What an import did: lines recorded now, known from before, of other homes, and about erased subjects."""

    recorded: int = 0
    known: int = 0
    elsewhere: int = 0
    erased: int = 0


class _Pending(NamedTuple):
    """A lifted line on its way to the disk."""

    number: int
    site: str
    at: int
    subject: UUID
    event: Any
    actor: str


class Importer:
    """One run over one file."""

    def __init__(self, store: StoredLog, scribe: Scribe, home: str, clock: Clock, *, all_sites: bool) -> None:
        self.done = Imported()
        self._store = store
        self._scribe = scribe
        self._home = home
        self._clock = clock
        self._all_sites = all_sites
        self._book = Book()
        self._known: set[tuple[str, int]] = set()
        self._erased = erased_subjects(store)
        self._foldings: dict[bytes, Folding] = {}
        self._batch: list[_Pending] = []
        self._drafts: list[Draft] = []
        self._named: set[bytes] = set()  # subjects of which deps were named in this run
        self._touched: set[bytes] = set()  # subjects with events that are not on the disk yet
        self._weighty: dict[bytes, int] = {}  # when such an event registers or moves one of them
        self._waiting: tuple[list[_Pending], list[Draft], Future[list[Recorded]]] | None = None

    def learn_log(self, progress: Callable[[int], None]) -> None:
        """Read what the home's logs hold already; a home that was restored or copied may have several."""
        logs = [branch.log for branch in self._store.branches()]
        late: dict[bytes, list[Record]] = {}  # what the second and later logs say
        read = 0
        for number, log in enumerate(logs):
            for entry in self._store.entries_of_log(log):
                body = entry.body()
                source = body.extensions.get(EXT_SOURCE) if body else None
                if body is None or source is None or batches.is_batch(source):
                    continue
                site, at = source
                self._known.add((site, at))
                record = record_of(entry, body, _written_at(site))
                assert not isinstance(record.event, RevokedEvent | None)
                self._book.learn(site, at, UUID(bytes=body.subject), record.first_id or record.id, record.event)
                if number == 0:
                    self._folding(body.subject).add(record)
                else:
                    late.setdefault(body.subject, []).append(record)
                read += 1
                if read % 1000 == 0:
                    progress(read)
        for subject in late:
            self._fold_again(subject)

    def _fold_again(self, subject: bytes) -> None:
        """A subject of which several logs speak, in canonical order."""
        pairs = [(entry, entry.body()) for entry in self._store.entries_of_subject(subject)]
        sources = [(e, b, b.extensions.get(EXT_SOURCE)) for e, b in pairs if b]
        records = [record_of(e, b, _written_at(one[0])) for e, b, one in sources if one and not batches.is_batch(one)]
        folding = self._foldings[subject] = Folding(subject)
        for record in canonical(records):
            folding.add(record)

    def run(self, path: Path, progress: Callable[[int], None]) -> Imported:
        """Import a file of JSON lines; raises BadLine at the first that cannot be read. `progress` gets bytes read."""
        number = read_bytes = 0
        try:
            with path.open("rb") as file:
                for number, line in enumerate(_lines(file), 1):
                    read_bytes += len(line)
                    if len(line) > LINE_SIZE_BYTES_MAX:
                        raise BadField("line", f"more than {len(line) - 1} bytes", "a shorter one / 一行太长")
                    if line.strip():
                        self._take(number, _parsed(line))
                    if number % 200 == 0:
                        progress(read_bytes)
        except BadLine:
            raise
        except Refused as error:
            self._flush()
            self._settle()
            raise BadLine(number, self.done.recorded + self.done.known, error) from None
        except OSError as error:
            raise Refused(f"打不开文件 {path}", f"{path} cannot be read: {error.strerror}") from None
        self._flush()
        self._settle()
        progress(read_bytes)
        return self.done

    def _take(self, number: int, fact: dict[str, Any]) -> None:
        site, at_text = fact.get("site"), fact.get("at")
        if not isinstance(site, str) or not isinstance(at_text, str):
            raise BadField("site, at", f"{site!r}, {at_text!r}", "the home's code and an instant / 之家编号和时间")
        if site != self._home and not self._all_sites:
            self.done.elsewhere += 1
            return
        at = at_ms(at_text)
        if (site, at) in self._known:
            self.done.known += 1
            return
        if any(name.bytes in self._erased for name in _speaks_of(fact, site)):
            self.done.erased += 1  # before it is read: what it corrects may be gone
            return
        lifted = self._lift(fact)
        subject = lifted.subject.bytes
        if subject in self._erased:
            self.done.erased += 1
            return
        if self._depends_on_pending(subject, at, lifted.command):
            self._flush()  # what is decided must not depend on where a batch ends
            self._settle()
        for event in self._decide(subject, lifted.command):
            self._known.add((site, at))
            self._book.learn(site, at, lifted.subject, b"", event)
            self._touched.add(subject)
            if not isinstance(lifted.command, RecordFact | CorrectFact):
                self._weighty[subject] = at
            self._batch.append(_Pending(number, site, at, lifted.subject, event, lifted.by))
            self._drafts.append(
                draft_of(
                    lifted.subject.bytes, event, lifted.by, self._clock(), source=(site, at), deps=self._seen(subject)
                )
            )
        if len(self._batch) >= BATCH_COUNT:
            self._flush()

    def _depends_on_pending(self, subject: bytes, at: int, command: Command) -> bool:
        """Whether a decision looks at events that are still on their way to the disk."""
        match command:
            case RecordFact():  # refused where it comes before its child's registration
                return at < self._weighty.get(subject, at)
            case CorrectFact(trusting=True):
                return False
            case _:
                return subject in self._touched

    def _seen(self, subject: bytes) -> dict[bytes, int]:
        """What the home's other logs say of a subject was seen: it is named once a run, nothing arrives meanwhile."""
        if subject in self._named:
            return {}
        self._named.add(subject)
        return self._store.seen(subject)

    def _lift(self, fact: dict[str, Any]) -> Lifted:
        """A line may speak of one just before it, whose entry's id is known only once it is stored."""
        try:
            return lift(fact, self._book)
        except Refused:
            if not self._batch and self._waiting is None:
                raise
            self._flush()
            self._settle()
            return lift(fact, self._book)

    def _decide(self, subject: bytes, command: Command) -> list[Any]:
        try:
            return decide(self._folding(subject), command)
        except Refused:
            if not self._batch and self._waiting is None:
                raise
            self._flush()
            self._settle()
            return decide(self._folding(subject), command)

    def _flush(self) -> None:
        """Hand the batch to the disk, once the one before it is there."""
        self._settle()
        if self._batch:
            self._waiting = (self._batch, self._drafts, self._scribe.record(self._drafts))
            self._batch, self._drafts = [], []

    def _settle(self) -> None:
        """Wait until the batch that is on its way is durable, and learn its entries' ids."""
        if self._waiting is None:
            return
        batch, drafts, future = self._waiting
        self._waiting = None
        self._touched = {pending.subject.bytes for pending in self._batch}
        self._weighty = {subject: at for subject, at in self._weighty.items() if subject in self._touched}
        try:
            self._learn(batch, drafts, future.result())
        except RemoteProtocolError as error:  # one of them cannot be an entry; a batch is stored whole or not at all
            good = next((i for i, draft in enumerate(drafts) if not fits(draft)), None)
            if good is None:
                raise
            self._learn(batch[:good], drafts[:good], self._scribe.record(drafts[:good]).result())
            number, stored = batch[good].number, self.done.recorded + self.done.known
            raise BadLine(number, stored, BadField("line", batch[good].event, f"an entry: {error}")) from None

    def _learn(self, batch: list[_Pending], drafts: list[Draft], done: list[Recorded]) -> None:
        for pending, draft, recorded in zip(batch, drafts, done, strict=True):
            self._book.stored(pending.site, pending.at, recorded.id)
            record = Record(recorded.id, None, self._store.log, recorded.seq, pending.site, pending.actor, pending.at,
                            recorded.version, draft.deps, pending.event)  # fmt: skip
            if not self._folding(pending.subject.bytes).add(record):
                self._fold_again(pending.subject.bytes)
        self.done.recorded += len(batch)

    def _folding(self, subject: bytes) -> Folding:
        found = self._foldings.get(subject)
        if found is None:
            found = self._foldings[subject] = Folding(subject)
        return found


def _lines(file: Any) -> Iterator[bytes]:
    while line := file.readline(LINE_SIZE_BYTES_MAX + 1):
        yield line


def _speaks_of(fact: dict[str, Any], site: str) -> Iterator[UUID]:
    """The subject that a line names, and the one that the fact it corrects had if that had one of its own."""
    with suppress(ValueError, TypeError, AttributeError):
        yield UUID(fact.get("subject"))
    match fact.get("data"):
        case {"corrects": {"at": at}}:
            with suppress(Refused):
                yield own_subject(site, at_ms(at))


def _parsed(line: bytes) -> dict[str, Any]:
    try:
        fact = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise BadField("line", line[:60].decode("utf-8", "replace"), f"a JSON object / JSON 对象 ({error})") from None
    if not isinstance(fact, dict):
        raise BadField("line", line[:60].decode("utf-8", "replace"), "a JSON object / JSON 对象")
    return fact


def _written_at(site: str) -> Callable[[bytes], str]:
    """Whatever log a home's facts were imported into, they are that home's."""
    return lambda _log: site
