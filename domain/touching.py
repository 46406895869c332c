"""What concerns a period: rows that begin or end in it, or last on its day. A report of a month reads no others."""

from __future__ import annotations

import datetime as dt
from typing import NamedTuple

from domain.periods import Period


class Touching(NamedTuple):
    """Rows whose beginning or end (columns of days) lies in a period, or that have begun and not ended on a day."""

    begin: str
    end: str
    first: str
    last: str
    day: str

    def holds(self, begin: str | None, end: str | None) -> bool:
        """Whether a row with these two days is one of them."""
        if any(one is not None and self.first <= one <= self.last for one in (begin, end)):
            return True
        return begin is not None and begin <= self.day and (end is None or end > self.day)


def touching(begin: str, end: str, period: Period, day: dt.date) -> Touching:
    """What begins or ends in a period, or lasts on a day."""
    return Touching(begin, end, period.first.isoformat(), period.last.isoformat(), day.isoformat())
