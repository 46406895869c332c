"""Setting what is asked: terms and rules at the county, tightened rules at a home, waivers at both.

Each is an ordinary entry, of the county's subject or of the child or home that is waived for, recorded through the same
decision as any other: also beside a running `serve`. What the county says of its own subject goes to every home by its
outbox; what a home says goes up with its log and to nobody else.
"""

from __future__ import annotations

import argparse
import datetime as dt
import uuid
from collections.abc import Callable, Iterator
from typing import Any, Final

from domain import countywide, schema
from domain import events as e
from domain.commands import RecordFact
from domain.decide import decide
from domain.errors import BadField, Refused
from domain.folding import Folding
from domain.policy import COUNTY_SUBJECT, Policy, require_settable, require_term
from domain.rules import Rule
from domain.tiers import COUNTY
from node import cli, deciding, desk, duties, exits, today
from node.clock import local_date, system_clock
from node.desk import Asked
from node.folder import Folder, Kind
from node.household import Files
from node.opening import HomesOf
from node.records import is_of_the_domain
from sync import headlines
from sync.store import Store
from sync.stored_log import StoredLog

HOLIDAYS_MAX: Final = 200
SCAN_COUNT: Final = 20_000


def record_policy(store: Store, homes_of: HomesOf, asked: Asked, now_ms: int) -> dict[str, Any]:
    """Set a rule or schedule a term; raises Refused for what the county or a home may not say."""
    event: Any = schema.from_json(str(asked["event"]), asked["payload"])
    home_of = homes_of(store)
    home = home_of(store.log)

    def wished(folding: Folding) -> deciding.Wished:
        policy = Policy(folding.state())
        if isinstance(event, e.PolicyRuleSet):
            require_settable(policy, home, event)
        else:
            require_term(policy, home, event)
        return deciding.Wished(decide(folding, RecordFact(home=home, event=event)))

    (done,) = deciding.record(store, home_of, COUNTY_SUBJECT, str(asked["by"]), now_ms, wished)
    return {"id": done.id.hex(), "seq": done.seq}


def waive(store: Store, homes_of: HomesOf, asked: Asked, now_ms: int) -> dict[str, Any]:
    """Record that a duty need not be done in a period, and why."""
    home_of = homes_of(store)
    files = Files(store, home_of)
    home, policy = home_of(store.log), files.policy()
    rule, period, reason = (str(asked[name]).strip() for name in ("rule", "period", "reason"))
    parts = policy.rules(home).parts(rule)
    if policy.calendar(home).named(period) is None:
        raise BadField("period", period, "a period, like 2025-03, 2025-W10, 2025-03-07, 2024-2025 or a term's name")
    if not reason:
        raise Refused("请写明免除的原因", "a waiver says why")
    subject = bytes.fromhex(asked["subject"]) if asked["subject"] else _own_subject(files, home)
    day = today.of(store, lambda: now_ms).date
    event = e.ObligationWaived(rule=rule, period=period, reason=reason, on=day)
    rules = [policy.rules(home).in_force(part, day.toordinal()).rule for part in parts]

    def wished(folding: Folding) -> deciding.Wished:
        if home == COUNTY:
            _require_countys(folding, rules)
        elif not folding.known or folding.kind not in duties.WAIVABLE:
            raise NotOwedFor
        return deciding.Wished(decide(folding, RecordFact(home=home, event=event)))

    (done,) = deciding.record(store, home_of, subject, str(asked["by"]), now_ms, wished)
    return {"id": done.id.hex(), "subject": str(uuid.UUID(bytes=subject)), "seq": done.seq}


class NotOwedFor(Refused):
    """A waiver about something for which no duty is owed, as far as is known here."""

    def __init__(self) -> None:
        super().__init__("这里没有登记过这个孩子或事项", "nothing of which duties are owed is known under this id here")


