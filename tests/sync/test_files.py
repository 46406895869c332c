"""Photographs and scans at rest: whole or not there, never in the clear, and gone with whomever they show."""

from __future__ import annotations

import random
import shutil
from contextlib import closing

import pytest

from sync import erasure, file_sql, files
from sync.errors import (
    FileUnknown,
    FolderError,
    KeyDestroyed,
    LogCorrupt,
    RemoteProtocolError,
    StaleVersion,
    SubjectErased,
)
from sync.file_form import (
    CHUNK_SIZE_BYTES,
    FILE_SIZE_BYTES_MAX,
    TIES_COUNT_MAX,
    Manifest,
    Sent,
    chunk_hash,
    open_chunk,
    seal_file,
    sealed_size,
)
from sync.files import FILES_FILE, UNFINISHED_COUNT_MAX, Files
from sync.sealing import DoesNotOpen
from sync.store import Store
from sync.stored_log import StoredLog
from sync.verify_files import verify_files
from tests.by_hand import by_hand

ONE, TWO, THREE = (n.to_bytes(16, "big") for n in (1, 2, 3))
BY = {"by": "dir", "ground": "监护人申请", "now_ms": 1_741_392_000_000}
NOW_MS = 1_741_392_000_000
CANARY = b"canary-in-the-picture"


def picture(seed: int = 1, size: int = 50_000) -> bytes:
    """Bytes that no compression makes smaller, full of canaries."""
    noise = random.Random(seed).randbytes(size)
    return (CANARY + noise)[:size] if size > 40 else noise


def add(node, *subjects: bytes, content: bytes | None = None) -> bytes:
    return node.files.add(node.log, content or picture(), "image/jpeg", subjects or (ONE,), NOW_MS)


def remains(folder, *needles: bytes) -> list[tuple[str, bytes]]:
    """Where a byte search finds something: in the files as they are, and in every page of them in the clear."""
    found = []
    for path in sorted(p for p in folder.rglob("*") if p.is_file()):
        images = [path.read_bytes()]
        if path.suffix == ".db":
            with closing(by_hand(path)) as db:
                images.append(db.serialize("main"))
        found += [(path.name, needle[:16]) for needle in needles for image in images if needle in image]
    return found


class PowerCutError(BaseException):
    pass


@pytest.mark.parametrize("size", [1, 40, CHUNK_SIZE_BYTES, CHUNK_SIZE_BYTES + 1, 50_000, FILE_SIZE_BYTES_MAX])
def test_what_was_taken_in_comes_out(stores, size):
    """A file of any size within bounds is read back byte for byte, also after a restart and beside the writer."""
    node = stores("node")
    name = add(node, ONE, TWO, content=picture(size=size))
    assert node.files.read(name) == ("image/jpeg", picture(size=size))
    (file,) = node.files.files_of(TWO)
    assert (file.name, file.complete, file.sent, file.log) == (name, True, Sent.WAITING, node.log)
    assert node.files.subjects(file) == [ONE, TWO]
    with closing(StoredLog(node.folder)) as reader:
        assert reader.files.read(name)[1] == picture(size=size)
        assert reader.files.files_of(THREE) == []
    node.close()
    with closing(Store(node.folder)) as reopened:
        assert reopened.files.read(name)[1] == picture(size=size)
        assert reopened.files.count() == (1, 1)


@pytest.mark.parametrize("size", [0, FILE_SIZE_BYTES_MAX + 1])
def test_a_file_out_of_bounds_is_not_taken_in(stores, size):
    """Nothing at all and too much are refused, and nothing is stored."""
    node = stores("node")
    with pytest.raises(RemoteProtocolError):
        node.files.add(node.log, bytes(size), "image/jpeg", [ONE], NOW_MS)
    assert node.files.files_of() == []


@pytest.mark.parametrize("subjects", [(), (b"short",), (ONE, ONE), [n.to_bytes(16, "big") for n in range(300)]])
def test_a_file_shows_somebody_and_says_whom(stores, subjects):
    """A file that is tied to nobody would never be erased; ties are bounded."""
    node = stores("node")
    assert len(subjects) <= 2 or len(subjects) > TIES_COUNT_MAX
    with pytest.raises(RemoteProtocolError):
        node.files.add(node.log, picture(), "image/jpeg", subjects, NOW_MS)


