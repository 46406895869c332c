"""Lists in spreadsheets: the header among titles, rows as values with every trouble at once, and what they come to."""

import datetime as dt

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain import events as e
from domain import grades, headers, sheet_events, sheet_rows
from domain.cells import EPOCH, Broken, Uncomputed, day
from domain.errors import Mistyped, Refused
from domain.likeness import Somebody, likeness
from domain.schema import encode
from domain.sheet_events import When
from domain.sheets import KINDS

TODAY = dt.date(2026, 11, 23)
WHEN = When(TODAY, "2026-秋")
ROSTER = KINDS["roster"]
ID = "11010519491231002X"


def read(rows, kind="roster", named=None):
    header = headers.find(rows, KINDS[kind], named or {})
    return sheet_rows.read(rows, header, KINDS[kind], TODAY, EPOCH)


def fields(rows, kind="roster", named=None):
    return {one.title: one.column.key for one in headers.find(rows, KINDS[kind], named or {}).matched}


@pytest.mark.parametrize("kind", KINDS)
def test_no_title_means_two_columns(kind):
    """Every spelling of a title leads to one column of its kind."""
    seen = {}
    for column in KINDS[kind].columns:
        for title in column.titles:
            assert seen.setdefault(headers.plain(title), column.key) == column.key


@pytest.mark.parametrize("kind", KINDS)
def test_our_own_titles_are_found_again(kind):
    """The template's header is matched in full."""
    columns = KINDS[kind].columns
    assert list(fields([[one.title + "*" for one in columns]], kind).values()) == [one.key for one in columns]


def test_a_header_in_two_rows_below_merged_titles_is_found():
    """父亲 over 姓名 and 电话 is 父亲姓名 and 父亲电话; blanks, brackets and stars do not matter."""
    rows = [
        ["某村2026年秋季摸底表", None, None],
        [],
        ["序号", "姓　名*", "性别（必填）", "父 亲", None, "监护人", None, None, "爱好", "联系方式"],
        [None, None, None, "姓名", "联系电话", "姓名", "关系", "身体状况"],
        [1, "张三", "男"],
    ]
    header = headers.find(rows, ROSTER, {})
    assert (header.row, header.below) == (2, 4)
    assert {one.title: one.column.key for one in header.matched} == {
        "姓　名*": "name", "性别（必填）": "sex", "父 亲姓名": "father_name", "父 亲联系电话": "father_phone",
        "监护人姓名": "guardian_name", "监护人关系": "guardian_kinship", "监护人身体状况": "guardian_health",
        "联系方式": "guardian_phone",
    }  # fmt: skip
    assert [(one.place, one.zh[:4]) for one in header.unmatched] == [(0, "不用导入"), (8, "没有认出")]


def test_an_unknown_title_is_shown_with_what_it_may_mean_and_can_be_named():
    """Nothing is guessed: a person says what the column is."""
    rows = [["姓名", "性别", "身分证号码"], ["张三", "男", ID]]
    header = headers.find(rows, ROSTER, {})
    assert "身份证号" in header.unmatched[0].zh
    assert fields(rows, named={"身分证号码": "national_id"})["身分证号码"] == "national_id"
    with pytest.raises(Refused, match="没有"):
        fields(rows, named={"身分证号码": "nonsense"})


def test_of_two_columns_for_one_field_the_better_title_counts():
    """监护人电话 rather than 联系电话, and the other one is said to be left out."""
    header = headers.find([["姓名", "联系电话", "监护人电话"]], ROSTER, {})
    assert [(one.title, one.column.key) for one in header.matched] == [
        ("姓名", "name"),
        ("监护人电话", "guardian_phone"),
    ]
    assert "C列" in header.unmatched[0].zh


def test_a_column_can_be_passed_over():
    """编号 may hold what is no number here."""
    header = headers.find([["姓名", "性别", "编号"]], ROSTER, {"编号": "-"})
    assert [one.column.key for one in header.matched] == ["name", "sex"]


