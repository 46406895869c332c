"""R06: how often the homes were open, what was held there, and who came."""

from __future__ import annotations

import json
from collections.abc import Iterator

from domain.codes import ACTIVITY_KIND, OPENING_KIND
from domain.codes_place import ATTENDED, CANCELLED, CLOSED_REASON, LEVEL, THEME
from domain.reporting import (
    CHILDREN,
    HOME,
    TIMES,
    Asked,
    By,
    Figure,
    Label,
    Read,
    Row,
    Rows,
    added,
    amounts,
    counted,
    report,
)

ACTIVITY = "subject home on kind theme level title place from_time to_time organisers guests present present_numbers"
GUESTS = Label("人次", "guests")


@report("R06", "开放与活动", "openings and activities")
def openings(read: Read, asked: Asked) -> Iterator[Figure]:
    """Openings, activities, attendance and performers within a period."""
    during = (
        "on",
        asked.period.first.isoformat(),
        asked.period.last.isoformat(),
    )  # all rows are long: lists of children
    columns = "subject home on kind closed_reason head_count present present_numbers minutes"
    yield from _opened(read("opening_held", columns, between=during))
    held = read("activity_held", ACTIVITY, between=during)
    kind, theme, level = By("kind", "kind", ACTIVITY_KIND), By("theme", "theme", THEME), By("level", "level", LEVEL)
    definition = Label(
        "期间内举办的活动，按举办日期", "activities held within the period, by the day on which they were"
    )
    yield counted("activities", Label("活动", "activities"), definition, TIMES, held, kind, theme, level, HOME)
    present = attendance(held, read("attendance_taken", "subject home children others"))
    role = present.at("role")
    came = present.having(lambda row: row[role] != "absent")
    definition = Label(
        "活动签到的儿童人次，同一活动中一个儿童计一次；缺席不计",
        "children at activities, each once an activity; those marked absent do not count",
    )
    yield counted(
        "attended", Label("参加活动", "attended"), definition, CHILDREN, came, By("role", "role", ATTENDED), HOME, theme
    )
    yield counted(
        "performed",
        Label("登台表演", "performed"),
        Label("签到为“表演”的儿童人次", "children whose role was to perform"),
        CHILDREN,
        present.where(role="performed"),
        HOME,
    )
    yield amounts(
        "guests", Label("来宾", "guests"), definition_of_guests(), GUESTS, held.filled("guests"), "guests", HOME
    )
    cancelled = read("activity_cancelled", "subject home on reason").within("on", asked.period)
    yield counted(
        "cancelled",
        Label("取消的活动", "activities cancelled"),
        Label("期间内取消的活动，按原因", "activities cancelled within the period, by reason"),
        TIMES,
        cancelled,
        By("reason", "reason", CANCELLED),
        HOME,
    )
    evaluated = frozenset(read("activity_evaluated", "subject").column("subject"))
    yield counted(
        "not_evaluated",
        Label("未评估的活动", "activities not evaluated"),
        Label("期间内举办、至今没有评估的活动", "held within the period and not evaluated yet"),
        TIMES,
        held.having(lambda row: row[0] not in evaluated),
        kind,
        HOME,
    )


def definition_of_guests() -> Label:
    """“三十多人” is at least thirty: so is every sum that it is in."""
    return Label("来宾人数之和；有“多”“余”的，合计为至少", "guests added up; at least, where one of the numbers is")


def _opened(rows: Rows) -> Iterator[Figure]:
    closed, heads, ids, numbers = (
        rows.at(name) for name in ("closed_reason", "head_count", "present", "present_numbers")
    )
    kind = By("kind", "kind", OPENING_KIND)

    def children(row: Row) -> int:
        return row[heads] if row[heads] is not None else _items(row[ids]) + _items(row[numbers])

    opened = rows.having(lambda row: row[closed] is None).also("children", children)
    yield counted(
        "openings",
        Label("开放次数", "openings"),
        Label("期间内开放的次数，登记为未开放的不计", "openings within the period without those noted as closed"),
        TIMES,
        opened,
        kind,
        HOME,
    )
    yield added(
        "visitors",
        Label("到场人次", "children at openings"),
        Label("开放时到场的儿童人次：清点数，没有清点的按名单", "children present: the head count, else those listed"),
        CHILDREN,
        opened,
        "children",
        kind,
        HOME,
    )
    yield counted(
        "closed",
        Label("应开未开", "closed"),
        Label("登记为未开放的次数，按原因", "times noted as closed, by reason"),
        TIMES,
        rows.filled("closed_reason"),
        By("reason", "closed_reason", CLOSED_REASON),
        HOME,
    )


def _items(text: str | None) -> int:
    return len(json.loads(text)) if text else 0


def attendance(held: Rows, taken: Rows) -> Rows:
    """One row for each child at each activity held: from the lists that homes took, and from its own record."""
    at = {name: held.at(name) for name in ("home", "on", "kind", "theme", "title", "present", "present_numbers")}
    activities = {row[0]: row for row in held}
    found: dict[tuple[bytes, str], tuple[str, str]] = {}
    children = taken.at("children")
    for row in taken:
        if row[0] in activities and row[children]:
            for one in json.loads(row[children]):
                found[row[0], one["child"]] = (row[1], one.get("role") or "attended")
    for row in held:
        for text in (row[at["present"]], row[at["present_numbers"]]):
            for child in json.loads(text) if text else ():
                found.setdefault((row[0], str(child)), (row[at["home"]], "attended"))
    rows = [
        (subject, child, home, role, *(activities[subject][at[name]] for name in ("on", "kind", "theme", "title")))
        for (subject, child), (home, role) in found.items()
    ]
    return Rows(("subject", "child", "home", "role", "on", "kind", "theme", "title"), rows)


EDUCATION = frozenset({"law", "safety", "drugs", "mind", "health", "tradition", "morality"})


@report("R12", "宣传教育", "education")
def education(read: Read, asked: Asked) -> Iterator[Figure]:
    """Talks by theme, audience and leaflets within a period."""
    during = ("on", asked.period.first.isoformat(), asked.period.last.isoformat())
    held = read("activity_held", f"{ACTIVITY} speaker", between=during).where(theme=EDUCATION)
    theme = By("theme", "theme", THEME)
    yield counted(
        "talks",
        Label("宣讲活动", "talks"),
        Label("期间内法制、安全、禁毒等主题的活动", "activities on law, safety, drugs and the like within the period"),
        TIMES,
        held,
        theme,
        HOME,
    )
    present = attendance(held, read("attendance_taken", "subject home children others"))
    role = present.at("role")
    yield counted(
        "audience",
        Label("受教育儿童", "children who listened"),
        Label("在这些活动中签到的儿童人次", "children present at these activities, each once an activity"),
        CHILDREN,
        present.having(lambda row: row[role] != "absent"),
        theme,
        HOME,
    )
    given = read("materials_distributed", "subject home on material topic count").within("on", asked.period)
    yield amounts(
        "leaflets",
        Label("发放资料", "leaflets"),
        Label("发放的份数之和；有“多”“余”的，合计为至少", "copies given out added up; at least, where one number is"),
        Label("份", "copies"),
        given,
        "count",
        By("topic", "topic", THEME),
        HOME,
    )
