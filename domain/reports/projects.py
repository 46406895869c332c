"""R14 and R16: projects with their money, evaluations and indicators; notices; media."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from domain.codes_county import EVALUATION_KIND, MEDIA_LEVEL, NOTICE_KIND
from domain.reporting import (
    HOME,
    TIMES,
    YUAN,
    Asked,
    By,
    Figure,
    Label,
    Read,
    Row,
    added,
    amounts,
    counted,
    in_list,
    report,
)

PROJECTS = Label("个", "projects")
ITEMS = Label("篇", "items")


@report("R14", "项目与经费", "projects and money")
def projects(read: Read, asked: Asked) -> Iterator[Figure]:
    """Projects and evaluations as they are; money and indicators of the period."""
    columns = (
        "subject home title owner leader status proposed_on approved_on closed_on follow_up stage stages "
        "contracted_fen missing"
    )
    found, day = read("project", columns), asked.as_of.isoformat()
    proposed, approved = found.at("proposed_on"), found.at("approved_on")
    found = found.having(lambda row: (row[proposed] or row[approved] or "") <= day)
    yield counted(
        "projects",
        Label("项目", "projects"),
        Label("截至日期申报的项目，按阶段", "projects proposed by the date, by how far they are"),
        PROJECTS,
        found,
        By("status", "status"),
        HOME,
    )
    late = found.filled("missing")
    yield counted(
        "missing",
        Label("缺评估", "evaluations missing"),
        Label(
            "已批准而没有前期评估、已结束而没有终期评估的项目",
            "approved without, or closed without, its evaluation on file",
        ),
        PROJECTS,
        late,
        By("evaluation", in_list(late, "missing"), EVALUATION_KIND),
    )
    owner, leader = found.at("owner"), found.at("leader")
    yield counted(
        "without_owner",
        Label("没有专人", "nobody named"),
        Label("没有写明负责人或牵头人的项目", "projects without a named owner or leader"),
        PROJECTS,
        found.having(lambda row: not row[owner] or not row[leader]),
    )
    yield counted(
        "evaluations",
        Label("评估报告", "evaluations filed"),
        Label("期间内的评估报告", "evaluations within the period"),
        Label("份", "evaluations"),
        read("evaluation_filed", "subject home kind on file recorded_at").within("on", asked.period),
        By("kind", "kind", EVALUATION_KIND),
    )
    yield from _money(read, asked)
    yield from _indicators(read, asked)


def _money(read: Read, asked: Asked) -> Iterator[Figure]:
    lines = read("budget_line", "subject home line year purpose purpose_bound allocated_fen off_purpose")
    purposes = {row[0]: row[lines.at("purpose")] or row[lines.at("line")] for row in lines}
    spent = read("expense_recorded", "subject home amount_fen voucher on purpose").within("on", asked.period)
    own = spent.at("purpose")

    def purpose(row: Row) -> str:
        return row[own] or purposes.get(row[0]) or ""

    yield added(
        "spent_fen",
        Label("支出", "spent"),
        Label("期间内的支出，按用途", "spent within the period, by purpose"),
        YUAN,
        spent,
        "amount_fen",
        By("purpose", purpose),
        HOME,
    )
    years = range(asked.period.first.year, asked.period.last.year + 1)
    yield added(
        "allocated_fen",
        Label("预算", "allocated"),
        Label("期间所在年度的预算", "allocated in the years of the period"),
        YUAN,
        lines.where(year=frozenset(years)),
        "allocated_fen",
        "line",
        HOME,
    )
    released = read("funds_released", "subject home amount_fen on").within("on", asked.period)
    yield added(
        "released_fen",
        Label("拨付", "released"),
        Label("期间内拨付的经费", "released within the period"),
        YUAN,
        released,
        "amount_fen",
        By("line", lambda row: purposes.get(row[0]) or ""),
        HOME,
    )
    yield counted(
        "off_purpose",
        Label("专款未专用", "off purpose"),
        Label("有支出不合用途的专款", "bound funds of which something was spent on another purpose"),
        Label("笔", "lines"),
        lines.where(purpose_bound=1).having(lambda row: bool(row[-1])),
        HOME,
    )


def _indicators(read: Read, asked: Asked) -> Iterator[Figure]:
    """Every indicator as it was reported, with its source: two that clash are both shown."""
    found = read("indicator_reported", "subject home indicator period value source on")
    indicator, period = found.at("indicator"), found.at("period")
    year = {str(year) for year in range(asked.period.first.year, asked.period.last.year + 1)}
    found = found.having(lambda row: (row[period] or "")[:4] in year)
    yield amounts(
        "indicators",
        Label("项目指标", "indicators"),
        Label(
            "期间所在年度报来的指标，按名称相加；来源见名单",
            "indicators of these years, added up by name; sources are listed",
        ),
        Label("", ""),
        found,
        "value",
        "indicator",
        "period",
    )
    told = Counter((row[indicator], row[period]) for row in found)
    yield counted(
        "told_twice",
        Label("报了几次的指标", "told more than once"),
        Label(
            "同一指标同一期间报了几次的，数值不一定相同",
            "reported more than once for one period, perhaps with other values",
        ),
        Label("条", "reports"),
        found.having(lambda row: told[row[indicator], row[period]] > 1),
        "indicator",
    )


@report("R16", "宣传报道与通知", "media and notices")
def media(read: Read, asked: Asked) -> Iterator[Figure]:
    """Media items and notices within the period."""
    yield counted(
        "items",
        Label("宣传报道", "media items"),
        Label("期间内的宣传报道，按媒体级别", "media items within the period, by level"),
        ITEMS,
        read("media_item_published", "subject home level outlet title on").within("on", asked.period),
        By("level", "level", MEDIA_LEVEL),
        "outlet",
    )
    issued, day = read("notice_issued", "subject home number title kind on due_on"), asked.as_of.isoformat()
    on = issued.at("on")
    kind = By("kind", "kind", NOTICE_KIND)
    yield counted(
        "in_force",
        Label("有效文件", "notices in force"),
        Label("截至日期已发出的通知、措施和制度", "notices, measures and rules issued by the date"),
        Label("份", "notices"),
        issued.having(lambda row: row[on] is not None and row[on] <= day),
        kind,
    )
    acknowledged = read("notice_acknowledged", "subject home at").having(
        lambda row: asked.period.first.isoformat() <= row[2][:10] <= asked.period.last.isoformat()
    )
    yield counted(
        "acknowledged",
        Label("签收通知", "notices acknowledged"),
        Label("期间内各家签收通知的次数", "times that homes acknowledged a notice within the period"),
        TIMES,
        acknowledged,
        HOME,
    )
