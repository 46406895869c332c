"""What the county says beside its receipts: how much of a home's log its backup holds, and which life of it this is."""

from __future__ import annotations

import shutil

import pytest
from pyrage import x25519

COUNTY = x25519.Identity.generate()


@pytest.fixture
def identity(tmp_path):
    """The county's age identity in a file."""
    (tmp_path / "identity").write_text(str(COUNTY))
    return tmp_path / "identity"


def told(yard, home="home") -> tuple[int, int, int | None]:
    """How many entries are at the county, in its backup, and its epoch, as the home says."""
    found = yard.quick("site-node", "status", yard / home, "--json").json()
    return found["at_the_county"], found["backed_up"], found["epoch"]


def back_up(yard, name):
    yard.quick("central-hub", "backup", yard / "hub", yard / name, "--to", str(COUNTY.to_public()))
    return yard / name


@pytest.fixture
def record(yard, lines_of, write_lines):
    """Brings a home to so many entries."""

    def to(home, count: int) -> None:
        yard.quick("site-node", "import", home, write_lines(yard / "facts.jsonl", lines_of(count=count)))

    return to


def test_what_the_countys_backup_holds_is_shown_at_home(yard, record, identity):
    """Nothing before the first backup, then what the last one holds; put back to it, the hub says the same."""
    hub, home = yard.hub(), yard.home()
    assert told(yard)[1:] == (None, None)
    yard.quick("site-node", "join", home, yard.invite())
    record(home, 30)
    yard.quick("site-node", "sync", home)
    assert told(yard) == (30, 0, 1)
    backup = back_up(yard, "first")  # while it serves
    assert told(yard) == (30, 0, 1), "said before the county said it"
    yard.quick("site-node", "sync", home)
    assert told(yard) == (30, 30, 1)
    record(home, 50)
    yard.quick("site-node", "sync", home)
    assert told(yard) == (50, 30, 1)
    served = yard.serve("site-node", "serve", home, "--listen", "127.0.0.1:0")
    assert "其中 30 条也在县里的备份中" in served.page()[0]
    assert served.stop() == 0
    port = hub.port
    hub.kill()
    shutil.rmtree(yard / "hub")
    yard.quick("central-hub", "restore", backup, yard / "hub", "--identity", identity)
    yard.hub(listen=f"127.0.0.1:{port}")
    yard.quick("site-node", "sync", home)
    again = yard.quick("central-hub", "status", yard / "hub", "--json").json()["epoch"]
    assert again > 1
    assert told(yard) == (50, 30, again)
    back_up(yard, "second")
    yard.quick("site-node", "sync", home)
    assert told(yard) == (50, 50, again)
    for program, folder in (("site-node", home), ("central-hub", yard / "hub")):
        assert yard.quick(program, "verify", folder, "--json").json()["ok"]


def test_a_backup_of_another_past_counts_for_nothing(yard, record):
    """A hub whose databases are older than what it says of its backup promises nothing until it holds that again."""
    hub, home = yard.hub(), yard.home()
    yard.quick("site-node", "join", home, yard.invite())
    record(home, 20)
    yard.quick("site-node", "sync", home)
    port = hub.port
    assert hub.stop() == 0
    shutil.copytree(yard / "hub", yard / "older")
    hub = yard.hub(listen=f"127.0.0.1:{port}")
    record(home, 40)
    yard.quick("site-node", "sync", home)
    back_up(yard, "b")
    hub.kill()
    for name in ("log.db", "log.db-wal", "log.db-shm", "keys.db", "keys.db-wal", "keys.db-shm"):
        (yard / "hub" / name).unlink(missing_ok=True)
        if (yard / "older" / name).exists():
            shutil.copy(yard / "older" / name, yard / "hub" / name)
    hub = yard.hub(listen=f"127.0.0.1:{port}")
    yard.quick("site-node", "sync", home)
    again = yard.quick("central-hub", "status", yard / "hub", "--json").json()["epoch"]
    assert again > 1, "the home shows first what the county had signed"
    assert told(yard) == (40, 40, again), "it holds again what the backup holds"
    (yard / "hub" / "backup.json").write_text("[]")
    yard.quick("site-node", "sync", home)
    assert told(yard) == (40, 0, again), "what is not known is not promised"


def test_the_note_comes_by_stick(yard, record):
    """An answer brings it, an older answer that is found later takes nothing back."""
    yard.quick("central-hub", "init", yard / "hub", "--name", "清溪县")
    home, stick = yard.home(), yard / "stick"
    stick.mkdir()
    yard.quick("site-node", "join", home, yard.invite(), "--offline")
    record(home, 25)
    (file,) = yard.quick("site-node", "bundle", home, stick, "--json").json()["files"]
    answers = []
    for turn in range(2):
        if turn:
            back_up(yard, "b")
        words = ("take", yard / "hub", file["path"], "--answer", stick, "--json")
        answers += [one["file"] for one in yard.quick("central-hub", *words).json()["answers"]]
    for answer, backed_up in ((answers[1], 25), (answers[0], 25)):
        yard.quick("site-node", "take", home, answer)
        assert told(yard) == (25, backed_up, 1)
    assert yard.quick("site-node", "verify", home, "--json").json()["ok"]
