"""The rules that ship: what ten plans ask of homes, as data. A county sets them, a home tightens them.

Each row says in this order: its id, who owes it, what (in Chinese and English), what fulfils it, when, and the plan it
comes from. Where a plan says "often" or "regularly", and where days are our own conclusion, the source says so.

Two plans call something 五个一: one binds parents (`parents_five_ones`), the other volunteers (`volunteers_five_ones`).
They stay two groups of rules. 每期 means each term.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from domain import calendar as c
from domain.rules import AFTER, ALWAYS, Fulfilment, Rule

PARENTS_FIVE_ONES: Final = "parents_five_ones"
VOLUNTEERS_FIVE_ONES: Final = "volunteers_five_ones"
GROUPS: Final = {
    PARENTS_FIVE_ONES: ("家长五个一", "parents' five ones"),
    VOLUNTEERS_FIVE_ONES: ("志愿者五个一", "volunteers' five ones"),
}

SET: Final[tuple[Any, ...]] = ("*",)
"""A condition: the field holds something."""

VOLUNTEERS: Final = ("college", "volunteer")
ADULTS: Final = ("teacher", "caring_mother", "cadre", "mentor", "college", "volunteer", "family")

CHILD: Final = {"about": "child"}
HOME: Final = {"about": "home"}
PRIORITY: Final = {"about": "child", "category": ("priority",)}
WITH_MOTHER: Final = {"about": "child", "pairing": ("caring_mother",)}
WITH_VOLUNTEER: Final = {"about": "child", "pairing": VOLUNTEERS}
WITH_TEACHER: Final = {"about": "child", "category": ("priority",), "pairing": ("teacher",)}
BOARDING: Final = {"about": "home", "trait": "boarding"}
CANTEEN: Final = {"about": "home", "trait": "canteen"}

LETTERS: Final = (("safety", "安全工作责任书", "safety"), ("walking_group", "路队护送责任书", "walking-group"),
                  ("hygiene", "卫生安全责任书", "hygiene"))  # fmt: skip


def _done(event: str, *, role: str = "", **where: Any) -> Fulfilment:
    """An event by its name, with the values that each field may have."""
    return Fulfilment(event, {name: one if type(one) is tuple else (one,) for name, one in where.items()}, role)


def _rule(
    rule_id: str,
    holder: str,
    zh: str,
    en: str,
    by: Fulfilment | tuple[Fulfilment, ...],
    source: str,
    applies_to: Mapping[str, Any],
    **more: Any,
) -> Rule:
    fulfilled_by = (by,) if isinstance(by, Fulfilment) else by
    return Rule(rule_id=rule_id, number=rule_id.partition("-")[0], duty_holder=holder, zh=zh, en=en,
                fulfilled_by=fulfilled_by, from_source=source, applies_to=applies_to, **more)  # fmt: skip


def _after(trigger: Fulfilment, days: int, **more: Any) -> dict[str, Any]:
    return {"mode": AFTER, "trigger": trigger, "within_days": days, **more}


def _term(window: str = "") -> dict[str, Any]:
    return {"period": c.TERM, "window": window}


_SURVEY = (
    _rule("O01", "child_director", "摸底调查", "survey", _done("situation-surveyed"),
          "方案三「每学期」", CHILD, **_term("first 4 weeks")),
    _rule("O02", "child_director", "分类认定复核", "category reviewed", _done("child-category-assessed"),
          "方案三", CHILD, **_term()),
    _rule("O03", "archivist", "核对联系卡", "contact card confirmed or changed",
          (_done("contact-card-confirmed"), _done("contact-card-changed")),
          "方案四「及时补充或变更」", CHILD, **_term()),
    _rule("O03-change", "archivist", "情况变化后更新联系卡", "contact card after a known change",
          (_done("contact-card-confirmed"), _done("contact-card-changed")),
          "方案四「及时补充或变更」", CHILD, **_after(_done("schooling-changed"), 7)),
    _rule("O03-guardian", "archivist", "换监护人后更新联系卡", "contact card after a guardian left",
          (_done("contact-card-confirmed"), _done("contact-card-changed"), _done("guardian-recorded")),
          "方案四「及时补充或变更」", CHILD, **_after(_done("guardian-ended"), 7)),
)  # fmt: skip

_PARENTS = (
    _rule("O04", "parent", "和父母通电话", "call with the parents",
          _done("family-contact-made", kind=("call", "video"), reached=True),
          "方案四 五个一「每周一个电话」", CHILD, group=PARENTS_FIVE_ONES, period=c.WEEK, all_year=True),
    _rule("O05", "parent", "和父母通信", "letter between parents and child",
          _done("family-contact-made", kind="letter"), "方案四 五个一「每月一封信」", CHILD,
          group=PARENTS_FIVE_ONES, period=c.MONTH),
    _rule("O06", "parent", "父母联系班主任", "parents' contact with the class teacher",
          _done("guardian-contacted", party="parent"),
          "方案四 五个一「每月与班主任联系一次」", CHILD, group=PARENTS_FIVE_ONES, period=c.MONTH),
    _rule("O07", "caring_mother", "爱心妈妈谈心", "talk with the caring mother",
          _done("talk-held", role="caring_mother"),
          "方案四 五个一「每月与爱心妈妈谈心一次」", WITH_MOTHER, group=PARENTS_FIVE_ONES, period=c.MONTH),
    _rule("O08", "parent", "父母回家", "parents come home", _done("parent-returned"),
          "方案四 五个一「每年至少回家一次」", CHILD, group=PARENTS_FIVE_ONES, period=c.YEAR, all_year=True),
)  # fmt: skip

_VOLUNTEERS = (
    _rule("O09", "volunteer", "作业辅导", "homework help", _done("tutoring-given", role="volunteer"),
          "方案九 五个一「每个星期」", WITH_VOLUNTEER, group=VOLUNTEERS_FIVE_ONES, period=c.WEEK),
    *(
        _rule(f"O10-{part}", "volunteer", f"志愿者联系{zh}", f"volunteer's contact with {en}",
              _done("guardian-contacted", party=party), "方案九 五个一、三沟通「联系一次」", WITH_VOLUNTEER,
              group=VOLUNTEERS_FIVE_ONES, period=c.MONTH)
        for part, party, zh, en in (("parent", "parent", "父母", "the parents"),
                                    ("guardian", "guardian", "监护人", "the guardian"),
                                    ("teacher", "class_teacher", "班主任", "the class teacher"))
    ),
    _rule("O11", "volunteer", "志愿者家访", "volunteer's home visit",
          _done("home-visit-recorded", role="volunteer", unmet_reason=None),
          "方案九 五个一「每月一次家访」", WITH_VOLUNTEER, group=VOLUNTEERS_FIVE_ONES, period=c.MONTH),
    _rule("O12-plan", "volunteer", "写帮护工作计划", "help plan", _done("help-plan-written", role="volunteer"),
          "方案九 五个一「一份帮护工作计划」", WITH_VOLUNTEER, group=VOLUNTEERS_FIVE_ONES, **_term("first 4 weeks")),
    _rule("O12-knows", "volunteer", "三知（个人、家庭、学习情况）填完整", "three knows without an empty field", (),
          "方案九「个人情况、家庭情况、学习情况」", WITH_VOLUNTEER, group=VOLUNTEERS_FIVE_ONES, check="three_knows",
          **_after(_done("pairing-formed", kind=VOLUNTEERS), 30)),
    _rule("O13", "volunteer", "写帮扶工作总结", "help summary", _done("help-summary-written", role="volunteer"),
          "方案九 五个一「一份帮扶工作总结」", WITH_VOLUNTEER, group=VOLUNTEERS_FIVE_ONES, **_term("last 3 weeks")),
)  # fmt: skip

_SCHOOL = (
    _rule("O15", "class_teacher", "班主任谈心", "talk with the class teacher", _done("talk-held", role="class_teacher"),
          "方案四「班主任每月与留守学生谈心一次」", CHILD, period=c.MONTH),
    _rule("O16-talk", "helping_teacher", "帮扶教师谈心", "talk with the helping teacher",
          _done("talk-held", role="helping_teacher"), "方案四「经常与留守学生谈心」（两周一次为默认）", PRIORITY,
          period=c.FORTNIGHT, enabled=False),
    _rule("O16-visit", "helping_teacher", "走访其他监护人", "visit to other guardians",
          _done("home-visit-recorded", role="helping_teacher", unmet_reason=None),
          "方案四「定期走访」（每学期为默认）", PRIORITY, enabled=False, **_term()),
    _rule("O16-plan", "helping_teacher", "个别教育方案复查", "individual plan reviewed",
          _done("individual-plan-reviewed"), "方案四（每月为默认）", PRIORITY, period=c.MONTH, enabled=False),
    _rule("O18", "head", "结对效果检查", "pairing's effect checked", _done("pairing-checked"),
          "方案四「定期检查」（半学期为默认）", {"about": "child", "each_pairing": ADULTS}, period=c.HALF_TERM,
          link="pairing"),
    _rule("O19-helper", "head", "确定学习帮手", "a study helper",
          _done("pairing-formed", kind=("study_helper",)), "方案四「确立一名学习帮手」", CHILD, mode=ALWAYS,
          within_days=14),
    _rule("O19-adult", "head", "确定成人结对人", "an adult paired with the child",
          _done("pairing-formed", kind=ADULTS), "方案四", CHILD, mode=ALWAYS, within_days=14),
)  # fmt: skip

_AT_HOME = (
    _rule("O20", "head", "帮扶人、儿童、监护人座谈会", "meeting of helpers, children and guardians",
          _done("meeting-held", kind=("discussion", "parents")),
          "方案四「座谈会」（每学期为默认）", HOME, **_term()),
    _rule("O21", "head", "开放活动室", "open to children", _done("opening-held", closed_reason=None),
          "方案四「三次开放时间」；方案三「周一至周五」", HOME, period=c.WEEK, count=3),
    _rule("O22", "helping_teacher", "兴趣小组活动", "interest group's session",
          _done("activity-held", kind="interest_group"), "方案四「每周二、周四下午」", HOME, period=c.DAY,
          weekdays=(1, 3), enabled=False),
    _rule("O23", "head", "检查亲情电话能否使用", "family phone in working order",
          _done("equipment-state-recorded", item="family_phone", working=True),
          "方案六「正常开通亲情电话」（每月为默认）", HOME, period=c.MONTH),
    _rule("O24-emptied", "caring_mother", "开信箱", "mailbox emptied",
          (_done("mailbox-emptied"), _done("equipment-state-recorded", item="mailbox")),
          "方案四「活动信箱」（每周为推定）", HOME,
          period=c.WEEK, enabled=False),
    _rule("O24-urgent", "counsellor", "答复紧急来信", "urgent note answered", _done("message-answered"),
          "方案四「活动信箱」（1天为推定）", {"about": "message"}, enabled=False,
          **_after(_done("message-received", urgent=True), 1)),
    _rule("O24-others", "counsellor", "答复来信", "note answered", _done("message-answered"),
          "方案四「活动信箱」（7天为推定）", {"about": "message"}, enabled=False,
          **_after(_done("message-received", urgent=False), 7)),
    _rule("O25", "head", "开学工作会议和工作计划", "plan of the term's first meeting", _done("plan-filed"),
          "方案四「每学期开学之初」；方案六「新学期留守儿童之家工作计划」", HOME, **_term("first 4 weeks")),
    *(
        _rule(f"O26-{part}", "child_director", zh, en, _done("activity-held", **{name: value}),
              "方案四（每学年一次）", HOME, period=c.SCHOOL_YEAR, enabled=False)
        for part, name, value, zh, en in (("birthday", "kind", "birthday", "生日聚会", "birthday party"),
                                          ("letters", "theme", "gratitude", "给父母写信", "letters to parents"),
                                          ("gala", "kind", "gala", "元旦联欢会", "New Year gala"))
    ),
)  # fmt: skip

_SAFETY = (
    _rule("O27", "head", "隐患排查并书面上报", "hazard inspection reported in writing",
          _done("hazard-reported", in_writing=True), "方案六「及时以书面形式上报」", HOME, **_term("first 7 days")),
    _rule("O28-severe", "finder", "整改严重隐患", "severe hazard remedied", _done("hazard-remedied"),
          "方案六（3天为推定）", {"about": "hazard"},
          **_after(_done("hazard-found", severity=("severe",)), 3, due_field="due_on")),
    _rule("O28", "finder", "整改隐患", "hazard remedied", _done("hazard-remedied"), "方案六（30天为推定）",
          {"about": "hazard"}, **_after(_done("hazard-found", severity=("!severe",)), 30,
                                        due_field="due_on")),
    *(
        _rule(f"O29-{part}", "head", f"与班主任签订{zh}", f"{en} letter signed with class teachers",
              _done("responsibility-letter-signed", kind=part), "方案六、方案八「与各班班主任签订」", HOME,
              period=c.SCHOOL_YEAR)
        for part, zh, en in LETTERS
    ),
    _rule("O30", "duty", "核对乘车台账，不超载", "ride ledger checked, riders within seats",
          _done("ride-checked", overloaded=False), "方案六「严禁超载」", {"about": "vehicle"}, period=c.DAY,
          weekdays=(0, 1, 2, 3, 4), enabled=False),
    _rule("O31", "duty", "寝室检查", "dormitory rooms checked", _done("inspection-done", kind="dormitory"),
          "方案五「逐寝室」", BOARDING, period=c.DAY, enabled=False),
    _rule("O32", "duty", "食堂陪餐和卫生记录", "teacher at table, hygiene noted",
          _done("inspection-done", kind="canteen"), "方案五「一日三餐」", CANTEEN, period=c.DAY,
          weekdays=(0, 1, 2, 3, 4), count=3, enabled=False),
    _rule("O33-hygiene", "duty", "周五卫生检查", "Friday's hygiene inspection",
          _done("inspection-done", kind="hygiene"), "方案八「每周五」", HOME, period=c.DAY, weekdays=(4,),
          enabled=False),
    *(
        _rule(f"O33-{part}", "class_teacher", zh, en, _done("activity-held", theme=themes), "方案六（开学第一周）",
              HOME, enabled=False, **_term("first 1 weeks"))
        for part, themes, zh, en in (
            ("safety", ("safety",), "安全教育第一课", "first safety lesson"),
            ("mind", ("mind",), "心理健康第一课", "first mental-health lesson"))
    ),
)  # fmt: skip

_REPORTS = (
    _rule("O35", "head", "月底检查上报", "month-end check filed", _done("report-submitted", kind=("month", "check")),
          "方案八「每月底」", HOME, period=c.MONTH, window="last 3 days"),
    _rule("O36-term", "head", "学期总结", "term summary", _done("report-submitted", kind=("term",)),
          "方案八「年报工作」（学期末）", HOME, **_term("last 3 weeks")),
    _rule("O36-year", "head", "年报", "annual report", _done("report-submitted", kind=("year",)),
          "方案八「年报工作」", HOME, period=c.YEAR, window="last 31 days", all_year=True),
    _rule("O37", "township", "上报或退回报表", "report passed on or returned",
          (_done("report-accepted"), _done("report-returned")), "方案九「逐级」（5个工作日为推定）",
          {"about": "report"}, **_after(_done("report-submitted"), 7)),
    _rule("O38", "county", "督导检查并开反馈会", "supervision visit with feedback",
          _done("inspection-done", kind="supervision", feedback=SET), "方案七（每年一次）", HOME, period=c.YEAR,
          all_year=True, enabled=False),
    _rule("O39", "county", "更新数据平台", "figures platform brought up to date",
          (_done("platform-updated"), _done("export-made")), "方案七「定时更新」（每周为设定）", {"about": "county"},
          period=c.WEEK),
)  # fmt: skip

_PROJECTS = (
    _rule("O40-needs", "project", "立项前做需求调查", "need survey before approval",
          _done("evaluation-filed", kind=("needs",), file=SET), "方案十「都要写出评估报告存档」", {"about": "project"},
          **_after(_done("project-approved"), 0, back_days=3650)),
    _rule("O40-half", "project", "项目半年评估", "half-yearly evaluation",
          _done("evaluation-filed", kind=("half_year",), file=SET), "方案十「半年评估和年度评估」",
          {"about": "project", "open": "project-approved"}, period=c.HALF_YEAR, all_year=True),
    _rule("O40-year", "project", "项目年度评估", "yearly evaluation",
          _done("evaluation-filed", kind=("yearly",), file=SET), "方案十「半年评估和年度评估」",
          {"about": "project", "open": "project-approved"}, period=c.YEAR, all_year=True),
    _rule("O40-final", "project", "项目终期评估", "end evaluation",
          _done("evaluation-filed", kind=("final",), file=SET), "方案十「都要写出评估报告存档」", {"about": "project"},
          **_after(_done("project-closed"), 0, back_days=3650)),
    _rule("O41", "project", "项目要有责任人和负责人", "named owner and leader",
          _done("project-proposed", owner=SET, leader=SET), "方案十「明确项目责任主体」", {"about": "project"},
          **_after(_done("project-proposed"), 0)),
    _rule("O42-paid", "finance", "发放结对资助", "instalment paid", _done("aid-paid"), "方案十「每人每期1200元」",
          {"about": "aid", "open": "aid-decided", "sponsored": "yes"}, **_term()),
    _rule("O42-receipt", "finance", "结对资助签收", "receipt signed", _done("aid-received"),
          "方案十「每人每期1200元」", {"about": "aid", "open": "aid-decided", "sponsored": "yes"}, **_term()),
    _rule("O43", "finance", "专款专用", "spent on its purpose only", (), "方案十「要保证妇联项目建设的经费」",
          {"about": "budget", "purpose_bound": "yes"}, check="purpose", **_after(_done("expense-recorded"), 0)),
)  # fmt: skip

_CASES = (
    _rule("O44-step", "case_team", "案件首次处理", "case's first step", (_done("case-step-recorded"),
          _done("case-referred"), _done("case-closed")), "方案十「办结率达100%」（1天为推定）", {"about": "case"},
          **_after(_done("case-opened"), 1)),
    _rule("O44-closed", "case_team", "案件办结或延期", "case closed or extended",
          (_done("case-closed"), _done("case-step-recorded", step=("extension",))),
          "方案十「办结率达100%」（60天为推定）", {"about": "case"}, **_after(_done("case-opened"), 60)),
    _rule("O45", "any_worker", "疑似伤害向公安或县里报告", "suspected harm reported", _done("case-referred"),
          "方案十「报警点」（24小时，强制报告）", {"about": "case"},
          **_after(_done("case-opened", kind=("violence", "abuse", "neglect")), 1)),
    _rule("O46", "child_director", "监护人同意书", "guardian's consent on file",
          _done("consent-recorded", withdrawn=False), "未成年人信息保护（采集前）", CHILD,
          check="consent", **_after(_done("child-registered"), 0)),
    _rule("O47", "county", "联席会议", "joint meeting", _done("meeting-held", kind="joint"),
          "方案九「联席会议」（半年为默认）", {"about": "county"}, period=c.HALF_YEAR, all_year=True, enabled=False),
    _rule("O48", "child_director", "和县里交换数据", "exchange with the county", _done("exchange"),
          "方案七（30天为推定）", HOME, mode=ALWAYS, within_days=30),
    _rule("O50", "head", "离岗交接", "handover before the last day", _done("handover-completed"), "方案十",
          {"about": "worker"}, **_after(_done("role-ended"), 0, back_days=60)),
    _rule("O51", "organiser", "活动评估", "activity evaluated", _done("activity-evaluated"),
          "方案十「来不及检验」（14天为推定）", {"about": "activity"},
          **_after(_done("activity-held"), 14, check="before_next")),
)  # fmt: skip

DEFAULT_RULES: Final[tuple[Rule, ...]] = (
    *_SURVEY, *_PARENTS, *_VOLUNTEERS, *_SCHOOL, *_AT_HOME, *_SAFETY, *_REPORTS, *_PROJECTS, *_CASES,
)  # fmt: skip
"""Every rule of the table, in its order."""
