"""One bad entry, or a line that changes bits, holds back nothing else: real stores, real sockets."""

from __future__ import annotations

import contextlib

from sync import damage, log_sql
from tests.by_hand import by_hand
from tests.site_node.homes import Home, served
from tests.sync.proxies import Flipping, tapped
from tests.sync.test_exchange import Hub as Server
from tests.sync.test_exchange import run


def test_a_line_that_changes_bits(home: Home, hub: Server) -> None:
    """A damaged frame is found by its checksum and sent again, until all has arrived; nothing wrong is stored."""
    home.record(8000)

    flips: list[int] = []

    async def work() -> None:
        async with served(hub) as direct, tapped(direct, Flipping()) as line:
            await home.exchanger(line.url).until_receipt(5)
            flips.append(len(line.portions))

    run(work())
    assert flips[0] > 3
    assert home.is_up_to_date
    assert home.store.root(home.store.log, 8000) == hub.store.root(home.store.log, 8000)
    assert home.folder.exchange_state().retries > 1


def test_entries_that_the_county_takes_for_wrong(home: Home, hub: Server) -> None:
    """A stream whose key is damaged at the hub: pushes are halved to its entries, all the rest arrives."""
    home.record(20)

    async def work() -> None:
        async with served(hub) as url:
            made = home.exchanger(url)
            await made.until_receipt(5)
            spoil_key_of_first_stream(home, hub)
            home.record(20)
            await made.until_receipt(5)

    run(work())
    assert home.is_up_to_date
    entries = list(hub.store.entries_of_log(home.store.log))
    fold = [entry.seq for entry in entries if entry.packed is None and entry.seq > 20]
    mine = [entry.seq for entry in home.store.entries_of_subject((0).to_bytes(16, "big"))]
    assert set(fold) == {seq for seq in mine if seq > 20} != set()
    said = [entry.body() for entry in home.store.entries_of_log(home.store.log, 40)]
    assert [body.payload["seq"] for body in said if body.payload["why"] == damage.REFUSED] == fold
    assert all(entry.packed is not None for entry in home.store.entries_of_log(home.store.log))


def spoil_key_of_first_stream(home: Home, hub: Server) -> None:
    """One bit of the key that the hub keeps for the stream about the first subject."""
    subject, branch = (0).to_bytes(16, "big"), hub.store.branch_id(home.store.log)
    number = hub.store.reading(lambda db: log_sql.stream_of_subject(db, subject, branch)).key
    with contextlib.closing(by_hand(hub.store.folder / "keys.db")) as keys:
        key = bytearray(keys.execute("SELECT value FROM stream_key WHERE id=?", (number,)).get)
        key[5] ^= 1
        keys.execute("UPDATE stream_key SET value=? WHERE id=?", (bytes(key), number))
    hub.store.keyring._cache.clear()
    hub.store.forget_seals()
