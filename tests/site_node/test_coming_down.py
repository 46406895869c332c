"""What a hub has for a home comes down in whichever way frames travel, and an idle home learns of it by asking."""

from __future__ import annotations

import asyncio
import time

import pytest

from sync import client, log_sql, outbox, welcome_fetching
from sync.log_schema import Kind
from sync.verify import verify
from sync.welcome import Welcomes
from sync.wholeness import make_whole
from tests.site_node.homes import NOW_MS, Home, served
from tests.sync.proxies import buffering
from tests.sync.test_exchange import Hub as Server
from tests.sync.test_exchange import drafts, run

EPOCH = 1
SUBJECTS = 17  # of `drafts`


def box_of(hub: Server, home: Home) -> bytes:
    return outbox.outbox_id(hub.key, home.folder.config.code, EPOCH)


def route(hub: Server, home: Home, count: int) -> None:
    """The county writes so many entries, all of them for this home."""
    hub.store.record(drafts(count)).result(10)

    def work(db):
        box = outbox.open_outbox(hub.store, db, home.folder.config.code, EPOCH)
        streams = [s for n in range(SUBJECTS) for s in log_sql.streams_of_subject(db, n.to_bytes(16, "big"))]
        outbox.append(hub.store, db, box, outbox.missing(db, box, [s for s in streams if s.id >> 40 == own]))

    own = hub.store.branch_id(hub.store.log)
    hub.store.submit(work).result(10)
    hub.server._outbox_of = lambda _: (box_of(hub, home), EPOCH)


@pytest.mark.parametrize(("recorded", "is_buffered"), [(10, False), (300, False), (300, True)],
                         ids=["at once", "streamed", "singly"])  # fmt: skip
def test_an_outbox_comes_down_whichever_way_frames_travel(
    home, hub, recorded, is_buffered, tmp_path, monkeypatch
):  # fmt: skip
    """More than may be unanswered at a time arrives in one turn; what is added later by the next question."""
    monkeypatch.setattr(client, "HEARING_TIMEOUT_S", 0.4 if is_buffered else 1000)
    home.record(recorded)
    route(hub, home, 1700)

    async def work() -> None:
        async with served(hub) as direct, buffering(direct, tmp_path) as slow:
            made = home.exchanger(slow if is_buffered else direct)
            await made.turn()
            assert (home.is_up_to_date, outbox.size_of(home.store, box_of(hub, home))) == (True, 1700)
            exchanges = home.folder.exchange_state().exchanges
            await made.turn()
            assert home.folder.exchange_state().exchanges == exchanges  # it only asked
            route(hub, home, 30)
            await made.turn()
            assert outbox.size_of(home.store, box_of(hub, home)) == 1730
            assert home.folder.exchange_state().exchanges == exchanges + 1
            assert (home.folder.exchange_state().retries, bool(home.folder.exchange_state().singly_url)) == (
                0,
                is_buffered,
            )

    run(work())


@pytest.mark.parametrize(("waiting", "requests"), [(0, 1), (100, 2), (4000, 2)])
def test_much_is_streamed_for_a_little_is_asked_for(home, hub, waiting, requests, monkeypatch):
    """Who has said all in one short request opens a stream for what takes longer than one more."""
    home.record(10)
    route(hub, home, waiting)
    posted, post = [], client.Exchange._post

    async def counting(self, http, body):
        posted.append(type(body))
        await post(self, http, body)

    monkeypatch.setattr(client.Exchange, "_post", counting)

    async def work() -> None:
        async with served(hub) as url:
            await home.exchanger(url).turn()
            assert len(posted) == requests
            assert (bytes in posted, posted[-1] is not bytes) == (True, waiting >= client.MUCH_ROWS)
            assert outbox.size_of(home.store, box_of(hub, home)) == waiting

    run(work())


