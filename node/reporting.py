"""Reports as people get them: figures from the read models of one moment, as JSON, CSV or a workbook.

All figures of a report are read in one transaction of `views.db`, so they belong together, whatever is recorded
meanwhile.  Where they come from is said beside them: the size of every log that was folded, and who is behind.

In a table to open elsewhere every text stays a text: a name that begins like a formula is a name.
"""

from __future__ import annotations

import csv
import datetime as dt
import io
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

from openpyxl import Workbook
from openpyxl.cell import Cell, WriteOnlyCell
from openpyxl.styles import Font
from openpyxl.worksheet._write_only import WriteOnlyWorksheet

from domain.errors import BadField
from domain.headings import label_of
from domain.periods import BadPeriod, period_of
from domain.reporting import (
    Asked,
    Fen,
    Figure,
    Read,
    Rows,
    Share,
    figure_json,
    of_home,
    value_json,
    with_tables,
)
from domain.reports import REPORTS
from node.reading import plain
from node.views import Views

PERIODS: Final = "2024-09, 2024, 2024-H1, 2024-09..2025-01"
HEADER: Final = ("编号", "指标", "单位", "分项", "类别", "数值", "口径")
SHEET_NAME_CHARS_MAX: Final = 31  # Excel's
LISTED_MAX: Final = 100_000  # rows of one list in a workbook; Excel itself takes a million

Tables = Mapping[str, Callable[[Read, Mapping[bytes, int]], Rows]]
SizesAt = Callable[[int], Mapping[bytes, int]]


class Made:
    """The figures of one report, with what they were asked for and where they come from."""

    def __init__(
        self, number: str, asked: Asked, figures: Iterable[Figure], sizes: Mapping[bytes, int], behind: Sequence[str]
    ) -> None:
        """`sizes`: how many entries of each log were folded; `behind`: the homes that may have more to say."""
        self.number = number
        self.title = REPORTS[number].title
        self.asked = asked
        self.figures = {one.name: one for one in figures}
        self.sizes = sizes
        self.provenance: Mapping[str, Any] = {
            "positions": {log.hex(): size for log, size in sorted(sizes.items())},
            "behind": list(behind),
        }

    def json(self) -> dict[str, Any]:
        """Everything but the lists."""
        return {
            "report": self.number,
            "title": self.title._asdict(),
            "as_of": self.asked.as_of.isoformat(),
            "period": self.asked.period.text,
            "figures": {name: figure_json(one) for name, one in self.figures.items()},
            **self.provenance,
        }

    def listed(self, text: str) -> dict[str, Any]:
        """The rows behind "children" or "children/home=home-01"; BadField where there is no such figure or part."""
        name, slash, part = text.partition("/")
        split, equals, key = part.partition("=")
        figure = self.figures.get(name)
        if figure is None:
            raise BadField("--list", text, ", ".join(self.figures))
        if slash and (not equals or split not in figure.keys):
            raise BadField("--list", text, ", ".join(f"{name}/{one}=…" for one in figure.keys) or name)
        rows = figure.listed(split, key) if slash else figure.listed()
        columns = ("id", *rows.columns[1:])
        found = [dict(zip(columns, map(plain, row), strict=True)) for row in rows]
        return {"report": self.number, "list": text, "count": len(found), "rows": found, **self.provenance}


def asked(today: dt.date, as_of: dt.date | None = None, period: str | None = None) -> Asked:
    """What is asked for; raises BadField for a period that is none."""
    day = as_of or today
    try:
        return Asked(as_of=day, period=period_of(period, day))
    except BadPeriod:
        raise BadField("--period", period, PERIODS) from None


@contextmanager
def making(
    number: str,
    views: Views,
    asked: Asked,
    sizes: SizesAt,
    behind: Sequence[str] = (),
    home: str | None = None,
    tables: Tables | None = None,
) -> Iterator[Made]:
    """A report by its number, of all rows or of one home's; its lists can be read meanwhile.

    `sizes`: from the position of the read models, how many entries of each log they were folded from.
    `tables`: what the report may need besides (`Report.beside`), made from the rows and those sizes.
    """
    with views.snapshot() as rows:
        folded = sizes(rows.position())
        read = with_tables(rows, {name: _of_sizes(make, folded) for name, make in (tables or {}).items()})
        read = read if home is None else of_home(read, home)
        yield Made(number, asked, REPORTS[number].make(read, asked), folded, behind)


