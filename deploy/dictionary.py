"""Makes the dictionary that ships with the package, `sync/dictionary-1.zstd`, from the sample: `make dictionary`.

The sample's facts are imported as a home would, cut into pushes of 1, 10 and 50 entries, once as imported and once as
if they had been recorded when they happened, and zstd chooses from these what is worth having in common. What is
random in a log (entry ids, the clock) is replaced by what is not, so that the same sample and the same zstd give the
same bytes. A dictionary that differs from the one in use is another dictionary: a released one keeps its number for
ever, and a new one takes the next.
"""

from __future__ import annotations

import argparse
import hashlib
import lzma
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import zstandard

from node.folder import Config, create_folder
from node.importing import Importer
from sync.compression import LEVEL_SLOW_LINK, SHIPPED_PATH
from sync.entry import EXT_SOURCE, ID_SIZE
from sync.messages import Beginning, Push, PushRow
from sync.outgoing import push_of
from sync.push_form import pack_push
from sync.store import Store
from sync.wire import MESSAGE_SIZE_BYTES_MAX, PUSH

SAMPLE: Final = Path(__file__).with_name("sample") / "facts.jsonl.xz"
SIZE_BYTES: Final = 110 * 1024
SEGMENT_SIZE: Final = 200  # measured: 64 to 2,000 differ by 2 %, all sizes of zstd's own search by less than 1 %
DMER_SIZE: Final = 8
IMPORTED_AT_MS: Final = 1_750_000_000_000
SINGLES_EVERY: Final = 12  # pushes of one entry are many and alike: few of them serve as well and leave room for text


def main(argv: Sequence[str] | None = None) -> int:
    """Make the dictionary and say its SHA-256; with --check only say whether it is the one that ships."""
    parser = argparse.ArgumentParser(prog="python -m deploy.dictionary", description="make the shipped dictionary")
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 if another one would come out")
    arguments = parser.parse_args(argv)
    made = make(SAMPLE)
    name = hashlib.sha256(made).hexdigest()
    print(f"{len(made)} bytes, SHA-256 {name}")
    if arguments.check:
        return int(made != SHIPPED_PATH.read_bytes())
    SHIPPED_PATH.write_bytes(made)
    return 0


def make(facts: Path) -> bytes:
    """The dictionary that follows from a file of facts."""
    samples: list[bytes | bytearray | memoryview] = list(_samples(_imported(facts)))
    trained = zstandard.train_dictionary(SIZE_BYTES, samples, k=SEGMENT_SIZE, d=DMER_SIZE, level=LEVEL_SLOW_LINK)
    return trained.as_bytes()


def _imported(facts: Path) -> Push:
    """All facts of a file as one push, with nothing random in it."""
    with tempfile.TemporaryDirectory(prefix="homeward-dictionary-") as folder:
        home = Path(folder) / "home"
        create_folder(home, Config(kind="home", name="归巢", code="home-01"))
        plain = Path(folder) / "facts.jsonl"
        plain.write_bytes(lzma.decompress(facts.read_bytes()))
        store = Store(home)
        try:
            importer = Importer(store, store, "home-01", lambda: IMPORTED_AT_MS, all_sites=True)
            importer.learn_log(lambda _: None)
            importer.run(plain, lambda _: None)
            streams, rows = _everything(store)
        finally:
            store.close()
    known = {stream.subject for stream in streams}
    ids: dict[bytes, bytes] = {}
    said = [row._replace(payload=_without_chance(row.payload, known, ids)) for row in rows]
    return Push(0, 1, streams, [*said], bytes(32), bytes(64))


def _everything(store: Store) -> tuple[list[Beginning], list[PushRow]]:
    streams: list[Beginning] = []
    rows: list[PushRow] = []
    while len(rows) < store.size(store.log):
        push = push_of(store, len(rows), 2000)
        streams += push.streams
        rows += [row for row in push.rows if isinstance(row, PushRow)]
    return streams, rows


def _without_chance(value: Any, known: set[bytes | None], ids: dict[bytes, bytes]) -> Any:
    """The value with every id that is no subject (an entry's id, which is random) replaced by one that is made up."""
    if isinstance(value, bytes) and len(value) == ID_SIZE and value not in known:
        return ids.setdefault(value, hashlib.sha256(b"%d" % len(ids)).digest()[:ID_SIZE])
    if isinstance(value, dict):
        return {key: _without_chance(item, known, ids) for key, item in value.items()}
    if isinstance(value, list):
        return [_without_chance(item, known, ids) for item in value]
    return value


def _samples(whole: Push) -> Iterator[bytes]:
    """Pushes of several sizes; every other one as imported, the others as recorded on the day itself."""
    ordinal_of = {stream.subject: ordinal for ordinal, stream in enumerate(whole.streams, 1)}.get
    recorded = whole._replace(rows=[_recorded(row) for row in whole.rows if isinstance(row, PushRow)])
    for count, every in ((10, 2), (50, 2), (1, SINGLES_EVERY)):
        for first, said in ((0, whole), (count * every // 2, recorded)):
            for start in range(first, len(whole.rows) - count + 1, count * every):
                part = slice_of(said, start, count)
                yield pack_push([PUSH], part, ordinal_of, MESSAGE_SIZE_BYTES_MAX)[1]


def _recorded(row: PushRow) -> PushRow:
    """As if it had been typed in when it happened, within the minute."""
    _, happened_ms = row.extensions[EXT_SOURCE]
    typing_ms = int.from_bytes(hashlib.sha256(b"%d" % happened_ms).digest()[:4], "big") % 60_000
    return row._replace(recorded_at_ms=happened_ms + typing_ms, extensions={})


def slice_of(whole: Push, start: int, count: int) -> Push:
    """The push of some entries out of one of all."""
    rows = whole.rows[start : start + count]
    begun = max((row.ordinal for row in whole.rows[:start]), default=0)
    until = max(begun, *(row.ordinal for row in rows))
    return whole._replace(
        start=start, first_ordinal=begun + 1 if until > begun else 1, streams=whole.streams[begun:until], rows=rows
    )


if __name__ == "__main__":
    sys.exit(main())
