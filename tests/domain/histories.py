"""Generated histories of one child over three logs, as the logs' authors may really have written them."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Sequence
from typing import Any

from hypothesis import strategies as st

from domain import events as e
from domain.event import UnknownEvent, UnreadableEvent
from domain.records import Record
from tests.domain.domain_samples import DAY, Writer, correction, phone, registered, talk, withdrawal

HOMES = ("home-01", "home-02", "")
PHONES = ["15411111111", "16322222222", "16433333333"]
Pick = Callable[[Sequence[Any]], Any]


def events(pick: Pick, before: Sequence[Any]) -> list[Any]:
    """Events of every kind that may follow; corrections, withdrawals and settlements name entries of the past.

    `pick` takes one of several values, for whoever generates; what is of the past has an `id`.
    """
    day = DAY + dt.timedelta(days=pick(range(91)))
    plain = [
        talk(day, pick(range(1, 61))),
        phone(pick(PHONES), pick(["guardian_phone", "father_phone", "home_phone"])),
        e.GuardianRecorded(name=pick(["王梅", "李山"]), kinship="maternal_grandmother", from_on=day),
        e.GuardianEnded(on=day, reason="去世"),
        e.ChildCategoryAssessed(categories=pick([("left_behind",), ("none",)]), assessed_on=day),
        e.FamilyContactMade(kind="call", on=day, reached=pick([True, False]), minutes=5),
        registered(on=day),
        e.ChildTransferRequested(to_home=pick(HOMES[:2]), on=day),
        e.ChildTransferAccepted(on=day, accepted=pick([True, False]), address="清溪县白水乡东湾村1组1号"),
        e.ChildDeregistered(on=day, reason="moved"),
        e.ChildDetailsChanged(field="grade", value=pick([3, 4, "张三"])),
        UnknownEvent("weather-balloon-launched/1", {"height_m": 3}),
        UnreadableEvent("talk-held/1", {"on": 3}, "on"),
        None,
    ]
    if before:
        target = pick(before)
        fields = ["minutes", "on", "value", "field", "address", "name", "registered_on", "nonsense"]
        fields += ["accepted", "home", "to_home"]
        values = [12, "2024-10-05", "16300000009", "father_phone", "王梅", None, "3", True, *HOMES[:2]]
        plain += [
            correction(target, pick(fields), pick(values)),
            correction(target, pick(["minutes", "on", "value", "accepted"]), pick(values)),
            withdrawal(target),
            e.ConflictSettled(
                field=pick(["guardian_phone", "home", "father_phone", f"fact:{target.id.hex()}:on"]),
                value=pick(values),
                saw=(),
            ),
        ]
    return plain


@st.composite
def histories(draw: st.DrawFn) -> list[Record]:
    """Entries of three logs, each author having seen some of the others' past; some recorded again after a fork."""

    def pick(options: Sequence[Any]) -> Any:
        return draw(st.sampled_from(options))

    writers = [Writer(home, log=f"log {n}") for n, home in enumerate((*HOMES[:2], HOMES[0]))]
    written: list[Record] = []
    for _ in range(draw(st.integers(1, 18))):
        writer = draw(st.sampled_from(writers))
        sees = draw(st.lists(st.sampled_from(written), max_size=2)) if written else []
        sees = [one for one in sees if one.log != writer.log]
        again = [one for one in written if one.home == writer.home and one.log != writer.log and one.event]
        if again and draw(st.integers(0, 5)) == 0:
            old = draw(st.sampled_from(again))
            written.append(writer.write(old.event, *sees, first_id=old.first_id or old.id))
        else:
            written.append(writer.write(pick(events(pick, written)), *sees))
    return written
