"""R05 and R15: the homes as places, how much of the county they reach, and what was found and awarded."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator

from domain.codes import HOME_KIND
from domain.codes_place import EQUIPMENT, HONOUR, LEVEL
from domain.reporting import HOME, HOMES, TIMES, Asked, By, Figure, Label, Read, Rows, counted, report, share
from domain.reports.register import on_register

SILENT_DAYS = 28
ITEMS = Label("项", "items")


@report("R05", "之家与站点", "homes and stations")
def places(read: Read, asked: Asked) -> Iterator[Figure]:
    """Homes as of the date, their reach, signs, equipment, and those of which nothing is heard."""
    day = asked.as_of.isoformat()
    columns = "subject home name kind township village opened_on sign_fitted last_opening_on phone keeper"
    homes = read("home", columns)
    opened, last = homes.at("opened_on"), homes.at("last_opening_on")
    homes = homes.having(lambda row: row[opened] is None or row[opened] <= day)
    kind = By("kind", "kind", HOME_KIND)
    yield counted(
        "homes",
        Label("之家与站点", "homes and stations"),
        Label("截至日期已启用的之家与站点", "homes and stations that had opened by the date"),
        HOMES,
        homes,
        kind,
        "township",
    )
    yield _coverage(read, asked, homes)
    signed = homes.where(sign_fitted=1)
    yield share(
        "signs",
        Label("挂牌率", "signs fitted"),
        Label("已挂牌的比例；名单为未挂牌的", "homes with their sign; listed are those without"),
        signed,
        homes,
        kind,
    )
    since = (asked.as_of - dt.timedelta(days=SILENT_DAYS)).isoformat()
    yield counted(
        "silent",
        Label("久未开放", "not open for weeks"),
        Label(f"截至日期 {SILENT_DAYS} 天以上没有开放记录", f"no opening recorded in the {SILENT_DAYS} days before"),
        HOMES,
        homes.having(lambda row: (row[last] or "") < since),
        kind,
        "township",
    )
    yield _broken(read, day)


def _coverage(read: Read, asked: Asked, homes: Rows) -> Figure:
    """Townships with a home or a station, of all townships that are known."""
    reached = {township for township in homes.column("township") if township}
    known = reached | {one for one in on_register(read, asked.as_of, "subject township").column("township") if one}
    whole = Rows(("township",), [(one,) for one in sorted(known)])
    return share(
        "coverage",
        Label("乡镇覆盖率", "townships covered"),
        Label(
            "有之家或站点的乡镇，占之家、站点与在册儿童所在全部乡镇的比例；名单为还没有的乡镇",
            "townships with a home or station, of all in which there are homes or children; listed are those without",
        ),
        whole.where(township=frozenset(reached)),
        whole,
        "township",
    )


def _broken(read: Read, day: str) -> Figure:
    """Equipment that does not work, by what was last said of each item."""
    said = read("equipment_state_recorded", "subject home item working since")
    since, item, working = said.at("since"), said.at("item"), said.at("working")
    last = {(row[0], row[item]): row for row in sorted(said, key=lambda row: row[since]) if row[since] <= day}
    rows = [row for row in last.values() if not row[working]]
    definition = Label("最近一次登记为不能使用的设备", "equipment last noted as out of order")
    return counted(
        "out_of_order", Label("故障设备", "out of order"), definition, ITEMS, Rows(said.columns, rows),
        By("item", "item", EQUIPMENT), HOME,
    )  # fmt: skip


@report("R15", "督导与评比", "supervision and awards")
def supervision(read: Read, asked: Asked) -> Iterator[Figure]:
    """Supervision visits and titles within a period."""
    columns = "subject home kind on place of_home inspector marks"
    visits = read("inspection_done", columns).where(kind="supervision").within("on", asked.period)
    place, of_home = visits.at("place"), visits.at("of_home")
    visits = visits.also("visited", lambda row: row[of_home] or row[place] or "")
    yield counted(
        "visits",
        Label("督导次数", "supervision visits"),
        Label("期间内的督导检查", "supervision visits within the period"),
        TIMES,
        visits,
        By("place", "visited"),
        HOME,
    )
    at = visits.at("visited")
    first = {row[at]: row for row in visits}
    yield counted(
        "places",
        Label("督导到的地方", "places visited"),
        Label("期间内督导到的不同之家或地方", "different homes or places visited within the period"),
        Label("处", "places"),
        Rows(visits.columns, list(first.values())),
    )
    titles = read("title_awarded", "subject home title level on valid_to round winner withdrawn").within(
        "on", asked.period
    )
    yield counted(
        "titles",
        Label("授予称号", "titles awarded"),
        Label("期间内授予、没有撤销的称号", "titles awarded within the period and not withdrawn"),
        Label("个", "titles"),
        _not_taken_back(titles),
        By("title", "title", HONOUR),
        By("level", "level", LEVEL),
        "round",
        HOME,
    )


def _not_taken_back(titles: Rows) -> Rows:
    """Awards without a later word that takes the same title back."""
    title, on, winner, back = (titles.at(name) for name in ("title", "on", "winner", "withdrawn"))
    taken = {(row[0], row[title], row[winner]): row[on] for row in titles if row[back]}
    return titles.having(lambda row: not row[back] and taken.get((row[0], row[title], row[winner]), "") < row[on])
