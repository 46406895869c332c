"""What the benchmarks work on: the demo's facts, as they are or several times over, in files and in data folders."""

from __future__ import annotations

import lzma
import re
import shutil
from pathlib import Path
from typing import Final
from uuid import UUID

from node.clock import system_clock
from node.folder import Config, create_folder
from node.importing import Importer
from sync.batch import Draft, Entry
from sync.entry import Body
from sync.store import Store

SAMPLE: Final = Path(__file__).resolve().parents[2] / "deploy" / "sample" / "facts.jsonl.xz"
HOME: Final = "home-01"
HOMES_COUNT: Final = 3
COPIES_COUNT: Final = 4  # of the sample's 5,798 facts: more than 20,000 entries
SCAN_COUNT: Final = 2000

_IDS = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_PLACES = re.compile(r'(?<=")(home|w)-(\d\d)')


class Workshop:
    """A temporary folder with what several benchmarks need, each made once."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._made = 0

    def fresh(self, name: str = "run") -> Path:
        """A path where nothing is yet."""
        self._made += 1
        return self.folder / f"{name}-{self._made}"

    def home(self, name: str = "home") -> Path:
        """A new, empty data folder of a home."""
        path = self.fresh(name)
        create_folder(path, Config(kind="home", name="牛角乡南沟村留守儿童之家", code=HOME))
        return path

    def copy(self, folder: Path) -> Path:
        """A data folder of its own for one run."""
        path = self.fresh("copy")
        shutil.copytree(folder, path)
        return path

    def facts_file(self, copies: int = 1) -> Path:
        """The sample, `copies` times over: every copy with other homes, workers and subjects."""
        path = self.folder / f"facts-{copies}.jsonl"
        if not path.exists():
            text = lzma.decompress(SAMPLE.read_bytes()).decode()
            path.write_text("".join(_another(text, number) for number in range(copies)), "utf-8")
        return path

    def big_home(self, copies: int = COPIES_COUNT) -> Path:
        """A home that has imported the sample several times over; copy it before changing it."""
        path = self.folder / f"big-home-{copies}"
        if not path.exists():
            made = self.home("making")
            import_into(made, self.facts_file(copies), all_sites=True)
            made.rename(path)
        return path


def _another(text: str, number: int) -> str:
    if number == 0:
        return text
    text = _IDS.sub(lambda found: str(UUID(int=UUID(found[0]).int ^ (number << 4))), text)
    return _PLACES.sub(lambda found: f"{found[1]}-{int(found[2]) + number * HOMES_COUNT:02}", text)


def import_into(folder: Path, facts: Path, *, all_sites: bool) -> int:
    """Import a file into a data folder; how many entries were recorded."""
    store = Store(folder)
    try:
        return importing(store, facts, all_sites=all_sites)
    finally:
        store.close()


def importing(store: Store, facts: Path, *, all_sites: bool) -> int:
    """As the import command does it, from the log being read to the last commit."""
    importer = Importer(store, store, HOME, system_clock(), all_sites=all_sites)
    importer.learn_log(nothing)
    return importer.run(facts, nothing).recorded


def nothing(_: int) -> None:
    """Progress that nobody watches."""


def home_of(_: bytes) -> str:
    """Whose log it is: here there is one home."""
    return HOME


def entries(store: Store) -> list[Entry]:
    """Everything in a store, in order."""
    return list(store.entries_of_log(store.log))


def drafts(found: list[Entry]) -> list[Draft]:
    """Stored entries as drafts to be recorded elsewhere."""
    return [_draft(body) for entry in found if (body := entry.body()) is not None]


def _draft(body: Body) -> Draft:
    return Draft(body.type, body.actor, body.subject, body.recorded_at_ms, body.payload, extensions=body.extensions)


def log_and_drafts(workshop: Workshop) -> tuple[list[Entry], list[Draft]]:
    """The big home's entries, as stored and as drafts."""
    store = Store(workshop.big_home())
    found = entries(store)
    store.close()
    return found, drafts(found)
