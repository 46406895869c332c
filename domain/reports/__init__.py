"""Every report that is made, by its number in the catalogue (section 3.1); a module more is one line more here."""

from domain.reporting import REPORTS
from domain.reports import (
    activity,
    aid,
    cases,
    compliance,
    health,
    library,
    openings,
    pairing,
    people,
    places,
    projects,
    register,
    safety,
    survey,
)

__all__ = [
    "REPORTS",
    "activity",
    "aid",
    "cases",
    "compliance",
    "health",
    "library",
    "openings",
    "pairing",
    "people",
    "places",
    "projects",
    "register",
    "safety",
    "survey",
]
