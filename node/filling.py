"""Filling an empty file of read models: every subject is folded once, a range of subjects after the other.

    log -> a range's entries (`sync/subject_ranges.py`) -> each subject's records -> Folding -> rows -> sorted inserts

The fold is the one that follows (`following`), and so are the rows; only the order of work differs. Whoever follows
writes a subject again in each batch that speaks of it, and keeps folds for the next one; here a subject has all its
entries before it is folded, its rows come once, and nothing of it is kept. So memory depends on the size of a range and
not on that of the log.

Nobody reads the file before it is finished: it has no journal, its mark is written last, and it is made durable as a
whole. A cut leaves a file that nobody takes for a file of read models in use: it stands under another name, and whoever
fills the next one makes it anew. What is recorded, erased or revoked meanwhile is followed from the mark, as ever.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import apsw

from domain.folding import Folding
from domain.records import Record, canonical
from domain.views import VIEWS_VERSION
from node.records import of_the_domain, record_of
from node.revocation import Revocations
from node.sums import SUMMED, Sums
from node.views import APPLICATION_ID, HomeOf, Row, Views, put_mark, put_rows, remove
from sync import range_sql
from sync.batch import Entry
from sync.database import open_database
from sync.small_file import sync_file
from sync.stored_log import StoredLog
from sync.subject_ranges import RANGE_COUNT, portions

CACHE_KIB: Final = 64 * 1024

Known = Callable[[Entry], bool]


def everything(_entry: Entry) -> bool:
    """Every entry counts."""
    return True


def fill(
    store: StoredLog,
    path: Path,
    home_of: HomeOf,
    until: int,
    known: Known = everything,
    count_max: int = RANGE_COUNT,
) -> Iterator[int]:
    """A new file of what the log says up to a position; gives how many entries are done. `known`: which count at all.

    The file is there when all was given, and of no use before.
    """
    position, last = store.reading(lambda db: range_sql.newest(db, until))
    judging = _Judging(home_of, Revocations(store, position, home_of), known)
    Views.create(path, store.master).close()
    with _unfinished(path, store) as db:
        done = 0
        for portion in portions(store, position, count_max):
            tables: defaultdict[str, list[Row]] = defaultdict(list)
            for subjects in portion.opened():
                for subject, entries in subjects:
                    done += len(entries)
                    for name, row in judging.rows_of(subject, entries):
                        tables[name].append(row)
                yield min(done, position)
            _write(db, tables)
        put_mark(db, position, last)
    sync_file(path)
    yield position


class _Judging:
    """Entries as the domain sees them at one position, and what they add up to."""

    def __init__(self, home_of: HomeOf, revoked: Revocations, known: Known) -> None:
        self._home_of = home_of
        self._revoked = revoked
        self._known = known

    def rows_of(self, subject: bytes, entries: Iterable[Entry]) -> Iterable[tuple[str, Row]]:
        """The rows of one subject."""
        return folding_of(subject, self._records(entries)).rows()

    def _records(self, entries: Iterable[Entry]) -> Iterator[Record]:
        home_of, withholds, known = self._home_of, self._revoked.withholds, self._known
        for entry in entries:
            body = entry.body() if known is everything or known(entry) else None
            if of_the_domain(body, entry):
                yield record_of(entry, body, home_of, withholds)


def folding_of(subject: bytes, records: Iterable[Record]) -> Folding:
    """A subject folded from all its records."""
    folding = Folding(subject)
    for record in canonical(records):
        folding.add(record)
    return folding


def _write(db: apsw.Connection, tables: dict[str, list[Row]]) -> None:
    sums = Sums()
    for row in tables.get(SUMMED, ()):
        sums.came(row)
    put_rows(db, tables)
    sums.write(db)


@contextmanager
def _unfinished(path: Path, store: StoredLog) -> Iterator[apsw.Connection]:
    """A connection that writes fast and keeps nothing to go back to; what it wrote is in the file at the end."""
    db = open_database(path, store.master, APPLICATION_ID, VIEWS_VERSION)
    try:
        for pragma in ("journal_mode=OFF", "synchronous=OFF", "locking_mode=EXCLUSIVE", f"cache_size=-{CACHE_KIB}"):
            db.execute(f"PRAGMA {pragma}").fetchall()
        db.execute("BEGIN EXCLUSIVE")
        yield db
        db.execute("COMMIT")
    except BaseException:  # whoever is interrupted leaves no half of it
        db.close()
        remove(path)
        raise
    db.close()
