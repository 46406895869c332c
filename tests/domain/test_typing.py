"""Numbers, amounts, days, terms, names, identity numbers and telephones as people type them."""

import datetime as dt

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain import days, festivals, identity, money, names, numerals, phones, quantity, spelling, terms
from domain.codec import shape_of
from domain.errors import Mistyped, Refusals, Refused
from domain.quantity import Quantity
from domain.schema import REGISTRY

TODAY = dt.date(2026, 11, 23)  # a Monday

WRITING = st.text(st.sampled_from("0123456789０９.,，-－~～—/+%年月日号天周上下本前后"
                                  "一二两三十百千万亿零〇多余约几元角分块春秋学期第农历初闰正腊端午中节 　"
                                  "TZXx()（）张单·'ü\x00\ud800"), max_size=30)  # fmt: skip
ANYTHING = st.one_of(st.text(max_size=80), WRITING)


def refused_by(read):
    """Both sentences of the refusal; None where there was none."""
    try:
        read()
    except Refused as refusal:
        return refusal.zh, refusal.en
    return None


@pytest.mark.parametrize(("typed", "number"), [
    ("61", 61), ("1,200", 1200), ("１２", 12), ("1.5万", 15_000), ("3万2千", 32_000), ("3万2", 32_000), ("二百", 200),
    ("两百五", 250), ("一百零五", 105), ("二〇二五", 2025), ("十五", 15), ("2百万", 2_000_000),
    ("3亿5千万", 350_000_000),
    ("两千零五", 2005), ("一万五", 15_000), ("零", 0), ("1千500", 1500),
])  # fmt: skip
def test_numbers_are_read_in_digits_and_in_chinese(typed, number):
    """A number means the same however it is written."""
    assert numerals.whole(typed) == number


@pytest.mark.parametrize("typed", ["", "1,2", "三四", "二十五百", "万万", "1.2.3", "1 . 5 5x", "1.5", "五十万亿千"])
def test_what_is_no_whole_number_or_could_be_two_is_none(typed):
    """三四 is "three or four": nothing is guessed."""
    with pytest.raises(numerals.NoNumber):
        numerals.whole(typed)


@pytest.mark.parametrize(("typed", "found"), [
    ("110万", Quantity("exact", 1_100_000)), ("2000多份", Quantity("at_least", 2000)),
    ("800余份", Quantity("at_least", 800)), ("20多万", Quantity("at_least", 200_000)),
    ("三百余人", Quantity("at_least", 300)), ("2万多名", Quantity("at_least", 20_000)),
    ("200人以上", Quantity("at_least", 200)), ("不少于30人", Quantity("at_least", 30)),
    ("2000--3000元", Quantity("range", 2000, 3000)), ("2000～3000", Quantity("range", 2000, 3000)),
    ("2--3万", Quantity("range", 20_000, 30_000)), ("200份至300份", Quantity("range", 200, 300)),
    ("100%", Quantity("exact", 100)), ("3万2千", Quantity("exact", 32_000)), ("23场次", Quantity("exact", 23)),
])  # fmt: skip
def test_quantities_are_exact_at_least_or_a_range(typed, found):
    """The plans' own figures are kept as they were meant."""
    assert quantity.parse(typed) == found


@pytest.mark.parametrize("typed", ["约200", "十几个", "2000来份", "不到100", "2个半", "2000份多", "两成", "3月1日",
"5--3",
                                   "33.1%", "", "多", "9" * 40])  # fmt: skip
def test_what_is_no_quantity_is_refused_with_what_would_be_one(typed):
    """No vague number becomes an exact one."""
    with pytest.raises(Mistyped) as refusal:
        quantity.parse(typed)
    assert typed[:10] in refusal.value.zh


@pytest.mark.parametrize(("typed", "fen"), [
    ("1200", 120_000), ("1,200.50元", 120_050), ("110万元", 110_000_000), ("3块5", 350), ("3元5角2分", 352),
    ("5角", 50),
    ("一千二百元", 120_000), ("￥１２００.00", 120_000), ("4000元整", 400_000), ("2万3千元", 2_300_000), ("0", 0),
])  # fmt: skip
def test_money_is_whole_fen(typed, fen):
    """An amount is exact, whatever it was written in."""
    assert money.parse(typed) == fen


@pytest.mark.parametrize("typed", ["2000--3000元", "2000多元", "1.005", "元", "", "-5", "约300"])
def test_an_amount_that_is_not_exact_is_refused(typed):
    """Money is never rounded and never guessed."""
    with pytest.raises(Mistyped):
        money.parse(typed)


