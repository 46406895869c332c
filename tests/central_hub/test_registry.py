"""The county's register of homes: a fold of the hub's own log, with one node to an invitation."""

import threading

import pytest

from central_hub.registry import DAY_MS, DAYS, Admissions, InvitationRefused, Registry
from domain.errors import Refused
from sync.entry import log_id
from sync.errors import LogCorrupt, VerificationError
from sync.note import Signer
from sync.store import Store
from sync.succession import succeed, vouch


class Clock:
    """A clock that stands still until it is moved."""

    def __init__(self):
        self.now = 1_725_148_800_000

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def store(tmp_path):
    """A hub's log."""
    Store.create(tmp_path)
    opened = Store(tmp_path)
    yield opened
    opened.close()


def key(number):
    return Signer(f"homeward/{number}", bytes([number]) * 32).public_key


DIGEST = b"d" * 32


def test_a_node_is_admitted_once(store, clock):
    """The invited node joins and may repeat it; its log belongs to the home from then on, after a restart too."""
    admissions = Admissions(store, clock)
    admissions.invite("home-01", "南沟村", DIGEST)
    admissions.join("home-01", DIGEST, key(1))
    size = store.size(store.log)
    admissions.join("home-01", DIGEST, key(1))
    assert store.size(store.log) == size
    for registry in (admissions, Registry(store), Admissions(store, clock)):
        assert registry.code_of(log_id(key(1))) == "home-01"
        assert registry.key_of(log_id(key(1))) == key(1)
        (home,) = registry.homes()
        assert (home.code, home.name, list(home.logs)) == ("home-01", "南沟村", [log_id(key(1))])


@pytest.mark.parametrize("restart", [False, True])
def test_who_is_not_admitted(store, clock, restart):
    """Another node, another home, an unknown secret and a late comer are refused; nothing is stored."""
    admissions = Admissions(store, clock)
    for code, digest in (("home-01", DIGEST), ("home-01", b"e" * 32), ("home-02", b"f" * 32)):
        admissions.invite(code, code, digest)
    admissions.join("home-01", DIGEST, key(1))
    if restart:
        admissions = Admissions(store, clock)
    size = store.size(store.log)
    clock.now += DAYS * DAY_MS + 1
    for code, digest, number in (("home-01", DIGEST, 2), ("home-02", DIGEST, 2), ("home-01", b"x" * 32, 2),
                                 ("home-01", b"e" * 32, 2), ("home-01", b"f" * 32, 2)):  # fmt: skip
        with pytest.raises(InvitationRefused):
            admissions.join(code, digest, key(number))
    assert store.size(store.log) == size
    assert admissions.key_of(log_id(key(2))) is None
    assert admissions.code_of(log_id(key(2))) == ""
    admissions.join("home-01", DIGEST, key(1))  # its answer may have been lost for days


def test_an_invitation_that_goes_by_courier(store, clock):
    """Good for as many days as were asked, up to sixty, and not a moment longer."""
    admissions = Admissions(store, clock)
    for days in (0, -1, 61):
        with pytest.raises(Refused):
            admissions.invite("home-01", "n", DIGEST, days)
    admissions.invite("home-01", "n", DIGEST, 60)
    admissions.invite("home-02", "n", b"e" * 32, 60)
    clock.now += 60 * DAY_MS
    admissions.join("home-01", DIGEST, key(1))
    clock.now += 1
    with pytest.raises(InvitationRefused):
        admissions.join("home-02", b"e" * 32, key(2))


def test_a_node_belongs_to_one_home(store, clock):
    """A node that has joined cannot join again as another home."""
    admissions = Admissions(store, clock)
    admissions.invite("home-01", "n", DIGEST)
    admissions.invite("home-02", "n", b"e" * 32)
    admissions.join("home-01", DIGEST, key(1))
    with pytest.raises(InvitationRefused):
        admissions.join("home-02", b"e" * 32, key(1))
    assert admissions.code_of(log_id(key(1))) == "home-01"


