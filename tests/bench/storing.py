"""The store: durable commits, one by one and many at once, in batches; reading everything; reading one subject."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import Any, Final
from uuid import UUID

from domain import schema
from domain.folding import fold
from domain.records import NO_DEPS, Record
from node.records import record_of
from sync.batch import Draft, Entry
from sync.store import Store
from tests.bench import batching
from tests.bench.facts import HOME, SCAN_COUNT, Workshop, home_of, log_and_drafts
from tests.bench.measuring import Case, Findings, Sample, interleaved, timed
from tests.bench.references import AppendedFile, Child, Library, RawRows, Subject, application_with

SINGLES_COUNT: Final = 200
CROWD_COUNT: Final = 1024
BATCH_COUNT: Final = 1000
SUBJECT_COUNT: Final = 500


def run(workshop: Workshop, runs: int) -> list[Findings]:
    """Five tables."""
    found, drafts = log_and_drafts(workshop)
    bodies = [entry.packed or b"" for entry in found]
    return [
        _commits(workshop, runs, drafts, bodies),
        *batching.run(workshop, runs, drafts, bodies),
        _scans(workshop, runs, found, drafts),
        _replay(workshop, runs, drafts),
    ]


# -- single commits


def _commits(workshop: Workshop, runs: int, drafts: list[Draft], bodies: list[bytes]) -> Findings:
    rounds = interleaved(
        {
            "ours": _crowd(workshop, drafts[:SINGLES_COUNT], 1),
            "raw rows": _raw_singles(workshop, bodies[:SINGLES_COUNT]),
            "file": _file_singles(workshop, bodies[:SINGLES_COUNT]),
            "library": _library_singles(workshop, drafts[:SINGLES_COUNT]),
            "16 at once": _crowd(workshop, drafts[:CROWD_COUNT], 16),
            "256 at once": _crowd(workshop, drafts[:CROWD_COUNT], 256),
        },
        runs,
    )
    found = Findings("Store: durable commits (entries a second)")
    found.compare("one by one", rounds, "ours", "raw rows", aim="≥ 0.75")
    found.compare("one by one", rounds, "ours", "file", named="file append, fdatasync")
    found.compare("one by one", rounds, "ours", "library", named="eventsourcing.sqlite")
    found.compare("16 threads at once", rounds, "16 at once", "library", named="library, one", aim="≥ 2")
    found.compare("256 threads at once", rounds, "256 at once", "library", named="library, one", aim="≥ 4")
    return found


def _crowd(workshop: Workshop, drafts: Sequence[Draft], threads_count: int) -> Case:
    """Every thread records its share, one durable entry after the other."""

    def case() -> Sample:
        store = Store(workshop.home())
        store.record(drafts[:1]).result()  # the first block of stream keys is made

        begin = threading.Event()  # recorders that are there already: the library's one thread is, too

        def share(first: int) -> None:
            begin.wait()
            for draft in drafts[first::threads_count]:
                store.record([draft]).result()

        threads = [threading.Thread(target=share, args=(first,)) for first in range(threads_count)]
        for thread in threads:
            thread.start()
        with timed() as clock:
            begin.set()
            for thread in threads:
                thread.join()
        store.close()
        return clock.sample(len(drafts))

    return case


def _raw_singles(workshop: Workshop, bodies: Sequence[bytes]) -> Case:
    def case() -> Sample:
        rows = RawRows(workshop.fresh("raw.db"))
        with timed() as clock:
            for body in bodies:
                rows.add([body])
        rows.close()
        return clock.sample(len(bodies))

    return case


def _file_singles(workshop: Workshop, bodies: Sequence[bytes]) -> Case:
    def case() -> Sample:
        file = AppendedFile(workshop.fresh("appended"))
        with timed() as clock:
            for body in bodies:
                file.add(body)
        file.close()
        return clock.sample(len(bodies))

    return case


def _library_singles(workshop: Workshop, drafts: Sequence[Draft]) -> Case:
    def case() -> Sample:
        library = Library(workshop.fresh("library.db"))
        events = library.events(drafts)
        with timed() as clock:
            for event in events:
                library.recorder.insert_events([event])
        library.close()
        return clock.sample(len(events))

    return case


# -- reading


def _scans(workshop: Workshop, runs: int, entries: list[Entry], drafts: list[Draft]) -> Findings:
    store = Store(workshop.big_home())
    library = Library(workshop.fresh("library.db"))
    events = library.events(drafts)
    for first in range(0, len(events), BATCH_COUNT):
        library.recorder.insert_events(events[first : first + BATCH_COUNT])

    def notifications(each: Callable[..., object] | None) -> int:
        start, count = 1, 0
        while page := library.recorder.select_notifications(start, SCAN_COUNT):
            for one in page:
                if each is not None:
                    each(one)
            count += len(page)
            start = page[-1].id + 1
        return count

    rounds = interleaved(
        {
            "bodies": _scanned(lambda: _scan(store, Entry.body)),
            "events": _scanned(lambda: _scan(store, _event)),
            "notifications": _scanned(lambda: notifications(None)),
            "library's events": _scanned(lambda: notifications(library.mapper.to_domain_event)),
        },
        runs,
    )
    library.close()
    store.close()
    found = Findings(f"Store: reading all {len(entries):,} entries (entries a second)")
    found.compare("opened and unpacked", rounds, "bodies", "notifications", named="select_notifications, raw")
    found.compare("opened and unpacked", rounds, "bodies", "library's events", aim="≥ 1.2")
    found.compare("to the domain's events", rounds, "events", "library's events", aim="≥ 1.2")
    return found


def _event(entry: Entry) -> object:
    body = entry.body()
    assert body is not None
    return record_of(entry, body, home_of)


def _scan(store: Store, each: Callable[[Entry], object]) -> int:
    position = 0
    while page := store.entries_after(position, SCAN_COUNT):
        for entry in page:
            each(entry)
        position = page[-1].position
    return position


def _scanned(scan: Callable[[], int]) -> Case:
    def case() -> Sample:
        with timed() as clock:
            count = scan()
        return clock.sample(count)

    return case


# -- one subject


def _replay(workshop: Workshop, runs: int, drafts: list[Draft]) -> Findings:
    """One child with many facts of a kind that needs no other, read to two ends, the same for both.

    As plain values, of which the library's aggregate keeps a count and the last; and as the domain's state of the
    child, what its page waits for: for that its user reads and folds typed events, wherever they come from.
    """
    name = UUID(int=1).bytes
    plain = [draft._replace(subject=name) for draft in drafts if draft.type == "talk-held/1"][:SUBJECT_COUNT]
    store = Store(workshop.home())
    store.record(plain).result()
    subject, child = Subject(), Child()
    subjects = application_with(workshop.fresh("subject.db"), subject, plain)
    children = application_with(workshop.fresh("child.db"), child, plain)

    def our_state() -> None:
        read = ((entry, entry.body()) for entry in store.entries_of_subject(name))
        fold("child", name, [record_of(entry, body, home_of) for entry, body in read if body is not None])

    def their_state() -> None:
        found: Any = children.repository.get(child.id)
        fold("child", name, [_record(number, *fact) for number, fact in enumerate(found.facts, 1)])

    rounds = interleaved(
        {
            "values": _replayed(lambda: last_values(store, name), len(plain)),
            "library's values": _replayed(lambda: subjects.repository.get(subject.id), len(plain)),
            "state": _replayed(our_state, len(plain)),
            "library's state": _replayed(their_state, len(plain)),
        },
        runs,
    )
    for application in (subjects, children):
        application.close()
    store.close()
    found = Findings(f"Store: one subject of {len(plain)} entries (entries a second)")
    for what, end in (("values", "to plain values, the last kept"), ("state", "to the child's state")):
        found.compare(end, rounds, what, f"library's {what}", named="repository.get", aim="≥ 4")
        found.cost(end, rounds, what, f"library's {what}", named="repository.get")
    return found


def last_values(store: Store, subject: bytes) -> int:
    """Of a subject's entries the last of each kind, as the library's aggregate keeps them; how many there are."""
    count, last = 0, {}
    for entry in store.entries_of_subject(subject):
        body = entry.body()
        if body is not None:
            count += 1
            last[body.type] = body.payload
    return count


def _record(number: int, kind: str, actor: str, payload: dict[str, Any]) -> Record:
    """A fact from the library as the domain's fold takes it."""
    id_ = number.to_bytes(16, "big")
    return Record(id_, None, bytes(16), number, HOME, actor, 0, number, NO_DEPS, schema.from_json(kind, payload))


def _replayed(read: Callable[[], object], count: int) -> Case:
    def case() -> Sample:
        with timed() as clock:
            read()
        return clock.sample(count)

    return case
