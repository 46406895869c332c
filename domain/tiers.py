"""Codes of homes and hubs, as a hub above the county reads them.

Within a county a home has a code, `home-01`, and the county itself has none. A hub to which counties belong puts the
county's code in front: `qingxi/home-01`, and `qingxi/` for the county's own word. Over three tiers it is
`hejian/qingxi/home-01`. So two homes that two counties both call `home-01` are two homes, and who may decide for a home
shows in the codes alone: a hub governs what its own code is the beginning of.

Entries say codes as their author's county knows them; `qualified` reads them as this hub does.
"""

from __future__ import annotations

from typing import Any, Final

from domain import events as e
from domain.describing import fields_of
from domain.event import Event, changed

COUNTY: Final = ""
SEPARATOR: Final = "/"
HOME_FIELDS: Final = frozenset({"home", "to_home"})  # of events, where they are corrected; `home` is a register, too


def hub_of(code: str) -> str:
    """The hub that a home, or a hub's own word, belongs to: `qingxi/` for `qingxi/home-01`; "" for this hub's own."""
    return code[: code.rfind(SEPARATOR) + 1]


def county_of(code: str) -> str:
    """The same as people read it, `qingxi`; "" for this hub's own."""
    return hub_of(code).removesuffix(SEPARATOR)


def governs(writer: str, home: str) -> bool:
    """Whether a writer is the county that a home belongs to, or a hub above it."""
    return is_hub(writer) and home.startswith(writer)


def qualified(event: Event, writer: str) -> Event:
    """An event by a writer of another county, with the homes that it names as this hub calls them."""
    hub = hub_of(writer)
    if not hub:
        return event
    if isinstance(event, e.FactCorrected | e.ConflictSettled):
        named = event.field in HOME_FIELDS and isinstance(event.value, str)
        return changed(event, {"value": hub + event.value}) if named else event
    changes: dict[str, Any] = {}
    for field, many in _home_fields(type(event)):
        value = getattr(event, field)
        if value:
            changes[field] = tuple(hub + one for one in value) if many else hub + value
    return changed(event, changes) if changes else event


_HOME_FIELDS: dict[type[Event], tuple[tuple[str, bool], ...]] = {}


def _home_fields(cls: type[Event]) -> tuple[tuple[str, bool], ...]:
    """The fields of a class that name homes, as its definition says, and whether they name several."""
    found = _HOME_FIELDS.get(cls)
    if found is None:
        found = tuple((one.name, one.many) for one in fields_of(cls) if one.refers == "home")
        _HOME_FIELDS[cls] = found
    return found


def is_hub(writer: str) -> bool:
    """Whether a writer is a county, or a hub above one, and no home."""
    return writer == COUNTY or writer.endswith(SEPARATOR)
