"""The command `report`, at a home and at a hub: figures on the screen, as JSON, CSV or a workbook, and their lists."""

from __future__ import annotations

import argparse
import datetime as dt
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any, Final

from domain.errors import BadField
from domain.reporting import Asked, Read, Rows, Share, value_json
from domain.reports import REPORTS
from node import cli, differences, duties, exits, filed, known, reporting, web
from node.clock import system_clock
from node.folder import Folder, Kind
from node.known import FOR_EVER_MS, Then
from node.opening import HomesOf, current_views
from node.reporting import Made
from node.views import HomeOf, Views
from sync.stored_log import StoredLog

FORMATS: Final = ("text", "json", "csv", "xlsx")
DIFFERENCE: Final = "R20"
Behind = Callable[[StoredLog, Then | None], Sequence[str]]
"""The homes whose figures may lack something: of today, or of a moment as far as it was known then."""
TablesOf = Callable[[StoredLog, Asked, int], reporting.Tables]
"""From the log, what is asked for, and the instant (ms) after which no receipt was known."""


def nobody(_store: StoredLog, _then: Then | None) -> Sequence[str]:
    """A home hears of itself."""
    return ()


def no_tables(_store: StoredLog, _asked: Asked, _before_ms: int) -> reporting.Tables:
    """A home knows nothing that its entries do not say."""
    return {}


def add_command(
    commands: cli.Commands,
    kind: Kind,
    homes_of: Callable[[Folder], HomesOf],
    behind: Behind = nobody,
    tables_of: TablesOf = no_tables,
) -> None:
    """`report DIR R01 …`; `tables_of`: what this kind of node knows besides, where a report needs it."""

    def run(arguments: argparse.Namespace) -> int:
        folder = Folder(arguments.dir, kind)
        asked = reporting.asked(web.today(system_clock()), arguments.as_of, arguments.period)
        if arguments.filed is not None:
            return _since_filed(folder, homes_of, behind, arguments)
        number = arguments.of if arguments.report == DIFFERENCE else arguments.report
        if number is None:
            raise BadField("--of", "", ", ".join(sorted(REPORTS)))
        with current_views(folder, homes_of(folder)) as (store, views), ExitStack() as opened:
            home_of = homes_of(folder)(store)

            def made(rows: Views, sizes: reporting.SizesAt, then: Then | None = None) -> Made:
                tables = _tables(folder, store, home_of, tables_of, asked, then.before_ms if then else FOR_EVER_MS)
                missing = behind(store, then)
                return opened.enter_context(reporting.making(number, rows, asked, sizes, missing, tables=tables))

            now = partial(made, views, partial(known.sizes_at, store))
            if arguments.known_at is None and arguments.report != DIFFERENCE:
                _give(now(), arguments)
                return exits.DONE
            then = _then(store, arguments.known_at)
            before = made(
                opened.enter_context(known.views_at(folder, store, then.sizes, home_of)),
                lambda _: then.sizes,
                then,
            )
            if arguments.report == DIFFERENCE:
                _tell(differences.compared(before, now(), store, home_of), arguments)
            else:
                _give(before, arguments)
        return exits.DONE

    numbers = sorted(n for n, one in REPORTS.items() if one.beside in ("", "duty") or kind == "hub")
    made = cli.add(commands, "report", run, "报表 a report's figures, and the list behind each", as_json=True)
    titles = "; ".join(f"{number} {REPORTS[number].title.zh}" for number in numbers)
    titles += f"; {DIFFERENCE} 前后对照 what differs from the report as it was known then"
    made.add_argument("report", choices=[*numbers, DIFFERENCE], metavar="REPORT", help=titles)
    made.add_argument("--of", choices=numbers, metavar="REPORT", help=f"for {DIFFERENCE}: which report")
    made.add_argument("--as-of", type=_date, metavar="DATE", help="截至日期 as of this date; default: today")
    made.add_argument("--period", metavar="PERIOD", help=f"期间 {reporting.PERIODS}; default: the month of --as-of")
    made.add_argument("--known-at", metavar="DATE|FILE",
                      help="当时所知 as known at the end of a day, or when FILE was made with --json")  # fmt: skip
    made.add_argument("--filed", type=cli.subject_id, metavar="ID",
                      help=f"for {DIFFERENCE}: what changed since this report was filed (see `reports`)")  # fmt: skip
    made.add_argument("--list", metavar="FIGURE[/SPLIT=KEY]", help="名单 the rows that a figure, or a part, counts")
    made.add_argument("--format", choices=FORMATS, default="text", help="xlsx and csv go to --out")
    made.add_argument("--out", type=Path, metavar="FILE", help="write here; csv without it goes to the screen")


