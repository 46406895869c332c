"""Commands for spreadsheets: a template, an import that is looked at before it is stored, and its undoing.

Without `--confirm` and without a terminal, `import` of a spreadsheet only shows; at a terminal it asks.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final
from uuid import UUID

from domain import days, headers, sheet_rows
from domain.errors import BadField, Refused
from domain.sheet_rows import Trouble
from domain.sheets import KINDS
from node import cli, exits, import_undo, sheet_plans, sheet_templates, today, workbooks
from node.child_register import ChildRegister
from node.clock import system_clock
from node.folder import Folder
from node.opening import HomesOf, current_views
from node.scribing import TRIES_MAX, scribing
from node.sheet_plans import Alike, Plan, Wanted
from sync.errors import FolderInUse, StaleVersion

KIND_WORDS: Final = ", ".join(f"{kind.name} {kind.title}" for kind in KINDS.values())
SHOWN_MAX: Final = 200
HomesOfFolder = Callable[[Folder], HomesOf]


def add_to_import(made: argparse.ArgumentParser) -> None:
    """What `import` takes for a spreadsheet."""
    made.add_argument(
        "--kind", choices=sorted(KINDS), help=f"the file is a spreadsheet (.xlsx, .xls, .csv): {KIND_WORDS}"
    )
    made.add_argument("--by", metavar="WORKER", help="who imports the spreadsheet")
    made.add_argument("--confirm", action="store_true", help="store what is shown, without asking")
    made.add_argument("--on", metavar="DATE", help="the day that the list stands for, where its rows do not say; today")
    made.add_argument("--sheet", metavar="NAME", help="which sheet of the file")
    made.add_argument(
        "--column", action="append", default=[], metavar="TITLE=NAME", help="what a title means; TITLE=- leaves it out"
    )
    made.add_argument("--new", metavar="ROW,…", help="rows that are other children than those they look like")
    made.add_argument("--leave-out", metavar="ROW,…", help="rows to pass over")
    made.add_argument("--json", action="store_true", help="of a spreadsheet: print JSON instead of text")


def add_commands(commands: cli.Commands, homes_of: HomesOfFolder) -> None:
    """`import-undo` and `template`."""
    import_undo.add_command(commands, "home", homes_of)
    template_help = "write a spreadsheet to fill in, with notes and lists to choose from"
    made = commands.add_parser("template", help=template_help, description=template_help)
    made.add_argument("out", type=Path, metavar="OUT|DIR", help="a new .xlsx file, or a folder for it")
    made.add_argument("--kind", required=True, choices=sorted(KINDS), help=KIND_WORDS)
    made.set_defaults(run=template)


def template(arguments: argparse.Namespace) -> int:
    """Write a template."""
    kind = KINDS[arguments.kind]
    out = arguments.out / f"{kind.title}.xlsx" if arguments.out.is_dir() else arguments.out
    sheet_templates.write(out, kind)
    print(out)
    return exits.DONE


def is_sheet(arguments: argparse.Namespace) -> bool:
    """Whether `import` was given a spreadsheet."""
    return arguments.kind is not None or arguments.file.suffix.lower() in workbooks.SUFFIXES


def import_sheet(homes_of: HomesOfFolder, arguments: argparse.Namespace) -> int:
    """Show what a spreadsheet comes to, and store it once somebody says so."""
    folder = Folder(arguments.dir, "home")
    if arguments.kind is None:
        raise Refused(f"请用--kind写明是哪种表：{KIND_WORDS}", f"say with --kind what list it is: {KIND_WORDS}")
    by = (arguments.by or "").strip()
    if not by:
        raise Refused("请用--by写明导入人", "say with --by who imports the list")
    plan = _planned(folder, homes_of(folder), arguments)
    stored = 0
    if not arguments.json:
        print("\n".join(_lines(plan, arguments)))
    if not plan.troubles and plan.intents and (arguments.confirm or (not arguments.json and _agreed())):
        stored = _stored(folder, homes_of(folder), arguments, plan, by)
    if arguments.json:
        cli.show(_json(plan, arguments, stored), as_json=True)
    else:
        print(_outcome(plan, stored))
    return exits.REFUSED if plan.troubles else exits.DONE


def _planned(folder: Folder, homes_of: HomesOf, arguments: argparse.Namespace) -> Plan:
    code = folder.config.code
    with current_views(folder, homes_of) as (store, views):
        if any(branch.coming for branch in store.branches()):
            raise Refused(
                "本家以前的记录还没有全部取回，现在导入会重复登记：请先运行 sync，取回之后再导入",
                "the home's earlier records are still coming, and would be recorded twice: run `sync` first",
            )
        day = today.of(store, system_clock()).date
        register = ChildRegister(store, views, homes_of(store), code)
        return sheet_plans.plan(store, register, code, _wanted(arguments, day), day)


def _stored(folder: Folder, homes_of: HomesOf, arguments: argparse.Namespace, plan: Plan, by: str) -> int:
    """Store what was shown, and nothing else: where others recorded meanwhile, it must come to the same again."""
    for _ in range(TRIES_MAX):
        try:
            with scribing(folder) as (log, scribe):
                home_of, now_ms = homes_of(log), system_clock()()
                return sheet_plans.carry_out(log, scribe, home_of, folder.config.code, plan, by, now_ms)
        except StaleVersion:
            shown, plan = plan, _planned(folder, homes_of, arguments)
        if plan.troubles or not sheet_plans.same(shown, plan):
            raise Refused(
                "核对期间本机有了新的记录，什么都没有保存，请重新运行一次",
                "something was recorded meanwhile, nothing is stored: run this again",
            )
    raise FolderInUse("others record all the time: try again")


def _wanted(arguments: argparse.Namespace, day: Any) -> Wanted:
    named = {}
    for pair in arguments.column:
        title, equals, name = pair.rpartition("=")
        if not equals or not title.strip():
            raise BadField("--column", pair, "TITLE=NAME")
        named[title] = name.strip()
    on = days.parse(arguments.on, day).date if arguments.on else None
    return Wanted(KINDS[arguments.kind], arguments.file, arguments.sheet, on, named, _rows("--new", arguments.new),
                  _rows("--leave-out", arguments.leave_out))  # fmt: skip


def _rows(option: str, text: str | None) -> frozenset[int]:
    try:
        return frozenset(int(one) for one in (text or "").replace("，", ",").split(",") if one.strip())
    except ValueError:
        raise BadField(option, text, "row numbers as 5,12") from None


def _agreed() -> bool:
    if not sys.stdin.isatty():
        return False
    try:
        return input("保存以上内容吗？输入“是”保存 (type yes to store): ").strip().lower() in ("是", "yes", "y")
    except EOFError:
        return False


def _lines(plan: Plan, arguments: argparse.Namespace) -> Iterator[str]:
    kind = KINDS[arguments.kind]
    yield f"{arguments.file.name} / {plan.sheet.name}：{kind.title} ({kind.english})，表头在第{plan.header.below}行"
    for name in plan.hidden:
        yield f"隐藏的工作表“{name}”没有读 (the hidden sheet was not read)"
    for letter, title, column in sheet_rows.columns_of(plan.header):
        yield f"  {letter} “{title}” → {column.title} ({column.key})"
    for left in plan.header.unmatched:
        yield f"  {headers.letters(left.place)} “{left.title}” — {left.zh} ({left.en})"
    if plan.rows.left:
        yield f"不是记录的行：{_numbers(plan.rows.left)} (rows that are no records)"
    yield from _capped(f"第{one.row}行 {one.title}：{one.note}" for one in plan.rows.assumed)
    if plan.known:
        yield f"已经在册，不再登记 (on file already): {len(plan.known)}"
        yield from _capped(f"  {_alike(one)}" for one in plan.known)
    if plan.likely:
        yield (
            f"可能已经在册，这次不登记 (may be on file, left out): {len(plan.likely)}；"
            f"确实是另一个孩子的，用--new写明行号 (say --new ROW where it is another child)"
        )
        yield from _capped(f"  {_alike(one)}" for one in plan.likely)
    if plan.unchanged:
        yield f"与档案一致，没有变化 (nothing new): {len(plan.unchanged)}"
    if plan.troubles:
        yield f"有{len(plan.troubles)}处要改 (to be mended):"
        yield from _capped(f"  {trouble_words(one)}" for one in plan.troubles)


def _capped(lines: Iterator[str]) -> Iterator[str]:
    for number, line in enumerate(lines):
        if number == SHOWN_MAX:
            yield "  …（其余见 --json）(the others with --json)"
            return
        yield line


def _numbers(rows: list[int]) -> str:
    return "、".join(map(str, rows[:20])) + ("…" if len(rows) > 20 else "")


def _alike(one: Alike) -> str:
    return f"第{one.row}行“{one.name}” ≈ {one.other}：{one.likeness.zh} ({one.likeness.en})"


def trouble_words(one: Trouble) -> str:
    """Where a trouble is, and what it is, in words."""
    where = f"{headers.letters(one.place)}列“{one.title}”" if one.place >= 0 else one.title and f"“{one.title}”"
    return f"第{one.row}行{where}：{one.why.zh} ({one.why.en})"


def _outcome(plan: Plan, stored: int) -> str:
    rows = len(plan.intents)
    if plan.troubles:
        return "什么都没有保存，改好以后重新导入 (nothing was stored: mend the list and import it again)"
    if stored:
        return f"已保存{rows}行、{stored}条记录 ({rows} rows, {stored} entries stored)，批次 (batch) {plan.batch}"
    if not rows:
        return "没有要保存的内容 (nothing to store)"
    return f"{rows}行可以保存，还没有保存；加 --confirm 保存 ({rows} rows can be stored, nothing is yet: add --confirm)"


def _json(plan: Plan, arguments: argparse.Namespace, stored: int) -> dict[str, Any]:
    def alike(one: Alike) -> dict[str, Any]:
        return {"row": one.row, "name": one.name, "like": one.other, "sure": one.likeness.sure,
                "zh": one.likeness.zh, "en": one.likeness.en}  # fmt: skip

    return {
        "batch": plan.batch,
        "kind": arguments.kind,
        "sheet": plan.sheet.name,
        "hidden": list(plan.hidden),
        "header_row": plan.header.below,
        "on": str(plan.on),
        "columns": [
            {"column": letter, "title": title, "field": column.key}
            for letter, title, column in sheet_rows.columns_of(plan.header)
        ],
        "unmatched": [
            {"column": headers.letters(one.place), "title": one.title, "zh": one.zh, "en": one.en}
            for one in plan.header.unmatched
        ],
        "rows": [
            {"row": one.row, "name": one.name, "subject": str(UUID(bytes=one.subject)),
             "events": [event.meta.name for event in one.events]}
            for one in plan.intents
        ],
        "known": [alike(one) for one in plan.known],
        "likely": [alike(one) for one in plan.likely],
        "unchanged": plan.unchanged,
        "left": plan.rows.left,
        "notes": [
            {"row": one.row, "title": one.title, "zh": one.note.zh, "en": one.note.en} for one in plan.rows.assumed
        ],
        "errors": [
            {"row": one.row, "column": headers.letters(one.place) if one.place >= 0 else None, "title": one.title,
             "zh": one.why.zh, "en": one.why.en}
            for one in plan.troubles
        ],
        "stored": stored,
    }  # fmt: skip
