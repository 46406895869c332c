"""Folding a subject's entries into its state.

The fold takes entries in canonical order, (lamport, log id).  `Folding` is the fold as it runs: it takes one more entry
as long as that one comes after all others, and says so when it does not; the caller then folds afresh.  `fold` is the
same code over a whole set, so what is live and what is rebuilt cannot differ.  Nothing here raises over what an entry
holds: erased, unknown and unreadable entries are kept and shown, corrections of entries not seen yet wait for them.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections.abc import Callable, Collection, Iterable
from typing import Any

from domain import events as e
from domain.amending import Amendment, Awaited
from domain.aside import Aside
from domain.card import EDITS, HOME, WHOLE, Edits, Unfit, edits_of, typed
from domain.deed_rows import DeedRows
from domain.entitled import Entitled
from domain.event import Event, RevokedEvent, UnreadableEvent, changed
from domain.fields import Fields
from domain.figures import Figures, touched, untouched
from domain.moves import Moves
from domain.parts import HISTORY, PARTS
from domain.records import BEFORE_ALL, Record, canonical
from domain.registers import Head, Sight, head_of, winner
from domain.repeats import Repeats
from domain.saying import end_of, may_amend, owns, taken_back
from domain.schema import fit, subject_kind
from domain.sights import Sights
from domain.state import State, Unshown, unshown
from domain.stays import claim_winner, counted_moves, status_of, stays_of, transfers_of
from domain.tally import measure_of
from domain.tiers import governs
from domain.views import rows
from domain.witnesses import may_be_one_of_several, repeated


class Folding:
    """A fold under way; private to one caller, who sees only states."""

    __slots__ = (
        "_amended", "_aside", "_current", "_deeds", "_entitled", "_fields", "_figures", "_last", "_moves",
        "_not_theirs", "_records", "_repeats", "_sights", "_snapshot", "_told", "_unshown", "_unusable", "_waiting",
        "_withdrawn", "kind", "subject",
    )  # fmt: skip

    def __init__(self, subject: bytes) -> None:
        self.subject = subject
        self._entitled = Entitled()
        self._begin()

    def _begin(self) -> None:
        self.kind = ""
        self._last = BEFORE_ALL
        self._repeats = Repeats()
        self._sights = Sights(self._repeats)
        self._records: dict[bytes, Record] = {}
        self._fields = Fields()
        self._amended: dict[bytes, Amendment] = {}
        self._current: dict[bytes, Event] = {}
        self._figures = Figures()
        self._deeds = DeedRows()
        self._moves = Moves()
        self._unshown: list[Unshown] = []
        self._unusable: list[Record] = []
        self._not_theirs: list[Record] = []
        self._waiting = Awaited()
        self._withdrawn: set[bytes] = set()
        self._told: set[bytes] = set()  # withdrawn before they were here, by whomever
        self._aside = Aside()
        self._snapshot: State | None = None

    # -- taking entries

    def add(self, record: Record) -> bool:
        """Take one entry more; False if it belongs before one already taken, and nothing changed."""
        order = (record.lamport, record.log, record.seq, record.id)
        new = self._repeats.note(record) if order > self._last else None
        if new is None:
            return self._repeats.holds(record)
        if self._entitled.changes(record):
            records = canonical(self._repeats.all())
            self._begin()
            for one in records:
                self._admit(one, bool(self._repeats.note(one)), one.order)
        else:
            self._admit(record, new, order)
        return True

    def _admit(self, record: Record, new: bool, order: tuple[int, bytes, int, bytes]) -> None:
        self._last = order
        self._snapshot = None
        self._sights.note(record)
        if new:
            self._take(record)

    def _take(self, record: Record) -> None:
        event = record.event
        if not isinstance(event, Event):
            self._set_aside(record)
            return
        if record.home in self._entitled.strangers or self._entitled.refuses(record):
            self._aside.put(record)
            return
        self._records[record.id] = record
        if not self.kind:
            self.kind = event.meta.about
        moves, edits, count, amends = PARTS[type(event)]
        if moves:
            self._move(record)
        if edits is not None:
            self._edit(record, edits)
        if count is not None and (measure := count(event)) is not None:
            plain = not moves and edits is None
            since = self._moves.since(record.home)
            if plain and (self._aside.precedes(record, measure.on, since) or may_be_one_of_several(event)):
                self._amended[record.id] = Amendment()  # whether it counts follows from what all entries add up to
            else:
                self._figures.add(record.home, measure)
        if record.id not in self._amended:
            self._deeds.add(record)
        if amends and not taken_back(record, (one.record for one in self._waiting.of(record.id)), self.entry):
            self._amend(record, self._sights.of(record))
        if self._waiting:
            for waiting in self._waiting.pop(record.id):
                self._amend(*waiting)

    def _set_aside(self, record: Record) -> None:
        event = record.event
        if isinstance(event, RevokedEvent | UnreadableEvent):
            self._aside.put(record)
        if not isinstance(event, RevokedEvent):
            self._unshown.append(unshown(record))
            self.kind = self.kind or (subject_kind(event.type) if isinstance(event, UnreadableEvent) else "")

    # -- registers

    def _edit(self, record: Record, edits_of: Callable[[Any, str], Edits]) -> None:
        try:
            edits = edits_of(record.event, record.home)
        except Unfit:
            self._unusable.append(record)
            return
        sight = self._sights.of(record)
        for field, value in edits.items():
            self._put(field, head_of(record, record.id, value), sight)

    def _put(self, field: str, head: Head, sight: Sight) -> None:
        replaced = self._fields.put(field, head, sight)
        if field == HOME and len(replaced) > 1:
            self._moves.replaced(head, replaced)

    def _move(self, record: Record) -> None:
        """Note a move; an acceptance counts as having seen the request that it answers, and all before that."""
        self._moves.note(record)
        if isinstance(record.event, e.ChildTransferRequested):
            for acceptance, shown in self._moves.request(record, self._sights.deps_of(record)):
                self._sights.learn(acceptance, shown)
                self._fields.reveal(acceptance, self._sights.shown(acceptance, shown))
        elif isinstance(record.event, e.ChildTransferAccepted):
            for shown in self._moves.answered_by(record):
                self._sights.learn(record, shown)

    # -- corrections, withdrawals, settlements

    def _amend(self, record: Record, sight: Sight) -> None:
        event = record.event
        if record.id in self._withdrawn:
            return
        assert isinstance(event, Event)
        if not may_amend(record.home, event, self.entry):
            self._not_theirs.append(record)
        elif isinstance(event, e.FactCorrected):
            self._correct(record, event.value, sight)
        elif isinstance(event, e.FactWithdrawn):
            self._withdraw(record, self._repeats.kept(event.target.bytes), sight)
        elif isinstance(event, e.ConflictSettled):
            self._settle(record, event, sight)

    def _correct(self, record: Record, value: Any, sight: Sight) -> None:
        """Correct the entry that a correction, or a settlement of a fact's field, is about."""
        assert isinstance(record.event, Event)
        id_, named, field, through = end_of(record.event, self.entry)
        if named is None:
            self._waiting.put(self._repeats.kept(id_), record, sight._replace(named=sight.named | through))
            return
        assert isinstance(named.event, Event)
        try:
            now = fit(type(named.event), field, value)
            if isinstance(record.event, e.ConflictSettled):
                self._correct_fact(record, named, field, now, sight)
                return
            sight = sight._replace(named=sight.named | through | {named.id})
            if not self._correct_card(record, named, field, now, sight) or type(named.event) in WHOLE:
                self._correct_fact(record, named, field, now, sight)
        except Unfit:
            self._unusable.append(record)

    def _correct_card(self, record: Record, named: Record, field: str, now: Any, sight: Sight) -> bool:
        """Edit the registers that the corrected entry had edited; False if the field feeds none."""
        before = self._current.get(named.id, named.event)
        assert isinstance(before, Event)
        if type(before) not in EDITS:
            return False
        after = changed(before, {field: now})
        new = edits_of(after, named.home)
        try:
            old = edits_of(before, named.home)
        except Unfit:
            old = {}
        self._current[named.id] = after
        return self._fields.recast(record, named.id, old, new, sight)

    def _correct_fact(self, record: Record, named: Record, field: str, now: Any, sight: Sight) -> None:
        amendment = self._touch(named)
        base = head_of(named, named.id, getattr(named.event, field))
        amendment.edit(field, base, head_of(record, named.id, now), sight)

    def _touch(self, named: Record) -> Amendment:
        """Take a fact out of the running sums; from now on it is counted as amended when the state is made."""
        amendment = self._amended.get(named.id)
        if amendment is None:
            assert isinstance(named.event, Event)
            amendment = self._amended[named.id] = Amendment()
            self._deeds.remove(named, self._records, self._amended)
            measure = measure_of(named.event)
            if measure is not None:
                self._figures.remove(named.home, measure, untouched(self._records, self._amended))
        return amendment

    def _withdraw(self, record: Record, target: bytes, sight: Sight) -> None:
        named = self._records.get(target)
        if named is None:
            self._told.add(target)
            self._waiting.put(target, record, sight)
            return
        awaited = self._waiting.target_of(target) if isinstance(named.event, HISTORY) else None
        if awaited is not None and not owns(record.home, named):
            self._waiting.put(awaited, record, sight)  # whose word it takes back shows when that is here
            return
        self._withdrawn.add(target)
        if isinstance(named.event, HISTORY):
            self._waiting.drop(target)
            self._unusable = [one for one in self._unusable if one.id != target]
            self._not_theirs = [one for one in self._not_theirs if one.id != target]
            for amendment in self._amended.values():
                amendment.withdraw(target)
        else:
            self._touch(named).withdrawn_by.append(record.id)
        self._fields.forget(target)

    def _settle(self, record: Record, event: e.ConflictSettled, sight: Sight) -> None:
        sight = sight._replace(named=frozenset(self._repeats.kept(one.bytes) for one in event.saw))
        if event.field.startswith("fact:"):
            self._correct(record, event.value, sight)
            return
        claims = self._fields.heads(HOME) if event.field == HOME else ()
        if not all(governs(record.home, str(one.value)) for one in claims if sight.sees(one)):
            self._not_theirs.append(record)
            return
        try:
            self._put(event.field, head_of(record, record.id, typed(event.field, event.value, self.kind)), sight)
        except Unfit:
            self._unusable.append(record)

    # -- the result

    def state(self) -> State:
        """What the entries taken so far add up to."""
        self._snapshot = self._snapshot or self._state()
        return self._snapshot

    def rows(self) -> list[tuple[str, tuple[Any, ...]]]:
        """The table rows of the state; who asks for these alone keeps no state."""
        return list(rows(self._snapshot or self._state()))

    def _state(self) -> State:
        registers = self._fields.standing()
        amended = {id_: one.frozen() for id_, one in self._amended.items()}
        moves = self._moves.standing(amended)
        claims = registers.get(HOME, ())
        provisional = {}
        losers = self._moves.overruled(self._records)
        if len(claims) > 1:
            provisional[HOME] = claim_winner(claims, self._records)
            losers.update(one.origin for one in claims if one.value != provisional[HOME].value)
        counted = counted_moves(moves, losers)
        stays = stays_of([one for one in counted if getattr(one.event, "accepted", True)])
        holder = stays[-1].home if stays and stays[-1].to_on is None else ""
        for name, heads in registers.items():
            if len(heads) > 1 and name != HOME:
                provisional[name] = winner(name, heads, holder)
        early = self._aside.early(self._records, amended, holder, stays)
        withheld = early.keys() | repeated(self._records, amended) if self.kind == "aid" else early
        tally, last = self._figures.total(touched(self._records, amended, holder, withheld))
        return State(
            kind=self.kind,
            subject=self.subject,
            records=dict(self._records),
            amended=amended,
            registers=registers,
            provisional=provisional,
            tally=tally,
            last=last,
            deeds=self._deeds.standing(self._records, amended, early, holder),
            stays=stays,
            transfers=transfers_of(moves, losers),
            status=status_of(counted, stays) if self.kind == "child" else "",
            holder=holder,
            registered_on=min((one.on for one in moves if type(one.event) is e.ChildRegistered), default=None),
            pending=self._waiting.records({one.id for one in self._aside.records}),  # what is set aside is here
            unusable=tuple(r for r in self._unusable if r.id not in self._withdrawn and r.id not in self._current),
            aside=self._aside.standing(self._withdrawn | self._told),
            not_theirs=tuple(self._not_theirs),
            strangers=self._entitled.strangers,
            early=early,
            unshown=tuple(self._unshown),
        )

    # -- what a decision asks, without making a state

    @property
    def known(self) -> bool:
        """Whether anything readable is known of the subject."""
        return bool(self._records)

    @property
    def holder(self) -> str:
        """The home that the child belongs to."""
        return self.state().holder

    @property
    def status(self) -> str:
        """Whether the child is here, leaving or gone."""
        return self.state().status

    @property
    def registered_on(self) -> dt.date | None:
        """The day of the child's first registration."""
        return self.state().registered_on

    def since(self, home: str) -> dt.date | None:
        """The first day on which the child belonged to a home."""
        if self._amended and any(record.id in self._amended for record in self._moves.records):
            return self.state().since(home)
        return self._moves.since(home)

    def withdrawn(self, id_: bytes) -> bool:
        """Whether a fact was withdrawn."""
        return id_ in self._withdrawn or (id_ in self._told and self.entry(id_) is None)

    def entry(self, id_: bytes) -> Record | None:
        """A readable entry; None where it is not known."""
        return self._records.get(self._repeats.kept(id_))

    def holds_back(self, id_: bytes) -> bool:
        """Whether an entry was received and is not applied."""
        return self.state().holds_back(id_)

    def heads(self, field: str) -> tuple[Head, ...]:
        """The standing values of a field."""
        return self.state().heads(field)

    def taken(self) -> Collection[Record]:
        """Every entry taken so far."""
        return self._repeats.all()


def fold(kind: str, subject: bytes, records: Iterable[Record]) -> State:
    """What any set of entries about a subject adds up to, whatever their order, repeats, gaps and unknown types."""
    folding = Folding(subject)
    for record in canonical(records):
        folding.add(record)
    state = folding.state()
    return state if state.kind else dataclasses.replace(state, kind=kind)
