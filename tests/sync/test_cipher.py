"""Encryption at rest: nothing in clear in any file, nothing opens with another key, and no flipped bit is ever data."""

from __future__ import annotations

import re
import sqlite3
from contextlib import closing

import apsw
import pytest

from sync import cipher
from sync.cipher import KEY_SIZE, MasterKey, connect, raw_key
from sync.database import create_database, open_database
from sync.errors import FolderError, LogCorrupt, NoCipher, SyncError
from tests.by_hand import SOME_MASTER

APPLICATION_ID, FORMAT = 0x48575454, 1
OTHER_MASTER = MasterKey(bytes(32))
CANARY = "王小花住在南沟村".encode()
PAGE_SIZE = 4096


@pytest.fixture
def path(tmp_path):
    """A file with many rows on several pages, closed."""
    with closing(create_database(tmp_path / "t.db", SOME_MASTER, APPLICATION_ID, FORMAT, "CREATE TABLE t(a)")) as db:
        db.executemany("INSERT INTO t VALUES(?)", [(CANARY * 20,)] * 240)
    return tmp_path / "t.db"


def opened(path, master=SOME_MASTER):
    return open_database(path, master, APPLICATION_ID, FORMAT)


def count(db) -> int:
    return sum(1 for row in db.execute("SELECT a FROM t") if row == (CANARY * 20,))


def test_a_file_begins_with_its_keys_mark(path):
    """Not SQLite's name but the mark of the key stands first, and of two kinds of file each has its own."""
    assert path.read_bytes()[:16] == raw_key(SOME_MASTER.current, APPLICATION_ID)[KEY_SIZE:]
    keys = {raw_key(master.current, kind) for master in (SOME_MASTER, OTHER_MASTER) for kind in (1, 2)}
    assert len(keys) == 4
    assert len({key[:KEY_SIZE] for key in keys}) == len({key[KEY_SIZE:] for key in keys}) == 4


def test_no_file_holds_a_word_in_clear(path):
    """Neither the file nor its WAL and shared memory, while it is open, holds what was written."""
    with closing(opened(path)) as db:
        db.execute("INSERT INTO t VALUES(?)", (CANARY,))
        files = list(path.parent.iterdir())
        assert len(files) == 3
        for file in files:
            assert CANARY not in file.read_bytes()
            assert b"CREATE TABLE" not in file.read_bytes()


def test_nothing_is_put_into_temporary_files(path):
    """A sort that does not fit the cache would be written outside the cipher: it stays in memory."""
    for db in (opened(path), connect(path, SOME_MASTER, APPLICATION_ID)):
        with closing(db):
            assert db.execute("PRAGMA temp_store").get == 2


def test_another_key_does_not_open_it(path):
    """With another master key the file is refused by its mark, with a forged mark by the cipher."""
    with pytest.raises(LogCorrupt, match=r"t\.db.*another folder"):
        opened(path, OTHER_MASTER)
    data = path.read_bytes()
    path.write_bytes(raw_key(OTHER_MASTER.current, APPLICATION_ID)[KEY_SIZE:] + data[16:])
    with pytest.raises(LogCorrupt, match=r"t\.db is damaged"):
        opened(path, OTHER_MASTER)


def test_the_key_before_opens_it_too(path):
    """While a folder is re-keyed, files under either master key are opened."""
    with closing(opened(path, MasterKey(OTHER_MASTER.current, SOME_MASTER.current))) as db:
        assert count(db) == 240


def test_a_plain_file_in_its_place_is_refused(path):
    """A file that SQLite itself wrote is not taken, and left as it was."""
    path.unlink()
    with closing(sqlite3.connect(path)) as db:
        db.execute("CREATE TABLE t(a)")
    before = path.read_bytes()
    with pytest.raises(LogCorrupt, match=r"t\.db is not encrypted"):
        opened(path)
    assert path.read_bytes() == before


def test_a_flipped_bit_in_any_page_is_damage(path):
    """Whichever page it is in, reading everything stops with an error; never is another value read."""
    whole = path.read_bytes()
    assert len(whole) // PAGE_SIZE > 30
    for page in range(len(whole) // PAGE_SIZE):
        for offset in (0, 17, 100, 2000, PAGE_SIZE - 1):
            at = page * PAGE_SIZE + offset
            path.write_bytes(whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :])
            with pytest.raises((LogCorrupt, apsw.CorruptError, apsw.NotADBError)):
                read_all(path)


