"""Events about homes, workers, activities, inspections, loans and aid.

Children are named by id only.  A register number that stands for no child known to the writing node is kept beside
the ids (`…_numbers`), so that nothing that was written down is lost.
"""

from __future__ import annotations

import datetime as dt
from typing import Annotated
from uuid import UUID

from domain import codes
from domain.event import Act, Condition, Event, Json, Photo, event
from domain.quantity import Quantity


@event("home-registered/1", about="home", label="设立之家", english="home registered", sensitivity="S1")
class HomeRegistered(Event):
    """A home was opened."""

    name: str
    opened_on: dt.date
    kind: Annotated[str, codes.HOME_KIND] = "home"
    phone: str | None = None
    rooms: int | None = None
    capacity: int | None = None
    area_m2: int | None = None
    keeper: str | None = None


@event("home-profile-changed/1", about="home", label="之家信息变更", english="home's profile changed", sensitivity="S1")
class HomeProfileChanged(Event):
    """One field of the home's entry in the register took a new value."""

    field: Annotated[str, codes.HOME_FIELD]
    value: Json
    on: dt.date | None = None


@event("opening-held/1", about="home", label="开放", english="opening", sensitivity="S3")
class OpeningHeld(Event):
    """The home was open to children for a while."""

    on: dt.date
    kind: Annotated[str, codes.OPENING_KIND] = "room"
    minutes: int | None = None
    present: tuple[UUID, ...] = ()
    present_numbers: tuple[int, ...] = ()
    note: str | None = None


@event("worker-registered/1", about="worker", label="工作人员登记", english="worker registered", sensitivity="S2")
class WorkerRegistered(Event):
    """Somebody began to work for the home."""

    name: str
    code: str
    joined_on: dt.date
    kind: Annotated[str, codes.WORKER_KIND] | None = None
    phone: str | None = None


@event("activity-held/1", about="activity", label="活动", english="activity", sensitivity="S3")
class ActivityHeld(Event):
    """An activity took place; who came is part of the same fact, as it is written down in one go."""

    kind: Annotated[str, codes.ACTIVITY_KIND]
    on: dt.date
    title: str | None = None
    leader: str | None = None
    minutes: int | None = None
    present: tuple[UUID, ...] = ()
    present_numbers: tuple[int, ...] = ()
    present_names: tuple[str, ...] = ()
    absent: tuple[UUID, ...] = ()
    absent_numbers: tuple[int, ...] = ()
    guests: Quantity | None = None
    gifts: tuple[str, ...] = ()
    programme: tuple[Act, ...] = ()
    photo_ids: tuple[Photo, ...] = ()
    note: str | None = None


@event("inspection-done/1", about="inspection", label="检查", english="inspection", sensitivity="S3")
class InspectionDone(Event):
    """A dormitory, the equipment or another thing was inspected."""

    kind: Annotated[str, codes.INSPECTION_KIND]
    on: dt.date
    inspector: str | None = None
    items: int | None = None
    failed: int | None = None
    findings: tuple[str, ...] = ()
    beds: int | None = None
    away: tuple[UUID, ...] = ()
    away_numbers: tuple[int, ...] = ()
    celsius: int | None = None
    note: str | None = None


@event("loan-started/1", about="loan", label="借书", english="book lent", sensitivity="S3")
class LoanStarted(Event):
    """A child took a book home."""

    child: UUID
    book: str
    out_on: dt.date
    due_on: dt.date | None = None


@event("loan-closed/1", about="loan", label="还书", english="book returned", sensitivity="S3")
class LoanClosed(Event):
    """A loan came to its end."""

    child: UUID
    book: str
    on: dt.date
    outcome: Annotated[str, codes.LOAN_OUTCOME] = "returned"
    late_days: int | None = None
    condition: Condition | None = None


@event("aid-paid/1", about="aid", label="资助发放", english="aid paid", sensitivity="S4")
class AidPaid(Event):
    """Money for a child was handed out against a voucher."""

    child: UUID
    amount_fen: int
    on: dt.date
    term: str | None = None
    fund: str | None = None
    payee: str | None = None
    voucher: str | None = None
