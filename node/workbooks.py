"""Reading spreadsheets, and nothing but reading: .xlsx, .xls and .csv as rows of cells, within bounds.

A spreadsheet comes from anywhere. No formula is computed, no link followed, no macro looked at; what a formula's cell
shows is the value that Excel kept beside it. A file that would unpack to more than it may, or has more rows than a home
has children, is refused before it fills the memory.
"""

from __future__ import annotations

import csv
import datetime as dt
import io
import warnings
import zipfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Final, NamedTuple

from domain.cells import EPOCH, Broken, Cell, Uncomputed, is_empty
from domain.errors import Refused
from node.workbook_bounds import require_bounded

FILE_SIZE_BYTES_MAX: Final = 10 * 1024 * 1024
UNPACKED_SIZE_BYTES_MAX: Final = 60 * 1024 * 1024
ROWS_MAX: Final = 5_000
COLUMNS_MAX: Final = 200
EMPTY_ROWS_MAX: Final = 1_000  # in a row: what follows is only form
SHEETS_MAX: Final = 50
SUFFIXES: Final = (".xlsx", ".xlsm", ".xls", ".csv")


class Sheet(NamedTuple):
    """One sheet: its rows from the first to the last that holds anything."""

    name: str
    rows: list[list[Cell]]
    is_hidden: bool = False
    epoch: dt.date = EPOCH


def read(path: Path) -> tuple[list[Sheet], bytes]:
    """The sheets of a file, and its bytes; raises `Refused` where it is none, too large, locked or damaged."""
    suffix = path.suffix.lower()
    if suffix not in SUFFIXES:
        raise Refused(
            f"“{path.name}”不是表格文件，可以导入：{'、'.join(SUFFIXES)}",
            f"{path.name} is no spreadsheet: expected one of {', '.join(SUFFIXES)}",
        )
    try:
        with path.open("rb") as file:
            content = file.read(FILE_SIZE_BYTES_MAX + 1)
    except OSError as error:
        raise Refused(f"打不开文件 {path}", f"{path} cannot be read: {error.strerror}") from None
    if len(content) > FILE_SIZE_BYTES_MAX:
        raise _too_large(f"文件超过{FILE_SIZE_BYTES_MAX // 2**20}MB", f"more than {FILE_SIZE_BYTES_MAX} bytes")
    return _sheets(content, suffix, path.name), content


