"""Between which of the county's receipts an entry was recorded, for people: in JSON, and in words on a wrong clock.

`sync.receipts` has the bounds and says what each rests on. An entry's own clock is compared with them; what lies
outside by more than TOLERANCE_MS is said, with how far: by the difference that both sides' clocks had at one of the two
exchanges if that explains it, else by as much as is certain. It is a note for people and decides nothing.
"""

from __future__ import annotations

from typing import Any, Final

from node.clock import rfc3339
from sync import receipt_series
from sync.batch import Entry
from sync.entry import EXT_FIRST_ID
from sync.receipts import Bracket, Kept
from sync.stored_log import StoredLog

TOLERANCE_MS: Final = 300_000
UNITS: Final = ((60, "分钟", "minutes"), (3600, "小时", "hours"), (86_400, "天", "days"), (31_557_600, "年", "years"))
COUNTS_MAX: Final = {"minutes": 120, "hours": 72, "days": 1000, "years": 0}
COUNTY_MOVED: Final = (
    "这两次联系之间县里的钟改过，无法比较 (the county's own clock was moved between the two: no comparison)"
)


def bracket_json(store: StoredLog, entry: Entry) -> dict[str, Any]:
    """The bracket of an entry that counts, and what it says of the entry's clock.

    One that was recorded again keeps the time of its first recording, so its clock is not compared.
    """
    bracket, body = receipt_series.bracket(store, entry.log, entry.seq), entry.body()
    is_first = body is not None and EXT_FIRST_ID not in body.extensions
    return shown(bracket, body.recorded_at_ms if body is not None and is_first else None)


def shown(bracket: Bracket, recorded_ms: int | None) -> dict[str, Any]:
    """A bracket as JSON; `ahead_s` (behind where below 0) and `words` only where the entry's clock lies outside."""
    found = {"after": _instant(bracket.after_ms), "before": _instant(bracket.before_ms)}
    if bracket.contradicts_itself:
        return found | {"words": COUNTY_MOVED}
    if recorded_ms is None or (certain_ms := _outside_ms(bracket, recorded_ms)) == 0:
        return found
    offset_ms = _explained_by(bracket, recorded_ms)
    ahead_ms = certain_ms if offset_ms is None else offset_ms
    return found | {"ahead_s": ahead_ms // 1000, "words": _words(ahead_ms, is_exact=offset_ms is not None)}


def receipt_json(kept: Kept) -> dict[str, Any]:
    """One receipt of a series, with both clocks as they were greeted with."""
    greeted = kept.greeted
    return {
        "size": kept.size,
        "at": rfc3339(kept.note.time_ms),
        "epoch": kept.note.epoch,
        "backed_up": kept.note.backed_up_to,
        "said_size": greeted.size if greeted else None,
        "node_clock": rfc3339(greeted.node_ms) if greeted else None,
        "hub_clock": rfc3339(greeted.hub_ms) if greeted else None,
        "clock_offset_s": greeted.offset_ms // 1000 if greeted else None,
    }


def how_long(seconds: int) -> tuple[str, str]:
    """A time span as a person says it, in both languages."""
    unit_s, zh, en = next((unit for unit in UNITS if seconds < unit[0] * COUNTS_MAX[unit[2]]), UNITS[-1])
    count = (seconds + unit_s // 2) // unit_s
    return f"{count} {zh}", f"{count} {en}"


def _outside_ms(bracket: Bracket, recorded_ms: int) -> int:
    """How far at least a clock was ahead of the county's, behind where below 0; 0 within the tolerance."""
    if bracket.before_ms is not None and recorded_ms > bracket.before_ms + TOLERANCE_MS:
        return recorded_ms - bracket.before_ms
    if bracket.after_ms is not None and recorded_ms < bracket.after_ms - TOLERANCE_MS:
        return recorded_ms - bracket.after_ms
    return 0


def _explained_by(bracket: Bracket, recorded_ms: int) -> int | None:
    """The difference of the clocks at one of the two exchanges, if the entry lies in its bracket by it."""
    for kept in (bracket.later, bracket.earlier):
        if kept is not None and kept.greeted is not None:
            offset_ms = kept.greeted.offset_ms
            if _outside_ms(bracket, recorded_ms - offset_ms) == 0:
                return offset_ms
    return None


def _words(ahead_ms: int, *, is_exact: bool) -> str:
    zh, en = how_long(abs(ahead_ms) // 1000)
    at_least_zh, about_en = ("", "about") if is_exact else ("至少", "at least about")
    way_zh, way_en = ("快了", "ahead of") if ahead_ms > 0 else ("慢了", "behind")
    return (
        f"这台电脑的钟当时比县里的{at_least_zh}{way_zh}约 {zh}"
        f" (this computer's clock was then {about_en} {en} {way_en} the county's)"
    )


def _instant(at_ms: int | None) -> str | None:
    return None if at_ms is None else rfc3339(at_ms)
