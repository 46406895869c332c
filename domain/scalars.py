"""Single values from outside: text, numbers, days, moments, ids; what does not fit raises `Unfit`."""

from __future__ import annotations

import datetime as dt
import unicodedata
from collections.abc import Mapping
from functools import lru_cache
from typing import Any
from uuid import UUID

TEXT_LENGTH_MAX = 20_000
LIST_LENGTH_MAX = 2_000
PLAIN_DEPTH_MAX = 6
INT_MIN, INT_MAX = -(2**63), 2**63 - 1
UUID_TEXT_LENGTHS = (32, 36)
IDS_CACHED_MAX = 32_768
FILE_NAME_SIZE = 32


class Unfit(Exception):
    """A plain value that does not fit its place."""

    def __init__(self, found: object, expected: str, field: str = "") -> None:
        super().__init__(field, found, expected)
        self.field, self.found, self.expected = field, found, expected

    def within(self, name: str) -> Unfit:
        """The same trouble, seen from one level further out."""
        return Unfit(self.found, self.expected, f"{name}.{self.field}" if self.field else name)


def composed(text: str) -> str:
    """The text in NFC."""
    return text if text.isascii() or unicodedata.is_normalized("NFC", text) else unicodedata.normalize("NFC", text)


def text_of(value: Any) -> str:
    """Text from outside: bounded, well-formed and composed."""
    if type(value) is not str:
        raise Unfit(value, "text")
    if len(value) > TEXT_LENGTH_MAX:
        raise Unfit(value, f"text of at most {TEXT_LENGTH_MAX} characters")
    if value.isascii():
        return value
    try:
        value.encode()
    except UnicodeEncodeError:
        raise Unfit(value, "text without lone surrogates") from None
    return composed(value)


def stored_text(value: Any) -> str:
    """Text as stored: composed when it was written."""
    if type(value) is not str:
        raise Unfit(value, "text")
    return value


def int_of(value: Any) -> int:
    """A whole number of at most 64 bits; a truth value is not one."""
    if type(value) is not int or not INT_MIN <= value <= INT_MAX:
        raise Unfit(value, "a whole number")
    return value


def int_text(text: str) -> int:
    """A whole number as typed."""
    try:
        return int_of(int(text))
    except ValueError:
        raise Unfit(text, "a whole number") from None


def bool_of(value: Any) -> bool:
    """A truth value."""
    if type(value) is not bool:
        raise Unfit(value, "true or false")
    return value


_TRUTH = {"true": True, "yes": True, "1": True, "是": True, "false": False, "no": False, "0": False, "否": False}


def bool_text(text: str) -> bool:
    """A truth value as typed."""
    found = _TRUTH.get(text.strip().lower())
    if found is None:
        raise Unfit(text, "true or false (是/否)")
    return found


def date_of(value: Any) -> dt.date:
    """A calendar day written as YYYY-MM-DD."""
    if type(value) is str and len(value) == 10 and value[4] == "-" == value[7]:
        try:
            return dt.date.fromisoformat(value)
        except ValueError:
            pass
    raise Unfit(value, "a date as YYYY-MM-DD")


COUNTY_TIME = dt.timezone(dt.timedelta(hours=8))
"""The county's clocks: a moment typed without an offset is meant so."""


FIRST_YEAR = 1900
"""Of a moment: what lies before is a slip, and the calendar's first year cannot be told in another time zone."""


def instant_of(value: Any) -> dt.datetime:
    """A moment written as YYYY-MM-DDTHH:MM, with or without its offset, to the minute or second."""
    if type(value) is str and len(value) >= 16 and value[4] == "-" == value[7] and value[10] in "T ":
        try:
            moment = dt.datetime.fromisoformat(value)
            moment = moment.astimezone(COUNTY_TIME) if moment.tzinfo else moment.replace(tzinfo=COUNTY_TIME)
        except (ValueError, OverflowError):
            pass
        else:
            if moment.year >= FIRST_YEAR:
                return moment.replace(microsecond=0)
    raise Unfit(value, "a moment as YYYY-MM-DDTHH:MM")


def instant_out(value: dt.datetime) -> str:
    """A moment to the second, in the county's time."""
    return value.astimezone(COUNTY_TIME).replace(microsecond=0).isoformat()


def stored_instant(value: Any) -> dt.datetime:
    """A moment as stored: to the second, in the county's time."""
    moment = instant_of(value)
    if moment.isoformat() != value:
        raise Unfit(value, "a moment as YYYY-MM-DDTHH:MM:SS+08:00")
    return moment


def time_of(value: Any) -> dt.time:
    """A time of day written as HH:MM."""
    if type(value) is str and len(value) == 5 and value[2] == ":":
        try:
            return dt.time.fromisoformat(value)
        except ValueError:
            pass
    raise Unfit(value, "a time of day as HH:MM")


def time_text(text: str) -> dt.time:
    """A time of day as typed: 8:30 as well as 08:30."""
    return time_of(text if len(text) == 5 else f"0{text}")


def time_out(value: dt.time) -> str:
    """A time of day to the minute."""
    return value.isoformat("minutes")


@lru_cache(IDS_CACHED_MAX)  # a list of attendance names the same children every day
def _id_of_bytes(value: bytes) -> UUID:
    return UUID(bytes=value)


def stored_id(value: Any) -> UUID:
    """An id as stored: 16 bytes."""
    if type(value) is not bytes or len(value) != 16:
        raise Unfit(value, "an id of 16 bytes")
    return _id_of_bytes(value)


def id_of(value: Any) -> UUID:
    """An id written as UUID text or as 32 hex digits."""
    if type(value) is str and len(value) in UUID_TEXT_LENGTHS:
        try:
            return UUID(value)
        except ValueError:
            pass
    raise Unfit(value, "an id as UUID text")


def stored_file_name(value: Any) -> bytes:
    """A photograph's name as stored: 32 bytes."""
    if type(value) is not bytes or len(value) != FILE_NAME_SIZE:
        raise Unfit(value, "a photograph's name of 32 bytes")
    return value


def file_name_of(value: Any) -> bytes:
    """A photograph's name written as 64 hex digits."""
    if type(value) is str and len(value) == 2 * FILE_NAME_SIZE and value.isalnum():
        try:
            return bytes.fromhex(value)
        except ValueError:
            pass
    raise Unfit(value, "a photograph's name as 64 hex digits")


def plain_of(value: Any, depth: int = PLAIN_DEPTH_MAX) -> Any:
    """A plain JSON value of bounded depth, without floats."""
    if value is None or type(value) is bool:
        return value
    if type(value) is str:
        return text_of(value)
    if type(value) is int:
        return int_of(value)
    if depth and type(value) in (list, tuple) and len(value) <= LIST_LENGTH_MAX:
        return [plain_of(item, depth - 1) for item in value]
    if depth and isinstance(value, Mapping) and len(value) <= LIST_LENGTH_MAX:
        return {text_of(key): plain_of(item, depth - 1) for key, item in value.items()}
    raise Unfit(value, "text, a whole number, true, false, a list or a map")
