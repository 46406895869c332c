"""Keys, backups and restoring from the command line, at a home and at the hub."""

from __future__ import annotations

import contextlib
import json
import sqlite3
import stat
import sys

import pytest
from pyrage import x25519

from sync import slots

COUNTY = x25519.Identity.generate()
PLACES = [("site-node", "home"), ("central-hub", "hub")]


@pytest.fixture(autouse=True)
def quick_argon2(monkeypatch):
    """Parameters for tests, which derive often."""
    monkeypatch.setattr(slots, "MEMORY_KIB", 64)
    monkeypatch.setattr(slots, "PASSES", 1)
    monkeypatch.delenv("HOMEWARD_PASSPHRASE_FILE", raising=False)
    monkeypatch.delenv("HOMEWARD_NEW_PASSPHRASE_FILE", raising=False)


@pytest.fixture(params=PLACES, ids=["home", "hub"])
def place(request, county):
    """(yard, program, folder, the county's identity file)."""
    (county / "identity").write_text(f"# the county's\n{COUNTY}\n")
    return county, request.param[0], county / request.param[1], county / "identity"


@pytest.fixture
def passphrase(county, monkeypatch):
    """Say which passphrase is given from now on, as the one that is known and as a new one."""

    def give(known: str | None, new: str | None = None) -> None:
        for variable, value in (("HOMEWARD_PASSPHRASE_FILE", known), ("HOMEWARD_NEW_PASSPHRASE_FILE", new)):
            if value is None:
                monkeypatch.delenv(variable, raising=False)
            else:
                (county / variable).write_text(value + "\n", encoding="utf-8")
                monkeypatch.setenv(variable, str(county / variable))

    return give


def kinds(yard, name, folder) -> list[str]:
    return [slot["kind"] for slot in yard.quick(name, "key", folder, "--json").json()["slots"]]


def test_no_name_is_in_any_file(county, lines_of):
    """Whoever looks through every byte of both folders finds no child, no worker and no table."""
    facts = [json.loads(line) for line in lines_of(count=120)]
    names = {value for fact in facts for value in words(fact) if not value.isascii() and len(value) >= 2}
    names |= {f'"{key}"' for fact in facts for key in fact}
    assert len(names) > 100
    for folder in (county / "home", county / "hub"):
        for name, program in (("digest", "site-node" if folder.name == "home" else "central-hub"),):
            county.quick(program, name, folder)
        for file in folder.iterdir():
            data = file.read_bytes()
            if ".db" in file.name:
                assert b"SQLite format" not in data
                assert [word for word in names if word.encode() in data] == []


def words(value) -> list[str]:
    match value:
        case str():
            return [value]
        case dict():
            return [word for item in value.values() for word in words(item)]
        case list():
            return [word for item in value for word in words(item)]
        case _:
            return []


def test_init_makes_a_key_file_and_says_what_it_does(yard):
    """The key file is the owner's, and whoever makes a folder learns what it protects and what not."""
    answer = yard.quick("site-node", "init", yard / "home", "--name", "n", "--code", "c")
    assert "not this PC" in answer.err
    assert "add-passphrase" in answer.err
    if sys.platform != "win32":
        assert stat.S_IMODE((yard / "home" / "node.key").stat().st_mode) == 0o600
    shown = yard.quick("site-node", "key", yard / "home")
    assert "node.key" in shown.out
    assert "not the PC" in shown.out


def test_a_passphrase_in_place_of_the_key_file(place, passphrase):
    """Added, then the key file removed: from then on the passphrase opens, and nothing else does."""
    yard, name, folder, _ = place
    before = yard.quick(name, "digest", folder).out
    passphrase(None, "正确的马电池钉 one two")
    yard.quick(name, "key", folder, "add-passphrase")
    asked = yard.quick(name, "key", folder, "remove", "1", code=2)
    assert "--yes" in asked.err
    assert kinds(yard, name, folder) == ["file", "passphrase"]
    yard.quick(name, "key", folder, "remove", "1", "--yes")
    assert not (folder / "node.key").exists()
    refused = yard.quick(name, "status", folder, code=6)
    assert (refused.err.count("\n"), "HOMEWARD_PASSPHRASE_FILE" in refused.err) == (1, True)
    passphrase("not the passphrase")
    assert "not its passphrase" in yard.quick(name, "status", folder, code=6).err
    passphrase("正确的马电池钉 one two")
    assert yard.quick(name, "digest", folder).out == before
    assert "last" in yard.quick(name, "key", folder, "remove", "1", "--yes", code=2).err


