"""Commands of filed reports: `submit-report` at a home, `report-return`, `report-accept` at the hub, `reports`."""

from __future__ import annotations

import argparse
import uuid
from collections.abc import Callable
from typing import Any, Final

from domain.errors import Refused
from node import cli, desk, exits, filed, reporting, today
from node.clock import system_clock
from node.folder import Folder, Kind
from node.opening import HomesOf, current_views, reading

Homes = Callable[[Folder], HomesOf]
VERDICTS: Final = {"report-return": "report-returned/1", "report-accept": "report-accepted/1"}


def add_submitting(commands: cli.Commands, homes_of: Homes) -> None:
    """`submit-report` at a home."""

    def run(arguments: argparse.Namespace) -> int:
        folder = Folder(arguments.dir, "home")
        signed_by = arguments.signed_by.strip()
        if not signed_by:
            raise Refused("请填写签名", "a report is signed: --signed-by")
        with reading(folder) as store:
            day = today.of(store, system_clock()).date
        asked = reporting.asked(day, None, arguments.period)
        filed.require_fitting(arguments.kind, asked.period, day)
        wish = filed.draft(folder, homes_of(folder), arguments.kind, asked, signed_by, arguments.remarks.strip())
        done = desk.carry_out(folder, homes_of(folder), "submit-report", filed.submit, wish, system_clock())
        cli.show(done, arguments.json)
        return exits.DONE

    does = "报送 sign the home's own figures (R17) and hand them in; they stay as filed"
    made = cli.add(commands, "submit-report", run, does, as_json=True)
    made.add_argument("--kind", required=True, choices=tuple(filed.MONTHS), help="月报, 学期总结, 半年报 or 年报")
    made.add_argument("--period", required=True, metavar="PERIOD", help=f"期间 {reporting.PERIODS}")
    made.add_argument("--signed-by", required=True, metavar="WORKER", help="签名 who answers for it")
    made.add_argument("--remarks", default="", metavar="TEXT", help="说明 what the figures do not say")


def add_judging(commands: cli.Commands, homes_of: Homes) -> None:
    """`report-return` and `report-accept` at a hub."""

    def run(arguments: argparse.Namespace) -> int:
        folder, by = Folder(arguments.dir, "hub"), arguments.by.strip()
        reason = getattr(arguments, "reason", None)
        if not by or (reason is not None and not reason.strip()):
            raise Refused("请填写办理人和退回的原因", "say who decided it (--by), and why it is returned (--reason)")
        with current_views(folder, homes_of(folder)) as (store, views):
            one = filed.find(views, arguments.id)
            day = today.of(store, system_clock()).date
        payload: dict[str, Any] = {"on": day.isoformat(), "version": str(uuid.UUID(bytes=one.version))}
        if reason is not None:
            payload["reason"] = reason.strip()
        wish = {"event": arguments.event, "payload": payload, "subject": one.subject.hex(), "version":
                one.version.hex(), "by": by}  # fmt: skip
        done = desk.carry_out(folder, homes_of(folder), "judge-report", filed.judge, wish, system_clock())
        cli.show(done, arguments.json)
        return exits.DONE

    for name, does in {"report-return": "退回 send a filed report back", "report-accept": "通过 accept one"}.items():
        made = cli.add(commands, name, run, does, as_json=True)
        made.add_argument("id", type=cli.subject_id, metavar="ID", help="a report, or one version of it: see `reports`")
        made.add_argument("--by", required=True, metavar="WHO", help="who decided it")
        if name == "report-return":
            made.add_argument("--reason", required=True, metavar="TEXT", help="why")
        made.set_defaults(event=VERDICTS[name])


def add_listing(commands: cli.Commands, kind: Kind, homes_of: Homes) -> None:
    """`reports` at both."""

    def run(arguments: argparse.Namespace) -> int:
        folder = Folder(arguments.dir, kind)
        with current_views(folder, homes_of(folder)) as (_, views):
            found = [one.json() for one in filed.all_of(views)]
        if arguments.json:
            cli.show({"reports": found}, True)
        else:
            print("\n".join(f"{filed.head(one)}\n    {one['version']}" for one in found)
                  or "还没有报送过报表 (no report was filed yet)")  # fmt: skip
        return exits.DONE

    cli.add(
        commands, "reports", run, "报送情况 the reports that were filed, each version with its status", as_json=True
    )
