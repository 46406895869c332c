"""Real workbooks, as Excel and older programs write them, and files that only look like some."""

import datetime as dt
import io
import zipfile

import openpyxl
import pytest
import xlwt
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from domain.cells import Broken, Uncomputed
from domain.errors import Refused
from domain.sheets import KINDS
from node import sheet_templates, workbook_bounds, workbooks
from node.workbooks import read

BORN = dt.datetime.fromisoformat("2015-03-01")


@pytest.fixture
def book(tmp_path):
    """A workbook under way, and saving it."""
    made = openpyxl.Workbook()
    path = tmp_path / "a.xlsx"

    def saved():
        made.save(path)
        return path

    return made, made.active, saved


def test_cells_come_as_excel_shows_them(book):
    """Dates are dates, whole numbers whole, errors and uncomputed formulas are told apart from nothing."""
    _, sheet, saved = book
    sheet.merge_cells("A1:D1")
    sheet["A1"] = "摸底表"
    sheet.append(["张三", BORN, 42064, 1.5, True, "=1+1", None, "#REF!", dt.time(8)])
    sheets, _ = read(saved())
    assert sheets[0].rows == [
        ["摸底表"],
        ["张三", BORN, 42064, 1.5, True, Uncomputed("=1+1"), None, Broken("#REF!"), dt.time(8)],
    ]


def with_value(path, formula, value):
    """Write what Excel keeps beside a formula, which openpyxl does not."""
    content = io.BytesIO(path.read_bytes())
    with zipfile.ZipFile(content) as old, zipfile.ZipFile(path, "w") as new:
        for one in old.namelist():
            text = old.read(one)
            if one.startswith("xl/worksheets/"):
                text = text.replace(f"<f>{formula}</f><v />".encode(), f"<f>{formula}</f><v>{value}</v>".encode())
                text = text.replace(f"<f>{formula}</f><v></v>".encode(), f"<f>{formula}</f><v>{value}</v>".encode())
            new.writestr(one, text)
    return path


def test_a_computed_formula_is_its_value(book):
    """The value that Excel kept counts, the formula does not."""
    _, sheet, saved = book
    sheet.append(["年级", "=2+1"])
    assert read(with_value(saved(), "2+1", 3))[0][0].rows == [["年级", 3]]


def test_a_long_number_that_excel_spoilt_is_seen_as_one(book):
    """Eighteen digits typed as a number come back as a figure, which the domain refuses."""
    _, sheet, saved = book
    sheet.append([341223201503010012, 3.41223201503010012e17, "341223201503010012"])
    row = read(saved())[0][0].rows[0]
    assert [type(one) for one in row[:2]] != [str, str]
    assert row[2] == "341223201503010012"


def test_trailing_form_is_no_content(book):
    """Rows and columns that only have a format do not count, nor does what the sheet says of its size."""
    _, sheet, saved = book
    sheet.append(["姓名"])
    sheet.append(["张三"])
    for row in range(3, 900):
        sheet.cell(row, 1).number_format = "@"
    sheet.cell(60_000, 40).number_format = "@"
    assert read(saved())[0][0].rows == [["姓名"], ["张三"]]


def test_hidden_sheets_are_marked(book):
    """Whoever chooses a sheet knows which ones are hidden."""
    made, sheet, saved = book
    sheet.append(["姓名"])
    other = made.create_sheet("旧表")
    other.append(["姓名"])
    other.sheet_state = "hidden"
    made.create_sheet("很旧").sheet_state = "veryHidden"
    assert [(one.name, one.is_hidden) for one in read(saved())[0]] == [
        ("Sheet", False), ("旧表", True), ("很旧", True),
    ]  # fmt: skip


def test_dates_from_1904_have_their_own_beginning(book):
    """As a Mac once wrote them."""
    made, sheet, saved = book
    made.epoch = openpyxl.utils.datetime.CALENDAR_MAC_1904
    sheet.append([BORN])
    found = read(saved())[0][0]
    assert (found.rows, found.epoch) == ([[BORN]], dt.date(1904, 1, 1))


