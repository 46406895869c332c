"""The reference county of the figures: what homes and county record, as lines of `record --lines`."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

TOWNSHIPS = 34
CHILDREN = {"home-01": 3000, "home-02": 2382}
CADRES = 1349
"""At each home: 2,698 in all."""
GIVEN_GOODS = 26
Line = dict[str, Any]


def line(event: str, subject: str, **fields: Any) -> Line:
    """One line of a file."""
    return {"event": event + "/1", "subject": subject, "fields": fields}


def write(path: Path, lines: Iterator[Line] | list[Line]) -> Path:
    """A file of lines."""
    path.write_text("".join(json.dumps(one, ensure_ascii=False) + "\n" for one in lines), encoding="utf-8")
    return path


def children(code: str) -> Iterator[Line]:
    """N01: every child registered and surveyed in six dimensions."""
    levels = ("良好", "一般", "需关注", "较差")
    for number in range(CHILDREN[code]):
        name = f"$c{number}"
        yield line(
            "child-registered",
            name,
            name=f"{'陈李王张'[number % 4]}{code[-1]}{number:04d}",
            sex="女" if number % 2 else "男",
            registered_on="2012-09-01",
            township=f"{number % TOWNSHIPS + 1:02d}乡",
            village=f"{number % 7 + 1}村",
        )
        level = levels[number % 4]
        yield line(
            "situation-surveyed", name, surveyed_on="2013-03-05", term="2013春", home_place="与祖父母同住",
            study_level=level, life_level=level, psychology_level=level, safety_level=level, health_level=level,
            needs=["study"] if number % 3 == 0 else [],
        )  # fmt: skip


def paired(ids: list[str], code: str) -> Iterator[Line]:
    """N05, N06 and N12: a cadre for each of these children, money from it, goods for some; students and families."""
    for number, child in enumerate(ids[:CADRES]):
        yield line(
            "pairing-formed", child, pairing=f"$p{number}", kind="结对干部", from_on="2014-03-01",
            helper_name=f"干部{number:04d}", helper=f"{code}-g{number:04d}",
        )  # fmt: skip
        yield line("aid-paid", "new", child=child, amount_fen="400元", on="2014-06-01", fund="结对帮扶", how="现金")
    for child in ids[:GIVEN_GOODS]:
        item = {"item": "书包和棉衣", "quantity": "1", "on": "2014-06-01", "value_fen": "400元"}
        yield line("goods-issued", "$goods", child=child, **item)
    students, families = (186, 30) if code == "home-02" else (0, 0)
    for number, child in enumerate(ids[-students or len(ids) :]):
        yield line(
            "pairing-formed", child, pairing=f"$s{number}", kind="大学生", from_on="2013-04-01",
            helper_name=f"学生{number:03d}", helper_employer="农业大学",
        )  # fmt: skip
    for number, child in enumerate(ids[-families or len(ids) :]):
        yield line(
            "pairing-formed", child, pairing=f"$f{number}", kind="家庭", from_on="2013-04-01",
            helper_name=f"城里家长{number:02d}",
        )  # fmt: skip


def asked_for(ids: list[str]) -> Iterator[Line]:
    """N08, N17 and N18: what a home asks for."""
    for number, child in enumerate(ids[:156]):
        for programme, times in (("春蕾", 6), ("春蕾（按年）", 3)):
            yield line(
                "aid-requested", f"${programme[2:] and 'y'}a{number}", child=child, kind="结对资助",
                programme=programme, reason="家庭困难", amount_fen="1200元", instalments=times, on="2013-03-01",
            )  # fmt: skip
    for number, child in enumerate(ids[156 : 156 + 16]):
        common = {"child": child, "recipient_kind": "升学学生", "reason": "考上大学，家庭困难"}
        yield line(
            "aid-requested", f"$u{number}", kind="助学金", programme="关工委助学", instalments=1, on="2012-07-20",
            amount_fen="1000元", **common,
        )  # fmt: skip
        if number < 7:
            yield line(
                "aid-requested", f"$v{number}", kind="奖学金", programme="企业助学", amount_fen="4000元",
                on="2012-07-20", **common,
            )  # fmt: skip
    yield line("aid-requested", "$prize", child=ids[180], kind="奖学金", programme="社区奖学", reason="考上重点中学",
               amount_fen="2500元", instalments=3, on="2010-08-01")  # fmt: skip
    yield line(
        "aid-requested", "$all", child=ids[181], kind="全部学费", programme="社区奖学", reason="两女户困难家庭",
        all_costs=True, on="2010-08-01",
    )  # fmt: skip


def decided(subjects: dict[str, str], ids: list[str]) -> Iterator[Line]:
    """The county's decisions on them, and what it paid."""
    for name, subject in subjects.items():
        on = "2010-08-10" if name in ("$prize", "$all") else "2012-08-01" if name[1] in "uv" else "2013-03-20"
        yield line("aid-decided", subject, decision="同意", on=on)
    for number, child in enumerate(ids[156 : 156 + 16]):
        yield line("aid-paid", subjects[f"$u{number}"], child=child, amount_fen="1000元", on="2012-08-20", instalment=1)
        if number < 7:
            yield line(
                "aid-paid", subjects[f"$v{number}"], child=child, amount_fen="4000元", on="2012-08-21", instalment=1
            )
    for instalment, (year, amount) in enumerate(((2010, "2000元"), (2011, "2500元"), (2012, "3000元")), 1):
        yield line(
            "aid-paid", subjects["$prize"], child=ids[180], amount_fen=amount, on=f"{year}-09-01", instalment=instalment
        )