@pytest.mark.parametrize("rows", [[], [[]], [["一", "二"], ["张三", "男"]], [["性别", "年级"], ["男", 3]]])
def test_without_a_header_or_a_required_column_nothing_is_read(rows):
    """The sentence names what was looked for."""
    with pytest.raises(Refused, match="姓名"):
        headers.find(rows, ROSTER, {})


def test_every_trouble_of_every_row_is_told_at_once():
    """With its row, its column and a sentence; the good rows are read beside."""
    found = read([
        ["姓名", "性别", "出生日期", "身份证号", "是否住校"],
        ["张3", "男", "2015年3月", None, "也许"],
        ["李四", "不男", dt.datetime.fromisoformat("2015-03-01"), None, "是"],
        ["王五", None, None, 110105194912310020, None],
        ["赵六", None, None, "110105194912310020", None],
        ["孙七", "男", "1949-12-30", ID, None],
        [None, "男", None, None, None],
        ["周八", None, None, None, None],
        ["吴九", "女孩", "2015/3/1", None, "走读"],
    ])  # fmt: skip
    told = {(one.row, one.title): one.why.zh for one in found.troubles}
    assert sorted(told) == sorted([
        (2, "姓名"), (2, "出生日期"), (2, "是否住校"), (3, "性别"), (4, "身份证号"), (5, "身份证号"), (6, "性别"),
        (6, "出生日期"), (7, "姓名"), (8, "性别"),
    ])  # fmt: skip
    assert "丢失" in told[4, "身份证号"]
    assert "最后一位应是X" in told[5, "身份证号"]
    assert "不一致" in told[6, "出生日期"]
    assert [one.number for one in found.rows] == [9]
    assert found.rows[0].values["born_on"] == dt.date(2015, 3, 1)


def test_a_list_is_read_through_its_ornaments():
    """Empty rows, repeated headers and totals are no children; blanks in names and 无 are nothing."""
    found = read([
        ["序号", "姓名", "性别", "父亲姓名", "父亲电话"],
        [1, "张 三", "男", "无", 13812345678.0],
        [None] * 5,
        ["序号", "姓名", "性别", "父亲姓名", "父亲电话"],
        [2, "欧阳　娜娜", "女", "/", "138 1234 5679"],
        ["合计：", "2人"],
        ["填表人：王老师", None, None, "审核人：李"],
        ["备注：以上为本村"],
    ])  # fmt: skip
    assert [(one.number, one.values["name"], one.values.get("father_name"), one.values["father_phone"])
            for one in found.rows] == [
        (2, "张三", None, "13812345678"), (5, "欧阳娜娜", None, "138 1234 5679"),
    ]  # fmt: skip
    assert (found.left, found.troubles) == ([4, 6, 7, 8], [])


def test_ditto_marks_are_asked_to_be_written_out():
    """同上 would be somebody else's address."""
    found = read([["姓名", "性别", "家庭住址"], ["张三", "男", "南沟村"], ["李四", "男", "同上"]])
    assert [(one.row, one.title) for one in found.troubles] == [(3, "家庭住址")]


def test_dates_are_read_in_all_that_excel_makes_of_them():
    """A date, a text, a number whose cell lost its form; a year and month only with an identity number."""
    assert day(dt.datetime.fromisoformat("2015-03-01T00:00"), TODAY).date == dt.date(2015, 3, 1)
    assert day(42064, TODAY).date == dt.date(2015, 3, 1)
    assert "42064" in day(42064.0, TODAY).note.zh
    assert day(42064 - 1462, TODAY, dt.date(1904, 1, 1)).date == dt.date(2015, 3, 1)
    assert day(20150301, TODAY).date == day("2015.3.1", TODAY).date == dt.date(2015, 3, 1)
    for cell in (2015.3, 2015, "2015年3月", True, Uncomputed("=A1"), Broken("#REF!"), 1e300, -5, dt.time(8)):
        with pytest.raises(Mistyped):
            day(cell, TODAY)
    rows = [["姓名", "出生年月", "身份证号"], ["张三", 1949.12, ID], ["李四", "1949年11月", ID]]
    found = read(rows)
    assert [one.values["born_on"] for one in found.rows] == [dt.date(1949, 12, 31)]
    assert [(one.row, one.title) for one in found.troubles] == [(3, "出生年月")]


