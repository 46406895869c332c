"""Events on the child's card and place: registration, details, guardians, parents, transfers, pairings."""

from __future__ import annotations

import datetime as dt
from typing import Annotated
from uuid import UUID

from domain import codes
from domain.event import CardField, Category, Event, Json, Kinship, Person, Sex, event


@event("child-registered/1", about="child", label="登记建档", english="child registered", sensitivity="S3")
class ChildRegistered(Event):
    """A home opened a child's file; guardian and parents are the first contact card."""

    name: str
    sex: Sex
    registered_on: dt.date
    born_on: dt.date | None = None
    number: int | None = None
    address: str | None = None
    school: str | None = None
    grade: int | None = None
    class_name: str | None = None
    boards: bool | None = None
    ethnicity: str | None = None
    national_id: str | None = None
    guardian: Person | None = None
    parents: tuple[Person, ...] = ()


@event("child-details-changed/1", about="child", label="基本信息变更", english="details changed", sensitivity="S3")
class ChildDetailsChanged(Event):
    """One field of the child's basic data took a new value."""

    field: Annotated[str, codes.DETAIL_FIELD]
    value: Json
    on: dt.date | None = None
    reason: str | None = None


@event("child-category-assessed/1", about="child", label="分类认定", english="category assessed", sensitivity="S4")
class ChildCategoryAssessed(Event):
    """Somebody assessed which groups the child belongs to."""

    categories: tuple[Category, ...]
    assessed_on: dt.date
    reason: str | None = None
    valid_from: dt.date | None = None
    review_on: dt.date | None = None


@event("contact-card-changed/1", about="child", label="联系卡变更", english="contact card changed", sensitivity="S4")
class ContactCardChanged(Event):
    """One field of the contact card took a new value."""

    field: CardField
    value: str
    on: dt.date | None = None
    was: str | None = None
    told_by: str | None = None


@event("contact-card-confirmed/1", about="child", label="联系卡核对", english="card confirmed", sensitivity="S3")
class ContactCardConfirmed(Event):
    """Somebody went through the whole card and found it right."""

    confirmed_on: dt.date
    confirmed_with: Annotated[str, codes.CONFIRMED_WITH]
    term: str | None = None


@event("guardian-recorded/1", about="child", label="监护人登记", english="guardian recorded", sensitivity="S4")
class GuardianRecorded(Event):
    """Who looks after the child from a date on."""

    name: str
    kinship: Kinship
    from_on: dt.date
    phone: str | None = None
    age: int | None = None
    occupation: str | None = None
    address: str | None = None
    health: Annotated[str, codes.HEALTH] | None = None
    entrusted_by: str | None = None
    was: Person | None = None
    told_by: str | None = None


@event("guardian-ended/1", about="child", label="监护终止", english="guardian ended", sensitivity="S2")
class GuardianEnded(Event):
    """The guardian no longer looks after the child."""

    on: dt.date
    reason: str
    name: str | None = None


@event("parent-workplace-recorded/1", about="child", label="家长务工单位", english="workplace", sensitivity="S2")
class ParentWorkplaceRecorded(Event):
    """Where a parent works now."""

    parent: Annotated[str, codes.KINSHIP]
    employer: str
    on: dt.date | None = None
    address: str | None = None
    phone: str | None = None
    city: str | None = None
    expected_return_on: dt.date | None = None
    best_hours: str | None = None
    was: str | None = None
    told_by: str | None = None


@event("parent-returned/1", about="child", label="父母返乡", english="parents came home", sensitivity="S3")
class ParentReturned(Event):
    """Parents came home to the child."""

    parents: tuple[Kinship, ...]
    from_on: dt.date
    to_on: dt.date | None = None
    days: int | None = None
    note: str | None = None


@event("child-transfer-requested/1", about="child", label="转出", english="transfer requested", sensitivity="S3")
class ChildTransferRequested(Event):
    """The home gives the child over to another; it stays responsible until that one accepts."""

    to_home: str
    on: dt.date
    reason: str | None = None
    note: str | None = None
    number: int | None = None
    name: str | None = None


@event("child-transfer-accepted/1", about="child", label="转入", english="transfer accepted", sensitivity="S4")
class ChildTransferAccepted(Event):
    """A home took the child in, with a new card; the county may decide and then names the home."""

    on: dt.date
    accepted: bool = True
    home: str | None = None
    reason: str | None = None
    name: str | None = None
    sex: Sex | None = None
    born_on: dt.date | None = None
    number: int | None = None
    address: str | None = None
    school: str | None = None
    grade: int | None = None
    class_name: str | None = None
    boards: bool | None = None
    guardian: Person | None = None
    parents: tuple[Person, ...] = ()


@event("child-deregistered/1", about="child", label="结案", english="child deregistered", sensitivity="S3")
class ChildDeregistered(Event):
    """The child's stay ended without another home taking it in."""

    on: dt.date
    reason: Annotated[str, codes.LEAVING_REASON]
    note: str | None = None


@event("duplicate-child-linked/1", about="child", label="重复档案关联", english="duplicate linked", sensitivity="S3")
class DuplicateChildLinked(Event):
    """Two files were found to be, or not to be, of one child."""

    other: UUID
    same: bool
    on: dt.date | None = None
    checked_by_what: str | None = None


@event("pairing-formed/1", about="child", label="结对", english="pairing formed", sensitivity="S3")
class PairingFormed(Event):
    """A helper was paired with the child."""

    pairing: UUID
    kind: Annotated[str, codes.PAIRING_KIND]
    from_on: dt.date
    helper_name: str
    helper_phone: str | None = None
    helper_employer: str | None = None
    agreed: str | None = None


@event("pairing-ended/1", about="child", label="结对终止", english="pairing ended", sensitivity="S3")
class PairingEnded(Event):
    """A pairing came to its end."""

    pairing: UUID
    on: dt.date
    reason: str | None = None
