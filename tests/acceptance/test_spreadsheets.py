"""Lists from spreadsheets: shown first, stored whole or not at all, never twice, and taken back."""

import os

import openpyxl
import pytest

TITLES = ["姓名", "性别", "出生日期", "身份证号", "监护人姓名", "与儿童关系", "监护人电话", "健康情况"]
ZHANG = ["张 三", "男", "2015-03-01", None, "张大爷", "祖父", "13812345678", None]
LI = ["李四", "女", "2014年5月6日", None, "李奶奶", "奶奶", None, "哮喘"]
WANG = ["王五", None, None, "11010519491231002X", None, None, None, None]


@pytest.fixture
def sheet(yard):
    """Write a workbook of some rows."""

    def written(name, *rows):
        book = openpyxl.Workbook()
        for row in rows:
            book.active.append(row)
        book.save(yard / name)
        return yard / name

    return written


def imported(yard, home, file, *words, kind="roster", code=0):
    return yard.quick(
        "site-node", "import", home, file, "--kind", kind, "--by", "w-1", "--json", *words, code=code
    ).json()


def children(yard, home):
    found = yard.quick("site-node", "children", home, "--json").json()["children"]
    return {one["name"]: one for one in found if one["name"]}


def entries(yard, home):
    return yard.quick("site-node", "status", home, "--json").json()["entries"]


def test_a_roster_is_shown_first_and_stored_once(yard, sheet):
    """Without a yes nothing is stored; with it everything, in words and in numbers; a second time nothing."""
    home = yard.home()
    file = sheet("a.xlsx", ["摸底表"], TITLES, ZHANG, LI, WANG, ["合计：3人"])
    before = entries(yard, home)
    shown = yard.quick("site-node", "import", home, file, "--kind", "roster", "--by", "w-1")
    assert "“姓名” → 姓名" in shown.out
    assert "还没有保存" in shown.out
    assert entries(yard, home) == before
    done = imported(yard, home, file, "--confirm", "--on", "9月1日")
    assert (len(done["rows"]), done["errors"], done["left"]) == (3, [], [6])
    assert entries(yard, home) - before == done["stored"] == 4
    found = children(yard, home)
    assert sorted(found) == ["张三", "李四", "王五"]
    assert found["张三"]["guardian_kinship"] == "paternal_grandfather"
    assert (found["王五"]["sex"], found["王五"]["born_on"]) == ("female", "1949-12-31")
    assert found["李四"]["registered_on"][5:] == "09-01"
    again = yard.quick("site-node", "import", home, file, "--kind", "roster", "--by", "w-1", "--confirm", code=6)
    assert done["batch"] in again.err
    yard.quick("site-node", "verify", home)
    assert yard.quick("site-node", "rebuild", home, "--json").json()["equal"]


@pytest.mark.parametrize(("answer", "stored"), [("是", 1), ("不", 0)])
def test_at_a_terminal_it_asks(yard, sheet, answer, stored):
    """A yes stores what was shown, anything else does not."""
    home = yard.home()
    file = sheet("a.xlsx", TITLES, ZHANG)
    ours, theirs = os.openpty()
    words = ("site-node", "import", home, file, "--kind", "roster", "--by", "w-1")
    process = yard.begin(*words, stdin=theirs)
    os.write(ours, f"{answer}\n".encode())
    out, err = process.communicate(timeout=60)
    os.close(ours)
    os.close(theirs)
    assert (process.returncode, entries(yard, home)) == (0, stored), (out, err)


def test_one_bad_row_and_nothing_is_stored(yard, sheet):
    """Every trouble is told with row, column and sentence; mended, the list is imported."""
    home = yard.home()
    before = entries(yard, home)
    file = sheet("a.xlsx", TITLES, ZHANG, ["李4", "女", "2014年5月"], [*WANG[:3], 110105194912310020], ["赵六"])
    answer = imported(yard, home, file, "--confirm", code=6)
    told = [(one["row"], one["column"]) for one in answer["errors"]]
    assert told == [(3, "A"), (3, "C"), (4, "D"), (5, None)]
    assert all(one["zh"] and one["en"] for one in answer["errors"])
    assert (answer["stored"], entries(yard, home)) == (0, before)
    text = yard.quick("site-node", "import", home, file, "--kind", "roster", "--by", "w", "--confirm", code=6).out
    assert "第4行D列“身份证号”：" in text
    assert "什么都没有保存" in text
    assert imported(yard, home, file, "--confirm", "--leave-out", "3,4,5")["stored"] == 1


