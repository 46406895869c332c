"""A county without sockets: a hub with its registry and router, and homes, all with real stores and read models."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import apsw

from central_hub import shelving
from central_hub.registry import Admissions
from central_hub.router import Router
from domain.views import TABLES
from node.following import Follower
from node.mailbox import HomesByMailbox
from node.records import draft_of
from node.views import Views
from sync import bundle_file, epoch, outbox, outbox_sql, shelf, wire
from sync.answering import Answer
from sync.bundle import BundleReader
from sync.entry import EXT_SAW
from sync.file_form import Sent
from sync.file_keeping import chunk_of, keep, offer_of
from sync.file_transfer import FileReceiver
from sync.messages import Ack, Bring, Chunk, Follow, Holds, Message, NoKey, Took
from sync.outbox_receiving import TakeIn
from sync.outbox_taking import follow, receiver_of, take_in
from sync.outgoing import push_of
from sync.recipients import identities_of
from sync.replicator import Append, Receiver
from sync.reply import Reply
from sync.shelf import ServedShelf
from sync.store import Store
from sync.verify import verify

NOW_MS = 1_725_148_800_000


class Town:
    """The hub and its homes."""

    def __init__(self, path: Path, codes: tuple[str, ...]) -> None:
        self.path = path
        self.hub = self._store("hub")
        self.registry = Admissions(self.hub, lambda: NOW_MS)
        self.router = Router(self.hub, self.registry, lambda: NOW_MS)
        self.homes: dict[str, Store] = {}
        for code in codes:
            self.add(code)

    def _store(self, name: str) -> Store:
        folder = self.path / name
        if not folder.exists():
            folder.mkdir(parents=True)
            Store.create(folder)
        return Store(folder)

    def add(self, code: str) -> None:
        """A home that joins."""
        home = self.homes[code] = self._store(code)
        digest = hashlib.sha256(code.encode()).digest()
        self.registry.invite(code, code, digest)
        self.registry.join(code, digest, home.signer.public_key)
        follow(home, self.key, code, epoch.current(self.hub))

    @property
    def key(self) -> bytes:
        return self.hub.identity.public_key

    def close(self) -> None:
        for store in (self.hub, *self.homes.values()):
            store.close()

    def store_of(self, code: str) -> Store:
        """A home's store; the hub's for ""."""
        return self.homes[code] if code else self.hub

    def record(
        self, code: str, subject: bytes, event: Any, deps: Mapping[bytes, int] | None = None, saw: Sequence[bytes] = ()
    ) -> bytes:
        """Record an event at a home (at the county for ""); its entry's id."""
        draft = draft_of(subject, event, "li", NOW_MS)._replace(deps=deps or {})
        if saw:
            draft = draft._replace(extensions={EXT_SAW: list(saw)})
        return self.store_of(code).record([draft]).result(10)[0].id

    def bring(self, *codes: str) -> None:
        """Carry what homes recorded to the hub."""
        for code in codes or tuple(self.homes):
            home = self.homes[code]
            log, key = home.log, home.signer.public_key
            self._bring_files(home)
            size = self.hub.size(log)
            if size == home.size(log):
                continue
            branch = next(b for b in self.hub.branches() if b.log == log)
            find = lambda ordinal, log=log: self.hub.stream_ref(log, ordinal)  # noqa: E731
            receiver = Receiver(log, key, self.hub.frontier(log, size), branch.streams, find)
            withheld: set[int] = set()
            while receiver.size < home.size(log):
                for effect in receiver.receive(push_of(home, receiver.size, 50, withheld), NOW_MS):
                    if isinstance(effect, Append):
                        self.hub.append(effect.batch).result(10)
                    elif isinstance(effect.message, NoKey):
                        withheld |= set(effect.message.ordinals)

    def photograph(self, code: str, content: bytes, subjects: Iterable[bytes]) -> bytes:
        """Take a photograph at a home; its name. It is brought to the hub with `bring`."""
        home = self.homes[code]
        return home.files.add(home.log, content, "image/jpeg", list(subjects), NOW_MS)

    def _bring_files(self, home: Store) -> None:
        for name in home.files.waiting():
            receiver, offer = FileReceiver(home.log, home.signer.public_key), offer_of(home, name)
            for message in (offer, *(chunk_of(home, name, n) for n in range(len(offer.manifest.hashes)))):
                for effect in receiver.receive(message):
                    keep(self.hub.files, home.log, effect, NOW_MS)
            home.files.note_sent(name, Sent.HELD)

    def brought(self, code: str) -> set[bytes]:
        """The photographs that the hub would bring to a home that has none."""
        log = self.homes[code].log
        served, names = ServedShelf(self.hub, self.box(code), partial(self.router.may_have, log)), set()
        size = 0
        while size < shelf.size_of(self.hub, self.box(code)):
            served.follow(Follow(served.id, size))
            while served.may_bring:
                match served.bring():
                    case Bring(_, _, offer):
                        names.add(offer.name)
                        served.receive(Holds(offer.name, len(offer.manifest.hashes)))
                    case Took(_, end):
                        size = end
        return names

    def by_stick(self, code: str) -> list[Message]:
        """All that an answer by stick would bring to a home that says that it has nothing."""
        log, may_have = self.homes[code].log, partial(shelving.may_have_now, self.hub, self.registry)
        replies, size = [Reply(log, log)], 10**6
        answer = Answer(self.hub, self.registry.logs_of(log), code, replies, NOW_MS, size, may_have)
        said: list[Message] = []
        for part in answer.write(self.path):
            reader = BundleReader()
            take = lambda data, reader=reader: said.extend(map(wire.decode, reader.feed(data)))  # noqa: E731
            bundle_file.read(part.path, identities_of(self.homes[code]), take, lambda _: None)
            reader.require_whole()
        return said

    def brought_by_stick(self, code: str) -> set[bytes]:
        """The photographs of which an answer by stick would bring anything."""
        said = self.by_stick(code)
        named = {one.offer.name for one in said if isinstance(one, Bring)}
        assert {one.name for one in said if isinstance(one, Chunk)} <= named
        return named

    def route(self, batch_count: int = 500) -> None:
        for _ in self.router.catch_up(batch_count):
            pass

    def box(self, code: str) -> bytes:
        return outbox.outbox_id(self.key, code, epoch.current(self.hub))

    def followers(self, subject: bytes) -> set[str]:
        """The homes that are sent whatever comes about a subject."""

        def work(db: apsw.Connection) -> set[str]:
            homes = {box.id: box.home for box in outbox_sql.outboxes(db)}
            return {homes[number] for number in outbox_sql.scope(db, subject)}

        return self.hub.reading(work)

    def deliveries(self, code: str, count: int = 20) -> list[Any]:
        """Everything that is in a home's outbox, as deliveries."""
        log, found, at = self.box(code), [], 0
        size = outbox.size_of(self.hub, log)
        while at < size:
            found.append(outbox.delivery_of(self.hub, log, at, count))
            at = found[-1].push.end
        return found

    def deliver(self, *codes: str, count: int = 20) -> None:
        """Carry what is in outboxes to the homes."""
        for code in codes or tuple(self.homes):
            log, home = follow(self.homes[code], self.key, code, epoch.current(self.hub)).log, self.homes[code]
            size = outbox.size_of(self.hub, log)
            receiver = receiver_of(home, log)
            withheld: set[int] = set()
            while receiver.size < size:
                for effect in receiver.receive(outbox.delivery_of(self.hub, log, receiver.size, count, withheld)):
                    match effect:
                        case TakeIn(parcel):
                            take_in(home, parcel)
                        case NoKey(_, ordinals):
                            withheld |= set(ordinals)
                        case Ack():
                            pass

    def exchange(self, *codes: str) -> None:
        """Everything up, routed, and down."""
        self.bring(*codes)
        self.route()
        self.deliver(*codes)

    def home_of(self, code: str) -> Any:
        return HomesByMailbox(self.homes[code], code, self.key).home_of if code else self.registry.code_of

    def rows(self, code: str, subject: bytes) -> dict[str, list[tuple]]:
        """All rows about a subject in the read models of a home, or of the hub."""
        store = self.store_of(code)
        views = Views.create(self.path / f"views-{code or 'hub'}.db", store.master)
        try:
            for _ in Follower(store, views, self.home_of(code)).catch_up():
                pass
            return {name: [row for row in views.rows_of(name) if row[0] == subject] for name in TABLES}
        finally:
            views.close()

    def require_whole(self) -> None:
        """Every store verifies."""
        for store in (self.hub, *self.homes.values()):
            assert verify(store, None, lambda _: None).first_bad is None
