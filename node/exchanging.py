"""When a node exchanges with its hub, and what it does after a failure: a home with its county, a hub with its parent.

An exchange is tried until the hub's receipt covers everything that was stored when it began. An attempt that was cut
but brought something forward is followed by the next one almost at once; one that brought nothing waits twice as long
as the one before, up to a ceiling, with jitter so that a county's homes do not come back all in one second, for ever.
The only state that counts is on the disks: the hub's size of our log, and our last receipt.

Between exchanges the connection is kept. Where nothing waits here, and an exchange was not long ago, the hub is only
asked in the fewest bytes whether it still holds what its receipt said, and has nothing new for this home beside it: a
day of asking costs less than one photograph. A proxy that does not let a request be streamed is remembered for a day,
then tried again.

Photographs follow behind the receipt, some in each exchange, so that a new entry never waits for more than the chunks
that are on their way. Where the hub turns out to hold less than its receipt said, all of them are offered again. One
that ends an exchange with an error goes behind the others the next time; one that is not taken is tried once a round.

Where the hub shows that others continued the own log, the node goes on in a new one, and asks again (`healing`).
"""

from __future__ import annotations

import asyncio
import random
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any, Final

import aiohttp
import apsw

from node import healing
from node.clock import Clock
from node.coming import Watch, here
from node.folder import CONFIG_FILE, Folder
from node.narrowing import Narrowing
from node.obeying import Erase, obey
from node.progress import Show
from sync import erasure
from sync.client import Exchange, connect, has_news
from sync.database import NotStored
from sync.entry import log_id
from sync.errors import (
    Diverged,
    EntryDamaged,
    LocalProtocolError,
    LogCorrupt,
    RefusedByPeer,
    RemoteProtocolError,
    Unreachable,
    VerificationError,
)
from sync.fetching import Fetching
from sync.messages import UNKNOWN, Beside
from sync.outbox_fetching import OutboxFetching
from sync.pacing import PUSH_SIZE_BYTES_FIRST, Pace
from sync.replicator import KeepReceipt, Sender
from sync.store import Store
from sync.welcome_fetching import WelcomeFetching

PAUSE_S_MIN: Final = 0.1
PAUSE_S_MAX: Final = 300.0
TRIES_WITHOUT_PROGRESS_MAX: Final = 5
WHOLE_EVERY_MS: Final = 3600 * 1000  # an exchange with a receipt, even if nothing is new: the county sees it was here
PROGRESS_S: Final = 0.2
SINGLY_FOR_MS: Final = 24 * 3600 * 1000


