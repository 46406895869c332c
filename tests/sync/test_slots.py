"""Key slots: each opens the folder alone, nothing else does, and no step leaves a folder that nobody can open."""

from __future__ import annotations

import json
import stat
import sys

import pyrage
import pytest
from pyrage import x25519

from sync import slots as slots_module
from sync import small_file
from sync.cipher import MasterKey
from sync.errors import FolderError, LogCorrupt, NewerFormat, SyncError, WrongKey
from sync.slots import SLOTS_FILE, Slots, read_identities, unlock
from tests.by_hand import SOME_MASTER

COUNTY = x25519.Identity.generate()
PASSPHRASE = "一二三四五六七八 correct horse"


@pytest.fixture(autouse=True)
def quick_argon2(monkeypatch):
    """Parameters for tests, which derive often."""
    monkeypatch.setattr(slots_module, "MEMORY_KIB", 64)
    monkeypatch.setattr(slots_module, "PASSES", 1)


@pytest.fixture
def folder(tmp_path):
    """A folder with slots of all three kinds."""
    slots = Slots.create(tmp_path, SOME_MASTER)
    slots.add_passphrase(SOME_MASTER, PASSPHRASE)
    slots.add_recovery(SOME_MASTER, str(COUNTY.to_public()))
    return tmp_path


def never() -> str:
    raise AssertionError("asked")


def test_each_slot_opens_it_alone(folder):
    """Key file, passphrase and identity give the same master key; the passphrase is asked for only when needed."""
    assert unlock(folder, never) == SOME_MASTER
    (folder / "node.key").unlink()
    assert unlock(folder, lambda: PASSPHRASE) == SOME_MASTER
    assert Slots(folder).unlock(never, [COUNTY]) == SOME_MASTER


def test_secrets_are_for_the_owner(folder):
    """Key file and slots have mode 0600, and neither holds the master key."""
    for name in ("node.key", SLOTS_FILE):
        if sys.platform != "win32":
            assert stat.S_IMODE((folder / name).stat().st_mode) == 0o600
        assert SOME_MASTER.current.hex() not in (folder / name).read_text()
        assert PASSPHRASE not in (folder / name).read_text()


def test_nothing_else_opens_it(folder):
    """Another key file, passphrase or identity is a wrong key, and the sentence says what is at hand."""
    with pytest.raises(WrongKey, match="recovery slot"):
        Slots(folder).unlock(None, [x25519.Identity.generate()])
    (folder / "node.key").write_text("00" * 32)
    with pytest.raises(WrongKey, match=r"not its passphrase"):
        unlock(folder, lambda: PASSPHRASE + "!")
    with pytest.raises(WrongKey, match=r"node\.key is not this folder's key file.*passphrase"):
        unlock(folder)
    for text in ("", "a letter", "\0\1", "zz" * 32):
        (folder / "node.key").write_text(text)
        with pytest.raises(WrongKey):
            unlock(folder)
    (folder / "node.key").unlink()
    with pytest.raises(WrongKey, match=r"node\.key is missing"):
        unlock(folder)


def test_a_passphrase_is_what_a_person_typed(folder):
    """The same letters count, however they were put together; short ones are refused."""
    slots = Slots(folder)
    slots.add_passphrase(SOME_MASTER, "café résumé")
    (folder / "node.key").unlink()
    assert unlock(folder, lambda: "cafe\u0301 re\u0301sume\u0301") == SOME_MASTER
    with pytest.raises(WrongKey, match="8"):
        slots.add_passphrase(SOME_MASTER, "short")


def test_a_new_passphrase_replaces_the_old_one(folder):
    """There is at most one; a recipient is not added twice."""
    slots = Slots(folder)
    slots.add_passphrase(SOME_MASTER, "another passphrase")
    slots.add_recovery(SOME_MASTER, str(COUNTY.to_public()))
    assert sorted(slot.kind for slot in Slots(folder).slots) == ["file", "passphrase", "recovery"]
    (folder / "node.key").unlink()
    with pytest.raises(WrongKey):
        unlock(folder, lambda: PASSPHRASE)


def test_slots_are_removed_but_for_the_last(folder):
    """A removed slot opens nothing, its key file is gone, and what can start the node stays."""
    slots = Slots(folder)
    key_file = (folder / "node.key").read_text()
    assert slots.remove(1).kind == "file"
    assert not (folder / "node.key").exists()
    (folder / "node.key").write_text(key_file)
    with pytest.raises(WrongKey):
        unlock(folder)
    passphrase = next(n for n, slot in enumerate(slots.slots, 1) if slot.kind == "passphrase")
    with pytest.raises(FolderError, match="last"):
        slots.remove(passphrase)
    for number in (0, 3, -1):
        with pytest.raises(FolderError, match="slots 1 to 2"):
            slots.remove(number)
    slots.remove(3 - passphrase)
    assert unlock(folder, lambda: PASSPHRASE) == SOME_MASTER