def test_a_race_for_one_invitation(store, clock):
    """Of many nodes at once exactly one is admitted."""
    admissions = Admissions(store, clock)
    admissions.invite("home-01", "n", DIGEST)
    refused = []

    def run(number):
        try:
            admissions.join("home-01", DIGEST, key(number))
        except InvitationRefused:
            refused.append(number)

    threads = [threading.Thread(target=run, args=(number,)) for number in range(1, 9)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(refused) == 7
    assert [len(home.logs) for home in Registry(store).homes()] == [1]


@pytest.mark.parametrize(
    ("code", "name"), [("", "n"), ("home 01", "n"), (" ", "n"), ("c" * 41, "n"), ("c", ""), ("c", "n" * 81)]
)
def test_a_home_has_a_code_and_a_name(store, clock, code, name):
    """A code without spaces and a name, both of a bearable length."""
    with pytest.raises(Refused):
        Admissions(store, clock).invite(code, name, DIGEST)
    assert store.size(store.log) == 0


def test_the_last_name_counts(store, clock):
    """A home that is invited again under another name has that name, and keeps its place in the order of codes."""
    admissions = Admissions(store, clock)
    for code, name, digest in (("b", "乙", b"1" * 32), ("a", "甲", b"2" * 32), ("b", "丙", b"3" * 32)):
        admissions.invite(code, name, digest)
    assert [(home.code, home.name) for home in Registry(store).homes()] == [("a", "甲"), ("b", "丙")]


def signer(number):
    return Signer(f"homeward/{number}", bytes([number]) * 32)


def admitted(store, clock):
    admissions = Admissions(store, clock)
    admissions.invite("home-01", "南沟村", DIGEST)
    admissions.join("home-01", DIGEST, key(1))
    return admissions


def test_a_log_goes_on_in_another_one(store, clock):
    """Both keys' signatures admit the new log to the home of the old one, durably, and once."""
    admissions = admitted(store, clock)
    admissions.admit(succeed(signer(1), signer(2), 7))
    size = store.size(store.log)
    admissions.admit(succeed(signer(1), signer(2), 7))
    assert store.size(store.log) == size
    for registry in (admissions, Registry(store)):
        assert registry.code_of(log_id(key(2))) == "home-01"
        assert registry.logs_of(log_id(key(2))) == {log_id(key(n)): key(n) for n in (1, 2)}


def test_an_older_log_may_be_told_of_later(store, clock):
    """A node that joined with its new log may still bring the one before."""
    admissions = admitted(store, clock)
    admissions.admit(succeed(signer(3), signer(1), 7))
    assert admissions.code_of(log_id(key(3))) == "home-01"


def test_nobody_is_admitted_without_the_old_key(store, clock):
    """A signature that does not hold admits nobody; a chain that leads to no known log is left alone."""
    admissions = admitted(store, clock)
    size = store.size(store.log)
    with pytest.raises(VerificationError):
        admissions.admit(succeed(signer(1), signer(2), 7)._replace(old_signature=bytes(64)))
    admissions.admit(succeed(signer(4), signer(5), 7))
    assert (store.size(store.log), admissions.code_of(log_id(key(2)))) == (size, "")


def test_a_node_vouches_for_a_log_of_its_home(store, clock):
    """A hub that has forgotten a log learns from the home's own node where it belongs; a stranger's word is none."""
    admissions = admitted(store, clock)
    admissions.admit(vouch(signer(6), key(7)))
    assert admissions.key_of(log_id(key(7))) is None
    with pytest.raises(VerificationError):
        admissions.admit(vouch(signer(1), key(7))._replace(signature=bytes(64)))
    with pytest.raises(VerificationError):
        admissions.admit(vouch(signer(1), bytes(32)))
    admissions.admit(vouch(signer(1), key(7)))
    for registry in (admissions, Registry(store)):
        assert registry.code_of(log_id(key(7))) == "home-01"


def test_who_belongs_to_whom_is_not_guessed(store, clock):
    """Where an entry about the homes cannot be read, nobody is taken for the county, and the entry is named."""
    admissions = Admissions(store, clock)
    admissions.invite("home-01", "南沟村", DIGEST)
    admissions.join("home-01", DIGEST, key(1))
    store.submit(lambda db: db.execute("UPDATE entry SET body=zeroblob(60) WHERE seq=2").fetchall()).result(10)
    with pytest.raises(LogCorrupt, match="entry 2 of the county's own log"):
        Registry(store)