def places() -> Iterator[Line]:
    """N03: a station in every township, six psychology stations."""
    for number in range(1, TOWNSHIPS + 1):
        yield line(
            "home-registered", "new", name=f"{number:02d}乡留守儿童工作站", kind="留守儿童工作站",
            opened_on="2014-05-01", township=f"{number:02d}乡", sign_fitted="是",
        )  # fmt: skip
    for number in range(1, 7):
        yield line(
            "home-registered", "new", name=f"心理援助站{number}", kind="心理援助站", opened_on="2014-06-01",
            township=f"{number:02d}乡",
        )  # fmt: skip


def project() -> Iterator[Line]:
    """N07: the psychology centre."""
    title = "县心理援助中心"
    yield line(
        "project-proposed", "$centre", title=title, need="留守儿童缺少心理辅导", goal="建成心理援助中心",
        owner="县妇联", leader="王主席", on="2014-01-10",
    )  # fmt: skip
    yield line("evaluation-filed", "$centre", kind="前期评估", on="2014-01-20", findings="可行")
    yield line("project-approved", "$centre", on="2014-02-01", number="县妇〔2014〕3号")
    yield line(
        "budget-allocated", "$money", line=title, year=2014, amount_fen="15万元", purpose=title, purpose_bound="是"
    )
    yield line("expense-recorded", "$money", amount_fen="9万元", voucher="p-1", on="2014-05-04", purpose=title)
    yield line("expense-recorded", "$money", amount_fen="6万元", voucher="p-2", on="2014-10-09", purpose=title)


def cases() -> Iterator[Line]:
    """N09: 38 letters and visits of 2014, all closed; two women given legal aid; 23 hearings attended."""
    for number in range(38):
        at = f"2014-{number % 11 + 1:02d}-{number % 28 + 1:02d} 16:00"
        yield line(
            "case-opened", f"$k{number}", kind="维权", channel="来信" if number % 2 else "来访",
            received_at=at, matter="婚姻家庭", person=f"妇女{number}",
        )  # fmt: skip
    for number, times in ((0, 2), (1, 3)):
        for day in range(times):
            at = f"2014-12-{day + 1:02d} 09:00"
            yield line("case-step-recorded", f"$k{number}", at=at, step="法律援助", note="律师代理", hours="2")
    for number in range(23):
        yield line("case-step-recorded", f"$k{number}", at="2014-12-10 09:00", step="庭审", note="陪审")
    for number in range(38):
        yield line("case-closed", f"$k{number}", on="2014-12-20", outcome="已解决", note="办结")


def volunteers() -> Iterator[Line]:
    """N11 and N12: 200 local ones and 150 of universities, in ten teams, with two practice trips."""
    for number in range(350):
        kind, where = ("本地", "县青年志愿者协会") if number < 200 else ("高校", "农业大学")
        yield line(
            "worker-registered", "new", name=f"志愿者{number:03d}", code=f"v-{number:03d}", joined_on="2013-03-05",
            kind="志愿者", organisation=where, organisation_kind=kind, part_time="是",
        )  # fmt: skip
    for number in range(10):
        yield line(
            "group-set", "new", name=f"志愿服务队{number + 1}", level="county", from_on="2013-03-05",
            members=[{"who": "v-200", "duty": "队长"}],
        )  # fmt: skip
    for day in ("2013-07-10", "2013-08-02"):
        yield line("activity-held", "new", kind="outing", theme="practice", on=day, title="大学生实践", level="city")


def a_year() -> Iterator[Line]:
    """N14 and N15: county-wide activities and measures of a year, and what the media said."""
    for number in range(21):
        yield line(
            "activity-held", "new", kind="other", theme="family", level="county", title=f"全县关爱活动{number + 1}",
            on=f"2013-{number % 12 + 1:02d}-15",
        )  # fmt: skip
    named = ["分阶段实施", "建立留守学生之家", "志愿服务", "考核办法", *(f"措施{number}" for number in range(5, 14))]
    for title in named:
        yield line("notice-issued", "new", kind="measure", title=title, text=title, on="2013-02-20")
    for level, count in (("中央", 5), ("省级", 8), ("市级", 13), ("县级", 34)):
        for number in range(count):
            yield line(
                "media-item-published",
                "new",
                level=level,
                outlet=f"{level}媒体",
                title=f"关爱{number}",
                on="2013-06-01",
            )


def law() -> Iterator[Line]:
    """N20: three talks and two thousand leaflets or more."""
    for number in range(3):
        yield line(
            "activity-held",
            f"$law{number}",
            kind="宣讲",
            theme="法制教育",
            on=f"2012-0{number + 4}-10",
            title="法制宣讲",
        )
    yield line(
        "materials-distributed", "$law0", material="法制宣传单", topic="法制教育", count="2000多份", on="2012-04-10"
    )
