"""A workbook to fill in: our titles, a note at each, lists to choose from, and numbers that stay text."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any, Final

from domain.codec import DATE, shape_of
from domain.errors import Refused
from domain.sheets import Column, Kind

ROWS_FORMED: Final = 500
LIST_TEXT_MAX: Final = 255  # what Excel takes in one list
TEXT_COLUMNS: Final = frozenset({"national_id", "mark"})
SHEET_OF_HELP: Final = "填表说明"


def write(path: Path, kind: Kind) -> None:
    """Write the template of a kind of list into a new file."""
    from openpyxl import Workbook

    if path.suffix.lower() != ".xlsx":
        raise Refused(f"“{path.name}”应以.xlsx结尾", f"{path.name}: a template ends in .xlsx")
    book = Workbook()
    sheet = book.active
    assert sheet is not None
    sheet.title = kind.title
    sheet.freeze_panes = "A2"
    for number, column in enumerate(kind.columns, 1):
        _column(sheet, number, column)
    _help(book.create_sheet(SHEET_OF_HELP), kind)
    whole = io.BytesIO()
    book.save(whole)
    try:
        with path.open("xb") as file:  # never over a file that is there
            file.write(whole.getvalue())
    except FileExistsError:
        raise Refused(f"文件 {path} 已经存在，不覆盖", f"{path} exists already: it is not replaced") from None
    except OSError as error:
        raise Refused(f"写不了文件 {path}", f"{path} cannot be written: {error.strerror}") from None


def _column(sheet: Any, number: int, column: Column) -> None:
    from openpyxl.comments import Comment
    from openpyxl.styles import Font, PatternFill
    from openpyxl.utils import get_column_letter

    letter = get_column_letter(number)
    head = sheet.cell(1, number, column.title + ("*" if column.required else ""))
    head.font = Font(bold=True)
    head.fill = PatternFill("solid", fgColor="FFF2CC" if column.required else "E2EFDA")
    if said := note_of(column):
        head.comment = Comment(said, "归巢 Homeward")
    sheet.column_dimensions[letter].width = max(10, 2 * len(column.title) + 4)
    form = _number_format(column)
    if form:
        for row in range(2, ROWS_FORMED + 2):
            sheet.cell(row, number).number_format = form
    _choices(sheet, letter, column)


def _number_format(column: Column) -> str:
    if column.key in TEXT_COLUMNS or column.key.endswith("phone"):
        return "@"
    return "yyyy-mm-dd" if shape_of(column.event).codecs[column.field] is DATE else ""


def _choices(sheet: Any, letter: str, column: Column) -> None:
    """A list to choose from; an open one lets other words pass."""
    from openpyxl.worksheet.datavalidation import DataValidation

    labels = [zh for zh, _ in column.pick.labels.values()] if column.pick else _yes_no(column)
    formula = ",".join(labels)
    if not labels or len(formula) > LIST_TEXT_MAX:
        return
    is_strict = column.key != "categories" and not (column.pick and column.pick.open)  # several may stand in one cell
    choice = DataValidation(type="list", formula1=f'"{formula}"', allow_blank=True, showErrorMessage=is_strict)
    choice.error, choice.errorTitle = f"请从列表中选择：{formula}", column.title
    sheet.add_data_validation(choice)
    choice.add(f"{letter}2:{letter}{ROWS_FORMED + 1}")


def _yes_no(column: Column) -> list[str]:
    return ["是", "否"] if column.key == "boards" else []


def note_of(column: Column) -> str:
    """What a person should know before filling in a column."""
    parts = ["必填" if column.required else "", column.help]
    if column.pick:
        parts.append("可选：" + "、".join(zh for zh, _ in column.pick.labels.values()))
    return "；".join(filter(None, parts))


def _help(sheet: Any, kind: Kind) -> None:
    from openpyxl.styles import Font

    for row in (
        (f"{kind.title}怎样填",),
        ("每个孩子（每本书、每笔资助）一行，中间不要空行；不用的列可以留空或删去，不要改第一行的标题。",),
        ("日期如2015-03-01；身份证号和电话所在的列已设为文本格式，不要改，否则Excel会丢掉后几位。",),
        (),
        ("列", "说明"),
    ):
        sheet.append(row)
    for column in kind.columns:
        sheet.append((column.title, note_of(column)))
    sheet["A1"].font = Font(bold=True)
    sheet.column_dimensions["A"].width = 18
    sheet.column_dimensions["B"].width = 60