def test_a_forgotten_passphrase_loses_nothing(place, passphrase):
    """The county's identity opens the folder for a new passphrase."""
    yard, name, folder, identity = place
    passphrase(None, "soon forgotten")
    yard.quick(name, "key", folder, "add-passphrase")
    yard.quick(name, "key", folder, "add-recovery", COUNTY.to_public())
    yard.quick(name, "key", folder, "remove", "1", "--yes")
    yard.quick(name, "key", folder, "add-passphrase", code=6)
    passphrase(None, "written down this time")
    (yard / "other").write_text(str(x25519.Identity.generate()))
    yard.quick(name, "key", folder, "add-passphrase", "--identity", yard / "other", code=6)
    yard.quick(name, "key", folder, "add-passphrase", "--identity", identity)
    passphrase("written down this time")
    assert yard.quick(name, "verify", folder, "--json").json()["ok"]


def test_a_wrong_or_missing_key_file(place):
    """Each is one sentence and exit code 6, and neither is called damage."""
    yard, name, folder, _ = place
    (folder / "node.key").write_text("ab" * 32 + "\n")
    for command in ("status", "children", "verify", "rebuild"):
        answer = yard.quick(name, command, folder, code=6)
        assert ("is not this folder's key file" in answer.err, answer.err.count("\n")) == (True, 1)
    (folder / "node.key").unlink()
    assert "node.key is missing" in yard.quick(name, "status", folder, code=6).err
    (folder / "key.json").unlink()
    assert "key.json is missing" in yard.quick(name, "status", folder, code=2).err


def test_rekeying(place, passphrase):
    """Afterwards everything says the same, every slot opens, and the old key file does not."""
    yard, name, folder, identity = place
    before, old = yard.quick(name, "digest", folder).out, (folder / "node.key").read_text()
    passphrase(None, "written down somewhere")
    yard.quick(name, "key", folder, "add-passphrase")
    yard.quick(name, "key", folder, "add-recovery", COUNTY.to_public())
    yard.quick(name, "key", folder, "rekey", code=6)  # the passphrase is needed, and not given
    assert yard.quick(name, "digest", folder).out == before
    passphrase("written down somewhere")
    yard.quick(name, "key", folder, "rekey")
    assert yard.quick(name, "digest", folder).out == before
    assert yard.quick(name, "verify", folder, "--json").json()["ok"]
    kept = (folder / "node.key").read_text()
    (folder / "node.key").unlink()
    yard.quick(name, "status", folder)
    passphrase(None)
    (folder / "node.key").write_text(old)
    yard.quick(name, "status", folder, code=6)
    yard.quick(name, "key", folder, "add-file", folder / "second.key", "--identity", identity)
    yard.quick(name, "status", folder)
    (folder / "node.key").write_text(kept)
    assert kinds(yard, name, folder) == ["file", "passphrase", "recovery", "file"]


@pytest.mark.parametrize(
    "given", [("add-recovery",), ("add-recovery", "age1nonsense"), ("add-passphrase", "on the command line"),
              ("remove",), ("remove", "9"), ("remove", "x"), ("rekey", "1"), ("add-file", "config.json"), ("sing",)],
)  # fmt: skip
def test_what_key_does_not_understand(place, given):
    """A sentence, exit code 2, and every slot as before."""
    yard, name, folder, _ = place
    before = (folder / "key.json").read_bytes()
    given = [str(folder / word) if word == "config.json" else word for word in given]
    yard.quick(name, "key", folder, *given, code=2)
    assert (folder / "key.json").read_bytes() == before


def test_a_backup_and_the_way_back(place):
    """The restored folder says the same and verifies, with a key file of its own; status knows of the backup."""
    yard, name, folder, identity = place
    assert yard.quick(name, "status", folder, "--json").json()["last_backup"] is None
    assert "add-recovery" in yard.quick(name, "backup", folder, yard / "b", code=2).err
    yard.quick(name, "key", folder, "add-recovery", COUNTY.to_public())
    assert "verified" in yard.quick(name, "backup", folder, yard / "b").out
    found = yard.quick(name, "status", folder, "--json").json()["last_backup"]
    assert list(found) == ["at", "age_s", "entries"]
    assert 0 <= found["age_s"] < 60
    assert "exists" in yard.quick(name, "backup", folder, yard / "b", code=2).err
    yard.quick(name, "restore", yard / "b", yard / "again", "--identity", identity)
    assert yard.quick(name, "digest", yard / "again").out == yard.quick(name, "digest", folder).out
    assert yard.quick(name, "verify", yard / "again", "--json").json()["ok"]
    assert (yard / "again" / "node.key").read_text() != (folder / "node.key").read_text()
    assert kinds(yard, name, yard / "again") == ["file", "recovery"]
    assert yard.quick(name, "status", yard / "again", "--json").json()["last_backup"]["at"] == found["at"]