def read_all(path) -> None:
    with closing(opened(path)) as db:
        count(db)
        db.execute("PRAGMA integrity_check").fetchall()


@pytest.mark.parametrize("without", [True, False], ids=["no such attribute", "empty"])
def test_a_build_without_a_cipher_is_refused(tmp_path, path, monkeypatch, without):
    """Plain apsw, which takes every key in silence, opens and makes nothing."""
    if without:
        monkeypatch.delattr(apsw, "mc_version")
    else:
        monkeypatch.setattr(apsw, "mc_version", "")
    with pytest.raises(NoCipher, match="apsw-sqlite3mc"):
        opened(path)
    with pytest.raises(NoCipher):
        create_database(tmp_path / "new.db", SOME_MASTER, APPLICATION_ID, FORMAT, "CREATE TABLE t(a)")
    assert not (tmp_path / "new.db").exists()


def test_a_file_that_came_out_plain_is_taken_back(tmp_path, monkeypatch):
    """If the key was swallowed in silence, the new file is noticed from outside and removed."""
    monkeypatch.setattr(cipher, "set_key", lambda *_: None)
    with pytest.raises(NoCipher, match=r"new\.db was not encrypted"):
        create_database(tmp_path / "new.db", SOME_MASTER, APPLICATION_ID, FORMAT, "CREATE TABLE t(a)")
    assert not (tmp_path / "new.db").exists()


def test_a_file_that_opens_with_any_key_is_taken_back(tmp_path, monkeypatch):
    """If a key that should be wrong opens the new file, the cipher guards nothing, and the file is removed."""
    right = raw_key(SOME_MASTER.current, APPLICATION_ID)[:KEY_SIZE]
    monkeypatch.setattr(cipher.secrets, "token_bytes", lambda _: right)
    with pytest.raises(NoCipher, match="wrong key"):
        create_database(tmp_path / "new.db", SOME_MASTER, APPLICATION_ID, FORMAT, "CREATE TABLE t(a)")
    assert not (tmp_path / "new.db").exists()


def test_a_cipher_that_is_not_ours_is_refused(path, monkeypatch):
    """A build that does not know the cipher, or answers with another one, is refused."""
    monkeypatch.setattr(cipher, "CIPHER", (("cipher", "rot13"),))
    with pytest.raises(NoCipher):
        opened(path)


def test_a_pragma_that_is_not_answered_is_refused(path, monkeypatch):
    """Who does not know a pragma says nothing to it, as every SQLite does: that is no cipher."""
    monkeypatch.setattr(cipher, "CIPHER", (*cipher.CIPHER, ("no_such_pragma", "1")))
    with pytest.raises(NoCipher, match="does not take our cipher"):
        opened(path)


def test_a_file_that_cannot_be_made_is_named(tmp_path):
    """Where there is no folder for it, the file that was to be made is named."""
    path = tmp_path / "nowhere" / "t.db"
    with pytest.raises(FolderError, match=rf"^{re.escape(str(path))} cannot be opened: "):
        cipher.create(path, SOME_MASTER, APPLICATION_ID)


def test_no_error_shows_the_key(path, monkeypatch):
    """Whatever fails, no message has a key in it, nor does the representation of a master key."""
    key = raw_key(SOME_MASTER.current, APPLICATION_ID)
    shown = [repr(SOME_MASTER), str(SOME_MASTER)]
    for harm in (lambda: path.write_bytes(b""), path.unlink, path.mkdir):
        harm()
        with pytest.raises(SyncError) as met:
            opened(path)
        shown.append(repr(met.value))
    monkeypatch.setattr(cipher, "CIPHER", (("cipher", "rot13"),))
    with pytest.raises(NoCipher) as met:
        cipher.create(path.parent / "x.db", SOME_MASTER, APPLICATION_ID)
    shown.append(repr(met.value))
    for secret in (SOME_MASTER.current.hex(), key[:KEY_SIZE].hex()):
        assert secret not in "".join(shown)


def test_what_is_missing_is_not_made(tmp_path):
    """Connecting never creates."""
    with pytest.raises(FolderError, match="missing"):
        connect(tmp_path / "t.db", SOME_MASTER, APPLICATION_ID)
    assert list(tmp_path.iterdir()) == []


def test_keys_follow_rfc_5869():
    """Test case 3 of RFC 5869 (no salt, no info), and more than one block of output."""
    expected = "8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d9d201395faa4b61a96c8"
    assert cipher.expand(b"\x0b" * 22, b"", 42).hex() == expected