def _of_sizes(make: Callable[[Read, Mapping[bytes, int]], Rows], sizes: Mapping[bytes, int]) -> Callable[[Read], Rows]:
    return lambda read: make(read, sizes)


def lines(made: Made) -> Iterator[tuple[Any, ...]]:
    """The report as lines under `HEADER`: each figure, then its parts."""
    for number, one in enumerate(made.figures.values(), 1):
        of_figure = (number, one.label.zh, one.unit.zh)
        yield (*of_figure, "", "", one.value, one.definition.zh)
        for split, parts in one.parts.items():
            codes = one.codes.get(split)
            for key, value in parts.items():
                text = "" if key is None else codes.label(str(key)) if codes else str(key)
                yield (*of_figure, label_of(split), text or "未填", value, "")


def as_csv(made: Made) -> str:
    """As CSV; written with a byte order mark, which is how Excel knows UTF-8."""
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(HEADER)
    for line in lines(made):
        writer.writerow([_csv_cell(value) for value in line])
    return out.getvalue()


def _csv_cell(value: Any) -> Any:
    if isinstance(value, str):
        return f"'{value}" if value[:1] in ("=", "+", "-", "@", "\t", "\r") else value
    if isinstance(value, Share):
        return f"{value.percent()}%" if value.whole else ""
    return value_json(value)


def write_workbook(made: Made, path: Path) -> None:
    """As a workbook: the figures, each figure's list on a sheet of its own, and where they come from."""
    book = Workbook(write_only=True)
    sheet = book.create_sheet("指标")
    sheet.freeze_panes = "A2"
    _append(sheet, HEADER, bold=True)
    for line in lines(made):
        _append(sheet, line)
    for number, one in enumerate(made.figures.values(), 1):
        _list_sheet(book, f"{number} {one.label.zh}", one.listed())
    _provenance_sheet(book, made)
    book.save(path)


def _list_sheet(book: Workbook, title: str, rows: Rows) -> None:
    sheet = book.create_sheet("".join(char for char in title if char not in "[]:*?/\\")[:SHEET_NAME_CHARS_MAX])
    sheet.freeze_panes = "A2"
    _append(sheet, [label_of(column) for column in rows.columns], bold=True)
    dates = [column.endswith("_on") or column == "on_day" for column in rows.columns]
    money = [column.endswith("_fen") or column == "fen" for column in rows.columns]
    for row in rows.rows[:LISTED_MAX]:
        _append(sheet, [_typed(*one) for one in zip(row, dates, money, strict=True)])
    if len(rows) > LISTED_MAX:
        _append(sheet, [f"……共 {len(rows)} 行，这里只列出前 {LISTED_MAX} 行"])


def _typed(value: Any, is_date: bool, is_money: bool) -> Any:
    if value is None:
        return None
    if is_date:
        return dt.date.fromisoformat(value)
    if is_money:
        return Fen(value)
    return str(uuid.UUID(bytes=value)) if isinstance(value, bytes) and len(value) == 16 else value


def _provenance_sheet(book: Workbook, made: Made) -> None:
    sheet = book.create_sheet("来源")
    _append(sheet, ["报表", f"{made.number} {made.title.zh}"])
    _append(sheet, ["截至", made.asked.as_of])
    _append(sheet, ["期间", made.asked.period.text])
    for home in made.provenance.get("behind", ()):
        _append(sheet, ["一周以上没有联系", home])
    for log, size in made.provenance.get("positions", {}).items():
        _append(sheet, ["日志及其条数", log, size])


def _append(sheet: WriteOnlyWorksheet, values: Iterable[Any], *, bold: bool = False) -> None:
    sheet.append([_cell(sheet, value, bold) for value in values])


def _cell(sheet: WriteOnlyWorksheet, value: Any, bold: bool) -> Cell:
    """A cell of the right kind; a text is never a formula."""
    cell = WriteOnlyCell(sheet)
    match value:
        case str():
            cell.value = value
            cell.data_type = "s"
        case dt.date():
            cell.value = value
            cell.number_format = "yyyy-mm-dd"
        case Fen():
            cell.value = Decimal(value) / 100
            cell.number_format = "0.00"
        case Share():
            cell.value = value.part / value.whole if value.whole else None
            cell.number_format = "0.0%"
        case _:
            cell.value = None if value is None else value_json(value)
    if bold:
        cell.font = Font(bold=True)
    return cell