def test_an_amount_may_be_a_range_where_a_range_is_asked_for():
    """Prizes of 2000 to 3000 yuan are a range in fen."""
    assert money.roughly("2000--3000元") == Quantity("range", 200_000, 300_000)
    assert money.roughly("278万余元") == Quantity("at_least", 278_000_000)
    assert money.roughly("1200.50") == Quantity("exact", 120_050)


@pytest.mark.parametrize(("typed", "day", "assumed"), [
    ("2025-03-01", "2025-03-01", False), ("2025/3/1", "2025-03-01", False), ("2025.3.1", "2025-03-01", False),
    ("２０２５年３月１日", "2025-03-01", False), ("二〇二五年三月十二日", "2025-03-12", False), ("20250301",
    "2025-03-01", False),
    ("2025-03-01 00:00:00", "2025-03-01", False), ("25.3.1", "2025-03-01", True), ("98年3月1日", "1998-03-01", True),
    ("3月1日", "2026-03-01", True), ("12月1日", "2025-12-01", True), ("11月23日", "2026-11-23", True),
    ("11/24", "2025-11-24", True), ("去年3月1号", "2025-03-01", True), ("昨天", "2026-11-22", True),
    ("上周三", "2026-11-18", True), ("周三", "2026-11-18", True), ("周一", "2026-11-23", True),
    ("上上周日", "2026-11-15", True), ("上月5号", "2026-10-05", True), ("30号", "2026-10-30", True),
    ("三天前", "2026-11-20", True), ("端午", "2026-06-19", True), ("2025年端午节", "2025-05-31", True),
    ("去年中秋", "2025-10-06", True), ("春节", "2026-02-17", True), ("重阳节", "2026-10-18", True),
    ("2025年除夕", "2025-01-28", True), ("清明", "2026-04-05", True), ("六一儿童节", "2026-06-01", True),
    ("农历2025年八月十五", "2025-10-06", True), ("腊月初八", "2026-01-26", True), ("2025年闰六月初一",
    "2025-07-25", True),
])  # fmt: skip
def test_days_are_read_as_people_write_them(typed, day, assumed):
    """A day means one day; what was filled in is said, with the day."""
    found = days.parse(typed, TODAY)
    assert str(found.date) == day
    assert (found.note.zh != "") is assumed
    assert not assumed or (days.written(found.date) in found.note.zh and day in found.note.en)


@pytest.mark.parametrize(("typed", "says"), [
    ("2025年3月", "缺少几号"), ("2025.3", "缺少几号"), ("上周", "缺少几号"), ("2025-02-29", "没有"), ("2月29日",
    "没有"),
    ("2025-13-01", "没有"), ("3000-01-01", "没有"), ("八月十五", "农历"), ("2026年闰五月初一", "没有"), ("随便",
    "不是日期"),
    ("", "不是日期"), ("1000天前", "不是日期"),
])  # fmt: skip
def test_a_day_that_is_not_one_is_refused_in_words(typed, says):
    """The sentence says what is missing or wrong."""
    with pytest.raises(Mistyped, match=says) as refusal:
        days.parse(typed, TODAY)
    assert refusal.value.en


@given(st.dates(dt.date(1901, 1, 1), dt.date(2200, 12, 31)))
def test_a_day_without_a_year_is_never_in_the_future(today):
    """3月1日 happened: the nearest first of March, at most a year ago."""
    found = days.parse("3月1日", today).date
    assert dt.timedelta(0) <= today - found <= dt.timedelta(days=365)


SPRINGS = {2000: "02-05", 2008: "02-07", 2015: "02-19", 2020: "01-25", 2024: "02-10", 2025: "01-29", 2026: "02-17",
           2033: "01-31", 2040: "02-12"}  # fmt: skip


def test_festivals_fall_where_the_almanac_has_them():
    """Known years, those with a leap month among them."""
    assert {year: str(*festivals.in_year("春节", year))[5:] for year in SPRINGS} == SPRINGS
    assert [str(day) for day in festivals.in_year("中秋", 2033)] == ["2033-09-08"]
    assert [str(day) for day in festivals.in_year("端午", 2023)] == ["2023-06-22"]


@pytest.mark.parametrize(("typed", "term"), [
    ("2025年春季学期", "2025-春"), ("2025秋", "2025-秋"), ("2025-春", "2025-春"), ("二〇二五年秋", "2025-秋"),
    ("2024-2025学年第一学期", "2024-秋"), ("2024—2025学年度第二学期", "2025-春"), ("2024-25学年上学期", "2024-秋"),
    ("2024学年第二学期", "2025-春"), ("2024-2025学年（下）", "2025-春"), ("本学期", "2026-秋"), ("上个学期",
    "2026-春"),
    ("春季学期", "2026-春"),
])  # fmt: skip
def test_terms_are_read_as_schools_write_them(typed, term):
    """Every spelling of a term is stored as one."""
    assert str(terms.parse(typed, TODAY).term) == term


