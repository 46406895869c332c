"""Keys: each is given out once, and none that an entry needs is ever missing."""

from __future__ import annotations

import pytest

from sync.errors import FolderError, LogCorrupt
from sync.keyring import BLOCK_COUNT, Keyring
from tests.by_hand import SOME_MASTER


@pytest.fixture
def reopened(tmp_path):
    """Opens the same file again and again, as after a restart."""
    opened = [Keyring.create(tmp_path / "keys.db", SOME_MASTER)]

    def reopen() -> Keyring:
        opened[-1].close()
        opened.append(Keyring.open(tmp_path / "keys.db", SOME_MASTER))
        return opened[-1]

    yield reopen
    opened[-1].close()


def test_every_key_is_given_out_once(reopened):
    """Over several blocks and restarts no number and no key comes twice, and numbers rise."""
    given, last = [], 0
    for _ in range(4):
        keyring = reopened()
        for _ in range(BLOCK_COUNT // 2 + 50):
            number, key = keyring.assign(last)
            given.append((number, key))
            last = number
    assert [number for number, _ in given] == sorted({number for number, _ in given})
    assert len({key for _, key in given}) == len(given)
    assert {len(key) for _, key in given} == {32}
    assert [reopened().stream_key(number) for number, _ in given[::100]] == [key for _, key in given[::100]]


def test_keys_of_a_rolled_back_transaction_are_given_out_again(reopened):
    """What no entry used is neither lost nor skipped."""
    keyring = reopened()
    first, second, third = (keyring.assign(n) for n in range(3))
    keyring.unassign_all()
    assert keyring.assign(first[0]) == second
    assert keyring.assign(second[0]) == third


def test_a_restart_goes_on_behind_the_last_used_key(reopened):
    """A key that an entry uses is not given out after a restart; one that none uses is."""
    first, second = (reopened().assign(n) for n in range(2))
    assert reopened().assign(first[0]) == second
    assert reopened().assign(second[0])[0] == second[0] + 1


def test_keys_are_made_ahead_in_blocks(reopened):
    """Only every 256th new stream costs a commit of its own."""
    keyring = reopened()
    keyring.assign(0)
    assert len(keyring.stream_key(BLOCK_COUNT)) == 32
    with pytest.raises(LogCorrupt):
        keyring.stream_key(BLOCK_COUNT + 1)


def test_received_keys_are_kept_and_never_given_out(reopened):
    """A peer's key is found again under its number, and is never used for a stream of our own."""
    keyring = reopened()
    theirs = [bytes([n]) * 32 for n in range(1, 6)]
    last = keyring.assign(0)[0]
    numbers = keyring.receive(theirs)
    assert keyring.receive([]) == []
    keyring = reopened()
    assert [keyring.stream_key(number) for number in numbers] == theirs
    own = []
    for _ in range(BLOCK_COUNT + 10):
        last, key = keyring.assign(last)
        own.append(key)
    assert set(own).isdisjoint(theirs)
    assert len(set(own)) == len(own)


def test_a_missing_key_names_the_file(reopened):
    """An operator learns which file does not belong to which."""
    keyring = reopened()
    with pytest.raises(LogCorrupt, match=r"keys\.db"):
        keyring.stream_key(1)
    with pytest.raises(LogCorrupt, match=r"keys\.db"):
        keyring.log_seed(b"L" * 16)


def test_a_logs_key_is_kept(reopened):
    """The signing key is there after a restart, and is never replaced."""
    reopened().add_log_key(b"L" * 16, b"S" * 32)
    keyring = reopened()
    assert keyring.log_seed(b"L" * 16) == b"S" * 32
    with pytest.raises(Exception, match="UNIQUE"):
        keyring.add_log_key(b"L" * 16, b"X" * 32)
    assert keyring.log_seed(b"L" * 16) == b"S" * 32


def test_a_missing_file_is_not_made(tmp_path):
    """Opening never creates."""
    with pytest.raises(FolderError, match=r"keys\.db"):
        Keyring.open(tmp_path / "keys.db", SOME_MASTER)
    assert list(tmp_path.iterdir()) == []