def _sheets(content: bytes, suffix: str, name: str) -> list[Sheet]:
    """By what the file is, whatever it is called: older programs write .xls under any name."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of styles and extensions that openpyxl does not know
            if content.startswith(b"PK"):
                return list(_xlsx(content))
            if content.startswith(b"\xd0\xcf\x11\xe0"):
                return list(_xls(content))
            if suffix == ".csv":
                return [_csv(content)]
    except Refused:
        raise
    except Exception as error:  # noqa: BLE001  these libraries raise anything on a damaged file
        raise Refused(
            f"“{name}”读不出来，文件可能损坏或有密码：请用Excel打开，另存为一份再导入",
            f"{name} cannot be read ({type(error).__name__}); it may be damaged or locked: save it anew from Excel",
        ) from None
    raise Refused(
        f"“{name}”不是Excel文件：请用Excel打开，另存为.xlsx再导入",
        f"{name} is no Excel file, whatever it is called: save it as .xlsx from Excel",
    )


def _too_large(zh: str, en: str) -> Refused:
    return Refused(f"{zh}，请分成几个文件再导入", f"the spreadsheet has {en}: split it into several files")


def _bounded(rows: Iterable[Iterable[Cell]]) -> list[list[Cell]]:
    """The rows up to the last that holds anything."""
    found: list[list[Cell]] = []
    empty = 0
    for row in rows:
        cells = list(row)
        while cells and is_empty(cells[-1]):
            cells.pop()
        if len(cells) > COLUMNS_MAX:
            raise _too_large(f"表格超过{COLUMNS_MAX}列", f"more than {COLUMNS_MAX} columns")
        empty = 0 if cells else empty + 1
        if empty > EMPTY_ROWS_MAX:
            break
        found.append(cells)
        if len(found) - empty > ROWS_MAX:
            raise _too_large(f"表格超过{ROWS_MAX}行", f"more than {ROWS_MAX} rows")
    while found and not found[-1]:
        found.pop()
    return found


def _xlsx(content: bytes) -> Iterator[Sheet]:
    import openpyxl
    from openpyxl.utils.datetime import CALENDAR_MAC_1904

    with zipfile.ZipFile(io.BytesIO(content)) as packed:
        if sum(one.file_size for one in packed.infolist()) > UNPACKED_SIZE_BYTES_MAX:
            raise _too_large("文件解开后太大", f"more than {UNPACKED_SIZE_BYTES_MAX} bytes unpacked")
        require_bounded(packed, COLUMNS_MAX)
    values = openpyxl.load_workbook(io.BytesIO(content), read_only=True, data_only=True)
    formulas = openpyxl.load_workbook(io.BytesIO(content), read_only=True, data_only=False)
    epoch = dt.date(1904, 1, 1) if values.epoch == CALENDAR_MAC_1904 else EPOCH
    for sheet in values.worksheets[:SHEETS_MAX]:
        written = formulas[sheet.title]
        for one in (sheet, written):
            one.reset_dimensions()  # what a sheet says of its own size need not be true
        shown_rows = sheet.iter_rows(max_col=COLUMNS_MAX)  # beyond there is only form
        pairs = zip(shown_rows, written.iter_rows(max_col=COLUMNS_MAX), strict=True)
        rows = ([_xlsx_cell(*both) for both in zip(shown, spelled, strict=True)] for shown, spelled in pairs)
        yield Sheet(sheet.title, _bounded(rows), sheet.sheet_state != "visible", epoch)


def _xlsx_cell(shown: Any, spelled: Any) -> Cell:
    value = shown.value
    if shown.data_type == "e":
        return Broken(str(value))
    if value is None and spelled.data_type == "f":
        return Uncomputed(str(spelled.value))
    return value if isinstance(value, str | int | float | dt.date | dt.time) or value is None else str(value)


def _xls(content: bytes) -> Iterator[Sheet]:
    import xlrd

    book = xlrd.open_workbook(file_contents=content, logfile=io.StringIO(), on_demand=True)
    epoch = dt.date(1904, 1, 1) if book.datemode else EPOCH
    for number in range(min(book.nsheets, SHEETS_MAX)):
        sheet = book.sheet_by_index(number)
        rows = ([_xls_cell(cell, book.datemode) for cell in sheet.row(at)] for at in range(sheet.nrows))
        yield Sheet(sheet.name, _bounded(rows), bool(sheet.visibility), epoch)


def _xls_cell(cell: Any, datemode: int) -> Cell:
    import xlrd

    match cell.ctype:
        case xlrd.XL_CELL_DATE:
            try:
                found = xlrd.xldate_as_datetime(cell.value, datemode)
            except (ValueError, OverflowError):
                return float(cell.value)
            return found.time() if cell.value < 1 else found
        case xlrd.XL_CELL_BOOLEAN:
            return bool(cell.value)
        case xlrd.XL_CELL_ERROR:
            return Broken(str(xlrd.error_text_from_code.get(cell.value, "#ERR")))
        case xlrd.XL_CELL_NUMBER:
            return float(cell.value)
        case xlrd.XL_CELL_TEXT:
            return str(cell.value)
        case _:
            return None


def _csv(content: bytes) -> Sheet:
    """As Excel writes it: UTF-8 with a mark, or the code page of a Chinese Windows."""
    for encoding in ("utf-8-sig", "gb18030"):
        try:
            text = content.decode(encoding)
        except UnicodeDecodeError:
            continue
        return Sheet("csv", _bounded(csv.reader(io.StringIO(text, newline=""))))
    raise Refused(
        "这个csv文件的编码看不懂：请用Excel打开，另存为.xlsx再导入",
        "the csv file is neither UTF-8 nor GB 18030: save it as .xlsx from Excel",
    )
