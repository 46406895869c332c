"""R09 and R10: cases and counselling as counts; no list names a person or tells the matter."""

from __future__ import annotations

from collections.abc import Iterator

from domain import codes_child as words
from domain.reporting import HOME, TIMES, Asked, By, Figure, Label, Read, Rows, added, amounts, counted, report, share

CASES = Label("件", "cases")
MATTER = "subject home kind channel urgent received_on first_step_on closed_on outcome status of_child steps days"


@report("R09", "维权案件", "cases")
def cases(read: Read, asked: Asked) -> Iterator[Figure]:
    """What was received within the period, and what of it is closed as of the date."""
    received = read("matter", MATTER).within("received_on", asked.period)
    closed_on, day = received.at("closed_on"), asked.as_of.isoformat()
    kind, channel = By("kind", "kind", words.CASE_KIND), By("channel", "channel", words.CASE_CHANNEL)
    yield counted(
        "received",
        Label("受理", "received"),
        Label(
            "期间内受理的来信、来访、来电等", "cases received within the period, by letter, visit, call or otherwise"
        ),
        CASES,
        received,
        kind,
        channel,
        HOME,
    )
    closed = received.having(lambda row: row[closed_on] is not None and row[closed_on] <= day)
    yield counted(
        "closed",
        Label("办结", "closed"),
        Label("期间内受理的案件中，截至日期已办结的", "cases received within the period and closed by the date"),
        CASES,
        closed,
        kind,
        By("outcome", "outcome", words.CASE_OUTCOME),
        HOME,
    )
    yield share(
        "closing_rate",
        Label("办结率", "closing rate"),
        Label("办结数占受理数的比例；名单为未办结的", "closed of received; listed are those still open"),
        closed,
        received,
        kind,
        HOME,
    )
    yield counted(
        "days",
        Label("办结天数", "days to close"),
        Label("已办结案件，按受理到办结的天数", "closed cases by the days from receipt to closing"),
        CASES,
        closed,
        By("days", "days"),
    )
    yield from _steps(read, asked)


def _steps(read: Read, asked: Asked) -> Iterator[Figure]:
    """What was done in cases within the period, whenever they were received."""
    steps = read("case_step_recorded", "subject home at step hours").having(
        lambda row: asked.period.first.isoformat() <= row[2][:10] <= asked.period.last.isoformat()
    )
    step = By("step", "step", words.CASE_STEP)
    yield counted(
        "steps",
        Label("办理经过", "steps"),
        Label("期间内的办理经过，如法律援助、出庭", "steps taken within the period, such as legal aid and hearings"),
        TIMES,
        steps,
        step,
        HOME,
    )
    at = steps.at("step")
    yield counted(
        "stepped",
        Label("办理的案件", "cases with a step"),
        Label(
            "期间内有这种办理经过的案件，同一案件每种计一次；各种之和为总数",
            "cases in which such a step was taken within the period, once for each kind of step",
        ),
        CASES,
        Rows(steps.columns, list({(row[0], row[at]): row for row in steps}.values())),
        step,
        HOME,
    )
    yield amounts(
        "hours",
        Label("投入小时", "hours"),
        Label("期间内写明的小时数之和", "hours stated within the period, added up"),
        Label("小时", "hours"),
        steps.filled("hours"),
        "hours",
        step,
        HOME,
    )


@report("R10", "心理咨询", "counselling")
def counselling(read: Read, asked: Asked) -> Iterator[Figure]:
    """Sessions, minutes and messages within the period; counts only."""
    held = read("counselling_session_held", "subject home on minutes method risk").within("on", asked.period)
    method, risk = By("method", "method", words.METHOD), By("risk", "risk", words.RISK)
    yield counted(
        "sessions",
        Label("咨询次数", "sessions"),
        Label("期间内的心理咨询", "counselling sessions within the period"),
        TIMES,
        held,
        method,
        risk,
        HOME,
    )
    yield added(
        "minutes",
        Label("咨询时长", "minutes"),
        Label("期间内咨询的分钟数之和", "minutes of counselling within the period"),
        Label("分钟", "minutes"),
        held,
        "minutes",
        method,
        HOME,
    )
    last = {row[0]: row for row in held}
    yield counted(
        "persons",
        Label("咨询个案", "cases counselled"),
        Label("期间内有咨询的个案，各计一次", "cases with a session within the period, each once"),
        CASES,
        type(held)(held.columns, list(last.values())),
        HOME,
    )
    columns = "subject home channel at anonymous urgent"
    first, until = asked.period.first.isoformat(), asked.period.last.isoformat()
    messages = read("message_received", columns).having(lambda row: first <= row[3][:10] <= until)
    channel = By("channel", "channel", words.MESSAGE_CHANNEL)
    yield counted(
        "messages",
        Label("信箱与热线", "messages"),
        Label("期间内收到的信箱纸条和热线来电", "notes and calls received within the period"),
        TIMES,
        messages,
        channel,
        HOME,
    )
    answered = frozenset(read("message_answered", "subject").column("subject"))
    yield share(
        "answered",
        Label("回复率", "answered"),
        Label(
            "期间内收到的，至今已回复的比例；名单为未回复的", "answered of those received; listed are those that wait"
        ),
        messages.where(subject=answered),
        messages,
        channel,
        HOME,
    )