def test_an_amount_is_in_what_its_title_says():
    """金额（万元） is not 金额（元）."""
    for title, cell, fen in (("金额（元）", 1200, 120_000), ("资助金额(万元)", 1.5, 1_500_000), ("金额",
    "1,200.50元", 120_050),
                             ("金额（万元）", "1200元", 120_000)):  # fmt: skip
        found = read([["姓名", "资助项目", "理由", title], ["张三", "助学", "家贫", cell]], "aid")
        assert found.rows[0].values["amount_fen"] == fen


@pytest.mark.parametrize(("typed", "grade"), [
    ("三年级", 3), ("3", 3), ("初一", 7), ("七年级(2)班", 7), ("初三2班", 9), ("高一", 10), ("学前班", 0),
    ("大班", 0), ("小学四年级", 4),
])  # fmt: skip
def test_grades_are_read_as_schools_name_them(typed, grade):
    """From before school to the end of high school."""
    assert grades.parse(typed) == grade


@pytest.mark.parametrize("typed", ["十三年级", "初四", "毕业", "", "0"])
def test_what_is_no_grade_is_refused(typed):
    """There is no thirteenth grade."""
    with pytest.raises(Mistyped):
        grades.parse(typed)


CELLS = st.one_of(st.none(), st.text(max_size=20), st.integers(), st.floats(), st.booleans(), st.dates(), st.times(),
                  st.datetimes(), st.builds(Uncomputed, st.text()), st.builds(Broken, st.text()),
                  st.sampled_from(["张三", "男", ID, "3年级", "留守、困境", "爷爷", "13812345678",
                  "1200元"]))  # fmt: skip


@given(st.sampled_from(sorted(KINDS)), st.lists(st.lists(CELLS, max_size=30), max_size=4))
def test_garbage_in_cells_is_told_and_nothing_else(kind, rows):
    """Whatever stands in a row, it is read or refused in words, and what is read can be stored."""
    found = read([[one.title for one in KINDS[kind].columns], *rows], kind)
    assert all(one.why.zh and one.why.en for one in found.troubles)
    for row in found.rows:
        try:
            for event in events_of(kind, row.values):
                encode(event)
        except Refused as why:
            assert why.zh  # noqa: PT017  that there is a sentence is the promise


def events_of(kind, values):
    match kind:
        case "roster":
            return sheet_events.registered(values, WHEN)
        case "cards":
            return sheet_events.card_changed(values, WHEN, lambda _: frozenset())
        case "books":
            return sheet_events.book(values, WHEN)
        case _:
            return sheet_events.asked(values, WHEN, None)


@given(st.lists(st.lists(CELLS, max_size=12), max_size=40))
def test_any_table_has_a_header_or_is_refused(rows):
    """Looking for the header never fails otherwise."""
    try:
        headers.find(rows, ROSTER, {})
    except Refused as why:
        assert why.zh  # noqa: PT017  that there is a sentence is the promise


FULL = {
    "name": "张三", "sex": "male", "born_on": dt.date(2015, 3, 1), "categories": ("left_behind",),
    "guardian_name": "张爷",
    "guardian_kinship": "paternal_grandfather", "guardian_age": 66, "father_name": "张大",
    "father_phone": "13812345678",
    "mother_phone": "13912345678", "mother_workplace": "苏州", "health": "哮喘",
}  # fmt: skip


