"""Photographs after a power cut: what was acknowledged is whole, what was destroyed is gone, nothing is half there."""

from __future__ import annotations

import random
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from sync.batch import Draft
from sync.errors import KeyDestroyed
from sync.file_form import CHUNK_SIZE_BYTES, Sent, seal_file
from sync.store import Store
from sync.verify_files import verify_files
from tests.crash.contents import slots_of
from tests.crash.disk import KINDS, images
from tests.crash.recording import Answered, Begun, Op, recording
from tests.crash.sweep import scratch
from tests.crash.workload import repeatable

ONE, TWO, PEER = b"1" * 16, b"2" * 16, b"p" * 16
State = dict[bytes, tuple[int, Sent]]


def state_of(store: Store) -> State:
    """Every file's chunks and what the county said, each file compared with its name."""
    assert verify_files(store, lambda _: None).bad == []
    return {file.name: (file.held, file.sent) for file in store.files.files_of()}


class Day:
    """What is asked of one folder's photographs, one thing after the other, and the state after each."""

    def __init__(self, folder: Path, seed: int) -> None:
        self.dice = random.Random(seed)
        self.contents: dict[bytes, bytes] = {}
        self.shows: dict[bytes, bytes] = {}
        Store.create(folder)
        with closing(Store(folder)) as store:
            store.record([Draft("visit/1", "li", subject, 1, {}) for subject in (ONE, TWO)]).result(60)
            self._add(store, ONE)
            self.states = [state_of(store)]
        with recording(folder, seed=seed) as tape:
            self.store = Store(folder)
            for ask in self._asks():
                tape.mark(Begun(len(self.states)))
                ask()
                tape.mark(Answered(len(self.states)))
                self.states.append(state_of(self.store))
            self.store.close()
            self.ops: list[Op] = tape.ops

    def _add(self, store: Store, subject: bytes) -> None:
        content = self.dice.randbytes(self.dice.choice([50, CHUNK_SIZE_BYTES + 50]))
        name = store.files.add(store.log, content, "image/jpeg", [subject], 1)
        self.contents[name], self.shows[name] = content, subject

    def _asks(self) -> list[Callable[[], object]]:
        content = self.dice.randbytes(3 * CHUNK_SIZE_BYTES - 9)
        manifest, key, chunks = seal_file(content, "image/jpeg")
        name = manifest.name(key)
        self.contents[name], self.shows[name] = content, TWO
        files = self.store.files
        return [
            lambda: self._add(self.store, ONE),
            lambda: files.begin(PEER, manifest, key, [TWO], 1),
            *[lambda n=n: files.extend(name, n, chunks[n]) for n in range(3)],
            lambda: self._add(self.store, TWO),
            lambda: files.note_sent(files.waiting()[0], Sent.HELD),
            lambda: self.store.erase([ONE], by="w", ground="g", now_ms=1),
            lambda: self._add(self.store, TWO),
            lambda: files.offer_again(self.store.log),
        ]


@pytest.mark.parametrize("seed", range(1, 6))
def test_whatever_a_power_cut_leaves_holds_what_was_acknowledged(seed):
    """On every disk the folder opens, its photographs are those of the last answer or of what was asked next."""
    with scratch() as (folder, image_folder), repeatable(seed):
        day, opened = Day(folder, seed), dict.fromkeys(KINDS, 0)
        slots, seen = slots_of(folder), set()
        for image in images(day.ops, random.Random(seed), reorderings=2, tears=1):
            key = frozenset((name, hash(content)) for name, content in image.files.items())
            if image.begun < 1 or key in seen:
                continue
            seen.add(key)
            opened[image.kind] += 1
            for path in image_folder.iterdir():
                path.unlink()
            for name, content in (image.files | slots).items():
                (image_folder / name).write_bytes(content)
            with closing(Store(image_folder)) as store:
                found, held, begun = state_of(store), max(image.answered, 0), max(image.begun, 0)
                assert found in (day.states[held], day.states[begun]), f"{image.kind} at {image.point}"
                for name in found:
                    file = store.files.find(name)
                    if file.complete and name in day.contents:
                        assert store.files.content(file) == day.contents[name]
                for name in day.contents.keys() - found.keys() if held >= 8 else ():
                    if day.shows[name] == ONE:
                        with pytest.raises(KeyDestroyed):
                            store.files.read(name)
        assert sum(opened.values()) > 300
        assert all(opened[kind] for kind in ("everything", "torn", "reordered"))
