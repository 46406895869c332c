"""What the columns of read models, and the ways to split a figure, are called in the tables that people open."""

from __future__ import annotations

from typing import Final

from domain.describing import fields_of
from domain.fact_tables import FACT_TABLES
from domain.labels import FIELDS

LABELS: Final = {
    "allocated_fen": "预算金额",
    "allocated_on": "预算日期",
    "approved_on": "批准日期",
    "committed_fen": "承诺金额",
    "contested": "两方不一致",
    "behind": "一周以上没有联系",
    "clock_offset_s": "钟快多少秒",
    "last_exchange_on": "上次联系",
    "waiting": "待交记录",
    "waits_if_left": "孩子离开后须重新决定",
    "wrong_clock": "钟不准",
    "accepted_on": "通过日期",
    "counts": "以此为准",
    "reasons": "退回原因",
    "contracted_fen": "合同金额",
    "decided_on": "审批日期",
    "evaluations": "已有评估",
    "first_step_on": "首次办理日期",
    "missing": "缺少的评估",
    "of_child": "涉及儿童",
    "off_purpose": "不合用途",
    "paid": "已发期数",
    "paid_fen": "已发金额",
    "paid_on": "发放日期",
    "paying": "正在发放",
    "proposed_on": "申报日期",
    "received": "签收期数",
    "received_on": "受理（签收）日期",
    "released_fen": "拨付金额",
    "released_on": "拨付日期",
    "remedied_on": "整改日期",
    "reported_on": "上报日期",
    "requested_on": "申请日期",
    "sessions": "咨询次数",
    "spent_fen": "支出金额",
    "spent_on": "支出日期",
    "steps": "办理次数",
    "stopped_on": "停止日期",
    "witnesses": "登记方数",
    "subject": "编号",
    "actor": "记录人",
    "at": "记录时间",
    "category": "类别",
    "children": "人次",
    "closed_on": "归还日期",
    "conflicts": "有冲突",
    "count": "次数",
    "county": "县（市、区）",
    "entry": "条目",
    "father_name": "父亲",
    "father_phone": "父亲电话",
    "father_workplace": "父亲务工单位",
    "fen": "金额",
    "guardian_kinship": "监护人关系",
    "guardian_name": "监护人",
    "guardian_phone": "监护人电话",
    "home": "之家",
    "id": "编号",
    "kind": "种类",
    "last_call_on": "最近通话",
    "last_letter_on": "最近书信",
    "last_opening_on": "最近开放",
    "last_return_on": "父母最近返乡",
    "last_talk_on": "最近谈心",
    "last_visit_on": "最近家访",
    "leaving_for": "转往",
    "log": "日志",
    "month": "月份",
    "mother_name": "母亲",
    "mother_phone": "母亲电话",
    "mother_workplace": "母亲务工单位",
    "name": "姓名（名称）",
    "number": "序号",
    "of_home": "所查之家",
    "of_subject": "科目",
    "on_day": "日期",
    "ordinal": "第几段",
    "pending": "待核",
    "reached": "接通",
    "recorded_at": "记录时间（毫秒）",
    "seq": "序号",
    "status": "状态",
    "type": "类型",
    "unknown": "更新版本的记录",
    "value": "内容",
    "why_en": "原因（英文）",
    "why_zh": "原因",
    "wins": "暂用",
}
"""Names of columns that no event has as a field, or that mean something else in a table."""


_FIELDS: Final = {
    **{one.name: one.chinese for cls in FACT_TABLES for one in fields_of(cls)},
    **{name: chinese for name, (chinese, _) in FIELDS.items()},
}


def label_of(column: str) -> str:
    """The Chinese name of a column; KeyError where it has none, which a test forbids for read models."""
    return LABELS[column] if column in LABELS else _FIELDS[column]