def _require_countys(folding: Folding, rules: list[Rule]) -> None:
    """The county waives what it owes itself, and for a child, whose home hears of it; else a home would not know."""
    if folding.subject == COUNTY_SUBJECT and not folding.known:
        raise Refused(
            "县里还没有公布学期或工作要求，请先用 term 公布学期",
            "the county has scheduled no term and set no rule yet: begin with `term`",
        )
    if not folding.known or folding.kind not in duties.WAIVABLE | {"county"}:
        raise NotOwedFor
    if folding.kind != "child" and not countywide.may_waive(folding.state(), rules):
        raise Refused(
            "这项工作不是由县里负责的，请由负责的家自己免除（site-node waive），或者用 --subject 指明孩子",
            "this is not the county's to do: the home that owes it waives it (site-node waive), or say with --subject "
            "for which child",
        )


def _own_subject(files: Files, home: str) -> bytes:
    """What a waiver is about that names nothing: the home, or the county itself."""
    if home == COUNTY:
        return COUNTY_SUBJECT
    for subject in _homes(files.store):
        if any(one.home == home for one in files.state(subject).records.values()):
            return subject
    raise Refused(
        "本家还没有登记，请先登记之家", "the home itself is not registered yet: record home-registered/1 first"
    )


def _homes(store: StoredLog) -> Iterator[bytes]:
    """The subjects of homes, without opening an entry."""
    seen: set[bytes] = set()
    position, end = -1, 0
    while position != end:
        position = end
        end, found = headlines.after(store, position, SCAN_COUNT)
        for one in found:
            kind = schema.subject_kind(one.type) if is_of_the_domain(one.type, one.subject, one.log) else ""
            if kind and one.subject not in seen:
                seen.add(one.subject)
                if kind == "home":
                    yield one.subject


def require_other(event: Any) -> None:
    """Refuse to record as an ordinary fact what has rules of its own about who may say it."""
    if isinstance(event, e.PolicyRuleSet | e.TermScheduled):
        raise Refused(
            "工作要求请用 rule-set 设定，学期由县里用 term 公布",
            "rules are set with `rule-set`, and terms scheduled by the county with `term`",
        )


TASKS: Final[dict[str, desk.Task]] = {"policy": record_policy, "waive": waive}


# -- commands


def _carry_out(
    arguments: argparse.Namespace, kind: Kind, homes_of: Callable[[Folder], HomesOf], name: str, asked: dict[str, Any]
) -> int:
    asked["by"] = arguments.by.strip()
    if not asked["by"]:
        raise Refused("请填写办理人", "say who decided it: --by")
    folder = Folder(arguments.dir, kind)
    cli.show(desk.carry_out(folder, homes_of(folder), name, TASKS[name], asked, system_clock()), arguments.json)
    return exits.DONE


def add_rule_set(commands: cli.Commands, kind: Kind, homes_of: Callable[[Folder], HomesOf]) -> None:
    """`rule-set`: the county sets a rule, a home tightens it."""

    def run(arguments: argparse.Namespace) -> int:
        payload = {
            "rule": arguments.rule, "from_on": (arguments.since or local_date(system_clock()())).isoformat(),
            "every": arguments.every, "times": arguments.times, "grace_days": arguments.grace_days,
            "within_days": arguments.within_days, "window": arguments.window, "enabled": arguments.enabled,
            "all_year": arguments.all_year, "text": arguments.text,
            "applies_to": getattr(arguments, "applies_to", None), "duty_holder": getattr(arguments, "holder", None),
            "source": getattr(arguments, "source", None),
        }  # fmt: skip
        said = {name: value for name, value in payload.items() if value is not None}
        return _carry_out(arguments, kind, homes_of, "policy", {"event": "policy-rule-set/1", "payload": said})

    does = (
        "set a rule for all homes"
        if kind == "hub"
        else "tighten a rule for this home; less than the county asks is refused"
    )
    made = cli.add(commands, "rule-set", run, does, as_json=True)
    made.add_argument("rule", metavar="RULE", help="a rule, like O15, or one part of it, like O10-guardian")
    made.add_argument("--by", required=True, metavar="WHO", help="who decided it")
    made.add_argument(
        "--from", dest="since", type=cli.date, metavar="DATE", help="periods that begin on it or later (today)"
    )
    made.add_argument("--every", metavar="PERIOD", help="day, week, two_weeks, month, half_term, term, half_year, "
                      "school_year, year")  # fmt: skip
    made.add_argument("--times", type=int, metavar="N", help="how often in a period")
    made.add_argument("--grace-days", type=int, metavar="N", help="days of grace behind a period")
    made.add_argument("--within-days", type=int, metavar="N", help="days to act, for a rule that follows an event")
    made.add_argument("--window", metavar="TEXT", help="when in the period, like “first 4 weeks” or “last 3 days”")
    made.add_argument("--on", dest="enabled", action="store_const", const=True, help="switch it on")
    made.add_argument("--off", dest="enabled", action="store_const", const=False, help="switch it off")
    made.add_argument("--all-year", action="store_const", const=True, help="owed in holidays, too")
    made.add_argument("--text", metavar="TEXT", help="why")
    if kind == "hub":
        made.add_argument("--applies-to", metavar="FILTER", help="like pairing=college,mentor or category=priority")
        made.add_argument("--holder", metavar="ROLE", help="who owes it")
        made.add_argument("--source", metavar="TEXT", help="where it comes from")


