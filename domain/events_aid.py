"""Events of money and goods: aid in its three steps, donations, the budget.

Whoever asks for aid does not decide it, and whoever decides does not pay: the home asks, the county decides, finance
pays, the guardian confirms.  Each is an entry of its own about the same grant, and they may arrive in any order.
"""

from __future__ import annotations

import datetime as dt
from typing import Annotated

from domain import codes_county as words
from domain.event import ActivityId, ChildId, Event, Label, Note, Photo, Who, event
from domain.quantity import Quantity


@event("aid-requested/1", about="aid", label="资助申请", english="aid requested", sensitivity="S4", kind="W")
class AidRequested(Event):
    """为孩子申请资助：什么项目、为什么、多少钱、分几期；村里证明，乡镇转报。
    Aid was asked for: programme, reason, amount, instalments; the village certifies, the township passes it on."""

    kind: Annotated[str, words.AID_KIND]
    programme: str
    reason: Note
    child: ChildId | None = None
    recipient: str | None = None
    recipient_kind: Annotated[str, words.RECIPIENT] | None = None
    amount_fen: Annotated[int, Label("每期金额", "amount of an instalment")] | None = None
    all_costs: bool = False
    instalments: int = 1
    certified_by: Who | None = None
    passed_by: Who | None = None
    from_on: dt.date | None = None
    on: Annotated[dt.date, Label("申请日期", "asked on")] | None = None
    donor: str | None = None


@event("aid-decided/1", about="aid", label="资助审批", english="aid decided", sensitivity="S4", kind="W")
class AidDecided(Event):
    """县里对资助申请的决定：同意、不同意或候补，都写明理由。
    The county's decision: granted, refused or waiting, with its reason."""

    decision: Annotated[str, words.AID_DECISION]
    on: dt.date
    amount_fen: Annotated[int, Label("每期金额", "amount of an instalment")] | None = None
    reason: Note | None = None
    instalments: int | None = None
    schedule: tuple[dt.date, ...] = ()
    after_leaving: bool = False


@event("aid-paid/1", about="aid", label="资助发放", english="aid paid", sensitivity="S4", kind="W")
class AidPaid(Event):
    """发放资助款：第几期、多少钱、怎样发、凭证号。
    Money was handed out against a voucher."""

    child: ChildId
    amount_fen: int
    on: dt.date
    term: str | None = None
    fund: str | None = None
    payee: str | None = None
    voucher: str | None = None
    instalment: int | None = None
    how: Annotated[str, words.PAID_HOW] | None = None


@event("aid-received/1", about="aid", label="资助签收", english="aid received", sensitivity="S4", kind="W")
class AidReceived(Event):
    """监护人签收某一期资助款，附签收单。
    The guardian confirmed an instalment."""

    instalment: int
    on: dt.date
    by: Annotated[str, Label("签收人", "received by")]
    amount_fen: int | None = None
    form_file: Photo | None = None


@event("aid-stopped/1", about="aid", label="资助停止", english="aid stopped", sensitivity="S4", kind="W")
class AidStopped(Event):
    """从某日起停止资助。
    The aid came to an end."""

    on: dt.date
    reason: Annotated[str, words.STOPPED]
    note: Note | None = None


@event("donation-received/1", about="donation", label="接受捐赠", english="donation received", sensitivity="S2")
class DonationReceived(Event):
    """接受捐赠的款或物：谁捐的、什么、多少、作价、指定用途。
    Money or goods were given."""

    donor: str
    kind: Annotated[str, words.DONATION_KIND]
    item: str
    value_fen: int
    on: dt.date
    quantity: Quantity | None = None
    purpose: str | None = None


@event("goods-issued/1", about="donation", label="发放物资", english="goods issued", sensitivity="S3")
class GoodsIssued(Event):
    """把捐赠的款物发给谁，什么、多少。
    What was given was handed out."""

    item: str
    quantity: Quantity
    on: dt.date
    child: ChildId | None = None
    to: Annotated[str, Label("发给", "to")] | None = None
    value_fen: int | None = None


@event("budget-allocated/1", about="budget", label="预算安排", english="budget allocated", sensitivity="S1", kind="W")
class BudgetAllocated(Event):
    """安排一项预算：科目、年度、金额，是否专款专用。
    A budget line was given its amount for a year."""

    line: str
    year: int
    amount_fen: int
    purpose_bound: bool = False
    purpose: str | None = None
    on: dt.date | None = None


@event("funds-released/1", about="budget", label="经费拨付", english="funds released", sensitivity="S1", kind="W")
class FundsReleased(Event):
    """拨付经费。
    Money of a budget line was released."""

    amount_fen: int
    on: dt.date


@event("expense-recorded/1", about="budget", label="支出", english="expense", sensitivity="S1", kind="W")
class ExpenseRecorded(Event):
    """一笔支出：金额、凭证号、用在哪里。
    Money of a budget line was spent against a voucher."""

    amount_fen: int
    voucher: str
    on: dt.date
    purpose: Annotated[str, Label("用途", "spent for")]
    activity: ActivityId | None = None