def test_a_name_says_nothing_and_fixes_everything():
    """The same picture has another name each time; another key, chunk, size or media type is another name."""
    (first, key, chunks), (second, other, _) = (seal_file(picture(), "image/jpeg") for _ in range(2))
    name = first.name(key)
    assert name != second.name(other)
    assert first.name(other) != name
    assert first._replace(size=first.size - 1).name(key) != name
    assert first._replace(media="image/png").name(key) != name
    assert first._replace(hashes=first.hashes[::-1]).name(key) != name
    assert [len(chunk) for chunk in chunks] == [sealed_size(first, n) for n in range(len(chunks))]
    opened = [open_chunk(key, n, len(chunks), chunk) for n, chunk in enumerate(chunks)]
    assert b"".join(opened) == picture()


def test_a_chunk_opens_in_its_place_only():
    """A chunk that was moved, cut, changed or given another key does not open."""
    _, key, (chunk, second, *_) = seal_file(picture(), "image/jpeg")
    for wrong_key, number, count, sealed in (
        (key, 1, 4, chunk),
        (key, 0, 3, chunk),
        (bytes(32), 0, 4, chunk),
        (key, 0, 4, second),
        (key, 0, 4, chunk[:-1]),
        (key, 0, 4, chunk[:30]),
    ):
        with pytest.raises(DoesNotOpen):
            open_chunk(wrong_key, number, count, sealed)


def test_a_picture_lies_sealed_on_the_disk(stores):
    """No page of any file holds a piece of a picture in the clear; the search finds one that is put there."""
    node = stores("node")
    add(node)
    node.close()
    assert remains(node.folder, CANARY, picture()[20_000:20_032]) == []
    with closing(by_hand(node.folder / FILES_FILE)) as db:
        db.execute("INSERT INTO chunk VALUES(1<<40, ?)", (picture(),))
    assert (FILES_FILE, CANARY[:16]) in remains(node.folder, CANARY)


@pytest.mark.parametrize("whom", [ONE, TWO])
def test_a_picture_goes_with_whomever_it_shows(stores, draft, whom):
    """Erasing one of its subjects destroys key and chunks; another's picture stays, and nothing keeps a trace."""
    node = stores("node")
    node.record([draft(1), draft(2), draft(3)]).result(10)
    name, kept = add(node, ONE, TWO), add(node, THREE, content=picture(2))
    (file,) = node.files.files_of(ONE)
    key, chunks = node.files.key(file), [node.files.chunk(file, n) for n in range(4)]
    pieces = [key, *(chunk[at : at + 32] for chunk in chunks for at in range(0, len(chunk) - 32, 1000))]
    assert node.erase([whom], **BY).files == 1
    for opened in (node, None):
        store = opened or Store(node.folder)
        with pytest.raises(KeyDestroyed):
            store.files.read(name)
        assert store.files.files_of(ONE) == store.files.files_of(TWO) == []
        assert store.files.read(kept)[1] == picture(2)
        assert (store.folder / "files.db-wal").stat().st_size == 0 or opened is None
        assert remains(store.folder, CANARY, *pieces) == []
        store.close()


def test_what_was_destroyed_is_never_taken_in_again(stores, draft):
    """A peer that offers it again, also under another subject, is told; so is one with a new picture of the erased."""
    node = stores("node")
    node.record([draft(1)]).result(10)
    manifest, key, chunks = seal_file(picture(), "image/jpeg")
    name = manifest.name(key)
    assert node.files.begin(b"l" * 16, manifest, key, [ONE], NOW_MS) == 0
    assert node.files.extend(name, 0, chunks[0]) == 1
    node.erase([ONE], **BY)
    with pytest.raises(KeyDestroyed):
        node.files.extend(name, 1, chunks[1])
    with pytest.raises(KeyDestroyed):
        node.files.begin(b"l" * 16, manifest, key, [TWO], NOW_MS)
    with pytest.raises(SubjectErased):
        add(node, ONE, THREE)
    fresh, fresh_key, _ = seal_file(picture(3), "image/jpeg")
    with pytest.raises(SubjectErased):
        node.files.begin(b"l" * 16, fresh, fresh_key, [TWO, ONE], NOW_MS)
    with pytest.raises(KeyDestroyed):
        node.files.begin(b"l" * 16, fresh, fresh_key, [TWO], NOW_MS)
    assert node.files.files_of() == []
    assert remains(node.folder, key, fresh_key) == []


