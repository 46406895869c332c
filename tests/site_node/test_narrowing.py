"""One bad entry, or a line that changes bits, holds back nothing else: real stores, real sockets."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

from sync import damage, log_sql
from tests.by_hand import by_hand
from tests.site_node.test_connection import Home, home, homes, hub, served  # noqa: F401 -- fixtures
from tests.sync.proxies import Tap
from tests.sync.test_exchange import Hub as Server
from tests.sync.test_exchange import run


class Flipping(Tap):
    """Flips one bit in every so many bytes, up and down; only in what no text of HTTP can be."""

    every_bytes = 4_000

    async def _carry(self, way: str, source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        left = self.every_bytes
        with contextlib.suppress(ConnectionError):
            while data := bytearray(await source.read(4096)):
                left -= len(data)
                at = next((n for n, byte in enumerate(data) if byte > 0x80), None)
                if left < 0 and at is not None:
                    data[at] ^= 1
                    left = self.every_bytes
                    self.portions.append((way, 1))
                sink.write(data)
        sink.close()


@contextlib.asynccontextmanager
async def flipped(hub_url: str) -> AsyncIterator[Flipping]:
    """A bad line before the hub."""
    tap, port = Flipping(), int(hub_url.rpartition(":")[2])
    server = await asyncio.start_server(lambda r, w: tap.serve(port, r, w), "127.0.0.1", 0)
    tap.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield tap
    finally:
        server.close()
        tap.drop()
        await asyncio.sleep(0.02)  # its connections see the end


def test_a_line_that_changes_bits(home: Home, hub: Server) -> None:  # noqa: F811
    """A damaged frame is found by its checksum and sent again, until all has arrived; nothing wrong is stored."""
    home.record(8000)

    flips: list[int] = []

    async def work() -> None:
        async with served(hub) as direct, flipped(direct) as line:
            await home.exchanger(line.url).until_receipt(5)
            flips.append(len(line.portions))

    run(work())
    assert flips[0] > 3
    assert home.is_up_to_date
    assert home.store.root(home.store.log, 8000) == hub.store.root(home.store.log, 8000)
    assert home.folder.exchange_state().retries > 1


def test_entries_that_the_county_takes_for_wrong(home: Home, hub: Server) -> None:  # noqa: F811
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


def spoil_key_of_first_stream(home: Home, hub: Server) -> None:  # noqa: F811
    """One bit of the key that the hub keeps for the stream about the first subject."""
    subject, branch = (0).to_bytes(16, "big"), hub.store.branch_id(home.store.log)
    number = hub.store.reading(lambda db: log_sql.stream_of_subject(db, subject, branch)).key
    with contextlib.closing(by_hand(hub.store.folder / "keys.db")) as keys:
        key = bytearray(keys.execute("SELECT value FROM stream_key WHERE id=?", (number,)).get)
        key[5] ^= 1
        keys.execute("UPDATE stream_key SET value=? WHERE id=?", (bytes(key), number))
    hub.store.keyring._cache.clear()
    hub.store.forget_seals()