def test_who_is_on_file_is_not_registered_again(yard, sheet):
    """The certain are passed over, with their survey recorded; the likely wait for a word; a list's doubles too."""
    home = yard.home()
    imported(yard, home, sheet("a.xlsx", TITLES, ZHANG, WANG), "--confirm")
    file = sheet(
        "b.xlsx", TITLES, [*ZHANG[:7], "感冒"], ["张山", "男", "2015-03-01"], LI, ["李四", "女", None],
        ["王伍", None, None, "11010519491231002X"],
    )  # fmt: skip
    done = imported(yard, home, file, "--confirm")
    assert [(one["row"], one["sure"]) for one in done["known"]] == [(2, True), (6, True)]
    assert [(one["row"], one["sure"]) for one in done["likely"]] == [(3, False), (5, False)]
    assert [(one["row"], one["events"]) for one in done["rows"]] == [
        (2, ["situation-surveyed/1"]), (4, ["child-registered/1", "situation-surveyed/1"]),
    ]  # fmt: skip
    assert sorted(children(yard, home)) == ["张三", "李四", "王五"]
    twins = sheet("c.xlsx", TITLES, ["张山", "男", "2015-03-01"])
    assert imported(yard, home, twins, "--confirm")["stored"] == 0
    assert imported(yard, home, twins, "--confirm", "--new", "2")["stored"] == 1
    assert sorted(children(yard, home)) == ["张三", "张山", "李四", "王五"]
    doubled = sheet("d.xlsx", TITLES, ["赵六", "男", "2013-01-01"], ["赵 六", "男", "2013.1.1"])
    assert [one["row"] for one in imported(yard, home, doubled, "--confirm", code=6)["errors"]] == [3]


def test_an_import_is_undone_as_a_whole_but_for_what_others_rest_on(yard, sheet):
    """By entries that withdraw; a child about whom somebody wrote since stays; then the file may come again."""
    home = yard.home()
    file = sheet("a.xlsx", TITLES, ZHANG, LI)
    batch = imported(yard, home, file, "--confirm")["batch"]
    zhang = children(yard, home)["张三"]["id"]
    talk = ("talk-held/1", "--subject", zhang, "--by", "w-2", "on=今天", "summary=好")
    talked = yard.quick("site-node", "record", home, *talk).json()
    undo = ("site-node", "import-undo", home, batch, "--by", "w-1", "--reason", "导错了", "--json")
    undone = yard.quick(*undo).json()
    assert [one["subject"] for one in undone["left"]] == [zhang]
    assert sorted(children(yard, home)) == ["张三"]
    target = f"target={talked['id']}"
    yard.quick("site-node", "record", home, "fact-withdrawn/1", "--subject", zhang, "--by", "w-2", target)
    undone = yard.quick(*undo).json()
    assert (undone["withdrawn"], undone["left"]) == (0, undone["left"])
    listed = yard.quick("site-node", "import-undo", home, "--json").json()["batches"]
    assert [(one["batch"], one["by"], one["entries"], one["withdrawn"]) for one in listed] == [(batch, "w-1", 3, 2)]
    yard.quick("site-node", "verify", home)
    assert yard.quick("site-node", "rebuild", home, "--json").json()["equal"]
    history = yard.quick("site-node", "history", home, zhang, "--json").json()["entries"]
    assert [one["type"] for one in history] == ["child-registered/1", "talk-held/1", "fact-withdrawn/1"]


