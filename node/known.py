"""Read models as they were: folded from the first so many entries of each log, and thrown away afterwards.

"As known at" is a size for every log, which is what reports say of themselves and what filed reports keep.  The file is
filled as a rebuild fills one, beside the live one and under the same key; one that a killed process left behind is
removed by whoever comes next, and by an erasure.  What was erased since is not there: nobody can know it any longer.
"""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Final, NamedTuple

from domain.errors import BadField
from node import views as views_module
from node.clock import LOCAL
from node.filling import fill
from node.folder import Folder
from node.progress import bar
from node.projection import KNOWN_SUFFIX
from node.views import HomeOf, Views
from sync import receipt_series
from sync.batch import Entry
from sync.log_schema import Kind
from sync.stored_log import StoredLog

KNOWN_LOCK_FILE: Final = "known.lock"
FOR_EVER_MS: Final = 2**63 - 1


@contextmanager
def views_at(folder: Folder, store: StoredLog, sizes: Mapping[bytes, int], home_of: HomeOf) -> Iterator[Views]:
    """The read models of the first `sizes[log]` entries of each log; of a log that is not named, none."""

    known = Then(sizes).knows
    path = folder.views.with_name(folder.views.name + KNOWN_SUFFIX)
    with folder.lock(KNOWN_LOCK_FILE):
        try:
            goal = store.position()
            with bar("as known then", goal) as show:
                for position in fill(store, path, home_of, goal, known):
                    show(position)
            with closing(Views(path, folder.master)) as views:
                yield views
        finally:
            views_module.remove(path)


class Then(NamedTuple):
    """What was known at a moment: so many entries of each log, and the receipts given before an instant (ms)."""

    sizes: Mapping[bytes, int]
    before_ms: int = FOR_EVER_MS

    def knows(self, entry: Entry) -> bool:
        """Whether an entry was."""
        return entry.seq <= self.sizes.get(entry.log, 0)

    def by(self, day: dt.date) -> Then:
        """The same, of receipts those of a day and before."""
        return self._replace(before_ms=min(self.before_ms, _end_of(day)))


def then_on(store: StoredLog, day: dt.date) -> Then:
    """What was known at the end of a day."""
    return Then(sizes_on(store, day), _end_of(day))


def then_of(store: StoredLog, sizes: Mapping[bytes, int]) -> Then:
    """What was known when there were so many entries: receipts up to the first that is for more of any log."""
    later = [
        kept.note.time_ms
        for branch in store.branches()
        for kept in receipt_series.all_of(store, branch.log)
        if kept.size > sizes.get(branch.log, 0)
    ]
    return Then(sizes, min(later, default=FOR_EVER_MS))


def sizes_now(store: StoredLog) -> dict[bytes, int]:
    """The size of every log that is held; of one of which only some streams are here, up to which entry they go."""
    in_part = {Kind.PART, Kind.COMING}
    return {one.log: _last_seq(store, one.log) if one.kind in in_part else one.size for one in store.branches()}


def _last_seq(store: StoredLog, log: bytes) -> int:
    return max((entry.seq for entry in store.entries_of_log(log)), default=0)


def sizes_at(store: StoredLog, position: int) -> dict[bytes, int]:
    """How many entries of each log there are up to a position: what read models rest on that were followed so far."""
    sizes = sizes_now(store)
    while entries := store.entries_after(position):
        for entry in entries:
            sizes[entry.log] = min(entry.seq - 1, sizes.get(entry.log, 0))
        position = entries[-1].position
    return sizes


def sizes_on(store: StoredLog, day: dt.date) -> dict[bytes, int]:
    """How many entries of each log were known here at the end of a day in the county.

    Of a log that others write, what the receipts of that day and before cover; of this node's own, and of one that
    never got a receipt, the entries before the first that was written down later, by the clock of who wrote it.
    """
    end_ms = _end_of(day)
    return {branch.log: _size_on(store, branch.log, end_ms) for branch in store.branches()}


def _size_on(store: StoredLog, log: bytes, end_ms: int) -> int:
    series = [] if log == store.log else receipt_series.all_of(store, log)
    if series:
        return max((kept.size for kept in series if kept.note.time_ms < end_ms), default=0)
    size = 0
    for entry in store.entries_of_log(log):
        body = entry.body()
        if body is not None and body.recorded_at_ms >= end_ms:
            break
        size = entry.seq
    return size


def _end_of(day: dt.date) -> int:
    if day == dt.date.max:
        return FOR_EVER_MS
    midnight = dt.datetime.combine(day + dt.timedelta(days=1), dt.time(), LOCAL)
    return int(midnight.timestamp() * 1000)


def sizes_in(path: Path) -> dict[bytes, int]:
    """The positions that a report kept as JSON says; BadField where the file has none."""
    try:
        found = json.loads(path.read_text(encoding="utf-8-sig"))["positions"]
        return {bytes.fromhex(log): int(size) for log, size in found.items()}
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise BadField("--known-at", str(path), f"a report kept with --json ({error})") from None
