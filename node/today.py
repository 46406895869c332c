"""Which day it is at a home, for ages and duties, although nobody vouches for its clock.

Three witnesses: the system's date, the date of the county's last receipt, and that of the newest entry of the home's
own. Time does not run backwards, so the latest of them counts, with two exceptions: a system's date that is years away
from both others is not believed (a dead battery, a typing error), and neither is an entry that lies years ahead of a
system and a county that agree (it was recorded under such a clock). Nor is a receipt that lies years ahead of a system
and an entry that agree, if the county's clock had said the same as this one before, and this one has not gone back
since: then it was the county's that jumped. Where the system's date is not what counts, a
banner says so; the next entry or receipt under a right clock takes it away.

A home that was switched off for years looks like one with a wrong clock, until its next entry or receipt.
"""

from __future__ import annotations

import datetime as dt
from typing import Final, NamedTuple

import apsw

from node.clock import Clock, local_date
from sync import receipt_series
from sync.errors import LogCorrupt
from sync.stored_log import StoredLog

CONTRADICTION: Final = dt.timedelta(days=2 * 365)
LOOKED_BACK_COUNT: Final = 50  # entries without content are passed over


class Today(NamedTuple):
    """The date that counts, and what a person is told where the system's is another one; else an empty text."""

    date: dt.date
    banner: str = ""


def judge(system: dt.date, receipt: dt.date | None, entry: dt.date | None, agreed_on: dt.date | None = None) -> Today:
    """The day that counts; `receipt` and `entry`: of the last receipt and of the newest own entry.

    `agreed_on`: the county's date when both clocks last said nearly the same.
    """
    if receipt is not None and agreed_on is not None and receipt - system >= CONTRADICTION:
        here = max(system, entry) if entry is not None else system
        if agreed_on <= here and receipt - here >= CONTRADICTION and _agree(system, here):
            return Today(here, _receipt_words(receipt, here))
    agreed = max(system, receipt) if receipt is not None and _agree(system, receipt) else None
    if agreed is not None and entry is not None and entry - agreed >= CONTRADICTION:
        return Today(agreed, _entry_words(entry, agreed))
    others = [date for date in (receipt, entry) if date is not None]
    is_believed = not others or any(_agree(system, date) for date in others)
    date = max([*others, system] if is_believed else others)
    return Today(date, "" if date == system else _system_words(system, date))


def of(store: StoredLog, clock: Clock) -> Today:
    """The day at the home whose log this is."""
    return judge(local_date(clock()), receipt_date(store), _entry_date(store), _agreed_on(store))


def _agree(one: dt.date, other: dt.date) -> bool:
    return abs(one - other) < CONTRADICTION


def receipt_date(store: StoredLog) -> dt.date | None:
    """Of the newest of the home's logs that has a receipt: a new one has none before its first exchange."""
    for branch in reversed(store.branches()):
        kept = store.last_checkpoint(branch.log, with_receipt=True) if branch.own else None
        if kept is not None and kept.receipt is not None:
            return local_date(int.from_bytes(kept.receipt[:8], "big") * 1000)
    return None


def heard_on(store: StoredLog, before_ms: int) -> dt.date | None:
    """The day of the last receipt that the home got before an instant, as far as the series tells."""
    logs = [branch.log for branch in store.branches() if branch.own]
    times = [kept.note.time_ms for log in logs for kept in receipt_series.all_of(store, log)]
    last = max((one for one in times if one < before_ms), default=None)
    return None if last is None else local_date(last)


def _agreed_on(store: StoredLog) -> dt.date | None:
    for branch in reversed(store.branches()):
        within_ms = CONTRADICTION // dt.timedelta(milliseconds=1)
        if branch.own and (kept := receipt_series.agreed(store, branch.log, within_ms)) is not None:
            return local_date(kept.note.time_ms)
    return None


def _entry_date(store: StoredLog) -> dt.date | None:
    after = max(0, store.size(store.log) - LOOKED_BACK_COUNT)
    try:
        bodies = [body for entry in store.entries_of_log(store.log, after) if (body := entry.body()) is not None]
    except (LogCorrupt, apsw.Error):  # a damaged page bears no witness, and stops nothing else
        return None
    return local_date(bodies[-1].recorded_at_ms) if bodies else None


def _system_words(system: dt.date, date: dt.date) -> str:
    return (
        f"本机日期是 {system}，与县里的回执或最近的记录不符，提醒按 {date} 计算，请检查电脑的日期"
        f" (the system's date is {system}, which the county's receipt or the newest entry contradicts: what is due goes"
        f" by {date}; check the computer's date)"
    )


def _receipt_words(receipt: dt.date, date: dt.date) -> str:
    return (
        f"县里最近的回执日期是 {receipt}，县里电脑的日期大概错了，提醒按 {date} 计算，请告诉县里"
        f" (the county's last receipt is dated {receipt}, and its computer's date seems wrong: what is due goes by"
        f" {date}; tell the county)"
    )


def _entry_words(entry: dt.date, date: dt.date) -> str:
    return (
        f"最近一条记录的日期是 {entry}，电脑的日期当时错了，提醒按 {date} 计算"
        f" (the newest entry is dated {entry}, when the computer's date was wrong: what is due goes by {date})"
    )