def test_what_was_undone_may_be_imported_again(yard, sheet):
    """Under another name, as other subjects."""
    home = yard.home()
    file = sheet("a.xlsx", TITLES, ZHANG, LI)
    first = imported(yard, home, file, "--confirm")
    yard.quick("site-node", "import-undo", home, first["batch"], "--by", "w-1")
    assert yard.quick("site-node", "children", home, "--json").json()["children"] == []
    second = imported(yard, home, file, "--confirm")
    assert second["batch"] == first["batch"] + "-2"
    assert sorted(children(yard, home)) == ["张三", "李四"]
    assert not {one["subject"] for one in first["rows"]} & {one["subject"] for one in second["rows"]}


def test_who_was_erased_does_not_come_back_with_the_file(yard, sheet):
    """The rows that made the erased files are told; the others are imported."""
    home = yard.home()
    file = sheet("a.xlsx", TITLES, ZHANG, LI)
    imported(yard, home, file, "--confirm")
    for one in children(yard, home).values():
        yard.quick("site-node", "erase", home, one["id"], "--by", "w-1", "--ground", "x", "--yes")
    answer = imported(yard, home, file, "--confirm", code=6)
    assert [(one["row"], "删除" in one["zh"]) for one in answer["errors"]] == [(2, True), (3, True)]
    assert imported(yard, home, file, "--confirm", "--leave-out", "2,3")["stored"] == 0


def test_contact_cards_change_what_differs(yard, sheet):
    """Matched by name, number or identity number; the same card twice changes nothing; undone, the old values stand."""
    home = yard.home()
    imported(yard, home, sheet("a.xlsx", TITLES, ZHANG, LI, WANG), "--confirm")
    titles = ["姓名", "家庭住址", "父亲", None, "监护人", None]
    below = [None, None, "姓名", "务工单位", "姓名", "联系电话"]
    file = sheet("b.xlsx", titles, below, ["张三", "南沟村三组", "张大", "苏州", "张大爷", "13900000000"],
                 ["李四", None, None, None, "李奶奶", None])  # fmt: skip
    done = imported(yard, home, file, "--confirm", kind="cards")
    assert [(one["name"], one["events"]) for one in done["rows"]] == [
        ("张三", ["contact-card-changed/1", "contact-card-changed/1", "parent-workplace-recorded/1",
        "guardian-recorded/1"]),
    ]  # fmt: skip
    assert done["unchanged"] == [4]
    card = children(yard, home)["张三"]
    assert (card["address"], card["father_name"], card["father_workplace"]) == ("南沟村三组", "张大", "苏州")
    assert (card["guardian_name"], card["guardian_phone"]) == ("张大爷", "13900000000")
    assert card["guardian_kinship"] == "paternal_grandfather"
    yard.quick("site-node", "import-undo", home, done["batch"], "--by", "w-1")
    card = children(yard, home)["张三"]
    assert (card["address"], card["guardian_phone"], card["conflicts"]) == (None, "13812345678", 0)
    bad = sheet("c.xlsx", ["姓名", "身份证号", "家庭住址"], ["钱七", None, "x"], ["张三", "11010519491231002X", "x"])
    assert [one["row"] for one in imported(yard, home, bad, kind="cards", code=6)["errors"]] == [2, 3]


def test_books_and_aid_are_taken_from_lists(yard, sheet):
    """Each row a subject of its own; aid names the child, in fen; a child with a grant is not taken back."""
    home = yard.home()
    roster = imported(yard, home, sheet("a.xlsx", TITLES, ZHANG, LI), "--confirm")
    books = sheet("b.xlsx", ["书名", "册数", "来源"], ["安徒生童话", "三本", "捐赠"], ["新华字典", None, "县图书馆"])
    done = imported(yard, home, books, "--confirm", kind="books")
    payloads = [yard.quick("site-node", "history", home, one["subject"], "--json").json()["entries"][0]["payload"]
                for one in done["rows"]]  # fmt: skip
    assert [(one["title"], one["copies"], one["source"]) for one in payloads] == [
        ("安徒生童话", 3, "donated"), ("新华字典", 1, "县图书馆"),
    ]  # fmt: skip
    aid = sheet("c.xlsx", ["姓名", "资助项目", "金额（万元）", "理由"], ["李四", "春蕾计划", 0.12, "家庭困难"])
    (row,) = imported(yard, home, aid, "--confirm", kind="aid")["rows"]
    (entry,) = yard.quick("site-node", "history", home, row["subject"], "--json").json()["entries"]
    li = children(yard, home)["李四"]["id"]
    assert (entry["payload"]["amount_fen"], entry["payload"]["child"]) == (120_000, li)
    undone = yard.quick("site-node", "import-undo", home, roster["batch"], "--by", "w-1", "--json").json()
    assert [one["subject"] for one in undone["left"]] == [li]


