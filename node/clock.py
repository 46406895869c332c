"""The only place that asks what time it is."""

from __future__ import annotations

import datetime as dt
import os
import time
from collections.abc import Callable
from typing import Final

OFFSET_VARIABLE: Final = "HOMEWARD_CLOCK_OFFSET_S"

LOCAL: Final = dt.timezone(dt.timedelta(hours=8), "CST")  # China has one time, all year; needs no tzdata
EPOCH: Final = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)

Clock = Callable[[], int]


def system_clock() -> Clock:
    """Milliseconds since 1970 as this process believes; the environment may shift it, to try a wrong clock."""
    text = os.environ.get(OFFSET_VARIABLE, "0")
    try:
        offset_ms = int(float(text) * 1000)
    except (ValueError, OverflowError):
        raise SystemExit(f"{OFFSET_VARIABLE} must be a number of seconds, found {text!r}") from None
    return lambda: max(0, time.time_ns() // 1_000_000 + offset_ms)  # an entry's time is never before 1970


def local_date(at_ms: int) -> dt.date:
    """The date in the county at an instant; the last one that can be written where it lies beyond."""
    try:
        return (EPOCH + dt.timedelta(milliseconds=at_ms)).astimezone(LOCAL).date()
    except OverflowError:
        return dt.date.max


def rfc3339(at_ms: int) -> str:
    """An instant as text, in UTC with milliseconds where there are any."""
    try:
        at = dt.datetime.fromtimestamp(at_ms / 1000, dt.UTC)
    except (OverflowError, ValueError, OSError):
        return f"{at_ms} ms"
    return at.isoformat(timespec="milliseconds" if at_ms % 1000 else "seconds").replace("+00:00", "Z")
