"""Following the log: what feeds a file of read models, entry by entry.

The follower reads entries after its position, folds every touched subject again and writes that subject's rows, what
they replace and the new position in one transaction. A power cut leaves the rows of the position before; following goes
on from there. A subject that is remembered from the last time is not read again: its fold goes on if the entry comes
after all others in canonical order, and starts anew from the log if it does not.

When the own log says that content is here again that was damaged, its subject is folded again. When the own log, or
that of a hub below, says that a log was revoked, or counts again, every subject of its later entries is folded again.

When the own log says that a subject was erased, that subject is folded again too: its rows vanish. A file that knows
nothing of an erasure, because it was put back or built meanwhile, is brought in line when it is opened.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Final

from domain.folding import Folding
from domain.records import Record
from node.filling import folding_of
from node.records import of_the_domain, record_of
from node.revocation import Revocations, subjects_after
from node.sums import Changes
from node.views import HomeOf, Row, Views
from sync.batch import Entry
from sync.damage import mended_subject
from sync.entry import Body
from sync.erasure import erased_subjects, executed_subject
from sync.stored_log import StoredLog

BATCH_COUNT: Final = 2000
ENTRIES_REMEMBERED_MAX: Final = 50_000  # of 2 kB each, folded
NAMES_REMEMBERED_MAX: Final = 1_000_000


class Remembered:
    """A subject's fold and the rows that it gave the last time."""

    __slots__ = ("entries", "erased", "folding", "rows")

    def __init__(self, folding: Folding) -> None:
        self.folding = folding
        self.rows: list[tuple[str, Row]] | None = []  # None: what is stored is not known
        self.erased = False
        self.entries = 0  # how many it was folded from when that was last counted


class Follower:
    """Feeds one file of read models from the log. Used by one thread."""

    def __init__(
        self, store: StoredLog, views: Views, home_of: HomeOf, at_erasure: Callable[[], None] = lambda: None
    ) -> None:
        """`at_erasure` is called when an erasure is met, before anything says that it was."""
        self.views = views
        self._at_erasure = at_erasure
        self._store = store
        self._home_of = home_of
        self._remembered: OrderedDict[bytes, Remembered] = OrderedDict()
        self.position = views.position()
        self._revoked = Revocations(store, self.position, home_of)
        self._entries = 0  # of all that is remembered
        self._forgotten: set[bytes] = set()
        self._knows_all = self.position == 0  # then who is neither remembered nor forgotten has no entries before

    def catch_up(self, until: int | None = None, batch_count: int = BATCH_COUNT) -> Iterator[int]:
        """Follow to the newest entry, a batch at a time; gives the position after each."""
        end = self._store.position() if until is None else until
        while self.position < end:
            entries = self._store.entries_after(self.position, min(batch_count, end - self.position))
            if not entries:
                return
            self.take(entries)
            yield self.position

    def take(self, entries: Sequence[Entry]) -> None:
        """Fold a batch of entries and write what it changes."""
        touched: dict[bytes, Remembered] = {}
        anew: set[bytes] = set()
        position = entries[-1].position
        for entry in entries:
            body = entry.body()
            if not of_the_domain(body, entry):
                touched.update(self._judged_anew(entry, body, position))
                continue
            record = self._record(entry, body)
            subject = touched.get(body.subject)
            if subject is None:
                subject = touched[body.subject] = self._recall(body.subject, position)
            if record.first_id is not None and body.subject not in anew:  # what it repeats is no longer read
                anew.add(body.subject)
                subject.folding = self._fold_again(body.subject, position)
            elif not subject.folding.add(record):
                subject.folding = self._fold_again(body.subject, position)
        self._write(position, touched, entries[-1].commitment)
        self._limit_memory(touched)

    def _record(self, entry: Entry, body: Body) -> Record:
        return record_of(entry, body, self._home_of, self._revoked.withholds)

    def _judged_anew(self, entry: Entry, body: Body | None, until: int) -> Iterator[tuple[bytes, Remembered]]:
        """The subjects that an entry about this node itself has folded again: erased, or of a revoked log."""
        if body is None:
            return
        if (name := executed_subject(body.type, body.payload)) is not None:
            self._at_erasure()
            found = self._start_anew(name, until)
            found.erased = True
            yield name, found
        elif self._is_own(entry, body) and (name := mended_subject(self._store, body)) is not None:
            found = self._remembered[name] = self._start_anew(name, until)
            yield name, found
        else:
            changed = self._revoked.note(entry, body)
            for name in subjects_after(self._store, self._home_of, *changed, until) if changed else ():
                found = self._remembered[name] = self._start_anew(name, until)
                yield name, found

    def _is_own(self, entry: Entry, body: Body) -> bool:
        return entry.log == body.subject and self._store.has_key(entry.log)

    def forget_erased(self) -> None:
        """Fold every subject again that was erased, and of which something is left here."""
        erased = [name for name in erased_subjects(self._store) if self.views.rows_of_subject(name)]
        if erased:
            subjects = {name: self._start_anew(name, self.position) for name in erased}
            for one in subjects.values():
                one.erased = True
            self._write(self.position, subjects)

    def _write(self, position: int, touched: dict[bytes, Remembered], last: bytes = b"") -> None:
        changes = Changes()
        for name, subject in touched.items():
            before = self.views.rows_of_subject(name) if subject.rows is None else subject.rows
            subject.rows = subject.folding.rows()
            changes.became(before, subject.rows)
        erased = any(subject.erased for subject in touched.values()) and bool(changes.gone)
        self.views.replace(position, changes, last=last, erased=erased)
        self.position = position
        if erased:
            self.views.clear_traces()

    def _start_anew(self, subject: bytes, until: int) -> Remembered:
        """A subject judged anew: what is remembered of it goes, what is stored of it is looked up."""
        self._forget(subject)
        found = Remembered(self._fold_again(subject, until))
        found.rows = None
        return found

    def _forget(self, subject: bytes) -> None:
        found = self._remembered.pop(subject, None)
        if found is not None:
            self._entries -= found.entries
            if self._knows_all:
                self._forgotten.add(subject)

    def _recall(self, subject: bytes, until: int) -> Remembered:
        found = self._remembered.get(subject)
        if found is not None:
            self._remembered.move_to_end(subject)
            return found
        found = Remembered(Folding(subject))
        if not self._knows_all or subject in self._forgotten:
            found.folding = self._fold_again(subject, until)
            found.rows = None
        self._remembered[subject] = found
        return found

    def _fold_again(self, subject: bytes, until: int) -> Folding:
        """Fold a subject from the log, up to a position: what the tables say at a mark depends on nothing after it."""
        pairs = [(entry, entry.body()) for entry in self._store.entries_of_subject(subject, until)]
        return folding_of(subject, (self._record(one, body) for one, body in pairs if of_the_domain(body, one)))

    def _limit_memory(self, touched: Iterable[bytes]) -> None:
        """Forget the folds that were not needed for longest; of what is forgotten the name is kept."""
        for subject in map(self._remembered.get, touched):
            if subject is not None:
                self._entries -= subject.entries
                subject.entries = len(subject.folding.taken())
                self._entries += subject.entries
        while self._entries > ENTRIES_REMEMBERED_MAX and self._remembered:
            self._forget(next(iter(self._remembered)))
        if len(self._forgotten) > NAMES_REMEMBERED_MAX:
            self._knows_all = False
            self._forgotten.clear()