def test_key_files_lie_anywhere(folder, tmp_path_factory):
    """A second key file on a stick opens the folder; one that exists is never overwritten."""
    stick = tmp_path_factory.mktemp("stick") / "homeward.key"
    slots = Slots(folder)
    slots.add_file(SOME_MASTER, str(stick))
    with pytest.raises(FolderError, match="exists"):
        slots.add_file(SOME_MASTER, str(stick))
    (folder / "node.key").unlink()
    assert unlock(folder) == SOME_MASTER


def test_there_is_a_limit(folder):
    """No more slots than a person can look over."""
    slots = Slots(folder)
    while len(slots.slots) < slots_module.SLOTS_COUNT_MAX:
        slots.add_recovery(SOME_MASTER, str(x25519.Identity.generate().to_public()))
    with pytest.raises(FolderError, match="remove one"):
        slots.add_file(SOME_MASTER, "one-more.key")
    assert len(Slots(folder).slots) == slots_module.SLOTS_COUNT_MAX


@pytest.mark.parametrize("text", ["", "age1qqqq", "ssh-ed25519 AAAA", "age1" + "q" * 58, "\n"])
def test_recipients_are_age_recipients(folder, text):
    """What is no recipient is refused before anything is changed."""
    before = (folder / SLOTS_FILE).read_bytes()
    with pytest.raises(FolderError, match="age1"):
        Slots(folder).add_recovery(SOME_MASTER, text)
    assert (folder / SLOTS_FILE).read_bytes() == before


def test_identities_are_read_as_age_keygen_writes_them(tmp_path):
    """Comments are passed over; anything else is refused, and not shown."""
    (tmp_path / "id").write_text(f"# created: today\n# public key: {COUNTY.to_public()}\n{COUNTY}\n")
    assert [str(one) for one in read_identities(tmp_path / "id")] == [str(COUNTY)]
    for text in ("", "# nothing\n", "AGE-SECRET-KEY-1NOT", "\xff"):
        (tmp_path / "id").write_text(text, encoding="latin-1")
        with pytest.raises(WrongKey, match="identity") as met:
            read_identities(tmp_path / "id")
        assert "NOT" not in str(met.value)
    with pytest.raises(WrongKey):
        read_identities(tmp_path / "nowhere")


@pytest.mark.parametrize(
    ("harm", "error"),
    [
        (lambda found: found | {"format": 2}, NewerFormat),
        (lambda found: found | {"slots": []}, LogCorrupt),
        (lambda found: found | {"slots": found["slots"] * 9}, LogCorrupt),
        (lambda found: found | {"slots": [{"kind": "eye", "wrapped": ""}]}, NewerFormat),
        (lambda found: found | {"slots": [{"kind": "file", "wrapped": ""}]}, LogCorrupt),
        (lambda found: found | {"slots": [{"kind": "file", "path": 7, "wrapped": ""}]}, LogCorrupt),
        (lambda found: found | {"slots": [found["slots"][1] | {"memory_kib": 1 << 40}]}, LogCorrupt),
        (lambda found: found | {"slots": [found["slots"][1] | {"passes": 10**6}]}, LogCorrupt),
        (lambda found: found | {"slots": [found["slots"][1] | {"lanes": 0}]}, LogCorrupt),
        (lambda found: found | {"slots": [found["slots"][1] | {"salt": "xy"}]}, LogCorrupt),
        (lambda found: found | {"slots": 7}, LogCorrupt),
        (lambda found: {"format": 1}, LogCorrupt),
        (lambda found: [found], LogCorrupt),
    ],
)
def test_a_damaged_key_json_has_its_error(folder, harm, error):
    """Newer is one thing, damaged another; a derivation that would take for ever is not begun."""
    file = folder / SLOTS_FILE
    file.write_text(json.dumps(harm(json.loads(file.read_text()))))
    with pytest.raises(error, match=r"key\.json|newer"):
        unlock(folder, never)


def test_a_missing_or_unreadable_key_json(tmp_path):
    """Missing is named; bytes that are no text are damage."""
    with pytest.raises(FolderError, match=r"key\.json is missing"):
        unlock(tmp_path)
    (tmp_path / SLOTS_FILE).write_bytes(b"\xff\xfe\0")
    with pytest.raises(LogCorrupt, match=r"key\.json"):
        unlock(tmp_path)