def test_another_log_of_the_home_is_learned_by_asking(home, homes, hub):
    """What another folder of the same home brought to the county comes to an idle one with the next question."""
    other = homes()
    keys = {one.store.log: one.store.signer.public_key for one in (home, other)}
    hub.server._logs_of = lambda _: keys
    home.record(10)
    other.record(40)

    async def work() -> None:
        async with served(hub) as url:
            made = home.exchanger(url)
            await made.turn()
            await other.exchanger(url).turn()
            await made.turn()
            assert home.store.size(other.store.log) == 40
            other.record(5)
            await other.exchanger(url).turn()
            await made.turn()
            assert home.store.size(other.store.log) == 45

    run(work())


@pytest.mark.parametrize("is_buffered", [False, True], ids=["streamed", "singly"])
def test_a_new_pc_is_used_while_its_homes_log_comes_down(
    homes, hub, is_buffered, tmp_path, monkeypatch
):  # fmt: skip
    """What is recorded meanwhile goes to the county at once, and the rest still comes; each way of travelling."""
    monkeypatch.setattr(client, "HEARING_TIMEOUT_S", 0.4 if is_buffered else 1000)
    old, new = homes(), homes()
    keys = {one.store.log: one.store.signer.public_key for one in (old, new)}
    hub.server._logs_of = lambda _: keys
    hub.server._welcomes = Welcomes(hub.store, lambda _: new.folder.config.code, lambda _: [], lambda: NOW_MS)
    old.record(3000)

    async def work() -> None:
        async with served(hub) as direct, buffering(direct, tmp_path) as slow:
            await old.exchanger(direct).until_receipt()
            made = new.exchanger(slow if is_buffered else direct)
            fetching = asyncio.create_task(made.until_receipt())
            kinds = set()
            while not fetching.done():
                found = [branch for branch in new.store.branches() if branch.log == old.store.log]
                kinds |= {branch.kind for branch in found}
                seen = new.store.seen(bytes(16))
                if found and new.store.size(new.store.log) < 4 + bool(seen):  # one of them has seen something
                    new.store.record([drafts(1)[0]._replace(deps=seen)]).result(10)
                await asyncio.sleep(0.02)
            await fetching
            assert Kind.COMING in kinds
            assert new.store.branch(old.store.log).kind == Kind.KIN
            assert new.is_up_to_date
            assert new.store.size(new.store.log) in (4, 5)
            assert new.store.root(old.store.log, 3000) == old.store.root(old.store.log, 3000)
            mine = [one.body() for one in new.store.entries_of_subject(bytes(16)) if one.log == new.store.log]
            assert any(old.store.log in body.deps for body in mine)
            state = new.folder.exchange_state()
            await made.turn()
            assert new.folder.exchange_state().exchanges == state.exchanges  # it only asked
            assert state.last_failure == ""
        assert verify(new.store, None, lambda _: None).ok

    run(work())


def test_a_slow_pc_does_not_take_its_own_work_for_the_hubs_silence(homes, hub, monkeypatch):
    """Long work on what came is not interrupted: the exchange that brought it ends as it should."""
    old, new = homes(), homes()
    keys = {one.store.log: one.store.signer.public_key for one in (old, new)}
    hub.server._logs_of = lambda _: keys
    hub.server._welcomes = Welcomes(hub.store, lambda _: new.folder.config.code, lambda _: [], lambda: NOW_MS)
    old.record(1000)

    def slowly(store):
        time.sleep(1.5)
        return make_whole(store)

    monkeypatch.setattr(welcome_fetching, "make_whole", slowly)

    async def work() -> None:
        async with served(hub) as url:
            await old.exchanger(url).until_receipt()
            monkeypatch.setattr(client, "SILENCE_TIMEOUT_S", 1.0)
            await new.exchanger(url).until_receipt(1)
            assert new.folder.exchange_state().retries == 0

    run(work())
    assert new.store.root(old.store.log, 1000) == old.store.root(old.store.log, 1000)
