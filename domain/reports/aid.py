"""R08: aid asked for, decided, paid and signed for; donations and goods; each amount in fen and shown in yuan."""

from __future__ import annotations

from collections.abc import Hashable, Iterator

from domain.codes_county import AID_DECISION, AID_KIND, DONATION_KIND, RECIPIENT
from domain.reporting import (
    CHILDREN,
    HOME,
    NONE,
    TIMES,
    YUAN,
    Asked,
    By,
    Fen,
    Figure,
    Key,
    Label,
    Read,
    Row,
    Rows,
    added,
    counted,
    report,
)
from domain.reports.register import homes_on

GRANT = (
    "subject home child recipient recipient_kind programme kind donor status decided_on requested_on committed_fen "
    "instalments all_costs reason waits_if_left"
)
INSTALMENT = (
    "subject number home child recipient recipient_kind programme kind due_on paid_on paid_fen witnesses contested "
    "received_on"
)
KIND = By("kind", "kind", AID_KIND)
RECIPIENTS = By("recipient_kind", "recipient_kind", RECIPIENT)
GRANTS = Label("份", "grants")
INSTALMENTS = Label("期", "instalments")


@report("R08", "资助与捐赠", "aid and donations")
def aid(read: Read, asked: Asked) -> Iterator[Figure]:
    """Grants as of the date, payments and gifts of the period."""
    yield from _grants(read, asked)
    yield from _payments(read, asked)
    yield from _gifts(read, asked)


def _grants(read: Read, asked: Asked) -> Iterator[Figure]:
    grants = read("grant_of_aid", GRANT)
    day, decided = asked.as_of.isoformat(), grants.at("decided_on")
    requested = grants.at("requested_on")
    grants = grants.having(lambda row: (row[requested] or row[decided] or NONE) <= day)
    status = By("status", "status", AID_DECISION)
    yield counted(
        "requests",
        Label("资助申请", "requests"),
        Label("截至日期的全部申请，按办理情况", "all requests up to the date, by what became of them"),
        GRANTS,
        grants,
        status,
        "programme",
        KIND,
        HOME,
    )
    granted = grants.where(status=frozenset({"granted", "stopped"}))
    yield counted(
        "waiting",
        Label("候补与未批", "waiting or refused"),
        Label(
            "候补、不同意和还没有决定的申请，理由见名单", "requests waiting, refused or undecided; reasons are listed"
        ),
        GRANTS,
        grants.where(status=frozenset({"waiting", "refused", "requested"})),
        status,
        "programme",
        HOME,
    )
    yield _on_hold(read, asked, granted)
    yield added(
        "committed_instalments",
        Label("应发期数", "instalments committed"),
        Label("同意发放的申请的期数之和", "instalments of all grants, added up"),
        INSTALMENTS,
        granted,
        "instalments",
        "programme",
        KIND,
        HOME,
    )
    yield added(
        "committed_fen",
        Label("承诺金额", "committed"),
        Label("同意发放的金额：每期金额乘以期数；金额未定的不计", "amount of each instalment times their number"),
        YUAN,
        granted,
        "committed_fen",
        "programme",
        KIND,
        HOME,
    )
    committed = granted.at("committed_fen")
    yield counted(
        "unknown_amount",
        Label("金额未定", "amount unknown"),
        Label("同意承担全部费用、金额未定的", "grants of all costs, whose amount nobody knows yet"),
        GRANTS,
        granted.having(lambda row: row[committed] is None),
        "programme",
        HOME,
    )


def _on_hold(read: Read, asked: Asked, granted: Rows) -> Figure:
    """Grants of children who have left, which nobody decided upon knowing that: granted and left are both true."""
    gone = {subject for subject, status in read("child", "subject status") if status == "left"}
    gone -= homes_on(read, asked.as_of).keys()
    found = granted.where(waits_if_left=1, child=frozenset(gone))
    return counted(
        "on_hold",
        Label("暂停发放", "payment on hold"),
        Label(
            "已同意而孩子到截至日期已经离开的，等有人知情后重新决定（after_leaving）才发放；资助毕业生的除外",
            "granted, and the child had left by the date: paid once somebody decides who knows it (after_leaving); "
            "what is meant for graduates goes on",
        ),
        GRANTS,
        found,
        "programme",
        KIND,
        HOME,
    )