def test_any_changed_byte_of_a_wrapped_key_is_noticed(folder):
    """No slot ever gives another key than the one that was wrapped."""
    file = folder / SLOTS_FILE
    found = json.loads(file.read_text())
    wrapped = bytes.fromhex(found["slots"][0]["wrapped"])
    for at in range(len(wrapped)):
        found["slots"][0]["wrapped"] = (wrapped[:at] + bytes([wrapped[at] ^ 1]) + wrapped[at + 1 :]).hex()
        file.write_text(json.dumps(found))
        with pytest.raises(WrongKey):
            unlock(folder)


STEPS = {
    "passphrase": lambda slots: slots.add_passphrase(SOME_MASTER, "another passphrase"),
    "file": lambda slots: slots.add_file(SOME_MASTER, "second.key"),
    "recovery": lambda slots: slots.add_recovery(SOME_MASTER, str(x25519.Identity.generate().to_public())),
    "remove": lambda slots: slots.remove(1),
    "renew": lambda slots: slots.renew(SOME_MASTER, lambda: PASSPHRASE),
}


@pytest.mark.parametrize("step", STEPS)
def test_a_cut_at_any_moment_leaves_a_folder_that_opens(folder, monkeypatch, step):
    """Wherever a change of slots stops, identity and one of the other slots still give the master key."""

    class Cut(Exception):
        pass

    real, left = small_file.os.fsync, [0]

    def fsync(handle) -> None:
        left[0] -= 1
        if left[0] < 0:
            raise Cut
        real(handle)

    monkeypatch.setattr(small_file.os, "fsync", fsync)
    before = {file.name: file.read_bytes() for file in folder.iterdir()}
    for moment in range(20):
        for file in folder.iterdir():
            file.unlink()
        for name, data in before.items():
            (folder / name).write_bytes(data)
        left[0] = moment
        try:
            STEPS[step](Slots(folder))
        except Cut:
            done = False
        else:
            done = True
        left[0] = 1000
        everyday = never if step == "passphrase" else lambda: PASSPHRASE
        for found in (Slots(folder).unlock(None, [COUNTY]), unlock(folder, everyday)):
            assert SOME_MASTER.current in (found.current, found.previous)
        if done:
            return
    raise AssertionError("never done")


def test_a_renewed_master_key_knows_the_one_before(folder):
    """All slots give the new key and the old one, until that is forgotten; the key file is then one line again."""
    slots = Slots(folder)
    fresh = slots.renew(SOME_MASTER, lambda: PASSPHRASE)
    assert fresh.previous == SOME_MASTER.current != fresh.current
    assert Slots(folder).is_rekeying
    assert unlock(folder) == Slots(folder).unlock(None, [COUNTY]) == fresh
    Slots(folder).add_recovery(fresh, str(x25519.Identity.generate().to_public()))
    assert unlock(folder) == fresh
    Slots(folder).forget_previous()
    assert unlock(folder) == unlock(folder, lambda: PASSPHRASE) == MasterKey(fresh.current)
    assert len((folder / "node.key").read_text().split()) == 1


@pytest.mark.parametrize("what", ["passphrase", "file"])
def test_nothing_is_renewed_if_a_slot_cannot_be(folder, what):
    """Without the passphrase or a key file that a slot needs, the master key stays."""
    slots = Slots(folder)
    if what == "file":
        slots.add_file(SOME_MASTER, "second.key")
        (folder / "second.key").unlink()
    with pytest.raises(SyncError):
        slots.renew(SOME_MASTER, lambda: "not the passphrase" if what == "passphrase" else PASSPHRASE)
    assert unlock(folder) == SOME_MASTER
    assert not Slots(folder).is_rekeying


def test_a_recovery_slot_that_holds_something_else(folder):
    """What somebody else encrypted to the county is not taken for a master key."""
    file = folder / SLOTS_FILE
    found = json.loads(file.read_text())
    found["slots"][2]["wrapped"] = pyrage.encrypt(b"short", [COUNTY.to_public()]).hex()
    file.write_text(json.dumps(found))
    with pytest.raises(WrongKey):
        Slots(folder).unlock(None, [COUNTY])


def test_slots_are_not_made_over_others(folder):
    """A folder that has slots keeps them."""
    with pytest.raises(FolderError, match="exists"):
        Slots.create(folder, SOME_MASTER)