def test_an_old_xls_reads_the_same(tmp_path):
    """Dates by their form, numbers as figures, hidden sheets marked; also under a wrong name."""
    made = xlwt.Workbook(encoding="utf-8")
    sheet = made.add_sheet("名单")
    for column, value in enumerate(["张 三", 13812345678, True, None, 1.5]):
        sheet.write(1, column, value)
    sheet.write(1, 5, BORN, xlwt.easyxf(num_format_str="YYYY-MM-DD"))
    sheet.write(1, 6, xlwt.Formula("1/0"))
    made.add_sheet("旧").visibility = 1
    for name in ("a.xls", "a.xlsx"):
        made.save(str(tmp_path / name))
        first, second = read(tmp_path / name)[0]
        assert first.rows[:1] == [[]]
        assert first.rows[1][:6] == ["张 三", 13812345678.0, True, None, 1.5, BORN]
        assert (first.is_hidden, second.is_hidden) == (False, True)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gb18030"])
def test_csv_is_read_in_the_encodings_of_a_chinese_windows(tmp_path, encoding):
    """Quotes and line ends inside a cell are kept."""
    path = tmp_path / "a.csv"
    path.write_bytes('姓名,住址\r\n张三,"南沟村,\n三组"\r\n\r\n'.encode(encoding))
    assert read(path)[0][0].rows == [["姓名", "住址"], ["张三", "南沟村,\n三组"]]


def test_too_many_rows_or_columns_are_refused(book, monkeypatch):
    """Before they fill the memory."""
    monkeypatch.setattr(workbooks, "ROWS_MAX", 10)
    _, sheet, saved = book
    for number in range(11):
        sheet.append([number])
    with pytest.raises(Refused, match="10行"):
        read(saved())
    sheet.delete_rows(11)
    sheet.cell(1, 500).value = "x"
    with pytest.raises(Refused, match="200列"):
        read(saved())


def test_a_file_that_unpacks_to_too_much_is_refused(tmp_path):
    """A bomb in a zip is not opened, nor is a file of more than ten megabytes read."""
    path = tmp_path / "a.xlsx"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as packed:
        packed.writestr("xl/worksheets/sheet1.xml", b"0" * (workbooks.UNPACKED_SIZE_BYTES_MAX + 1))
    with pytest.raises(Refused, match="太大"):
        read(path)
    path.write_bytes(b"PK" + bytes(workbooks.FILE_SIZE_BYTES_MAX))
    with pytest.raises(Refused, match="10MB"):
        read(path)


def test_entities_that_breed_are_refused(book):
    """A billion laughs end in a sentence."""
    _, sheet, saved = book
    sheet.append(["姓名"])
    path = saved()
    content = io.BytesIO(path.read_bytes())
    bomb = '<!DOCTYPE x [<!ENTITY a0 "lol">' + "".join(
        f'<!ENTITY a{n} "{"&a" + str(n - 1) + ";" * 1}{("&a" + str(n - 1) + ";") * 9}">' for n in range(1, 12)
    ) + "]>"  # fmt: skip
    with zipfile.ZipFile(content) as old, zipfile.ZipFile(path, "w") as new:
        for one in old.namelist():
            text = old.read(one).decode()
            if one == "xl/worksheets/sheet1.xml":
                text = bomb + text.replace("<v>0</v>", "<v>&a11;</v>").replace("<sheetData>", "<sheetData>&a11;")
            new.writestr(one, text)
    with pytest.raises(Refused):
        read(path)


def with_rows(path, xml, part="xl/worksheets/sheet1.xml"):
    """Put other rows into a workbook's sheet."""
    content = io.BytesIO(path.read_bytes())
    with zipfile.ZipFile(content) as old, zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as new:
        for one in old.namelist():
            data = old.read(one)
            if one == part:
                data = data[: data.index(b"<sheetData")] + b"<sheetData>" + xml + b"</sheetData></worksheet>"
            new.writestr(one, data)
    return path


TEXT = b'<c r="A1" t="inlineStr"><is><t>a</t></is></c>'