def test_facts_and_spreadsheets_live_in_one_log(yard, sheet, lines_of, write_lines):
    """An import of lines passes over what came from a spreadsheet, and goes on."""
    home = yard.home()
    imported(yard, home, sheet("a.xlsx", TITLES, ZHANG, LI), "--confirm")
    facts = write_lines(yard / "facts.jsonl", lines_of(count=60))
    assert "60 recorded, 0 known" in yard.quick("site-node", "import", home, facts).out
    assert "0 recorded, 60 known" in yard.quick("site-node", "import", home, facts).out


def test_a_template_filled_in_is_a_list(yard):
    """What our own template asks for is what the import understands."""
    home = yard.home()
    yard.quick("site-node", "template", yard.path, "--kind", "roster")
    path = yard / "摸底表.xlsx"
    book = openpyxl.load_workbook(path)
    head = {cell.value.rstrip("*"): cell.column for cell in book.worksheets[0][1]}
    for title, value in (
        ("姓名", "张三"),
        ("性别", "男"),
        ("年级", "三年级"),
        ("是否住校", "是"),
        ("类别", "留守儿童、困境儿童"),
    ):
        book.worksheets[0].cell(2, head[title]).value = value
    book.save(path)
    done = imported(yard, home, path, "--confirm")
    assert (done["unmatched"], done["errors"], len(done["rows"])) == ([], [], 1)
    assert children(yard, home)["张三"]["grade"] == 3


def test_what_is_missing_is_asked_for(yard, sheet):
    """The kind, who imports, which sheet: a sentence each, and nothing is stored."""
    home = yard.home()
    file = sheet("a.xlsx", TITLES, ZHANG)
    assert "--kind" in yard.quick("site-node", "import", home, file, "--by", "w-1", code=6).err
    assert "--by" in yard.quick("site-node", "import", home, file, "--kind", "roster", code=6).err
    book = openpyxl.load_workbook(file)
    book.create_sheet("二年级").append(TITLES)
    book.save(file)
    answer = yard.quick("site-node", "import", home, file, "--kind", "roster", "--by", "w-1", code=6)
    assert "二年级" in answer.err
    assert len(imported(yard, home, file, "--sheet", "Sheet")["rows"]) == 1
    assert "没有批次" in yard.quick("site-node", "import-undo", home, "roster-0", "--by", "w-1", code=6).err


def test_a_preview_works_beside_serve(yard, sheet):
    """Looking disturbs nobody and stores nothing."""
    home = yard.home()
    file = sheet("a.xlsx", TITLES, ZHANG)
    serving = yard.serve("site-node", "serve", home, "--listen", "127.0.0.1:0")
    typed = ("name=李　四", "sex=女", "born_on=2014年5月6日", "registered_on=3月1日", "grade=三")
    words = ("child-registered/1", "--subject", "new", "--by", "w-1")
    answer = yard.quick("site-node", "record", home, *words, *typed)
    assert "3月1日”按" in answer.err
    child = yard.quick("site-node", "history", home, answer.json()["subject"], "--json").json()["entries"][0]["payload"]
    assert (child["name"], child["born_on"], child["grade"]) == ("李四", "2014-05-06", 3)
    wrong = yard.quick("site-node", "record", home, *words, "name=王五", "sex=男", "registered_on=2025年3月", code=6)
    assert "“登记日期”：“2025年3月”缺少几号" in wrong.err
    assert len(imported(yard, home, file)["rows"]) == 1
    assert sorted(children(yard, home)) == ["李四"]
    assert serving.stop() == 0
