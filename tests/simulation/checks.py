"""What must hold: after every step, and in the end."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

from domain.views import TABLES
from node import mailbox
from node.folder import VIEWS_FILE
from node.mailbox import HomesByMailbox
from node.projection import Projection, rebuild
from node.views import remove
from sync.entry import EXT_FIRST_ID, origin
from sync.note import checkpoint_text, verify_cosignature
from sync.store import Store
from sync.verify import verify
from sync.verify_files import verify_files
from tests.simulation import releases
from tests.simulation.nodes import Computer, Hub
from tests.simulation.people import Known

if TYPE_CHECKING:
    from tests.simulation.world import World

Node = Hub | Computer
Picture = dict[bytes, tuple[frozenset[tuple[bytes, bytes]], dict[str, list[Any]]]]


class Checker:
    """Looks at a world; remembers what it has seen, so that a step costs what the step changed."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._roots: dict[tuple[Any, ...], bool] = {}
        self._receipts: dict[Node, tuple[int, bytes]] = {}
        self._seen: dict[Node, int] = {}
        self._pictures: dict[Node, tuple[Any, Projection]] = {}

    # -- after every step

    def check(self) -> None:
        """At any moment."""
        hub = self._world.hub.store
        held = {branch.log: branch.size for branch in hub.branches()}
        for computer in self._world.computers:
            log = computer.store.log
            self._prefixes(computer, held)
            self._receipt(computer, held)
            self._only_what_it_may_see(computer)
            if not self._world.hub_was_put_back and computer.exchanger._log == log:
                acknowledged, there = computer.exchanger.acknowledged, held.get(log, 0)
                assert acknowledged <= there, f"{acknowledged} entries were acknowledged, the hub holds {there}"

    def _prefixes(self, computer: Computer, held: dict[bytes, int]) -> None:
        """What the hub holds of a log is a beginning of it, as long as one folder alone writes it."""
        in_part = computer.store.logs_in_part()
        for branch in computer.store.branches():
            if branch.log in self._world.copied or branch.log in in_part or branch.log not in held:
                continue
            size = held[branch.log]
            if branch.log == computer.store.log:
                assert size <= branch.size, f"the hub holds {size} entries of a log of {branch.size}"
            both = min(size, branch.size)
            key = (branch.log, both)
            if key not in self._roots:
                here, there = computer.store.root(branch.log, both), self._world.hub.store.root(branch.log, both)
                assert here == there, "not a prefix"
                self._roots[key] = True

    def _receipt(self, computer: Computer, held: dict[bytes, int]) -> None:
        store = computer.store
        receipt = store.last_checkpoint(store.log, with_receipt=True)
        if receipt is None or self._receipts.get(computer) == (receipt.size, receipt.root):
            return
        text = checkpoint_text(origin(store.log), receipt.size, store.root(store.log, receipt.size))
        verify_cosignature(self._world.hub.store.identity.public_key, text, receipt.receipt or b"")
        if not self._world.hub_was_put_back:
            there = held.get(store.log, 0)
            assert receipt.size <= there, f"a receipt for {receipt.size} entries, the hub holds {there}"
        self._receipts[computer] = (receipt.size, receipt.root)

    def _only_what_it_may_see(self, computer: Computer) -> None:
        """No forbidden entry: what others wrote is about children that are, or were, this home's to see."""
        store, world = computer.store, self._world
        before = self._seen.get(computer, 0)
        end = store.position()
        if end == before:
            return
        in_part = store.logs_in_part()
        post = mailbox.mailbox_of(computer.hub_key, computer.code)
        for entry in store.entries_after(before, end - before) if in_part else ():
            body = entry.body() if entry.log in in_part else None
            if body is not None and body.subject != post:
                assert world.people.may_see(computer.code, body.subject), (
                    f"{computer.code} holds what others wrote about {body.subject.hex()}"
                )
        self._seen[computer] = end

    # -- now and then

    def compare_two(self, one: Node, other: Node) -> None:
        """Equal sets of entries about a child give byte-equal rows about it."""
        here, there = self.picture(one), self.picture(other)
        for child in here.keys() & there.keys():
            if here[child][0] == there[child][0]:
                self._world.compared += 1
                assert here[child][1] == there[child][1], f"two pictures of {child.hex()}"

    def picture(self, node: Node) -> Picture:
        """By child: which entries there are, and the rows that the live read model shows."""
        views = self._followed(node).views
        tables = {name: views.rows_of(name) for name in TABLES}
        found: Picture = {}
        for child in self._world.people.children:
            entries = frozenset((entry.log, entry.id) for entry in node.store.entries_of_subject(child))
            if entries:
                found[child] = (
                    entries,
                    {name: [row for row in rows if row[0] == child] for name, rows in tables.items()},
                )
        return found

    def _followed(self, node: Node) -> Projection:
        opened = self._pictures.get(node)
        if opened is None or opened[0] is not node.store:
            if opened is not None:
                opened[1].close()
            opened = node.store, Projection(node.store, node.path / VIEWS_FILE, home_of(node))
            self._pictures[node] = opened
        with releases.earlier() if self.is_earlier(node) else contextlib.nullcontext():
            for _ in opened[1].catch_up():
                pass
        return opened[1]

    @staticmethod
    def is_earlier(node: Node) -> bool:
        """Whether a node's read models are made by an earlier release."""
        return isinstance(node, Computer) and node.is_earlier

    def upgrade(self, computer: Computer) -> None:
        """It gets today's release, which makes its read models anew."""
        if computer.is_earlier:
            computer.is_earlier = False
            opened = self._pictures.pop(computer, None)
            if opened is not None:
                opened[1].close()
            remove(computer.path / VIEWS_FILE)

    def close(self) -> None:
        """No more read models are open."""
        for _, projection in self._pictures.values():
            projection.close()

    # -- in the end

    def check_end(self, expected: set[bytes]) -> None:
        """Everything that any folder had is at the hub and at its home, once, as it was; and all of it is proven."""
        world = self._world
        key = world.hub.store.identity.public_key
        at_the_hub = events_of(world.hub.store, world.people.children)
        assert at_the_hub.keys() == expected, (
            f"{len(expected - at_the_hub.keys())} missing, {len(at_the_hub.keys() - expected)} too many"
        )
        assert {id_: world.people.known[id_] for id_ in at_the_hub} == at_the_hub
        for computer in world.computers:
            store = computer.store
            own = {b.log for b in store.branches()} - set(store.logs_in_part())
            for log in own & set(world.hub.registry.logs_of(store.log)):
                size = store.size(log)
                assert world.hub.store.size(log) == size
                assert world.hub.store.root(log, size) == store.root(log, size)
            receipt = store.last_checkpoint(store.log, with_receipt=True)
            assert receipt is not None
            assert receipt.size == store.size(store.log)
            assert store.files.waiting() == [], "a photograph still waits"
            self.compare_two(world.hub, computer)
        for one, other in zip(world.computers, world.computers[1:], strict=False):
            self.compare_two(one, other)
            if one.code == other.code and not world.hub_was_put_back:  # what it gave before, it may not owe again
                assert self.picture(one) == self.picture(other), "two computers of one home"
        for node in (world.hub, *world.computers):
            verdict = verify(node.store, key, lambda _: None)
            assert verdict.first_bad is None, verdict
            assert verify_files(node.store, lambda _: None).bad == []
            live = self._followed(node).views.digest()
            again = rebuild(node.store, node.path / "again.db", home_of(node), lambda _: None, node.store.position())
            assert live == again.tables, "a rebuilt read model is another one"


def home_of(node: Node) -> Any:
    """Whose a log is, as that node knows it."""
    if isinstance(node, Hub):
        return node.registry.code_of
    return HomesByMailbox(node.store, node.code, node.hub_key).home_of


def events_of(store: Store, children: list[bytes]) -> dict[bytes, Known]:
    """What counts at a node, by first id; each event may be told by several logs, but in the same words."""
    found: dict[bytes, Known] = {}
    for child in children:
        for entry in store.entries_of_subject(child):
            body = entry.body()
            if body is None:
                continue
            known = (body.type, body.actor, body.recorded_at_ms, body.payload)
            assert found.setdefault(body.extensions.get(EXT_FIRST_ID, entry.id), known) == known
    return found