def test_a_later_tie_to_the_erased_takes_the_picture_along(stores, draft):
    """Whoever says later that the picture shows somebody who was erased here has it destroyed."""
    node = stores("node")
    node.record([draft(1)]).result(10)
    manifest, key, chunks = seal_file(picture(), "image/jpeg")
    node.files.begin(b"l" * 16, manifest, key, [TWO], NOW_MS)
    for n, chunk in enumerate(chunks):
        node.files.extend(manifest.name(key), n, chunk)
    node.erase([ONE], **BY)
    assert node.files.read(manifest.name(key))[1] == picture()
    with pytest.raises(SubjectErased):
        node.files.begin(b"l" * 16, manifest, key, [ONE], NOW_MS)
    with pytest.raises(KeyDestroyed):
        node.files.read(manifest.name(key))


@pytest.mark.parametrize(
    "step", ["keyring.destroy_files", "file_sql.take_away", "erasure._take_away", "erasure.empty_wals"]
)
def test_a_power_cut_while_it_is_destroyed_is_repaired(stores, draft, monkeypatch, step):
    """Before every step the picture is whole or gone; opening the folder for writing finishes the erasure."""
    node = stores("node")
    node.record([draft(1)]).result(10)
    name = add(node, ONE, TWO)
    (file,) = node.files.files_of()
    key, chunk = node.files.key(file), node.files.chunk(file, 0)

    def cut(*_):
        raise PowerCutError

    module, _, attribute = step.rpartition(".")
    owner = {"keyring": node.keyring, "file_sql": file_sql, "erasure": erasure}[module]
    with monkeypatch.context() as patch:
        patch.setattr(owner, attribute, cut)
        with pytest.raises(PowerCutError):
            node.erase([ONE], **BY)
    image = node.folder.with_name("image")
    shutil.copytree(node.folder, image)  # as a power cut leaves it: the WALs with all that was committed
    try:
        assert node.files.read(name)[1] == picture()
    except KeyDestroyed:
        assert step != "keyring.destroy_files"
    with closing(Store(image)) as repaired:
        assert repaired.files.files_of() == []
        with pytest.raises(KeyDestroyed):
            repaired.files.read(name)
        assert remains(image, CANARY, key, chunk[100:140]) == []


@pytest.mark.parametrize("older", [["log.db"], ["keys.db"], ["files.db"], ["log.db", "files.db"],
                                   ["keys.db", "files.db"], ["log.db", "keys.db"]])  # fmt: skip
def test_an_older_copy_that_is_put_back_is_erased_again(stores, draft, older):
    """Whichever of the three files is put back from before the erasure, the others destroy the picture again."""
    node = stores("node")
    node.record([draft(1), draft(2)]).result(10)
    name = add(node, ONE, TWO)
    (file,) = node.files.files_of()
    key, chunk = node.files.key(file), node.files.chunk(file, 0)
    node.close()
    saved = node.folder.with_name("saved")
    shutil.copytree(node.folder, saved)
    with closing(Store(node.folder)) as store:
        store.erase([ONE], **BY)
    for file_name in older:
        for suffix in ("-wal", "-shm"):
            (node.folder / (file_name + suffix)).unlink(missing_ok=True)
        shutil.copy(saved / file_name, node.folder / file_name)
    with closing(Store(node.folder)) as store:
        with pytest.raises(KeyDestroyed):
            store.files.read(name)
        assert store.files.files_of() == []
        assert remains(store.folder, CANARY, key, chunk[100:140]) == []