def test_what_cannot_be_restored(place):
    """Over a folder, with another identity, of the other kind, damaged or missing: nothing is left behind."""
    yard, name, folder, identity = place
    yard.quick(name, "backup", folder, yard / "b", "--to", COUNTY.to_public())
    names = sorted(file.name for file in yard.path.iterdir())
    yard.quick(name, "restore", yard / "b", folder, "--identity", identity, code=2)
    (yard / "identity").write_text(str(x25519.Identity.generate()))
    yard.quick(name, "restore", yard / "b", yard / "r", "--identity", identity, code=6)
    (yard / "identity").write_text("a letter")
    yard.quick(name, "restore", yard / "b", yard / "r", "--identity", identity, code=6)
    (yard / "identity").write_text(str(COUNTY))
    other = "central-hub" if name == "site-node" else "site-node"
    assert "backup of a" in yard.quick(other, "restore", yard / "b", yard / "r", "--identity", identity, code=2).err
    yard.quick(name, "restore", yard / "nowhere", yard / "r", "--identity", identity, code=2)
    (yard / "b").write_bytes((yard / "b").read_bytes()[:-20])
    damaged = yard.quick(name, "restore", yard / "b", yard / "r", "--identity", identity, code=4)
    assert str(yard / "b") in damaged.err
    assert sorted(file.name for file in yard.path.iterdir()) == names


def test_a_backup_beside_serve(county, write_lines, lines_of):
    """While the node serves, a backup is made and `key` changes nothing."""
    server = county.serve("site-node", "serve", county / "home", "--listen", "127.0.0.1:0")
    county.quick("site-node", "backup", county / "home", county / "b", "--to", COUNTY.to_public())
    county.quick("site-node", "key", county / "home", "rekey", code=3)
    county.quick("site-node", "key", county / "home", "add-recovery", COUNTY.to_public(), code=3)
    county.quick("site-node", "key", county / "home")
    assert server.stop() == 0


def test_serve_asks_for_no_passphrase_without_a_terminal(county, passphrase):
    """A service gets its passphrase from a file; without it `serve` ends with a sentence."""
    passphrase(None, "for the service")
    county.quick("site-node", "key", county / "home", "add-passphrase")
    county.quick("site-node", "key", county / "home", "remove", "1", "--yes")
    answer = county.run("site-node", "serve", county / "home", "--listen", "127.0.0.1:0", code=6)
    assert "HOMEWARD_PASSPHRASE_FILE" in answer.err


@pytest.mark.parametrize("name", ["log.db", "keys.db"])
def test_a_flipped_bit_in_any_page(place, name):
    """Wherever one bit is turned, `verify` ends with the code for damage and names the file."""
    yard, program, folder, _ = place
    file = folder / name
    whole = file.read_bytes()
    for page in range(len(whole) // 4096):
        at = page * 4096 + 1234
        file.write_bytes(whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :])
        answer = yard.quick(program, "verify", folder, code=4)
        assert (name in answer.err, answer.err.count("\n")) == (True, 1)


@pytest.mark.parametrize("name", ["log.db", "keys.db"])
def test_a_plain_file_put_in_its_place(place, name):
    """A database that is not encrypted is refused by every command, and stays as it is."""
    yard, program, folder, _ = place
    (folder / name).unlink()
    with contextlib.closing(sqlite3.connect(folder / name)) as db:
        db.execute("CREATE TABLE entry(a)")
    before = (folder / name).read_bytes()
    for command in ("status", "children", "verify", "rebuild"):
        answer = yard.quick(program, command, folder, code=4)
        assert (f"{name} is not encrypted" in answer.err, answer.err.count("\n")) == (True, 1)
    assert (folder / name).read_bytes() == before


def test_a_rekeying_that_was_cut_short(place):
    """Readers go on with what is there; the next command that writes finishes the work."""
    yard, name, folder, _ = place
    before = yard.quick(name, "digest", folder).out
    opened = slots.Slots(folder)
    opened.renew(opened.unlock(), lambda: "")
    assert yard.quick(name, "digest", folder).out == before
    assert slots.Slots(folder).is_rekeying
    if name == "site-node":
        facts = yard / "none.jsonl"
        facts.write_text("")
        yard.quick(name, "import", folder, facts)
    else:
        yard.quick(name, "invite", folder, "--name", "n", "--code", "home-07")
    assert not slots.Slots(folder).is_rekeying
    assert len((folder / "node.key").read_text().split()) == 1
    assert yard.quick(name, "digest", folder).out == before
    assert yard.quick(name, "verify", folder, "--json").json()["ok"]
