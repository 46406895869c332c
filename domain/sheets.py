"""The lists that homes keep in spreadsheets, and what each column is called there.

A column goes to one field of one event and is read as that field is.  Its first title is the one of our own template;
the others are what we met.  Titles are compared without blanks, brackets and signs.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from domain import codes, codes_county, codes_place
from domain import events as e
from domain.codes import Codes
from domain.codes_child import SITUATION
from domain.event import Event

__all__ = ["KINDS", "SITUATION", "Column", "Kind"]


@dataclass(frozen=True, slots=True)
class Column:
    """One column: `key` names it on the command line, `field` and `event` say how it is read."""

    key: str
    titles: tuple[str, ...]
    event: type[Event]
    field: str
    required: bool = False
    pick: Codes | None = None
    help: str = ""

    @property
    def title(self) -> str:
        """What our own template calls it."""
        return self.titles[0]


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of list."""

    name: str
    title: str
    english: str
    columns: tuple[Column, ...]

    @property
    def by_key(self) -> Mapping[str, Column]:
        """The columns by their keys."""
        return {column.key: column for column in self.columns}


def _child(key: str, titles: str, field: str = "", *, required: bool = False, pick: Codes | None = None,
           note: str = "") -> Column:  # fmt: skip
    return Column(key, tuple(titles.split()), e.ChildRegistered, field or key, required, pick, note)


def _guardian(key: str, titles: str, *, pick: Codes | None = None, note: str = "") -> Column:
    return Column(f"guardian_{key}", tuple(titles.split()), e.GuardianRecorded, key, pick=pick, help=note)


def _parent(parent: str, who: str, key: str, titles: str) -> Column:
    event, field = (e.ParentWorkplaceRecorded, "employer") if key == "workplace" else (e.GuardianRecorded, key)
    spelled = tuple(f"{prefix}{title}" for title in titles.split() for prefix in (who, who[0]))
    return Column(f"{parent}_{key}", (*spelled, who) if key == "name" else spelled, event, field)


def _parents() -> tuple[Column, ...]:
    found = []
    for parent, who in (("father", "父亲"), ("mother", "母亲")):
        found.append(_parent(parent, who, "name", "姓名 名字"))
        found.append(_parent(parent, who, "phone", "电话 联系电话 手机 手机号 手机号码 联系方式 电话号码"))
        found.append(
            _parent(parent, who, "workplace", "务工单位 务工地点 务工地 工作单位 打工地点 打工地 单位 务工地址")
        )
    return tuple(found)


_NAME = _child("name", "姓名 儿童姓名 学生姓名 孩子姓名 留守儿童姓名 名字 儿童 学生 受助人 受助儿童", required=True,
               note="只写姓名，不加备注")  # fmt: skip
_ID = _child("national_id", "身份证号 身份证号码 身份证 公民身份号码 身份号码 证件号码 证件号 儿童身份证号",
             note="18位，这一列是文本格式")  # fmt: skip
_BORN = _child("born_on", "出生日期 出生年月日 生日 出生年月 出生时间", note="如2015-03-01；有身份证号的可以不填")
_NUMBER = _child("number", "编号 档案编号 档案号", note="数字")

_GUARDIAN = (
    _guardian("name", "监护人姓名 监护人 现监护人 实际监护人 委托监护人 委托监护人姓名 看护人 监护人名字 现监护人姓名"),
    _guardian("kinship", "与儿童关系 监护人关系 关系 亲属关系 与孩子关系 与学生关系 监护人与儿童关系 与监护人关系",
              pick=codes.KINSHIP),
    _guardian("phone", "监护人电话 监护人联系电话 监护人联系方式 监护人手机 联系电话 联系方式 电话 手机 监护人手机号"),
    _guardian("age", "监护人年龄"),
    _guardian("occupation", "监护人职业 监护人工作"),
    _guardian("health", "监护人身体状况 监护人健康状况 监护人健康", pick=codes.HEALTH),
    _guardian("address", "监护人住址 监护人地址"),
)  # fmt: skip