@pytest.mark.parametrize(("xml", "says"), [
    (b'<row r="1">' + b"<c><v>1</v></c>" * 20_000 + b"</row>", "200列"),
    (b'<row r="1">' + TEXT + b'<c r="XFD1"><v>1</v></c></row>', "200列"),
    (b'<row r="1">' + TEXT + b'<c r="GS1" t="inlineStr"><is><t>x</t></is></c></row>', "200列"),
    (b'<row r="1"><c/></row>' * 1000, "太多"),
    (b"<row>" * 100 + b"</row>" * 100, "太深"),
])  # fmt: skip
def test_what_would_fill_the_memory_is_refused_before_it_is_opened(book, xml, says, monkeypatch):
    """Rows of millions of cells, sheets of millions of rows, in some kilobytes: a sentence, and nobody opened it."""
    _, _, saved = book
    path = with_rows(saved(), xml)
    if says == "太多":
        monkeypatch.setitem(workbook_bounds.ELEMENTS_MAX, "worksheet", 1000)
    monkeypatch.setattr(openpyxl, "load_workbook", lambda *_, **__: pytest.fail("it was opened"))
    with pytest.raises(Refused, match=says):
        read(path)


def test_rows_coloured_to_the_end_cost_nothing(book):
    """Form reaches as far as Excel's last column; what is written is read."""
    _, _, saved = book
    coloured = b"".join(b'<row r="%d"><c r="XFD%d"/></row>' % (n, n) for n in range(2, 3000))
    path = with_rows(saved(), b'<row r="1">' + TEXT + b'<c r="GR1"><v>7</v></c></row>' + coloured)
    rows = read(path)[0][0].rows
    assert (len(rows), rows[0][0], rows[0][199]) == (1, "a", 7)


@pytest.mark.parametrize("name", ["a.xlsx", "a.xls", "a.doc", "a.csv"])
@pytest.mark.parametrize("content", [
    b"", b"PK", b"PK\x03\x04" + bytes(100), b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600), b"<html>",
    b"\xff\xfe\x00\x81",
])  # fmt: skip
def test_what_is_no_workbook_is_refused_in_words(tmp_path, name, content):
    """Damaged, locked, or something else under that name."""
    path = tmp_path / name
    path.write_bytes(content)
    try:
        read(path)
    except Refused as why:
        assert why.zh  # noqa: PT017  that there is a sentence is the promise
    else:
        assert name == "a.csv"


def test_a_missing_file_is_refused_in_words(tmp_path):
    """And so is a folder."""
    (tmp_path / "b.xlsx").mkdir()
    for name in ("a.xlsx", "b.xlsx"):
        with pytest.raises(Refused, match="打不开"):
            read(tmp_path / name)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_a_damaged_workbook_is_read_or_refused(tmp_path, data):
    """Wherever bytes were changed or cut off."""
    path = tmp_path / "a.xlsx"
    made = openpyxl.Workbook()
    made.active.append(["姓名", "性别", BORN])
    whole = io.BytesIO()
    made.save(whole)
    content = bytearray(whole.getvalue())
    for _ in range(data.draw(st.integers(1, 5))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    path.write_bytes(content[: data.draw(st.integers(0, len(content)))])
    try:
        read(path)
    except Refused as why:
        assert why.en  # noqa: PT017  that there is a sentence is the promise


@pytest.mark.parametrize("kind", KINDS)
def test_a_template_has_titles_notes_lists_and_text_columns(tmp_path, kind):
    """And is never written over a file."""
    path = tmp_path / "t.xlsx"
    sheet_templates.write(path, KINDS[kind])
    first = openpyxl.load_workbook(path).worksheets[0]
    titles = [cell.value.rstrip("*") for cell in first[1]]
    assert titles == [column.title for column in KINDS[kind].columns]
    places = {column.key: number for number, column in enumerate(KINDS[kind].columns, 1)}
    if kind == "roster":
        assert first.cell(2, places["national_id"]).number_format == "@"
        assert "18位" in first.cell(1, places["national_id"]).comment.text
        lists = {str(one.sqref).split("2:")[0]: one.formula1 for one in first.data_validations.dataValidation}
        letter = openpyxl.utils.get_column_letter(places["sex"])
        assert lists[letter] == '"男,女"'
    with pytest.raises(Refused, match="不覆盖"):
        sheet_templates.write(path, KINDS[kind])
    with pytest.raises(Refused, match="xlsx"):
        sheet_templates.write(tmp_path / "t.xls", KINDS[kind])