class Exchanger:
    """One node's exchanges with its hub; use it from one task."""

    def __init__(self, folder: Folder, store: Store, clock: Clock, erase: Erase = lambda _: None) -> None:
        """`erase` carries out what the county orders."""
        self._erase = erase
        hub = folder.config.hub
        if hub is None:
            raise LocalProtocolError("a node that has not joined has nobody to exchange with")
        self._folder = folder
        self._store = store
        self._clock = clock
        self._url = hub.url
        self._hub_key = bytes.fromhex(hub.key)
        self._http: aiohttp.ClientSession | None = None
        self.pace = Pace()
        self._push_size_bytes = PUSH_SIZE_BYTES_FIRST
        self._asks_first = False
        self._exchanged_ms: int | None = None  # when the last exchange came to its end, if none has failed since
        self._beside = Beside(0, 0, 0)  # what the hub has beside the own log, as it said then
        self._pause_s = PAUSE_S_MIN
        self._log = store.log
        receipt = store.last_checkpoint(store.log, with_receipt=True)
        self.acknowledged = self._receipted = receipt.size if receipt else 0
        self._chunks = 0  # of photographs, that came to the hub
        self._left = False  # whether the last exchange did not come to all photographs and other logs
        self._unknown: set[bytes] = set()  # logs that the hub has forgotten, of which it is told how they came to be
        self._owes = False  # whether an order of the county's could not be carried out yet
        self._put_off: set[bytes] = set()  # photographs that are not tried again before the next round
        self._delivered = 0  # entries that came down
        self._has_lost = False  # whether the hub held less of some log than its receipt said
        self._is_hub = folder.config.kind == "hub"
        self._pushed: dict[bytes, int] = {}  # how many entries of each other log the hub acknowledged
        self._put_last: bytes | None = None
        self.watch: Watch | None = None  # of the exchange that is under way
        self._narrowing = Narrowing(store, clock, is_hub=self._is_hub)
        self._damaged = 0  # entries whose content was met damaged

    async def keep_up(self, every_s: float) -> None:
        """Exchange for ever: at once, then whenever the time has come."""
        async with connect() as self._http:
            while True:
                pause_s = every_s
                try:
                    await self.turn()
                except (RefusedByPeer, RemoteProtocolError, VerificationError, LogCorrupt) as error:
                    self._note(last_failure=str(error))  # a person may act, here or at the county; pages go on
                    self._pause_s = min(PAUSE_S_MAX, self._pause_s * 2)
                    pause_s = max(every_s, self._pause_s)
                except (apsw.FullError, NotStored) as error:  # the receipt could not be kept here: it comes again
                    self._note(last_failure=f"the receipt is not stored: {error}")
                await asyncio.sleep(pause_s * random.uniform(0.9, 1.1))  # noqa: S311 -- jitter, not a secret

    async def turn(self) -> None:
        """What the time asks for: an exchange, or only the question whether one is needed."""
        if not await self._is_settled():
            await self.until_receipt()

    async def _is_settled(self) -> bool:
        now_ms = self._clock()
        if self._left or self._owes or self._exchanged_ms is None:
            return False
        if not 0 <= now_ms - self._exchanged_ms < WHOLE_EVERY_MS:
            return False
        size = await asyncio.to_thread(self._store.size, self._own())
        waiting = await asyncio.to_thread(self._store.files.waiting)
        if size != self._receipted or waiting:
            return False
        try:
            async with self._connection() as http:
                is_settled = not await has_news(http, self._url, self._store.log, size, self._beside)
        except Unreachable:  # the exchange that is now due says it, and is tried again
            return False
        if is_settled:
            self._note(last_exchange_ms=now_ms)
        return is_settled

    @asynccontextmanager
    async def _connection(self) -> AsyncIterator[aiohttp.ClientSession]:
        """The connection that is kept, or one for this moment."""
        if self._http is not None:
            yield self._http
            return
        async with connect() as http:
            yield http

    async def until_receipt(self, tries_max: int | None = None) -> KeepReceipt:
        """Try until the hub's receipt covers all entries and no photograph is left that it would take.

        Raises Unreachable after `tries_max` fruitless tries.
        """
        asyncio.get_running_loop().set_exception_handler(_leave_out_cuts)
        fruitless = 0
        self._put_off.clear()
        while True:
            before = self._progress()
            try:
                kept = await self.once()
                if not self._left:
                    return kept
            except Unreachable as error:
                self._note(retries=self._folder.exchange_state().retries + 1, last_failure=str(error))
                fruitless = 0 if self._progress() > before else fruitless + 1
                if tries_max is not None and fruitless >= tries_max:
                    raise
            else:
                continue
            self._pause_s = PAUSE_S_MIN if fruitless == 0 else min(PAUSE_S_MAX, self._pause_s * 2)
            await asyncio.sleep(self._pause_s * random.uniform(0.5, 1.5))  # noqa: S311 -- jitter, not a secret

    def _progress(self) -> tuple[int, ...]:
        """What grows with whatever an exchange brought forward."""
        own = (self._narrowing.steps, self.acknowledged, self._chunks, self._delivered)
        return *own, sum(self._pushed.values()), self.pace.resumed_bytes

    def _obey(self) -> int:
        """Carry out what the county has ordered; what fails is tried again after the next exchange. How many orders."""
        done, owed = obey(self._folder, self._store, self._erase)
        self._owes = bool(owed)
        if owed:
            self._note(last_failure=owed)
        return done

    async def once(self) -> KeepReceipt:
        """One attempt, about the own log and then about the other ones."""
        self._exchanged_ms = None
        try:
            kept, fetched = await self._own_log()
        except Diverged as found:
            await self._go_on(found)
            raise Unreachable(f"{found}: this node goes on in a new one") from None
        if await asyncio.to_thread(self._narrowing.go_on):
            self._own()
            self._left = True
            return kept
        more = await asyncio.to_thread(healing.take_in, self._store, fetched, self._clock, is_hub=self._is_hub)
        self._left = more or self._left
        await self._push_others(fetched)
        self._exchanged_ms = self._clock()
        return kept

    async def _push_others(self, fetched: Fetching) -> None:
        """Push what the hub lacks of this node's other logs."""
        damage, told = None, {log: at.size for log, at in fetched.fetcher.logs.items()}
        for one in await asyncio.to_thread(healing.behind, self._store, told):
            try:
                await self._exchange(one.log, one.size, one.hub_size, one.receipted, ask_first=True)
            except Diverged as found:
                await self._go_on(found)
                self._left = True
            except EntryDamaged as error:  # of a log whose key is elsewhere: the others go on
                damage = error
        if damage is not None:
            raise damage

    async def _own_log(self) -> tuple[KeepReceipt, Fetching]:
        log = self._own()
        size = self._narrowing.end(await asyncio.to_thread(self._store.size, log))
        asks_first, self._asks_first = self._asks_first, True
        done = await self._exchange(
            log, size, min(self.acknowledged, size), min(self._receipted, size), ask_first=asks_first
        )
        self._asks_first = False
        self._pause_s = PAUSE_S_MIN
        return done

    async def _go_on(self, found: Diverged) -> None:
        await asyncio.to_thread(healing.go_on, self._store, found, self._clock, is_hub=self._is_hub)
        self._own()

    def _own(self) -> bytes:
        """The log that this node writes now; of another one than before nothing was acknowledged."""
        if self._log != self._store.log:
            self._log = self._store.log
            self.acknowledged = self._receipted = 0
        return self._log

    async def _exchange(
        self, log: bytes, size: int, acknowledged: int, receipted: int, *, ask_first: bool
    ) -> tuple[KeepReceipt, Fetching]:
        """One exchange about one log; files go with the own one."""
        is_own = log == self._store.log
        sender = Sender(
            log, self._hub_key, size, acknowledged,
            receipted=receipted, ask_first=ask_first, push_size_bytes=self._push_size_bytes, pace=self.pace,
            asks_on_the_way=is_own or await asyncio.to_thread(self._store.has_key, log),
            rows_max=self._narrowing.rows_max,
        )  # fmt: skip
        if is_own:
            sender.withheld = self._narrowing.withheld
        waiting = [name for name in await asyncio.to_thread(self._photographs, log) if name not in self._put_off]
        waiting.sort(key=lambda name: name == self._put_last)
        introduced = await asyncio.to_thread(healing.introductions, self._store, log, log in self._unknown)
        code, key = self._folder.config.code, self._hub_key
        outbox = await asyncio.to_thread(OutboxFetching, self._store, code, key) if is_own else None
        welcome = WelcomeFetching(self._store, code, key) if is_own else None
        exchange = Exchange(
            self._store, sender, self._url, self._clock, waiting, introduced, outbox, welcome,
            await asyncio.to_thread(self._store.size, log),
            singly=self._goes_singly(), drain=self._http is not None,
        )  # fmt: skip
        found = await asyncio.to_thread(here, self._store)
        watch = self.watch = Watch(self._store, exchange, self._note, self._clock, found)
        looking = asyncio.create_task(watch.keep_looking())
        try:
            async with self._connection() as http:
                kept = await exchange.run(http)
        except Unreachable:
            if is_own:
                self._asks_first = sender.is_unsure
            sender.was_cut()
            raise
        except EntryDamaged as error:
            raise (self._narrowing.met(error, sender) if is_own else error) from None
        except (RefusedByPeer, RemoteProtocolError, VerificationError) as error:
            self._put_last = exchange.files.current
            if isinstance(error, RefusedByPeer):
                if error.code.startswith(UNKNOWN) and self._has_forgotten(log):
                    raise Unreachable(
                        f"{self._url} does not know this log: the next exchange says where it comes from"
                    ) from None
                said = await asyncio.to_thread(self._narrowing.refused, error, sender) if is_own else error
                raise (self._explained(said) if isinstance(said, RefusedByPeer) else said) from None
            raise
        finally:
            looking.cancel()
            await asyncio.to_thread(watch.ended)
            self._push_size_bytes = sender.push_size_bytes
            self._has_lost |= sender.hub_lost
            if exchange.buffered:
                self._note(singly_url=self._url, singly_until_ms=self._clock() + SINGLY_FOR_MS)
            if is_own:
                self.acknowledged, self._receipted = sender.acknowledged, sender.receipted
                await self._note_own(exchange)
            else:
                self._pushed[log] = max(sender.acknowledged, self._pushed.get(log, 0))
        self._unknown.discard(log)
        return kept, exchange.logs

    def _photographs(self, log: bytes) -> list[bytes]:
        """What waits to go behind the entries of a log: photographs go with the own one."""
        return self._store.files.waiting() if log == self._store.log else []

    def _has_forgotten(self, log: bytes) -> bool:
        """Whether it helps to tell the hub where a log comes from that it does not know; tried once."""
        if log in self._unknown or not healing.introductions(self._store, log, True):
            return False
        self._unknown.add(log)
        return True

    async def _note_own(self, exchange: Exchange) -> None:
        self._chunks += exchange.files.acknowledged
        self._put_off.update(exchange.files.put_off)
        self._delivered += exchange.speaker.came + exchange.speaker.shelf.taken
        if exchange.welcome.outbox.taken:  # it brings the home's own orders first; they wait for nothing else
            await asyncio.to_thread(erasure.follow_orders, self._store, self._clock())
        obeyed = await asyncio.to_thread(self._obey)
        self._beside = exchange.speaker.beside
        damaged, self._damaged = self._damaged, len(self._store.unreadable)  # each is said in the own log
        mended = exchange.speaker.mending.mended
        self._left = bool(exchange.files.left or exchange.outbox.left > 0 or exchange.welcome.left or obeyed or mended)
        self._left |= self._damaged > damaged or exchange.speaker.shelf.left > 0
        if exchange.sender.receipt is not None:
            await asyncio.to_thread(self._finished, exchange.sender.receipt, exchange.declined)
        if exchange.sender.hub_lost:
            for branch in self._store.branches():
                if branch.own or branch.kin:  # also what came down here of another log of this home
                    await asyncio.to_thread(self._store.files.offer_again, branch.log)

    def _goes_singly(self) -> bool:
        """Whether a proxy on the way was found to keep requests until they are whole, not long ago."""
        state = self._folder.exchange_state()
        return state.singly_url == self._url and 0 < state.singly_until_ms - self._clock() <= SINGLY_FOR_MS

    def _explained(self, error: RefusedByPeer) -> RefusedByPeer:
        """A stranger's refusal in words: that the address leads to another hub than the one that was joined."""
        code, _, found = error.code.partition(":")
        expected = log_id(self._hub_key).hex()
        if code != UNKNOWN or found in ("", expected):
            return error
        hub = self._folder.config.hub
        county = hub.name if hub else ""
        return RefusedByPeer(
            "other hub",
            f"{self._url} is a hub, but not the one that this node has joined: expected that of {county} with the "
            f"key fingerprint {expected}, found {found}. Mend the hub's address in "
            f"{self._folder.path / CONFIG_FILE}, or run `join` with its invitation and --hub",
        )

    def _finished(self, kept: KeepReceipt, declined: list[str]) -> None:
        now_ms = self._clock()
        self._note(
            last_exchange_ms=now_ms,
            clock_offset_s=now_ms // 1000 - kept.timestamp_s,
            exchanges=self._folder.exchange_state().exchanges + 1,
            last_failure=declined[-1] if declined else "",
        )
        try:
            self._folder.save_checkpoint(self._store, self._hub_key)
        except OSError as error:  # the database has it
            print(f"exchange: {error}", file=sys.stderr, flush=True)

    def _note(self, **changes: object) -> None:
        try:
            self._folder.save_exchange_state(replace(self._folder.exchange_state(), **changes))  # type: ignore[arg-type]
        except OSError as error:  # nothing depends on it but what a person is shown
            print(f"exchange: {error}", file=sys.stderr, flush=True)


async def exchange_now(exchanger: Exchanger, progress: Show) -> None:
    """For a command: one exchange to its receipt, or up to so many fruitless tries, showing how far it has come."""

    async def watch() -> None:
        while True:
            if exchanger.watch is not None and exchanger.watch.of:
                progress(*exchanger.watch.so_far(), "从县里取回 (fetching)")
            else:
                progress(exchanger.acknowledged)
            await asyncio.sleep(PROGRESS_S)

    watcher = asyncio.ensure_future(watch())
    try:
        await exchanger.until_receipt(TRIES_WITHOUT_PROGRESS_MAX)
    finally:
        watcher.cancel()


def _leave_out_cuts(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """The HTTP library's own writer may fail after the exchange has; a cut is noted once, not printed as well."""
    if not isinstance(context.get("exception"), aiohttp.ClientError | ConnectionError):
        loop.default_exception_handler(context)