def add_term(commands: cli.Commands, homes_of: Callable[[Folder], HomesOf]) -> None:
    """`term`: the county schedules a term."""

    def run(arguments: argparse.Namespace) -> int:
        holidays = sorted({one for span in arguments.holiday for one in span})
        payload = {"name": arguments.name.strip(), "from_on": arguments.since.isoformat(),
                   "to_on": arguments.until.isoformat(), "holidays": [one.isoformat() for one in holidays]}  # fmt: skip
        return _carry_out(arguments, "hub", homes_of, "policy", {"event": "term-scheduled/1", "payload": payload})

    made = cli.add(commands, "term", run, "schedule a term, or schedule it anew under its name", as_json=True)
    made.add_argument("name", metavar="NAME", help="like 2025-春")
    made.add_argument("--from", dest="since", type=cli.date, required=True, metavar="DATE", help="its first day")
    made.add_argument("--to", dest="until", type=cli.date, required=True, metavar="DATE", help="its last day")
    made.add_argument(
        "--holiday", type=days, action="append", default=[], metavar="DATE[..DATE]", help="may be repeated"
    )
    made.add_argument("--by", required=True, metavar="WHO", help="who decided it")


def add_waive(commands: cli.Commands, kind: Kind, homes_of: Callable[[Folder], HomesOf]) -> None:
    """`waive`: a home, or the county, says why something need not be done."""

    def run(arguments: argparse.Namespace) -> int:
        asked = {"rule": arguments.rule, "period": arguments.period, "reason": arguments.reason,
                 "subject": arguments.subject.hex() if arguments.subject else ""}  # fmt: skip
        return _carry_out(arguments, kind, homes_of, "waive", asked)

    made = cli.add(commands, "waive", run, "say why something need not be done in a period", as_json=True)
    made.add_argument("rule", metavar="RULE", help="a rule, like O11, or one part of it")
    made.add_argument("period", metavar="PERIOD", help="as `due` names it, or a longer one: 2025-03, a term's name …")
    without = "the home, and all its children" if kind == "home" else "the county itself, and all that it owes"
    made.add_argument("--subject", type=cli.subject_id, metavar="ID", help="a child, or what else it is owed for "
                      f"(without it: {without})")  # fmt: skip
    made.add_argument("--reason", required=True, metavar="TEXT", help="why")
    made.add_argument("--by", required=True, metavar="WORKER", help="who decided it")


def days(text: str) -> list[dt.date]:
    """A date, or all from one to another."""
    first, dots, last = text.partition("..")
    begin, end = cli.date(first), cli.date(last if dots else first)
    if not 0 <= (end - begin).days < HOLIDAYS_MAX:
        raise argparse.ArgumentTypeError(f"holidays are written like 2025-10-01..2025-10-07, found {text!r}")
    return [begin + dt.timedelta(days=number) for number in range((end - begin).days + 1)]