def test_a_file_of_a_peer_grows_by_whole_chunks_in_order(stores):
    """Chunks come in order, each once; what is not the next one is refused, and half a picture is shown to nobody."""
    node = stores("node")
    manifest, key, chunks = seal_file(picture(), "image/jpeg")
    name = manifest.name(key)
    assert node.files.begin(b"l" * 16, manifest, key, [ONE], NOW_MS) == 0
    assert node.files.extend(name, 0, chunks[0]) == 1
    assert node.files.extend(name, 0, chunks[0]) == 1
    for number, sealed in ((2, chunks[2]), (1, chunks[2]), (1, chunks[1][:-1] + bytes([chunks[1][-1] ^ 1]))):
        with pytest.raises(StaleVersion):
            node.files.extend(name, number, sealed)
    with pytest.raises(FileUnknown, match="arrived whole"):
        node.files.read(name)
    node.close()
    with closing(Store(node.folder)) as reopened:
        assert reopened.files.begin(b"l" * 16, manifest, key, [ONE, TWO], NOW_MS) == 1
        for n in range(1, 4):
            assert reopened.files.extend(name, n, chunks[n]) == n + 1
        with pytest.raises(StaleVersion):
            reopened.files.extend(name, 4, chunks[3])
        assert reopened.files.read(name)[1] == picture()
        assert reopened.files.begin(b"l" * 16, manifest, key, [ONE], NOW_MS) == 4
        assert reopened.files.subjects(reopened.files.find(name)) == [ONE, TWO]
        assert reopened.files.waiting() == []


def test_a_peer_leaves_few_unfinished_files(stores, draft):
    """Of a log's unfinished files only the newest keep chunks; an older one begins anew, tied as before."""
    node = stores("node")
    node.record([draft(1)]).result(10)
    made = [seal_file(picture(n), "image/jpeg") for n in range(UNFINISHED_COUNT_MAX + 3)]
    whole, key, chunks = seal_file(picture(99), "image/jpeg")
    node.files.begin(b"l" * 16, whole, key, [TWO], NOW_MS)
    for n, chunk in enumerate(chunks):
        node.files.extend(whole.name(key), n, chunk)
    for manifest, key, chunks in made:
        node.files.begin(b"l" * 16, manifest, key, [ONE], NOW_MS)
        node.files.extend(manifest.name(key), 0, chunks[0])
    held = [file.held for file in node.files.files_of()]
    assert held == [4] + [0] * 3 + [1] * UNFINISHED_COUNT_MAX
    assert node.files.begin(b"l" * 16, made[0][0], made[0][1], [ONE], NOW_MS) == 0
    for n, chunk in enumerate(made[0][2]):
        node.files.extend(made[0][0].name(made[0][1]), n, chunk)
    assert node.files.read(made[0][0].name(made[0][1]))[1] == picture(0)
    assert verify_files(node, lambda _: None).bad == []
    assert node.erase([ONE], **BY).files == len(made)


@pytest.mark.parametrize(
    ("harm", "says"),
    [
        ("UPDATE chunk SET sealed = zeroblob(length(sealed)) WHERE id & 255 = 2", "chunk 3 is not what it was"),
        ("DELETE FROM chunk WHERE id & 255 = 2", "chunk 3 is missing"),
        ("UPDATE file SET media = 'text/html'", "does not give this name"),
    ],
)
def test_harm_done_to_a_file_is_met(stores, harm, says):
    """A chunk that changed or is gone, and a row that says something else, are damage and never a picture."""
    node = stores("node")
    name = add(node)
    with closing(by_hand(node.folder / FILES_FILE)) as db:
        db.execute(harm)
    with pytest.raises(LogCorrupt, match=says):
        node.files.read(name)


def test_a_lost_file_is_missed(stores):
    """Where keys of photographs are known and their file is gone, the folder says so instead of beginning anew."""
    node = stores("node")
    add(node)
    node.close()
    for suffix in ("", "-wal", "-shm"):
        (node.folder / (FILES_FILE + suffix)).unlink(missing_ok=True)
    with pytest.raises(FolderError, match=r"files\.db is missing"):
        Store(node.folder)


def test_a_key_that_belongs_to_another_folder_is_damage(stores):
    """An older `keys.db` that does not know the file's key says so."""
    node = stores("node")
    node.close()
    shutil.copy(node.folder / "keys.db", node.folder / "old")
    with closing(Store(node.folder)) as store:
        name = add(store)
    (node.folder / "old").replace(node.folder / "keys.db")
    with closing(Store(node.folder)) as store, pytest.raises(LogCorrupt, match="holds no key for file"):
        store.files.read(name)


