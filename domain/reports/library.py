"""R07: what stands on the shelves, what is lent, what is late, and who reads."""

from __future__ import annotations

from collections.abc import Iterator

from domain.codes import CONDITION, LOAN_OUTCOME
from domain.codes_place import BOOK_FROM
from domain.reporting import CHILDREN, HOME, TIMES, Asked, By, Figure, Label, Read, Rows, added, counted, report
from domain.touching import touching

COPIES = Label("册", "copies")


@report("R07", "图书借阅", "library")
def library(read: Read, asked: Asked) -> Iterator[Figure]:
    """Stock as of the date, loans of the period."""
    yield added(
        "stock",
        Label("藏书", "stock"),
        Label("登记入藏的册数", "copies entered in the stock"),
        COPIES,
        read("book_acquired", "subject home title mark copies source condition"),
        "copies",
        HOME,
        By("source", "source", BOOK_FROM),
        By("condition", "condition", CONDITION),
    )
    columns = "subject home child book out_on due_on closed_on outcome condition withdrawn"
    loans = read("loan", columns, touching=touching("out_on", "closed_on", asked.period, asked.as_of)).where(
        withdrawn=0
    )
    lent = loans.within("out_on", asked.period)
    yield counted(
        "loans",
        Label("借出", "loans"),
        Label("期间内借出的次数", "loans that began within the period"),
        TIMES,
        lent,
        HOME,
    )
    child = lent.at("child")
    readers = {row[child]: row for row in lent}
    yield counted(
        "readers",
        Label("借书儿童", "children who borrowed"),
        Label("期间内借过书的儿童，各计一次", "children who borrowed within the period, each once"),
        CHILDREN,
        Rows(lent.columns, list(readers.values())),
        HOME,
    )
    back = loans.within("closed_on", asked.period)
    yield counted(
        "closed",
        Label("了结", "loans closed"),
        Label("期间内归还、遗失或损坏的", "loans that ended within the period, by how they ended"),
        TIMES,
        back,
        By("outcome", "outcome", LOAN_OUTCOME),
        HOME,
    )
    out = _out(loans, asked.as_of.isoformat())
    yield counted(
        "out",
        Label("在借", "on loan"),
        Label("截至日期借出未还", "lent and not yet back as of the date"),
        TIMES,
        out,
        HOME,
    )
    due, day = out.at("due_on"), asked.as_of.isoformat()
    yield counted(
        "overdue",
        Label("超期未还", "overdue"),
        Label("截至日期借出未还，且已过应还日期", "on loan as of the date and due before it"),
        TIMES,
        out.having(lambda row: row[due] is not None and row[due] < day),
        HOME,
    )


def _out(loans: Rows, day: str) -> Rows:
    """Lent by a day and not back by it."""
    out, back = loans.at("out_on"), loans.at("closed_on")
    return loans.having(lambda row: row[out] is not None and row[out] <= day and (row[back] is None or row[back] > day))