def _payments(read: Read, asked: Asked) -> Iterator[Figure]:
    all_of_them = read("instalment", INSTALMENT)
    on = all_of_them.at("paid_on")
    paid = all_of_them.within("paid_on", asked.period)
    year = By("year", lambda row: row[on][:4])
    definition = Label(
        "期间内发放的资助款；同一期由两方登记且金额一致的算一次，不一致的先按较小的计",
        "aid paid within the period; an instalment entered by two parties counts once, with the lesser amount",
    )
    splits = ("programme", KIND, RECIPIENTS, year, HOME)
    yield counted("paid", Label("已发期数", "instalments paid"), definition, INSTALMENTS, paid, *splits)
    yield added("paid_fen", Label("已发金额", "paid"), definition, YUAN, paid, "paid_fen", *splits)
    who = _who(paid)
    yield counted(
        "recipients",
        Label("受助人", "recipients"),
        Label("期间内领到资助的人，各计一次", "people who were paid within the period, each once"),
        CHILDREN,
        Rows(paid.columns, list({who(row): row for row in paid}.values())),
        RECIPIENTS,
        "programme",
        HOME,
    )
    received, due, day = paid.at("received_on"), paid.at("due_on"), asked.as_of.isoformat()
    yield counted(
        "unsigned",
        Label("未签收", "not signed for"),
        Label("期间内已发放、监护人还没有签收的", "paid within the period, and not signed for yet"),
        INSTALMENTS,
        paid.having(lambda row: row[received] is None),
        "programme",
        HOME,
    )
    yield counted(
        "missed",
        Label("逾期未发", "overdue"),
        Label("截至日期应发未发的", "due by the date and not paid"),
        INSTALMENTS,
        all_of_them.having(lambda row: row[on] is None and row[due] is not None and row[due] < day),
        "programme",
        HOME,
    )
    yield counted(
        "contested",
        Label("两方金额不一致", "amounts that differ"),
        Label("同一期两方登记的金额不一致，待核", "instalments that two parties entered with different amounts"),
        INSTALMENTS,
        all_of_them.where(contested=1),
        "programme",
        HOME,
    )


def _who(rows: Rows) -> Key:
    """Whom a payment went to: a child by id, others by name."""
    child, name = rows.at("child"), rows.at("recipient")

    def who(row: Row) -> Hashable:
        found: Hashable = row[child] or row[name] or row[0]
        return found

    return who


def _gifts(read: Read, asked: Asked) -> Iterator[Figure]:
    kind = By("kind", "kind", DONATION_KIND)
    gifts = read("donation_received", "subject home donor kind item value_fen on quantity purpose")
    gifts = gifts.within("on", asked.period)
    yield added(
        "donated_fen",
        Label("收到捐赠", "donations"),
        Label("期间内收到的款和物的价值，款、物分列", "value of money and goods received within the period, apart"),
        YUAN,
        gifts,
        "value_fen",
        kind,
        "purpose",
        HOME,
    )
    issued = read("goods_issued", "subject home item quantity on child to value_fen").within("on", asked.period)
    yield counted(
        "issues",
        Label("发放物品", "goods handed out"),
        Label("期间内发放物品的次数", "times that goods were handed out within the period"),
        TIMES,
        issued,
        "item",
        HOME,
    )
    yield added(
        "issued_fen",
        Label("发放物品价值", "value handed out"),
        Label("期间内发放物品的价值", "value of the goods handed out within the period"),
        YUAN,
        issued,
        "value_fen",
        "item",
        HOME,
    )
    handed_out = _handed_out(read, asked, issued)
    yield handed_out
    yield _mean(handed_out)


def _handed_out(read: Read, asked: Asked, issued: Rows) -> Figure:
    """Money and goods together, apart as parts, and per child on average."""
    paid = read("instalment", INSTALMENT).within("paid_on", asked.period)
    columns = ("subject", "home", "child", "kind", "fen")
    places = [[rows.at(name) for name in ("subject", "home", "child")] for rows in (paid, issued)]
    values = paid.at("paid_fen"), issued.at("value_fen")
    rows = [
        (*(row[at] for at in places[number]), kind, row[values[number]] or 0)
        for number, (kind, found) in enumerate((("money", paid), ("goods", issued)))
        for row in found
    ]
    return added(
        "handed_out_fen",
        Label("发放款物合计", "money and goods handed out"),
        Label("期间内发放的资助款和物品价值之和，款、物分列", "aid paid and goods handed out within the period, apart"),
        YUAN,
        Rows(columns, rows),
        "fen",
        By("kind", "kind", DONATION_KIND),
        HOME,
    )


def _mean(handed_out: Figure) -> Figure:
    """What came to each child who got something, to the fen, half a fen rounded up."""
    rows = handed_out.items
    child, fen = rows.at("child"), rows.at("fen")
    named = rows.having(lambda row: row[child] is not None)
    count = len(set(named.column("child")))
    total = sum(row[fen] for row in named)
    return Figure(
        name="mean_fen",
        label=Label("人均", "mean"),
        definition=Label(
            "写明儿童的款物之和除以这些儿童的人数", "what went to named children, divided by how many they are"
        ),
        unit=YUAN,
        value=Fen((2 * total + count) // (2 * count) if count else 0),
        items=named,
    )