@pytest.mark.parametrize("step", ["_create", "add_file_key", "insert"])
def test_a_power_cut_while_it_is_taken_in_leaves_nothing(stores, monkeypatch, step):
    """Before every step of the first picture: none is there afterwards, the folder opens, and the next one is kept."""
    node = stores("node")

    def cut(*_):
        raise PowerCutError

    with monkeypatch.context() as patch:
        owner = {"_create": files, "add_file_key": node.keyring, "insert": file_sql}[step]
        patch.setattr(owner, step, cut)
        with pytest.raises(PowerCutError):
            add(node)
    image = node.folder.with_name("image")
    shutil.copytree(node.folder, image)
    with closing(Store(image)) as repaired:
        assert repaired.files.files_of() == []
        assert repaired.files.read(add(repaired))[1] == picture()


def test_what_the_county_said_is_kept(stores):
    """Waiting is what the county neither holds nor has destroyed; asking again starts with what it held."""
    node = stores("node")
    names = [add(node, content=picture(n)) for n in range(3)]
    assert node.files.waiting() == names
    node.files.note_sent(names[0], Sent.HELD)
    node.files.note_sent(names[1], Sent.DESTROYED)
    assert node.files.waiting() == names[2:]
    assert node.files.count() == (3, 1)
    node.files.offer_again(node.log)
    assert node.files.waiting() == [names[0], names[2]]


def test_erasing_while_pictures_come_in_leaves_none(stores, draft):
    """Pictures of a child that are taken in while it is erased are either destroyed or refused."""
    import threading

    node = stores("node")
    node.record([draft(1)]).result(10)
    refused = []

    def take_in():
        for n in range(60):
            try:
                add(node, ONE, content=picture(n, 3000))
            except SubjectErased as error:
                refused.append(error)

    worker = threading.Thread(target=take_in)
    worker.start()
    while len(node.files.files_of()) < 5:
        pass
    node.erase([ONE], **BY)
    worker.join()
    assert refused
    assert node.files.files_of() == []


def test_the_writer_of_files_is_one(stores):
    """Asked from many threads at once, the file is made once."""
    from concurrent.futures import ThreadPoolExecutor

    node = stores("node")
    with ThreadPoolExecutor(8) as pool:
        names = list(pool.map(lambda n: add(node, content=picture(n, 2000)), range(16)))
    assert sorted(f.name for f in node.files.files_of()) == sorted(names)
    assert isinstance(node.files, Files)
    assert chunk_hash(b"") != Manifest("a", 1, ()).name(bytes(32))


def test_every_bad_file_is_named(stores):
    """A changed chunk, a lost chunk and a changed row are each named by file; whole and half-arrived files hold."""
    node = stores("node")
    names = [add(node, content=picture(n)) for n in range(5)]
    manifest, key, chunks = seal_file(picture(9), "image/jpeg")
    node.files.begin(b"l" * 16, manifest, key, [ONE], NOW_MS)
    node.files.extend(manifest.name(key), 0, chunks[0])
    seen = []
    assert verify_files(node, seen.append) == (6, [])
    assert seen == [1, 2, 3, 4, 5, 6]
    with closing(by_hand(node.folder / FILES_FILE)) as db:
        db.execute("UPDATE chunk SET sealed = zeroblob(length(sealed)) WHERE id = (2<<8) + 3")
        db.execute("DELETE FROM chunk WHERE id = 3<<8")
        db.execute("UPDATE file SET size = size - 1 WHERE id = 4")
    verdict = verify_files(node, seen.append)
    assert (verdict.compared, [bad.name for bad in verdict.bad]) == (6, names[1:4])
    assert "chunk 4 is not what it was" in verdict.bad[0].why


def test_an_erased_file_is_no_fault(stores, draft):
    """After an erasure, also one whose chunks are not gone yet, all that is left holds."""
    node = stores("node")
    node.record([draft(1)]).result(10)
    name = add(node, ONE)
    add(node, TWO)
    node.keyring.destroy_files([name])
    assert verify_files(node, lambda _: None) == (2, [])
    node.erase([ONE], **BY)
    assert verify_files(node, lambda _: None) == (1, [])
