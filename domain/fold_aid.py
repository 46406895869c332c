"""What is known of money and goods: a grant of aid in its steps, a donation and its stock, a budget line.

**Aid.**  The home asks, the county decides, finance pays, the guardian confirms; each writes its own entries and any of
them may arrive first.  So nothing here is a state machine: `status` says how far the decision is, and instalments are
listed by number with everything that anyone said of them.  An instalment entered as paid by two parties is one payment
with two witnesses if the amounts agree; if they differ it is `contested` and counts with the lesser amount.

Whether money may flow is a register of its own (`paying`): a grant sets it, a stop or a refusal clears it, and where
those did not know of each other nothing is paid until a person decides anew.  The same if the child has left: see
`held`.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from domain import events as e
from domain.registers import contested
from domain.standing import Fact, Facts
from domain.state import State
from domain.tiers import is_hub
from domain.witnesses import Witness, counting, together


@dataclass(frozen=True, slots=True, kw_only=True)
class Instalment:
    """One instalment of a grant: when it is due, what was paid by whose word, and who signed for it.

    `key` is the number, or the payment's id where its record has none.  `witnesses` are the entries that say it was
    paid.
    """

    key: str
    number: int | None = None
    due_on: dt.date | None = None
    paid_fen: int = 0
    paid_on: dt.date | None = None
    witnesses: tuple[bytes, ...] = ()
    contested: bool = False
    amounts_fen: tuple[int, ...] = ()
    received_on: dt.date | None = None
    received_by: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Aid:
    """One grant. `status`: requested, granted, refused, waiting, stopped, or "" where only payments are known.

    `decided_by_homes` counts decisions written by homes, which decide nothing: whoever asks does not decide.
    """

    child: UUID | None = None
    recipient: str = ""
    recipient_kind: str = ""
    programme: str = ""
    kind: str = ""
    donor: str = ""
    requested: e.AidRequested | None = None
    requested_by: str = ""
    decided: e.AidDecided | None = None
    decision_contested: bool = False
    decided_by_homes: int = 0
    status: str = ""
    paying: bool = False
    paying_contested: bool = False
    stopped_on: dt.date | None = None
    instalments: tuple[Instalment, ...] = ()
    committed_fen: int | None = None
    paid_fen: int = 0
    received: int = 0

    @property
    def paid(self) -> int:
        """How many instalments were paid."""
        return sum(bool(one.witnesses) for one in self.instalments)


def aid_of(state: State) -> Aid:
    """What all entries about a grant add up to."""
    facts = Facts(state)
    asked = facts.of(e.AidRequested)
    request = asked[0].event if asked else None
    decided: e.AidDecided | None = state.value("decision")
    payments = facts.of(e.AidPaid)
    stops = [one.event.on for one in facts.of(e.AidStopped)]
    instalments = _instalments(request, decided, payments, facts.of(e.AidReceived))
    paying = bool(state.value("paying"))
    child = request.child if request else None
    return Aid(
        child=child or next((one.event.child for one in payments), None),
        recipient=(request.recipient or "") if request else "",
        recipient_kind=_recipient_kind(request, payments),
        programme=request.programme if request else next((one.event.fund or "" for one in payments), ""),
        kind=request.kind if request else "",
        donor=(request.donor or "") if request else "",
        requested=request,
        requested_by=asked[0].home if asked else "",
        decided=decided,
        decision_contested=contested(state.heads("decision")),
        decided_by_homes=sum(not is_hub(one.home) for one in facts.of(e.AidDecided)),
        status=_status(request, decided, stops, paying),
        paying=paying,
        paying_contested=contested(state.heads("paying")),
        stopped_on=min(stops, default=None),
        instalments=instalments,
        committed_fen=_committed(request, decided),
        paid_fen=sum(one.paid_fen for one in instalments),
        received=sum(one.received_on is not None for one in instalments),
    )


def _recipient_kind(request: e.AidRequested | None, payments: list[Fact[e.AidPaid]]) -> str:
    if request and request.recipient_kind:
        return request.recipient_kind
    return "child" if payments or (request and request.child) else ""


def _status(request: e.AidRequested | None, decided: e.AidDecided | None, stops: list[dt.date], paying: bool) -> str:
    if decided and decided.decision != "granted":
        return decided.decision
    if stops and not paying:
        return "stopped"
    if decided:
        return "granted"
    return "requested" if request else ""


def _committed(request: e.AidRequested | None, decided: e.AidDecided | None) -> int | None:
    """What was promised in all; None where nothing was, or where all costs are borne and no amount is known."""
    if decided is None or decided.decision != "granted":
        return None
    amount = decided.amount_fen if decided.amount_fen is not None else request.amount_fen if request else None
    return None if amount is None else amount * _count(request, decided)


def _count(request: e.AidRequested | None, decided: e.AidDecided | None) -> int:
    if decided and decided.schedule:
        return len(decided.schedule)
    if decided and decided.instalments is not None:
        return decided.instalments
    return request.instalments if request else 0


def _instalments(
    request: e.AidRequested | None,
    decided: e.AidDecided | None,
    payments: list[Fact[e.AidPaid]],
    receipts: list[Fact[e.AidReceived]],
) -> tuple[Instalment, ...]:
    granted = decided if decided and decided.decision == "granted" else None
    due = granted.schedule if granted else ()
    found: dict[str, dict[str, Any]] = {}
    for number in range(1, (_count(request, granted) if granted else 0) + 1):
        found[str(number)] = {"number": number, "due_on": due[number - 1] if number <= len(due) else None}
    for key, witnesses in together(Witness(one.id, one.order, one.event) for one in payments).items():
        found.setdefault(key, {"number": witnesses[0].event.instalment}).update(_paid(witnesses))
    for one in receipts:
        known = found.setdefault(str(one.event.instalment), {"number": one.event.instalment})
        if "received_on" not in known or one.event.on < known["received_on"]:
            known.update(received_on=one.event.on, received_by=one.event.by)
    made = [Instalment(key=key, **values) for key, values in found.items()]
    return tuple(sorted(made, key=lambda one: (one.number is None, one.number or 0, one.key)))


def _paid(witnesses: list[Witness]) -> dict[str, Any]:
    counted = counting(witnesses)
    amounts = tuple(sorted({one.event.amount_fen for one in witnesses}))
    return {
        "paid_fen": counted.event.amount_fen,
        "paid_on": min(one.event.on for one in witnesses),
        "witnesses": tuple(one.id for one in witnesses),
        "contested": len(amounts) > 1,
        "amounts_fen": amounts,
    }


def held(aid: Aid, left: bool) -> bool:
    """Whether payment waits for a person: granted, and the child has left; both facts stay as they are.

    Dates cannot tell whether who granted it knew: the home may have been offline for weeks.  So only a decision that
    says so (`after_leaving`) lets money flow again, or one for somebody who is aided because they left (a graduate).
    """
    if aid.status != "granted" or not left or aid.recipient_kind == "graduate":
        return False
    return aid.decided is None or not aid.decided.after_leaving


@dataclass(frozen=True, slots=True, kw_only=True)
class Donation:
    """Money or goods of one donor, and what was handed out of it; `left` is by item, of what is known exactly."""

    donor: str = ""
    kind: str = ""
    purpose: str = ""
    received_on: dt.date | None = None
    received_fen: int = 0
    issued_fen: int = 0
    left: Mapping[str, int] = field(default_factory=dict)
    issues: tuple[e.GoodsIssued, ...] = ()


def donation_of(state: State) -> Donation:
    """What all entries about a donation add up to."""
    facts = Facts(state)
    gifts = [one.event for one in facts.of(e.DonationReceived)]
    issues = tuple(sorted((one.event for one in facts.of(e.GoodsIssued)), key=lambda one: one.on))
    left: dict[str, int] = {}
    for gift in gifts:
        left[gift.item] = left.get(gift.item, 0) + (gift.quantity.low if gift.quantity else 0)
    for issue in issues:
        left[issue.item] = left.get(issue.item, 0) - issue.quantity.low
    first = gifts[0] if gifts else None
    return Donation(
        donor=first.donor if first else "",
        kind=first.kind if first else "",
        purpose=(first.purpose or "") if first else "",
        received_on=min((one.on for one in gifts), default=None),
        received_fen=sum(one.value_fen for one in gifts),
        issued_fen=sum(one.value_fen or 0 for one in issues),
        left=dict(sorted(left.items())),
        issues=issues,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """One budget line of a year; `off_purpose` are the vouchers of purpose-bound money spent on something else."""

    line: str = ""
    year: int | None = None
    purpose: str = ""
    purpose_bound: bool = False
    allocated_fen: int = 0
    released_fen: int = 0
    spent_fen: int = 0
    allocated_on: dt.date | None = None
    released_on: dt.date | None = None
    spent_on: dt.date | None = None
    off_purpose: tuple[str, ...] = ()
    twice: tuple[str, ...] = ()

    @property
    def left_fen(self) -> int:
        """What may still be spent."""
        return self.allocated_fen - self.spent_fen


def budget_of(state: State) -> Budget:
    """What all entries about a budget line add up to; a voucher entered twice is named, and counts twice."""
    facts = Facts(state)
    allocated = [one.event for one in facts.of(e.BudgetAllocated)]
    released = [one.event for one in facts.of(e.FundsReleased)]
    spent = [one.event for one in facts.of(e.ExpenseRecorded)]
    first = allocated[0] if allocated else None
    bound = any(one.purpose_bound for one in allocated)
    purposes = {one.purpose for one in allocated if one.purpose}
    vouchers = [one.voucher for one in spent]
    return Budget(
        line=first.line if first else "",
        year=first.year if first else None,
        purpose=(first.purpose or "") if first else "",
        purpose_bound=bound,
        allocated_fen=sum(one.amount_fen for one in allocated),
        released_fen=sum(one.amount_fen for one in released),
        spent_fen=sum(one.amount_fen for one in spent),
        allocated_on=min((one.on for one in allocated if one.on), default=None),
        released_on=min((one.on for one in released), default=None),
        spent_on=min((one.on for one in spent), default=None),
        off_purpose=tuple(sorted(one.voucher for one in spent if bound and purposes and one.purpose not in purposes)),
        twice=tuple(sorted({one for one in vouchers if vouchers.count(one) > 1})),
    )