def test_a_row_of_a_roster_loses_nothing():
    """What the registration cannot hold becomes events of its own."""
    found = sheet_events.registered(FULL, WHEN)
    assert [type(one) for one in found] == [
        e.ChildRegistered, e.GuardianRecorded, e.ParentWorkplaceRecorded, e.ContactCardChanged, e.ChildCategoryAssessed,
        e.SituationSurveyed,
    ]  # fmt: skip
    assert found[0].guardian is None
    assert found[0].parents[0].phone == "13812345678"
    assert (found[1].age, found[5].term, found[5].health) == (66, "2026-秋", "哮喘")


def test_a_telephone_that_is_nobodys_is_the_familys():
    """联系电话 without a guardian stands on the card as the family's."""
    found = sheet_events.registered({"name": "张三", "sex": "male", "guardian_phone": "13812345678"}, WHEN)
    assert [(one.field, one.value) for one in found[1:]] == [("home_phone", "13812345678")]


def test_a_guardian_who_is_the_father_needs_no_kinship():
    """The name says it."""
    (found,) = sheet_events.registered(
        {"name": "张三", "sex": "male", "guardian_name": "张大", "father_name": "张大"}, WHEN
    )
    assert found.guardian.kinship == "father"


@pytest.mark.parametrize("values", [
    {"guardian_kinship": "father"}, {"guardian_name": "张爷"}, {"born_on": dt.date(2026, 12, 1)},
])  # fmt: skip
def test_a_row_that_cannot_be_registered_says_why(values):
    """A guardian needs a name and a kinship, and nobody is registered before birth."""
    with pytest.raises(Mistyped):
        sheet_events.registered({"name": "张三", "sex": "male", **values}, WHEN)


def test_a_card_that_says_the_same_changes_nothing():
    """Only what differs becomes an event; a guardian of whom one thing changed stays whole."""
    card = {
        "guardian_name": "张爷",
        "guardian_kinship": "paternal_grandfather",
        "guardian_phone": "1",
        "father_name": "张大",
    }

    def standing(key):
        return frozenset({card[key]}) if key in card else frozenset()

    assert sheet_events.card_changed({"name": "张三", **card}, WHEN, standing) == []
    (changed,) = sheet_events.card_changed({"name": "张三", "guardian_phone": "2"}, WHEN, standing)
    assert (changed.name, changed.kinship, changed.phone) == ("张爷", "paternal_grandfather", "2")
    (other,) = sheet_events.card_changed(
        {"guardian_name": "李奶", "guardian_kinship": "paternal_grandmother"}, WHEN, standing
    )
    assert (other.name, other.phone) == ("李奶", None)
    in_conflict = sheet_events.card_changed({"father_name": "张大"}, WHEN, lambda _: frozenset({"张大", "张达"}))
    assert [one.value for one in in_conflict] == ["张大"]


BORN = dt.date(2015, 3, 1)
OTHER_ID = "360426199101010071"


@pytest.mark.parametrize(("one", "other", "sure"), [
    (Somebody("张三", BORN), Somebody("张三", BORN), True),
    (Somebody("张三", None, ID), Somebody("张山", BORN, ID), True),
    (Somebody("张三", BORN), Somebody("张三"), False),
    (Somebody("张三", BORN), Somebody("张三", dt.date(2015, 1, 3)), False),
    (Somebody("张三", BORN), Somebody("张山", BORN), False),
    (Somebody("张小明", BORN), Somebody("张晓明", BORN), False),
    (Somebody("张小明", BORN), Somebody("张小亮", BORN), False),
    (Somebody("张三", BORN, ID), Somebody("张三", BORN, "11010519491231020X"), False),
    (Somebody("张三", BORN), Somebody("李四", BORN), None),
    (Somebody("张三", BORN), Somebody("张三", dt.date(2012, 7, 9)), None),
    (Somebody("张三", BORN, ID), Somebody("张三", BORN, OTHER_ID), None),
    (Somebody("张小明", BORN), Somebody("张小亮", dt.date(2012, 3, 2)), None),
])  # fmt: skip
def test_who_may_be_one_child(one, other, sure):
    """Certain, likely or not; the same from both sides."""
    for pair in ((one, other), (other, one)):
        found = likeness(*pair)
        assert (found.sure if found else None) is sure
