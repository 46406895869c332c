"""A half-built file of read models after a power cut: it holds exactly what a commit kept, or it is thrown away."""

from __future__ import annotations

import lzma
import random
from contextlib import closing
from pathlib import Path
from unittest import mock

import apsw

from domain.views import TABLES
from node import filling as filling_module
from node import half_built
from node.filling import Filling, Pace, fill
from node.half_built import HalfBuilt
from node.importing import Importer
from node.views import Views
from sync.store import Store
from tests.crash.disk import KINDS, images
from tests.crash.recording import Answered, Begun, Op, recording
from tests.crash.sweep import scratch

SAMPLE = Path(__file__).resolve().parents[2] / "deploy" / "sample" / "facts.jsonl.xz"
LINES = lzma.decompress(SAMPLE.read_bytes()).decode().splitlines()[:700]
OPENED_COUNT = 250
FINISHED_COUNT = 8
Rows = dict[str, list[tuple]]


def rows_in(db: apsw.Connection) -> Rows:
    """Everything that the tables say."""
    return {name: db.execute(f"SELECT * FROM {name}").fetchall() for name in (*TABLES, "work", "mark")}


class Night:
    """A home's read models are filled, with a commit every few ranges and hardly a page in memory."""

    def __init__(self, folder: Path) -> None:
        log = folder / "log"
        log.mkdir()
        (folder / "facts.jsonl").write_text("\n".join(LINES) + "\n", encoding="utf-8")
        Store.create(log)
        self.store = Store(log)
        Importer(self.store, self.store, "home-01", lambda: 1, all_sites=False).run(
            folder / "facts.jsonl", lambda _: None
        )
        self.goal = self.store.position()
        self.kept: list[tuple[int, Rows]] = []
        filling = folder / "filling"
        filling.mkdir()
        with recording(filling) as tape, mock.patch.object(half_built, "CACHE_KIB", 64):
            self._fill(filling / "views.db", tape)
        self.ops: list[Op] = tape.ops

    def home_of(self, _log: bytes) -> str:
        return "home-01"

    def _fill(self, path: Path, tape) -> None:
        commit = HalfBuilt.commit

        def marked(half: HalfBuilt) -> None:
            self.kept.append((half.work.entries, rows_in(half._db)))
            tape.mark(Begun(len(self.kept) - 1))
            commit(half)
            tape.mark(Answered(len(self.kept) - 1))

        with mock.patch.object(HalfBuilt, "commit", marked):
            for _ in Filling(self.store, path, self.home_of, self.goal).run():
                pass

    def found(self, path: Path) -> tuple[int, Rows] | None:
        """What can be gone on with in an image."""
        half = half_built.left(self.store, path, self.home_of, self.goal)
        if half is None:
            assert not path.exists()
            return None
        found = half.work.entries, rows_in(half._db)
        half.let_go()
        return found


def test_whatever_a_power_cut_leaves_is_a_commit_or_nothing():
    """On every disk the next one goes on from the last commit or the one that was under way, or begins anew."""
    dice = random.Random(7)
    with scratch() as (folder, image_folder), mock.patch.object(filling_module, "PACE", Pace(15, 40)):
        night = Night(folder)
        assert len(night.kept) > 4
        path, opened, finished = image_folder / "views.db", dict.fromkeys(KINDS, 0), 0
        share = OPENED_COUNT / (2.5 * len(night.ops))
        whole = digest_of(night, folder / "whole.db")
        for image in images(night.ops, dice, reorderings=1, tears=1):
            if dice.random() > share:
                continue
            opened[image.kind] += 1
            for name, content in image.files.items():
                (image_folder / name).write_bytes(content)
            found = night.found(path)
            allowed = [night.kept[step] for step in {image.answered, image.begun} if step >= 0]
            where = f"{image.kind} at {image.point}"
            assert found in allowed or (found is None and image.answered < 0), where
            if finished < FINISHED_COUNT and found is not None and dice.random() < 0.1:
                finished += 1
                assert digest_of(night, path) == whole, where
            for file in image_folder.iterdir():
                file.unlink()
        night.store.close()
    assert sum(opened.values()) > OPENED_COUNT / 2
    assert all(opened.values())
    assert finished


def digest_of(night: Night, path: Path) -> tuple[int, dict[str, str]]:
    for _ in fill(night.store, path, night.home_of, night.goal):
        pass
    with closing(Views(path, night.store.master)) as views:
        return views.digest_at()
