"""Reports as files, read back by what people open them with."""

from __future__ import annotations

import csv
import datetime as dt
import io

import pytest
from openpyxl import load_workbook

from domain.errors import BadField
from domain.periods import period_of
from domain.reporting import YUAN, Asked, Label, Rows, Share, added, counted, share
from node import reporting
from node.reporting import Made

WORDS = Label("人数", "number")
TODAY = dt.date(2025, 3, 8)
ROWS = Rows(
    ("subject", "name", "home", "registered_on", "amount_fen"),
    [
        (b"1" * 16, "=HYPERLINK(1)", "home-01", "2024-09-01", 123_456),
        (b"2" * 16, "+张三", "home-02", None, 44),
    ],
)


@pytest.fixture
def made() -> Made:
    figures = [
        counted("children", WORDS, WORDS, WORDS, ROWS, "home"),
        added("paid", Label("金额", "paid"), WORDS, YUAN, ROWS, "amount_fen", "home"),
        share("covered", Label("覆盖率", "covered"), WORDS, ROWS.where(home="home-01"), ROWS, "home"),
    ]
    asked = Asked(as_of=TODAY, period=period_of(None, TODAY))
    return Made("R01", asked, figures, {b"\xaa": 7}, ["home-02"])


def test_a_workbook_has_real_numbers_dates_and_texts(made, tmp_path):
    """Money and shares are numbers with a form, dates are dates, and a name is never a formula."""
    path = tmp_path / "r.xlsx"
    reporting.write_workbook(made, path)
    book = load_workbook(path)
    assert book.sheetnames == ["指标", "1 人数", "2 金额", "3 覆盖率", "来源"]
    figures = [[cell.value for cell in row] for row in book["指标"].iter_rows()]
    assert figures[0][:3] == ["编号", "指标", "单位"]
    assert figures[1][5] == 2
    assert [line[5] for line in figures if line[1] == "金额"] == [1235.0, 1234.56, 0.44]
    assert [line[5] for line in figures if line[1] == "覆盖率"] == [0.5, 1, 0]
    listed = book["1 人数"]
    assert [cell.value for cell in listed[1]] == ["编号", "姓名（名称）", "之家", "登记日期", "金额"]
    assert listed["B2"].value == "=HYPERLINK(1)"
    assert listed["B2"].data_type == "s"
    assert listed["D2"].value.date() == dt.date(2024, 9, 1)
    assert listed["D2"].is_date
    assert listed["E2"].value == 1234.56
    assert [[cell.value for cell in row] for row in book["来源"].iter_rows()][3][:2] == ["一周以上没有联系", "home-02"]


def test_csv_has_every_figure_and_part(made):
    """Lines read back are the figures; nothing in a cell is run by a spreadsheet."""
    found = list(csv.reader(io.StringIO(reporting.as_csv(made))))
    assert tuple(found[0]) == reporting.HEADER
    assert found[1][5] == "2"
    assert [line[5] for line in found if line[1] == "金额"] == ["1235.00", "1234.56", "0.44"]
    assert [line[5] for line in found if line[1] == "覆盖率"] == ["50.0%", "100.0%", "0.0%"]
    evil = Rows(("subject", "home"), [(b"1" * 16, "=1+1")])
    made.figures = {"x": counted("x", WORDS, WORDS, WORDS, evil, "home")}
    assert next(line[4] for line in csv.reader(io.StringIO(reporting.as_csv(made))) if line[3] == "之家") == "'=1+1"


def test_a_list_is_asked_for_by_figure_and_part(made):
    """The words name a figure, or one part of it; others are refused with what there is."""
    assert made.listed("children")["count"] == 2
    (row,) = made.listed("children/home=home-01")["rows"]
    assert row["name"] == "=HYPERLINK(1)"
    assert made.listed("covered")["rows"][0]["home"] == "home-02"
    for wrong in ("child", "children/sex=male", "children/home", "children/", ""):
        with pytest.raises(BadField):
            made.listed(wrong)


def test_a_share_of_nothing_is_an_empty_cell(made, tmp_path):
    """No division by zero anywhere."""
    nobody = Rows(("subject", "home"), [])
    made.figures = {"s": share("s", WORDS, WORDS, nobody, nobody)}
    assert made.figures["s"].value == Share(0, 0)
    reporting.write_workbook(made, tmp_path / "r.xlsx")
    assert load_workbook(tmp_path / "r.xlsx")["指标"]["F2"].value is None
    assert made.json()["figures"]["s"]["value"]["percent"] is None
    assert list(csv.reader(io.StringIO(reporting.as_csv(made))))[1][5] == ""