@pytest.mark.parametrize("typed", ["上学期", "2024年上学期", "2024-2026学年第一学期", "2025年", "春天", ""])
def test_a_term_that_could_be_two_is_refused(typed):
    """上学期 may be the first term or the last one."""
    with pytest.raises(Mistyped):
        terms.parse(typed, TODAY)


def test_an_identity_number_says_birth_date_and_sex():
    """Full-width, small x and blanks are the same number."""
    for typed in ("11010519491231002X", "１１０１０５１９４９１２３１００２Ｘ", "110105 19491231 002x"):
        found = identity.parse(typed)
        assert found == ("11010519491231002X", dt.date(1949, 12, 31), "female")
    at_odds = identity.disagreements(found, dt.date(1950, 1, 1), "male")
    assert sorted(at_odds) == ["born_on", "sex"]
    assert "1949年12月31日" in at_odds["born_on"].zh
    assert identity.disagreements(found, None, "female") == {}


@pytest.mark.parametrize(("typed", "says"), [
    ("110105194912310021", "最后一位应是X"), ("110105194912310", "15位"), ("1234", "18位"), ("11010519991331002X",
    "不是日期"),
    ("A1010519491231002X", "前17位"), ("无", "18位"),
])  # fmt: skip
def test_a_wrong_identity_number_is_refused_in_words(typed, says):
    """The sentence says which part is wrong."""
    with pytest.raises(Mistyped, match=says):
        identity.parse(typed)


@given(st.integers(0, 16), st.integers(0, 9))
def test_one_wrong_digit_in_an_identity_number_is_found(place, digit):
    """The check digit, or the form of the date, catches any single slip."""
    right = "11010519491231002X"
    wrong = right[:place] + str(digit) + right[place + 1 :]
    if wrong != right:
        with pytest.raises(Mistyped):
            identity.parse(wrong)


@pytest.mark.parametrize(("typed", "name"), [
    ("张 三", "张三"), ("张　三", "张三"), (" 欧阳 娜娜", "欧阳娜娜"), ("买买提•艾力", "买买提·艾力"),
    ("买买提 · 艾力", "买买提·艾力"), ("John  Smith", "John Smith"), ("张三（大）", "张三(大)"),
])  # fmt: skip
def test_a_name_is_written_one_way(typed, name):
    """Blanks between characters and kinds of dots do not make another person."""
    assert names.cleaned(typed) == name
    assert names.cleaned(name) == name


@pytest.mark.parametrize(("query", "name"), [
    ("sxm", "单晓明"), ("shan", "单晓明"), ("xiaoming", "单晓明"), ("晓明", "单晓明"), ("zeng", "曾乐乐"), ("zll",
    "曾乐乐"),
    ("zyy", "曾乐乐"), ("qiu", "仇英"), ("lv", "吕绿"), ("lu", "吕绿"), ("lyu", "吕绿"), ("lü", "吕绿"), ("yuchi",
    "尉迟恭"),
    ("moqi", "万俟卨"), ("nana", "欧阳娜娜"), ("ouyang", "欧阳娜娜"), ("smith", "John Smith"), ("SXM", "单晓明"),
])  # fmt: skip
def test_a_name_is_found_by_sound_initials_and_characters(query, name):
    """Surnames by their own readings."""
    assert names.matches(query, name)


@pytest.mark.parametrize(("query", "name"), [("dan", "单晓明"), ("ceng", "曾乐乐"), ("", "张三"), ("lisi", "张三")])
def test_a_name_is_not_found_by_another_sound(query, name):
    """单 as a surname is Shan."""
    assert not names.matches(query, name)


def test_telephones_are_kept_as_typed_and_found_by_their_digits():
    """Blanks, dashes and the country's prefix make no difference to a search."""
    typed = " 138 1234-5678（妈妈）/ +86 13987654321 "
    assert phones.checked(typed) == typed.strip()
    assert phones.numbers(typed) == ("13812345678", "13987654321")
    assert phones.matches("1381234", typed)
    assert phones.matches("+86 139 8765 4321", typed)
    assert not phones.matches("137", typed)
    assert not phones.matches("", typed)


@pytest.mark.parametrize("typed", ["无", "1381234567", "138123456789", "", "1" * 70])
def test_a_mobile_number_of_the_wrong_length_is_refused(typed):
    """A digit was forgotten: better asked now than called in vain."""
    with pytest.raises(Mistyped):
        phones.checked(typed)


BIG = st.integers(-(2**62), 2**62)


@given(st.one_of(
    st.builds(Quantity, st.sampled_from(["exact", "at_least"]), BIG),
    st.tuples(BIG, BIG).map(lambda pair: Quantity("range", min(pair), max(pair))),
))  # fmt: skip
def test_a_printed_quantity_reads_as_itself(found):
    """What the program prints can be typed back."""
    assert quantity.parse(str(found)) == found


