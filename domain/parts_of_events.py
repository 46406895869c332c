"""Parts that recur within payloads: an item of a programme, of attendance, of a check list, of a plan."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import Annotated
from uuid import UUID

from domain import codes_place as words
from domain.event import ChildId, Note, Who


@dataclass(frozen=True, slots=True, kw_only=True)
class Act:
    """One item of a programme: performers by id, and by name only where no one child of the home bears that name."""

    act: str
    title: str
    performers: tuple[UUID, ...] = ()
    performer_names: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Attendee:
    """How one child took part."""

    child: ChildId
    role: Annotated[str, words.ATTENDED] = "attended"
    reason: Annotated[str, words.ABSENCE] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One item of a check list."""

    item: str
    ok: bool
    note: Note | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanItem:
    """Something planned, or a stage of a project, with its date."""

    text: str
    on: dt.date | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What a meeting decided, who sees to it, and by when; actions are numbered from 1."""

    text: str
    owner: Who | None = None
    due_on: dt.date | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """A member of a group and what they see to."""

    who: Who
    duty: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """What one source gives for each unit, in fen."""

    source: str
    share_fen: int
