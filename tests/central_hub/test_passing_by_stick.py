"""What a hub may pass on by stick, and what stays where it is."""

from __future__ import annotations

import datetime as dt
import shutil
from functools import partial
from pathlib import Path

from central_hub import taking
from central_hub.bundling import passed
from node import answers, journeys
from node.records import draft_of
from sync import epoch
from sync.entry import log_id
from tests.central_hub.test_tiers import CHILD, NOW_MS, bring, clock, key, offices
from tests.domain.domain_samples import talk

__all__ = ["offices"]


def nothing(_done: int) -> None:
    """No progress is shown."""


def send(office, out) -> list:
    """The bundles of a hub's journey."""
    above = bytes.fromhex(office.folder.config.hub.key)
    logs = passed(office.store, office.registry, above)
    made = journeys.journey(office.folder, office.store, photos=False, part_size=10**6, passed=logs)
    return [part for bundler in made for part in bundler.write(out, nothing)]


def round_trip(office, above, out) -> list:
    """Up and down again; what the county was told of each file of the answer."""
    out.mkdir(exist_ok=True)
    taker = taking.taker_of(above.folder, above.store, above.registry, clock)
    replies = [taker.take(part.path, nothing) for part in send(office, out)]
    made = taking.answer(above.folder, out, taking.by_node(replies), 10**6, photos=False)
    take = partial(answers.take_file, office.folder, office.store, clock, lambda _: None)
    return [take(Path(one["file"]), nothing) for one in made]


def test_a_hub_passes_on_what_it_names_and_nothing_else(offices):
    """Its homes' logs are its own to bring; another county's, a stranger's, or any by a home's hand are not."""
    bring(offices)
    qingxi, baihe, above = (offices[name] for name in ("qingxi", "baihe", "hejian"))
    passed_by, home = above.registry.passed_by, qingxi.home
    assert passed_by(qingxi.store.log, home.log) == home.signer.public_key
    assert passed_by(baihe.store.log, home.log) is None
    assert passed_by(baihe.home.log, home.log) is None
    assert passed_by(above.store.log, home.log) is None
    assert passed_by(log_id(key(9)), home.log) is None
    assert passed_by(qingxi.store.log, log_id(key(9))) is None
    assert above.registry.all_passed_by(qingxi.store.log) == [home.log]
    assert above.registry.all_passed_by(home.log) == []
    assert offices["hebei"].registry.passed_by(above.store.log, home.log) == home.signer.public_key


def test_a_log_of_two_hubs_goes_up_when_it_is_said_whose_it_is(offices):
    """What rests on two hubs' word stays until this hub has said whose it is."""
    home, above = offices["qingxi"].home, offices["hejian"]
    home.record([draft_of(CHILD, talk(), "w", NOW_MS)]).result()
    offices["baihe"].admit("home-07", home.signer.public_key)
    bring(offices)
    key_above = bytes.fromhex(above.folder.config.hub.key)

    def goes() -> bool:
        return home.log in {one.log.log for one in passed(above.store, above.registry, key_above)}

    assert above.registry.unclaimed() == {home.log}
    assert not goes()
    above.registry.settle_claims()
    assert goes()


def test_what_is_held_otherwise_above_is_said_and_not_sent(offices, tmp_path):
    """The hub above has another copy of a home's log: it is left alone, and a person is told; the rest goes on."""
    qingxi, above = offices["qingxi"], offices["hejian"]
    home = qingxi.home
    out = tmp_path / "stick"
    home.record([draft_of(CHILD, talk(), "w", NOW_MS)]).result()
    qingxi.take(home, home.log)
    round_trip(qingxi, above, out)
    assert above.store.size(home.log) == 1
    copy = offices["hebei"].path.parent / "copy-of-home"
    home.close()
    shutil.copytree(home.folder, copy)
    home, twin = type(home)(home.folder), type(home)(copy)
    qingxi.home = home
    home.record([draft_of(CHILD, talk(on=dt.date(2024, 9, 3)), "w", NOW_MS)]).result()
    twin.record([draft_of(CHILD, talk(on=dt.date(2024, 9, 4)), "w", NOW_MS)]).result()
    above.take(twin, twin.log)
    qingxi.take(home, home.log)
    said = [one["why"] or "" for one in round_trip(qingxi, above, out)]
    assert home.log.hex() in "".join(said)
    assert "审计" in "".join(said)
    assert home.log not in {part.log for part in send(qingxi, out)}
    assert epoch.current(qingxi.store) == 1
    assert above.store.size(qingxi.store.log) == qingxi.store.size(qingxi.store.log)
    twin.close()