def _tables(
    folder: Folder, store: StoredLog, home_of: HomeOf, tables_of: TablesOf, asked: Asked, before_ms: int
) -> reporting.Tables:
    """What any node works out besides its read models, and what this kind of node knows."""
    code = folder.config.code if folder.config.kind == "home" else None

    def duty(read: Read, sizes: Mapping[bytes, int]) -> Rows:
        then = Then(sizes, before_ms)
        return duties.table(duties.of_rows(read, store, home_of, code, asked.as_of, then), asked)

    return {"duty": duty, **tables_of(store, asked, before_ms)}


def _since_filed(
    folder: Folder, homes_of: Callable[[Folder], HomesOf], behind: Behind, arguments: argparse.Namespace
) -> int:
    """A filed report beside the same report of today."""
    if arguments.report != DIFFERENCE:
        raise BadField("--filed", arguments.report, f"report DIR {DIFFERENCE} --filed ID")
    with current_views(folder, homes_of(folder)) as (store, views):
        one, home_of = filed.find(views, arguments.filed), homes_of(folder)(store)
        day, then = dt.date.fromisoformat(one.on), one.sizes()
        missing_then, missing = behind(store, known.then_on(store, day)), behind(store, None)
        asked = reporting.asked(day, day, one.period)
        with (
            known.views_at(folder, store, then, home_of) as old,
            reporting.making(filed.NUMBER, old, asked, lambda _: then, missing_then, one.home) as before,
            reporting.making(filed.NUMBER, views, asked, partial(known.sizes_at, store), missing, one.home) as now,
        ):
            _tell(filed.compared(one, before, now, store, home_of), arguments)
    return exits.DONE


def _then(store: StoredLog, text: str | None) -> Then:
    """What was known at the end of a day, or when a report was kept."""
    if text is None:
        raise BadField("--known-at", "", "a date such as 2025-03-01, or a report kept with --json")
    try:
        return known.then_on(store, dt.date.fromisoformat(text))
    except ValueError:
        return known.then_of(store, known.sizes_in(Path(text)))


def _tell(found: Mapping[str, Any], arguments: argparse.Namespace) -> None:
    if arguments.json or arguments.format == "json":
        cli.show(found, as_json=True)
    else:
        head = filed.lines(found) if "filed" in found else []
        print("\n".join([*head, *differences.lines(found)]))


def _give(made: Made, arguments: argparse.Namespace) -> None:
    """Print a report, or write it."""
    if arguments.list is not None:
        cli.show(made.listed(arguments.list), arguments.json or arguments.format == "json")
    elif arguments.json or arguments.format == "json":
        cli.show(made.json(), as_json=True)
    elif arguments.format == "xlsx":
        if arguments.out is None:
            raise BadField("--out", "", "文件名 a file to write, such as R01.xlsx")
        reporting.write_workbook(made, arguments.out)
    elif arguments.format == "csv" and arguments.out is not None:
        arguments.out.write_text(reporting.as_csv(made), encoding="utf-8-sig", newline="")
    elif arguments.format == "csv":
        sys.stdout.write(reporting.as_csv(made))
    else:
        print("\n".join(_text(made)))


def _text(made: Made) -> list[str]:
    """As a person reads it on the screen."""
    found = [f"{made.number} {made.title.zh}　截至 {made.asked.as_of}　期间 {made.asked.period.text}"]
    for line in reporting.lines(made):
        _, label, unit, split, key, value, definition = line
        shown = f"{value.percent()}%（{value.part}/{value.whole}）" if isinstance(value, Share) else value_json(value)
        if split:
            found.append(f"    {split} {key}：{shown}")
        else:
            found.append(f"{label}：{shown} {'' if isinstance(value, Share) else unit}　〔{definition}〕")
    if behind := made.provenance.get("behind"):
        found.append(f"一周以上没有联系：{'、'.join(behind)}")
    return found


def _date(text: str) -> dt.date:
    try:
        return dt.date.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"found {text!r}, expected a date such as 2025-03-01") from None