@given(st.integers(0, money.FEN_MAX))
def test_a_printed_amount_reads_as_itself(fen):
    """What the program prints can be typed back."""
    assert money.parse(money.written(fen)) == fen


@given(st.dates(dt.date(1900, 1, 1), dt.date(2200, 12, 31)))
def test_a_printed_day_reads_as_itself_without_a_note(day):
    """What the program prints can be typed back, whatever today is."""
    assert days.parse(str(day), TODAY) == (day, days.Note())
    assert days.parse(days.written(day), TODAY) == (day, days.Note())


@given(st.dates(dt.date(1901, 1, 1), dt.date(2200, 12, 31)))
def test_a_printed_term_reads_as_itself(day):
    """In both its forms; and a term's neighbour is another one."""
    term = terms.of(day)
    assert terms.parse(str(term), TODAY) == terms.parse(term.label, TODAY) == (term, days.Note())
    assert terms.before(term) < term or terms.before(term).year == term.year


@given(ANYTHING)
def test_garbage_raises_nothing_but_the_refusal(text):
    """Whatever is typed, the person gets a value or a sentence in both languages."""
    for parse in (quantity.parse, money.parse, money.roughly, identity.parse, names.cleaned, phones.checked,
                  lambda one: days.parse(one, TODAY), lambda one: terms.parse(one, TODAY)):  # fmt: skip
        assert all(refused_by(lambda: parse(text)) or ("-", "-"))  # noqa: B023  called at once
    names.matches(text, "单晓明")
    names.matches("sxm", text)
    phones.matches(text, text)


@given(st.dates(dt.date(1, 1, 1)), WRITING)
def test_any_today_will_do(today, text):
    """A clock that is centuries off breaks no form."""
    for parse in (days.parse, terms.parse):
        assert all(refused_by(lambda: parse(text, today)) or ("-", "-"))  # noqa: B023  called at once


FIELDS = [(name, field) for name, cls in sorted(REGISTRY.items()) for field in shape_of(cls).codecs]


@given(st.sampled_from(FIELDS), ANYTHING)
def test_any_field_of_any_event_takes_garbage_with_a_refusal_only(field, text):
    """No form can be made to fail in any other way."""
    assert all(refused_by(lambda: spelling.read(field[0], {field[1]: text}, TODAY)) or ("-", "-"))


def test_a_form_says_all_that_is_wrong_at_once():
    """Every field has its own sentence, and what contradicts another field is told too."""
    with pytest.raises(Refusals) as refusals:
        spelling.read("child-registered/1", {
            "name": " ", "sex": "男", "registered_on": "2025年3月", "born_on": "2015-01-01", "grade": "三",
            "national_id": "11010519491231002X", "boards": "也许",
        }, TODAY)  # fmt: skip
    assert sorted(refusals.value.fields) == ["boards", "born_on", "name", "registered_on", "sex"]
    assert "“登记日期”：“2025年3月”缺少几号" in refusals.value.zh
    assert "registered on (registered_on): " in refusals.value.en


def test_a_form_is_read_as_it_was_meant():
    """Assumptions come back beside their fields."""
    found = spelling.read("child-registered/1", {
        "name": "张　三", "sex": "女", "registered_on": "上周三", "born_on": "1949年12月31日", "grade": "三",
        "national_id": "11010519491231002x", "boards": "√",
    }, TODAY)  # fmt: skip
    event = found.event
    assert (event.name, event.sex, event.grade, event.boards) == ("张三", "female", 3, True)
    assert (event.national_id, event.registered_on) == ("11010519491231002X", dt.date(2026, 11, 18))
    assert list(found.notes) == ["registered_on"]


def test_a_day_ahead_is_doubted_but_taken():
    """The computer's date may be the wrong one."""
    found = spelling.read("child-registered/1", {"name": "张三", "sex": "男", "registered_on": "2027-01-05"}, TODAY)
    assert found.event.registered_on == dt.date(2027, 1, 5)
    assert "晚于今天" in found.notes["registered_on"].zh


def test_an_amount_with_a_unit_is_in_yuan_and_a_bare_one_in_fen():
    """What scripts wrote keeps its meaning."""
    fields = {"child": "11111111-1111-4111-8111-111111111111", "on": "2026-09-01", "term": "2026年秋季学期"}
    for typed, fen in (("1200元", 120_000), ("120000", 120_000), ("1.5万元", 1_500_000)):
        event = spelling.read("aid-paid/1", {**fields, "amount_fen": typed}, TODAY).event
        assert (event.amount_fen, event.term) == (fen, "2026-秋")
