"""A home's photographs on their way to the county: all of them, in several exchanges, and again where one was lost."""

from __future__ import annotations

import asyncio
import shutil
from contextlib import closing

import pytest

from node import exchanging
from node.exchanging import Exchanger
from node.folder import Hub
from sync.batch import Draft
from sync.errors import RefusedByPeer, RemoteProtocolError, Unreachable
from sync.file_transfer import FILES_COUNT_MAX
from sync.files import Files
from sync.server import ExchangeServer
from sync.store import Store
from tests.sync.test_exchange import Hub as Server
from tests.sync.test_exchange import run, serving, through_a_line

NOW_MS = 1_741_392_000_000
ONE = (1).to_bytes(16, "big")


@pytest.fixture(autouse=True)
def impatient(monkeypatch):
    """Nobody waits long."""
    monkeypatch.setattr(exchanging, "PAUSE_S_MIN", 0.01)
    monkeypatch.setattr(exchanging, "PAUSE_S_MAX", 0.01)


@pytest.fixture
def home(homes):
    """A home with some entries that belongs to the hub: its folder and its store."""
    made = homes()
    made.store.record([Draft("a/1", "w", ONE, NOW_MS, n) for n in range(5)]).result(10)
    return made.folder, made.store


def add(store, count: int, size: int = 300) -> list[bytes]:
    return [store.files.add(store.log, bytes([n]) * size, "image/jpeg", [ONE], NOW_MS) for n in range(count)]


def exchanger(home, hub, url: str) -> Exchanger:
    folder, store = home
    folder.save_config(hub=Hub(url=url, key=hub.key.hex(), name="清溪县"))
    return Exchanger(folder, store, lambda: NOW_MS)


def test_more_than_one_exchange_carries(home, hub):
    """All photographs arrive, in as many exchanges as it takes, and the last receipt covers all entries."""
    names = add(home[1], 2 * FILES_COUNT_MAX + 3)

    async def work() -> None:
        async with serving(hub):
            kept = await exchanger(home, hub, hub.url).until_receipt(3)
            assert kept.signed.size == 5

    run(work())
    assert [file.name for file in hub.store.files.files_of() if file.complete] == names
    assert home[1].files.waiting() == []
    assert home[0].exchange_state().exchanges == 3


def test_a_line_that_is_always_cut_brings_them_all(home, hub):
    """Every connection is reset after three chunks: what each brought is kept, and patience does not run out."""
    names = add(home[1], 3, 100_000)

    async def work() -> None:
        async with serving(hub), through_a_line(hub) as line:
            line.up_bytes_max = 52_000
            kept = await exchanger(home, hub, line.url).until_receipt(3)
            assert kept.signed.size == 5
            assert line.cuts >= 5

    run(work())
    assert [file.name for file in hub.store.files.files_of() if file.complete] == names


def test_a_cut_among_them_leaves_the_receipt_noted(home, hub):
    """The exchange's receipt counts, for `status` too, although its photographs did not come through."""
    add(home[1], 1, 100_000)

    async def work() -> None:
        async with serving(hub), through_a_line(hub) as line:
            line.up_bytes_max = 20_000
            with pytest.raises(Unreachable):
                await exchanger(home, hub, line.url).once()

    run(work())
    assert home[0].exchange_state().last_exchange_ms == NOW_MS
    assert home[1].last_checkpoint(home[1].log, with_receipt=True).size == 5
    assert (home[0].path / "checkpoint.txt").exists()
    assert len(home[1].files.waiting()) == 1


def test_a_hub_that_was_restored_gets_them_again(home, hub, tmp_path):
    """A hub that holds less than its receipt said is offered everything again, and asks for what it lost."""
    _, store = home
    kept, lost = add(store, 1), []

    async def first() -> None:
        async with serving(hub):
            await exchanger(home, hub, hub.url).until_receipt(3)
            shutil.copytree(hub.store.folder, tmp_path / "backup")
            store.record([Draft("a/1", "w", ONE, NOW_MS, 9)]).result(10)
            lost.extend(add(store, 2, 40_000))
            await exchanger(home, hub, hub.url).until_receipt(3)

    run(first())
    assert store.files.waiting() == []
    restored = Server(Store(tmp_path / "backup"))
    restored.register(store)
    assert [file.name for file in restored.store.files.files_of()] == kept

    async def second() -> None:
        async with serving(restored):
            made = exchanger(home, restored, restored.url)
            await made.until_receipt(3)  # finds that it holds less
            await made.until_receipt(3)

    with closing(restored.store):
        run(second())
        assert [file.name for file in restored.store.files.files_of() if file.complete] == kept + lost
        assert store.files.waiting() == []


def test_one_that_ends_the_exchange_goes_behind_the_others(home, hub, monkeypatch):
    """A photograph over which an exchange ends is tried last the next time, so the others come through."""
    poison, *others = add(home[1], 4)
    take = ExchangeServer._take_file

    async def choking(self, log, files, message):
        if message.name == poison:
            raise RemoteProtocolError("this one I cannot take")
        return await take(self, log, files, message)

    monkeypatch.setattr(ExchangeServer, "_take_file", choking)

    async def work() -> None:
        async with serving(hub):
            made = exchanger(home, hub, hub.url)
            for _ in range(2):
                with pytest.raises(RefusedByPeer, match="cannot take"):
                    await made.until_receipt(3)

    run(work())
    assert [file.name for file in hub.store.files.files_of()] == others
    assert home[1].files.waiting() == [poison]
    assert home[1].last_checkpoint(home[1].log, with_receipt=True).size == 5


def test_many_that_the_hub_does_not_take_block_nothing(home, hub, monkeypatch):
    """More unfit photographs than one exchange carries: each is tried once a round, and those behind them arrive."""
    names = add(home[1], FILES_COUNT_MAX + 5)
    begin = Files.begin

    def choosy(self, log, manifest, key, subjects, now_ms, signature):
        if manifest.name(key) in names[:-2]:
            raise RemoteProtocolError("this hub takes no such photographs")
        return begin(self, log, manifest, key, subjects, now_ms)

    monkeypatch.setattr(Files, "begin", choosy)

    async def work() -> None:
        async with serving(hub):
            made = exchanger(home, hub, hub.url)
            for _ in range(2):
                await made.until_receipt(3)

    run(work())
    assert home[1].files.waiting() == names[:-2]
    assert [file.name for file in hub.store.files.files_of()] == names[-2:]
    assert "no such photographs" in home[0].exchange_state().last_failure
    assert home[0].exchange_state().exchanges == 2 + 2


def test_what_the_county_erased_is_said(home, hub):
    """A photograph that the county has erased is no longer waiting, and the exchange says why."""
    names = add(home[1], 2)
    asyncio.run(asyncio.to_thread(hub.store.files.destroy, [], names[:1]))

    async def work() -> None:
        async with serving(hub):
            await exchanger(home, hub, hub.url).until_receipt(3)

    run(work())
    assert home[1].files.waiting() == []
    assert "erased" in home[0].exchange_state().last_failure
    assert [file.name for file in hub.store.files.files_of()] == names[1:]