ROSTER = Kind("roster", "摸底表", "survey roster", (
    _NAME,
    _child("sex", "性别", pick=codes.SEX, note="有身份证号的可以不填"),
    _BORN,
    _ID,
    _child("ethnicity", "民族"),
    _NUMBER,
    _child("school", "学校 就读学校 所在学校 学校名称"),
    _child("grade", "年级 所在年级 就读年级", note="如三年级、初一"),
    _child("class_name", "班级 班别 所在班级 就读班级 年级班级"),
    _child("boards", "是否住校 住校 寄宿 是否寄宿 是否寄宿生 住宿", note="是或否"),
    _child("township", "乡镇 所在乡镇 乡镇街道 街道"),
    _child("village", "村 所在村 行政村 村居 村社区 村组"),
    _child("address", "家庭住址 家庭地址 住址 详细地址 现住址 家庭详细地址 家庭详细住址 户籍地址"),
    Column("categories", ("类别", "儿童类别", "留守类别", "类型", "儿童类型", "认定类别"), e.ChildCategoryAssessed,
           "categories", pick=codes.CATEGORY, help="几类用顿号隔开"),
    *_GUARDIAN,
    *_parents(),
    _child("registered_on", "登记日期 建档日期 登记时间 建档时间 入册日期 摸底日期", note="不填就按导入时给的日期"),
    *(Column(key, tuple(titles.split()), e.SituationSurveyed, key) for key, titles in (
        ("study", "学习情况 学习 学习状况 学习成绩"), ("life", "生活情况 生活 生活状况"),
        ("psychology", "心理情况 心理 心理状况"), ("safety", "安全情况 安全 安全状况"),
        ("health", "健康情况 健康 健康状况 身体状况 身体健康状况"), ("wishes", "愿望 心愿 微心愿 需求"),
    )),
))  # fmt: skip

CARDS = Kind("cards", "联系卡", "contact cards", (
    _NAME, _ID, _BORN, _NUMBER,
    Column("home_phone", ("家庭电话", "家里电话", "座机", "固定电话"), e.GuardianRecorded, "phone"),
    _child("address", "家庭住址 家庭地址 住址 详细地址 现住址 家庭详细地址 家庭详细住址"),
    *_parents(),
    *_GUARDIAN,
))  # fmt: skip

BOOKS = Kind("books", "图书", "books", (
    Column("title", ("书名", "图书名称", "名称", "题名", "图书", "书籍名称"), e.BookAcquired, "title", required=True),
    Column("copies", ("册数", "数量", "本数", "复本数", "复本", "册"), e.BookAcquired, "copies", help="不填就是1册"),
    Column("mark", ("分类号", "索书号", "图书编号", "编号", "条码", "分类"), e.BookAcquired, "mark"),
    Column("source", ("来源", "图书来源", "获得方式"), e.BookAcquired, "source", pick=codes_place.BOOK_FROM),
    Column("condition", ("品相", "新旧程度", "状况", "完好程度"), e.BookAcquired, "condition", pick=codes.CONDITION),
    Column("on", ("入库日期", "购入日期", "登记日期", "日期", "入库时间"), e.BookAcquired, "on"),
))  # fmt: skip

AID = Kind("aid", "资助名单", "aid list", (
    _NAME, _ID, _BORN, _NUMBER,
    Column("programme", ("资助项目", "项目", "项目名称", "资助名称"), e.AidRequested, "programme", required=True),
    Column("kind", ("资助类型", "类型", "资助种类", "类别"), e.AidRequested, "kind", pick=codes_county.AID_KIND,
           help="不填就是生活补助"),
    Column("amount_fen", ("资助金额", "金额", "每期金额", "资助标准", "补助金额", "发放金额"), e.AidRequested,
           "amount_fen", help="单位是元；标题里写了万元就按万元"),
    Column("instalments", ("期数", "资助期数"), e.AidRequested, "instalments"),
    Column("reason", ("申请理由", "理由", "困难情况", "资助原因", "家庭困难情况", "原因", "家庭情况"), e.AidRequested,
           "reason", required=True),
    Column("donor", ("资助人", "捐助人", "资助方", "资助单位"), e.AidRequested, "donor"),
    Column("on", ("申请日期", "日期", "申请时间"), e.AidRequested, "on"),
    Column("from_on", ("开始日期", "资助开始日期", "起始日期"), e.AidRequested, "from_on"),
))  # fmt: skip

KINDS: Mapping[str, Kind] = {kind.name: kind for kind in (ROSTER, CARDS, BOOKS, AID)}
NEVER = frozenset({"序号", "年龄", "签名", "签字", "备注", "家长签名", "监护人签字", "领取人签名", "NO", "No"})
"""Titles of columns that carry nothing to record; a remark belongs into a talk or a visit."""
