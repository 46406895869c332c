"""R03: who is paired with whom, who is with nobody, and who has more than they should."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Iterator

from domain.codes import PAIRING_KIND
from domain.reporting import CHILDREN, HOME, Asked, By, Figure, Label, Read, Row, Rows, counted, report, share
from domain.reports.register import as_one, on_register

PAIRINGS = Label("对", "pairings")
HELPERS = Label("人", "helpers")
ONE_TO_ONE = "cadre"


@report("R03", "结对帮扶", "pairings")
def pairings(read: Read, asked: Asked) -> Iterator[Figure]:
    """Pairings that are live as of the date."""
    columns = "subject pairing home kind from_on to_on helper helper_name helper_employer priority"
    live = live_on(read("pairing", columns), asked.as_of)
    at = live.at("helper"), live.at("helper_name"), live.at("helper_employer")
    live = live.also("who", lambda row: row[at[0]] or " ".join(filter(None, (row[at[1]], row[at[2]]))))
    kind = By("kind", "kind", PAIRING_KIND)
    yield counted(
        "pairings",
        Label("结对数", "pairings"),
        Label("截至日期仍在进行的结对", "pairings that have begun and not ended as of the date"),
        PAIRINGS,
        live,
        kind,
        HOME,
    )
    yield counted(
        "paired",
        Label("结对儿童", "children paired"),
        Label(
            "有一个或几个结对的儿童；总数各计一次，分类中按每类各计一次",
            "children with one or several pairings, each once, and once under each kind",
        ),
        CHILDREN,
        _of_each_child(live),
        By("kind", "kinds", PAIRING_KIND),
        HOME,
    )
    children = on_register(read, asked.as_of, "subject name sex township village")
    subjects = as_one(read, asked.as_of, live.column("subject"))
    yield share(
        "coverage",
        Label("结对覆盖率", "coverage"),
        Label(
            "截至日期在册儿童中有结对的比例；名单为还没有结对的儿童",
            "children on the register who have a pairing; listed are those who have none",
        ),
        children.where(subject=subjects),
        children,
        HOME,
        "township",
    )
    yield from _of_each_kind(live, children)
    yield from _helpers(live, kind)
    yield from _doubled(live)


def _of_each_kind(live: Rows, children: Rows) -> Iterator[Figure]:
    """What share of the children has a pairing of a kind."""
    of_kind: dict[str, set[bytes]] = {}
    at = live.at("kind")
    for row in live:
        of_kind.setdefault(row[at], set()).add(row[0])
    for kind, subjects in sorted(of_kind.items()):
        zh, en = PAIRING_KIND.labels.get(kind, (kind, kind))
        yield share(
            f"coverage_{kind}",
            Label(f"结对覆盖率（{zh}）", f"coverage, {en}"),
            Label(
                f"截至日期在册儿童中有“{zh}”结对的比例；名单为没有的儿童",
                f"children on the register who have a pairing of the kind {en}; listed are those who have none",
            ),
            children.where(subject=frozenset(subjects)),
            children,
            HOME,
            "township",
        )


def live_on(rows: Rows, day: dt.date) -> Rows:
    """Those that have begun by a day, and not ended by it."""
    begin, end, text = rows.at("from_on"), rows.at("to_on"), day.isoformat()
    return rows.having(lambda row: row[begin] <= text and (row[end] is None or text < row[end]))


def _of_each_child(live: Rows) -> Rows:
    """One row a child, with all kinds of its pairings."""
    kind, home = live.at("kind"), live.at("home")
    kinds: dict[bytes, set[str]] = {}
    homes: dict[bytes, str] = {}
    for row in live:
        kinds.setdefault(row[0], set()).add(row[kind])
        homes[row[0]] = row[home]
    rows = [(child, homes[child], frozenset(found)) for child, found in kinds.items()]
    return Rows(("subject", "home", "kinds"), rows)


def _helpers(live: Rows, kind: By) -> Iterator[Figure]:
    """Helpers and how many children each has."""
    who, group, home = live.at("who"), live.at("kind"), live.at("home")
    load = Counter((row[who], row[group], row[home]) for row in live)
    rows = [(name, name, of_kind, at_home, count) for (name, of_kind, at_home), count in sorted(load.items())]
    yield counted(
        "helpers",
        Label("帮扶人", "helpers"),
        Label(
            "有结对儿童的帮扶人，按姓名与单位（或工号）区分；“负担”为一人帮扶的儿童数",
            "helpers with a child, told apart by name and employer or by code; the load is how many children one has",
        ),
        HELPERS,
        Rows(("subject", "helper_name", "kind", "home", "count"), rows),
        kind,
        HOME,
        By("load", "count"),
    )


def _doubled(live: Rows) -> Iterator[Figure]:
    """One-to-one pairings that are not: situation M5."""
    cadres = live.where(kind=ONE_TO_ONE)
    who = cadres.at("who")
    of_child, of_cadre = Counter(row[0] for row in cadres), Counter(row[who] for row in cadres)

    def excess(row: Row) -> bool:
        return of_child[row[0]] > 1 or (bool(row[who]) and of_cadre[row[who]] > 1)

    yield counted(
        "doubled",
        Label("一对一重复", "one-to-one doubled"),
        Label(
            "干部一对一结对中，同一儿童或同一干部有两个以上仍在进行的结对",
            "live pairings with cadres in which the child or the cadre has another one",
        ),
        PAIRINGS,
        cadres.having(excess),
        HOME,
    )
