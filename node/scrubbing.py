"""Scrubbing: a serving node reads its own log again, slowly and for ever, so that damage is met before it is needed.

A round goes over the entries, a portion at a time, and then over the photographs and scans, one at a time.

`scrub.json` says how far a round has come and what was found; it may be lost, then a round begins anew. A portion takes
milliseconds and is followed by a pause many times as long, so nobody who works at the node notices. What is bad is kept
and shown in `status` until a whole round finds nothing; nothing is ever repaired in silence.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from itertools import islice
from typing import Any, Final

import apsw

from node.clock import Clock
from node.folder import Folder
from sync.errors import SyncError
from sync.small_file import write_file
from sync.stored_log import StoredLog
from sync.verify import START, Bad, Mark, scrub
from sync.verify_files import BadFile, check_file

SCRUB_FILE: Final = "scrub.json"
PORTION_COUNT: Final = 200
PAUSE_S_MIN: Final = 1.0
PAUSE_PER_WORK: Final = 50  # at most 2 % of one core, also on a slow machine
ROUND_PAUSE_S: Final = 6 * 3600.0
SAVE_EVERY_S: Final = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class ScrubState:
    """Where the round is, how many were finished, and the first bad entry that it or the last round found."""

    branch: int = START.branch
    seq: int = START.seq
    compared: int = START.compared
    rounds: int = 0
    ended_ms: int | None = None
    bad: dict[str, Any] | None = None
    bad_in_round: bool = False
    photo: int | None = None  # the number of the last photograph compared; None while the entries are compared

    @property
    def mark(self) -> Mark:
        """Where to go on."""
        begins = (self.branch, self.seq) == (START.branch, START.seq)
        return START if begins else Mark(self.branch, self.seq, self.compared)


def load(folder: Folder) -> ScrubState:
    """How far it has come; the beginning if the file is lost or unreadable."""
    try:
        return ScrubState(**json.loads((folder.path / SCRUB_FILE).read_text("utf-8")))
    except (OSError, ValueError, TypeError):
        return ScrubState()


def shown(folder: Folder) -> dict[str, Any]:
    """What `status` says: how many entries this round has compared, and the first bad one or null."""
    state = load(folder)
    return {"scrubbed_to": state.compared, "scrub_bad": state.bad}


def bad_json(bad: Bad) -> dict[str, Any]:
    """A bad entry by position, log and seq, as JSON."""
    return {"position": bad.position, "log": bad.log.hex(), "seq": bad.seq, "why": bad.why}


class Scrubber:
    """Scrubs one folder. Used by one task."""

    def __init__(self, folder: Folder, store: StoredLog, clock: Clock) -> None:
        self.state = load(folder)
        self._folder = folder
        self._store = store
        self._clock = clock
        self._hub_key = bytes.fromhex(folder.config.hub.key) if folder.config.hub else None
        self._saved_at = time.monotonic()

    async def keep_up(self) -> None:
        """Scrub until cancelled; never raises for what it finds."""
        try:
            while True:
                began = time.monotonic()
                ended = await asyncio.to_thread(self.step)
                pause_s = max(PAUSE_S_MIN, PAUSE_PER_WORK * (time.monotonic() - began))
                if ended or time.monotonic() - self._saved_at > SAVE_EVERY_S:
                    await asyncio.to_thread(self.save)
                await asyncio.sleep(ROUND_PAUSE_S if ended else pause_s)
        finally:
            self.save()

    def step(self) -> bool:
        """Compare one portion; whether the round has ended."""
        before = self.state
        if before.photo is not None:
            return self._step_photo(before, before.photo)
        try:
            mark, bad = scrub(self._store, self._hub_key, before.mark, PORTION_COUNT)
        except (
            SyncError,
            apsw.Error,
        ) as error:  # a page that cannot be read: whoever needs it will hear of it, we go on telling
            mark, bad = START, Bad(None, self._store.log, before.seq, str(error))
        found = before.bad
        if bad is not None and not before.bad_in_round:  # the first of a round is the one to look at
            found = bad_json(bad)
            print(f"scrub: entry {bad.seq} of log {bad.log.hex()}: {bad.why}; run `verify`", file=sys.stderr)
        if bad is not None:
            self._read_all(bad)
        bad_in_round = before.bad_in_round or bad is not None
        if mark != START:
            self.state = replace(before, **mark._asdict(), bad=found, bad_in_round=bad_in_round)
            return False
        self.state = replace(before, photo=0, bad=found, bad_in_round=bad_in_round)
        return False

    def _read_all(self, bad: Bad) -> None:
        """Have the store note whose content in this portion is damaged: it is then sent again (`sync.damage`)."""
        with suppress(SyncError, apsw.Error):
            for entry in islice(self._store.entries_of_log(bad.log, bad.seq - 1), PORTION_COUNT):
                self._store.check_content(entry)

    def _step_photo(self, before: ScrubState, number: int) -> bool:
        """Compare the next photograph; behind the last one the round ends."""
        try:
            file = self._store.files.after(number)
            bad = check_file(self._store, file) if file else None
        except (SyncError, apsw.Error) as error:
            file, bad = None, BadFile(b"", str(error))
        found, bad_in_round = before.bad, before.bad_in_round or bad is not None
        if bad is not None and not before.bad_in_round:
            found = {"position": None, "log": None, "seq": None, "photo": bad.name.hex(), "why": bad.why}
            print(f"scrub: {bad.why}; run `verify`", file=sys.stderr)
        if file is not None:
            self.state = replace(before, photo=file.id, bad=found, bad_in_round=bad_in_round)
            return False
        self.state = ScrubState(
            compared=before.compared,
            rounds=before.rounds + 1,
            ended_ms=self._clock(),
            bad=found if bad_in_round else None,
        )
        return True

    def save(self) -> None:
        """Keep where it is; a file that cannot be written costs a round and nothing else."""
        self._saved_at = time.monotonic()
        try:
            write_file(self._folder.path / SCRUB_FILE, json.dumps(asdict(self.state), ensure_ascii=False) + "\n")
        except OSError as error:
            print(f"scrub: {error}", file=sys.stderr)
