"""When a home tries again: soon after a cut that brought something, ever more slowly otherwise, for ever."""

import asyncio

import pytest

from node import exchanging
from node.exchanging import Exchanger
from node.folder import Config, Folder, Hub, create_folder
from sync.database import OutcomeUnknown
from sync.errors import LocalProtocolError, RefusedByPeer, Unreachable
from sync.store import Store

HUB = Hub(url="http://127.0.0.1:9", key="11" * 32, name="清溪县")


@pytest.fixture
def home(tmp_path):
    """A joined home: (folder, store)."""
    create_folder(tmp_path / "home", Config(kind="home", name="n", code="home-01", hub=HUB))
    store = Store(tmp_path / "home")
    yield Folder(tmp_path / "home", "home"), store
    store.close()


@pytest.fixture
def pauses(monkeypatch):
    """How long was waited each time; nobody really waits."""
    waited = []

    async def sleep(seconds):
        waited.append(seconds)
        if len(waited) > 40:
            raise asyncio.CancelledError

    monkeypatch.setattr(exchanging.asyncio, "sleep", sleep)
    monkeypatch.setattr(exchanging.random, "uniform", lambda low, high: 1.0)
    return waited


def exchanger(home, monkeypatch, script):
    """An exchanger whose attempts go as scripted: an error to raise, or (size to acknowledge, error)."""
    folder, store = home
    made = Exchanger(folder, store, lambda: 1_725_148_800_000)
    steps = iter(script)

    async def once():
        step = next(steps)
        if isinstance(step, tuple):
            made.acknowledged, step = step
        if isinstance(step, Exception):
            raise step
        return step

    monkeypatch.setattr(made, "once", once)
    return made


def test_a_home_that_never_joined_has_nobody_to_ask(tmp_path):
    """Without a hub there is no exchange."""
    create_folder(tmp_path / "home", Config(kind="home", name="n", code="home-01"))
    store = Store(tmp_path / "home")
    with pytest.raises(LocalProtocolError):
        Exchanger(Folder(tmp_path / "home", "home"), store, lambda: 0)
    store.close()


def test_fruitless_tries_wait_ever_longer(home, pauses, monkeypatch):
    """Each try that brought nothing doubles the pause, up to the ceiling; every one is counted."""
    made = exchanger(home, monkeypatch, [Unreachable("nobody")] * 20)
    with pytest.raises(Unreachable):
        asyncio.run(made.until_receipt(15))
    assert pauses == sorted(pauses)
    assert [round(pauses[i + 1] / pauses[i], 3) for i in range(4)] == [2] * 4
    assert max(pauses) == exchanging.PAUSE_S_MAX
    assert home[0].exchange_state().retries == 15
    assert home[0].exchange_state().last_failure == "nobody"


def test_a_cut_that_brought_something_is_tried_at_once(home, pauses, monkeypatch):
    """Progress starts the patience anew: as long as each try brings entries, none is the last."""
    script = [(size, Unreachable("cut")) for size in range(1, 21)] + ["receipt"]
    made = exchanger(home, monkeypatch, script)
    assert asyncio.run(made.until_receipt(2)) == "receipt"
    assert set(pauses) == {exchanging.PAUSE_S_MIN}


def test_a_refusal_is_noted_and_tried_again_later(home, pauses, monkeypatch):
    """In the background a refusal ends nothing: it is shown, and the next round comes, ever more slowly."""
    made = exchanger(home, monkeypatch, [RefusedByPeer("fork", "at 5 entries the hub holds other content")] * 50)
    with pytest.raises(asyncio.CancelledError):
        asyncio.run(made.keep_up(7))
    assert pauses == sorted(pauses)
    assert (pauses[0], max(pauses)) == (7, exchanging.PAUSE_S_MAX)
    assert "other content" in home[0].exchange_state().last_failure


def test_a_store_that_stopped_writing_ends_the_node(home, pauses, monkeypatch):
    """Nothing can be stored any more: that is no reason to wait."""
    made = exchanger(home, monkeypatch, [OutcomeUnknown("the disk")])
    with pytest.raises(OutcomeUnknown):
        asyncio.run(made.keep_up(7))


def test_a_cut_is_not_printed_as_well(home, pauses, monkeypatch, capsys, caplog):
    """What the HTTP library's own task says of a link that was cut is left out; any other failure is printed."""

    async def run():
        made = exchanger(home, monkeypatch, ["receipt"])
        await made.until_receipt()
        loop = asyncio.get_running_loop()
        for error in (exchanging.aiohttp.ClientConnectionResetError("cut"), ZeroDivisionError("ours")):
            loop.call_exception_handler({"message": f"never retrieved: {error}", "exception": error})

    asyncio.run(run())
    assert [record.message.splitlines()[0] for record in caplog.records] == ["never retrieved: ours"]
