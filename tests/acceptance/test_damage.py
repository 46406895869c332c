"""What a disk has damaged holds back nothing else: with real processes, and files that are changed by hand."""

from __future__ import annotations

import contextlib
import json
import time
import uuid

import pytest
from pyrage import x25519

from tests.by_hand import by_hand


def record(yard, home, subject="new", name="陈小禾"):
    payload = json.dumps({"name": name, "sex": "female", "registered_on": "2025-03-08"})
    answer = yard.quick("site-node", "record", home, "child-registered/1", "--subject", subject, "--by", "w",
                        "--payload-json", payload)  # fmt: skip
    return answer.json()


def call(yard, home, subject):
    words = ("kind=call", "on=2025-03-09", "reached=true", "minutes=7")
    return yard.quick("site-node", "record", home, "family-contact-made/1", "--subject", subject, "--by", "w", *words)


def flip(folder, log, seq, column="body"):
    """One bit of an entry's row, through the cipher."""
    with contextlib.closing(by_hand(folder / "log.db")) as db:
        branch = db.execute("SELECT id FROM branch WHERE log=? AND own<>2", (bytes.fromhex(log),)).get
        at = db.execute("SELECT position FROM entry WHERE stream>>40=? AND seq=?", (branch, seq)).get
        value = bytearray(db.execute(f"SELECT {column} FROM entry WHERE position=?", (at,)).get)
        value[len(value) // 2] ^= 1
        db.execute(f"UPDATE entry SET {column}=? WHERE position=?", (bytes(value), at))


def status(yard, home):
    return yard.quick("site-node", "status", home, "--json").json()


def joined(yard, code="home-01"):
    home = yard.home(code, code)
    yard.quick("site-node", "join", home, yard.invite(code=code))
    return home


def types(yard, program, folder, log):
    entries = yard.quick(program, "history", folder, str(uuid.UUID(hex=log)), "--json").json()["entries"]
    return [entry["type"] for entry in entries if entry["log"] == log]


def test_content_that_was_damaged_before_it_left_holds_back_nothing(yard):
    """The log goes on without that content, with receipts for all of it; status, history and the county say so."""
    hub, home = yard.hub(), joined(yard)
    child = record(yard, home)["subject"]
    for _ in range(3):
        call(yard, home, child)
    log = status(yard, home)["log"]
    flip(home, log, 2)
    answer = yard.quick("site-node", "sync", home)
    assert ", 0 are waiting" in answer.out
    now = status(yard, home)
    assert (now["waiting"], [(one["log"], one["seq"], one["here"]) for one in now["damaged"]]) == (0, [(log, 2, True)])
    assert "第 2 条记录在本机硬盘上损坏" in now["damaged"][0]["words"]
    assert "第 2 条记录在本机硬盘上损坏" in yard.quick("site-node", "returned", home).out
    assert types(yard, "central-hub", yard / "hub", log) == ["entry-damaged/1"]
    county = yard.quick("central-hub", "status", yard / "hub", "--json").json()
    assert [(one["home"], one["seq"], one["here"]) for one in county["damaged"]] == [("home-01", 2, False)]
    assert len(yard.quick("site-node", "history", home, child, "--json").json()["entries"]) == 4
    assert hub.stop() == 0
    yard.quick("central-hub", "verify", yard / "hub")
    found = yard.quick("site-node", "verify", home, "--json", code=1).json()
    assert found["first_bad"]["seq"] == 2


def test_content_that_the_county_holds_comes_back(yard):
    """Damaged at the home after it had arrived, its content is fetched; damaged at the hub, the home sends it again."""
    hub, home = yard.hub(), joined(yard)
    child = record(yard, home)["subject"]
    call(yard, home, child)
    yard.quick("site-node", "sync", home)
    log = status(yard, home)["log"]
    before = yard.quick("site-node", "history", home, child, "--json").json()
    flip(home, log, 2)
    server = yard.serve("site-node", "serve", home, "--listen", "127.0.0.1:0", "--exchange-every", "0.3")
    wait_until(lambda: "entry-mended/1" in types(yard, "site-node", home, log))
    assert server.stop() == 0
    assert status(yard, home)["damaged"] == []
    assert yard.quick("site-node", "history", home, child, "--json").json() == before
    yard.quick("site-node", "verify", home)

    yard.quick("site-node", "sync", home)
    flip(yard / "hub", log, 1)
    assert hub.stop() == 0
    hub = yard.hub(listen=hub.url.removeprefix("http://"))  # reads everything anew: its pages go on
    assert "清溪县" in hub.page()[0]
    wait_until(lambda: len(yard.quick("central-hub", "status", yard / "hub", "--json").json()["damaged"]) == 1)
    yard.quick("site-node", "sync", home)
    assert yard.quick("central-hub", "status", yard / "hub", "--json").json()["damaged"] == []
    assert hub.stop() == 0
    yard.quick("central-hub", "verify", yard / "hub")
    for command in ("child", "history"):
        words = (child, "--json")
        there = yard.quick("central-hub", command, yard / "hub", *words).json()
        assert there == yard.quick("site-node", command, home, *words).json()
    yard.quick("central-hub", "rebuild", yard / "hub")


@pytest.mark.parametrize("column", ["commitment", "tree"])
def test_a_header_that_was_damaged_before_it_left(yard, column):
    """What is before it gets a receipt; then the node goes on in a new log, and what can be read is not lost."""
    hub, home = yard.hub(), joined(yard)
    child = record(yard, home)["subject"]
    for _ in range(4):
        call(yard, home, child)
    old = status(yard, home)["log"]
    flip(home, old, 3, column)
    yard.quick("site-node", "sync", home)
    now = status(yard, home)
    assert now["log"] != old
    assert (now["waiting"], now["healed"][0]["why"], now["healed"][0]["kept"]) == (0, "damaged", 2)
    assert "从第 3 条起" in now["healed"][0]["words"]
    logs = yard.quick("hub-audit", "logs", yard / "hub", "--json").json()["logs"]
    assert {one["log"]: one["receipt_size"] for one in logs}[old] == 2
    there = yard.quick("central-hub", "child", yard / "hub", child, "--json").json()
    assert there == yard.quick("site-node", "child", home, child, "--json").json()
    entries = yard.quick("central-hub", "history", yard / "hub", child, "--json").json()["entries"]
    assert sum(entry["payload"] is not None for entry in entries) == (5 if column == "tree" else 4)
    assert hub.stop() == 0
    yard.quick("central-hub", "verify", yard / "hub")


def test_a_page_that_cannot_be_read(yard):
    """Everything in front of it gets to the county, the pages go on, and a sentence says what to do."""
    hub, home = yard.hub(), joined(yard)
    child = record(yard, home)["subject"]
    for _ in range(60):
        call(yard, home, child)
    log = status(yard, home)["log"]
    with contextlib.closing(by_hand(home / "log.db")) as db:
        db.wal_checkpoint()
        spoil(home / "log.db", db, 20)
    answer = yard.quick("site-node", "sync", home, code=4)
    assert "restore" in answer.err
    now = status(yard, home)
    logs = {one["log"]: one for one in yard.quick("hub-audit", "logs", yard / "hub", "--json").json()["logs"]}
    assert 1 < logs[log]["receipt_size"] == now["at_the_county"] < 20
    server = yard.serve("site-node", "serve", home, "--listen", "127.0.0.1:0", "--exchange-every", "0.2")
    wait_until(lambda: "restore" in (status(yard, home)["last_failure"] or ""))
    time.sleep(0.5)
    assert "陈小禾" in server.page()[0]
    assert server.process.poll() is None
    assert server.stop() == 0
    assert hub.stop() == 0


def spoil(path, db, position):
    """Flip a bit in the leaf page of the table of entries that a position stands on."""
    query = "SELECT pageno FROM dbstat WHERE name='entry' AND pagetype='leaf' ORDER BY pageno"
    pages = [page for (page,) in db.execute(query)]
    size, count = db.execute("PRAGMA page_size").get, db.execute("SELECT max(position) FROM entry").get
    page = pages[position * len(pages) // count]
    with path.open("r+b") as file:
        file.seek((page - 1) * size + size // 2)
        value = file.read(1)[0]
        file.seek(-1, 1)
        file.write(bytes([value ^ 1]))


def wait_until(holds) -> None:
    deadline = time.monotonic() + 30
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.2)


def moving(yard):
    """A child that home-02 has taken over, nothing delivered there yet: (hub, old, new, child, old's log)."""
    hub, old, new = yard.hub(), joined(yard), joined(yard, "home-02")
    child = record(yard, old)["subject"]
    for _ in range(3):
        call(yard, old, child)
    words = ("--subject", child, "--by", "w")
    yard.quick("site-node", "record", old, "child-transfer-requested/1", *words, "to_home=home-02", "on=2025-04-01")
    yard.quick("site-node", "record", new, "child-transfer-accepted/1", *words, "on=2025-04-02")
    yard.quick("site-node", "sync", old)
    return hub, old, new, child, status(yard, old)["log"]


def test_content_that_the_hub_lost_on_its_way_to_another_home(yard):
    """Nothing is decided about a child over what cannot be read; what was decided goes without it; then it follows."""
    hub, old, new, child, log = moving(yard)
    flip(yard / "hub", log, 3)
    yard.quick("site-node", "sync", new)
    county = yard.quick("central-hub", "status", yard / "hub", "--json").json()
    assert [(one["home"], one["seq"], one["here"]) for one in county["damaged"]] == [("home-01", 3, True)]
    history = yard.quick("site-node", "history", new, child, "--json").json()["entries"]
    assert [entry["type"] for entry in history] == ["child-transfer-accepted/1"]
    for home in (old, new, old):
        yard.quick("site-node", "sync", home)
    assert same_child(yard, new, child)

    seq = call(yard, old, child).json()["seq"]
    yard.quick("site-node", "sync", old)
    flip(yard / "hub", log, seq)
    yard.quick("site-node", "sync", new)
    assert [(one["log"], one["seq"], one["here"]) for one in status(yard, new)["damaged"]] == [(log, seq, False)]
    for home in (old, new):
        yard.quick("site-node", "sync", home)
    assert status(yard, new)["damaged"] == []
    assert same_child(yard, new, child)
    assert hub.stop() == 0
    yard.quick("central-hub", "verify", yard / "hub")
    yard.quick("site-node", "verify", new)


def same_child(yard, home, child):
    there = yard.quick("central-hub", "child", yard / "hub", child, "--json").json()
    return there == yard.quick("site-node", "child", home, child, "--json").json()


def test_a_header_that_the_hub_lost_stops_no_other_home(yard):
    """One outbox ends before it; that home's own records, and all other homes, go on; the hub serves its pages."""
    hub, old, new, child, log = moving(yard)
    yard.quick("site-node", "status", new)
    with contextlib.closing(by_hand(yard / "hub" / "log.db")) as db:
        wait_until(lambda: db.execute("SELECT count(*) FROM sqlite_schema WHERE name='outbox_entry'").get)
    flip(yard / "hub", log, 3, "commitment")
    yard.quick("site-node", "sync", new, code=None)
    mine = record(yard, new, name="周小满")["subject"]
    assert ", 0 are waiting" in yard.quick("site-node", "sync", new).out
    call(yard, old, child)
    assert ", 0 are waiting" in yard.quick("site-node", "sync", old).out
    assert yard.quick("central-hub", "child", yard / "hub", mine, "--json").json()["id"] == mine
    assert "清溪县" in hub.page()[0]
    assert hub.stop() == 0
    assert yard.quick("central-hub", "verify", yard / "hub", "--json", code=1).json()["first_bad"]["seq"] == 3


def test_by_stick_what_is_before_the_damage_is_carried(yard):
    """A bundle ends before an entry whose header is damaged, and says so; damaged content does not end it."""
    hub, home = yard.hub(), joined(yard)
    assert hub.stop() == 0
    child = record(yard, home)["subject"]
    for _ in range(5):
        call(yard, home, child)
    log = status(yard, home)["log"]
    flip(home, log, 2)
    flip(home, log, 5, "tree")
    (yard / "stick").mkdir()
    answer = yard.quick("site-node", "bundle", home, yard / "stick", "--json", code=4)
    assert (answer.json()["end"], "entry 5 of log" in answer.err) == (4, True)
    yard.quick("central-hub", "take", yard / "hub", yard / "stick", "--answer", yard / "stick", "--json")
    held = yard.quick("hub-audit", "logs", yard / "hub", "--json").json()["logs"]
    assert {one["log"]: one["receipt_size"] for one in held}[log] == 4


def test_what_a_home_erased_before_it_left_is_not_called_damaged(yard):
    """Entries that come without content because their home erased them are neither asked for nor shown."""
    hub, home = yard.hub(), joined(yard)
    child = record(yard, home)["subject"]
    yard.quick("site-node", "sync", home)
    call(yard, home, child)
    yard.run("site-node", "erase", home, child, "--by", "w", "--ground", "申请", "--yes")
    yard.quick("site-node", "sync", home)
    assert yard.quick("central-hub", "status", yard / "hub", "--json").json()["damaged"] == []
    assert hub.stop() == 0


@pytest.mark.parametrize("column", ["body", "tree"])
def test_a_backup_of_a_folder_with_known_damage_can_be_restored(yard, column):
    """What was damaged before, and was said, does not make every later backup useless."""
    hub, home = yard.hub(), joined(yard)
    child = record(yard, home)["subject"]
    call(yard, home, child)
    call(yard, home, child)
    flip(home, status(yard, home)["log"], 2, column)
    yard.quick("site-node", "sync", home)
    identity, recipient = key_pair(yard)
    yard.quick("site-node", "backup", home, yard / "b.age", "--to", recipient)
    yard.quick("site-node", "restore", yard / "b.age", yard / "back", "--identity", identity)
    there = yard.quick("site-node", "child", yard / "back", child, "--json").json()
    assert there == yard.quick("site-node", "child", home, child, "--json").json()
    assert hub.stop() == 0


def key_pair(yard):
    identity = x25519.Identity.generate()
    (yard / "county.key").write_text(str(identity) + "\n")
    return yard / "county.key", str(identity.to_public())


def test_by_stick_damaged_content_comes_back(yard):
    """What the home's disk lost comes with the next answer; what the county's lost, with the bundle behind that."""
    hub, home = yard.hub(), joined(yard)
    assert hub.stop() == 0
    stick = yard / "stick"
    stick.mkdir()
    child = record(yard, home)["subject"]
    call(yard, home, child)
    log = status(yard, home)["log"]

    def round_trip(run=yard.quick):
        run("site-node", "bundle", home, stick)
        run("central-hub", "take", yard / "hub", stick, "--answer", stick)
        return run("site-node", "take", home, stick)

    round_trip()
    before = yard.quick("site-node", "history", home, child, "--json").json()["entries"]
    flip(home, log, 1)
    call(yard, home, child)  # the form is made from the child's entries: that is how the node meets it
    assert [(one["seq"], one["here"]) for one in status(yard, home)["damaged"]] == [(1, True)]
    assert "补回 1 条" in round_trip(yard.run).err
    assert status(yard, home)["damaged"] == []
    assert yard.quick("site-node", "history", home, child, "--json").json()["entries"][: len(before)] == before

    def lost_at_the_county():
        there = yard.quick("central-hub", "status", yard / "hub", "--json").json()["damaged"]
        return [(one["seq"], one["here"]) for one in there]

    flip(yard / "hub", log, 2)
    hub = yard.hub()  # reads everything anew
    wait_until(lambda: lost_at_the_county() == [(2, True)])
    round_trip()
    assert lost_at_the_county() == [(2, True)]
    assert hub.stop() == 0
    round_trip(yard.run)
    assert lost_at_the_county() == []
    assert same_child(yard, home, child)
    for program, folder in (("central-hub", yard / "hub"), ("site-node", home)):
        yard.quick(program, "verify", folder)
