"""Whoever changes, removes, swaps or adds something behind the program's back is found out by `verify`."""

import pytest

from tests.by_hand import by_hand

PLACES = [("site-node", "home"), ("central-hub", "hub")]


@pytest.fixture(params=PLACES, ids=["home", "hub"])
def place(request, county):
    """A home or a hub that holds the home's log: (program, folder, log, a raw connection, branch number)."""
    name, folder = request.param
    log = county.quick("site-node", "status", county / "home", "--json").json()["log"]
    assert county.quick(name, "verify", county / folder, "--json").json()["ok"]
    db = by_hand(county / folder / "log.db")
    branch = db.execute("SELECT id FROM branch WHERE log=?", (bytes.fromhex(log),)).get
    yield county, name, county / folder, log, db, branch
    db.close()


def first_bad(place):
    """What `verify` finds: exit code 1, position, log and seq of the first bad entry, and a sentence naming it."""
    county, name, folder, log, db, _ = place
    db.close()
    answer = county.quick(name, "verify", folder, "--json", code=1)
    found = answer.json()
    assert found["ok"] is False
    assert list(found["first_bad"])[:3] == ["position", "log", "seq"]
    assert found["first_bad"]["log"] == log
    assert f"entry {found['first_bad']['seq']} of log {log}" in answer.err
    return found["first_bad"]


def position(place, seq):
    _, _, _, _, db, branch = place
    return db.execute("SELECT position FROM entry WHERE stream>>40=? AND seq=?", (branch, seq)).get


@pytest.mark.parametrize("column", ["body", "commitment"])
@pytest.mark.parametrize("seq", [1, 57, 120])
def test_a_flipped_bit(place, column, seq):
    """One bit of an entry's body or commitment is enough, and that entry is named."""
    _, _, _, _, db, _ = place
    at = position(place, seq)
    value = bytearray(db.execute(f"SELECT {column} FROM entry WHERE position=?", (at,)).get)
    value[len(value) // 2] ^= 1
    db.execute(f"UPDATE entry SET {column}=? WHERE position=?", (bytes(value), at))
    found = first_bad(place)
    assert (found["position"], found["seq"]) == (at, seq)


def test_a_changed_leaf_of_the_tree(place):
    """A tree node that says something else names the entry that it stands for."""
    _, _, _, _, db, _branch = place
    at = position(place, 33)
    value = bytearray(db.execute("SELECT tree FROM entry WHERE position=?", (at,)).get)
    value[0] ^= 1
    db.execute("UPDATE entry SET tree=? WHERE position=?", (bytes(value), at))
    found = first_bad(place)
    assert (found["position"], found["seq"]) == (at, 33)


@pytest.mark.parametrize("seq", [1, 64, 120])
def test_a_deleted_entry(place, seq):
    """An entry that was taken out is missed at its place, be it the first, the last or in between."""
    _, _, _, _, db, _ = place
    at = position(place, seq)
    db.execute("DELETE FROM entry WHERE position=?", (at,))
    found = first_bad(place)
    assert (found["position"], found["seq"]) == (at, seq)


def test_the_last_entries_cut_off_with_care(place):
    """Cutting the log short, sizes and tree included, is missed by what the log's key had signed."""
    _, _, _, _, db, branch = place
    at = position(place, 111)
    db.execute("DELETE FROM entry WHERE stream>>40=? AND seq>110", (branch,))
    db.execute("UPDATE branch SET size=110 WHERE id=?", (branch,))
    found = first_bad(place)
    assert found["seq"] == 111
    assert found["position"] in (at, None)


def test_two_entries_that_changed_places(place):
    """Swapping two entries is found at the first of them."""
    _, _, _, _, db, branch = place
    at = position(place, 40)
    for old, new in ((40, 1000), (44, 40), (1000, 44)):
        db.execute("UPDATE entry SET seq=? WHERE stream>>40=? AND seq=?", (new, branch, old))
    found = first_bad(place)
    assert found["seq"] == 40
    assert found["position"] in (at, position_of_44(place, at))


def position_of_44(place, at):
    """Entry 44 stood four positions later."""
    return at + 4


def test_contents_that_changed_places(place):
    """Swapping the contents of two entries, commitments included, is found at the first of them."""
    _, _, _, _, db, branch = place
    query = "SELECT body, commitment FROM entry WHERE stream>>40=? AND seq=?"
    rows = {seq: db.execute(query, (branch, seq)).fetchall()[0] for seq in (20, 21)}
    for seq, other in ((20, 21), (21, 20)):
        db.execute("UPDATE entry SET body=?, commitment=? WHERE stream>>40=? AND seq=?", (*rows[other], branch, seq))
    at = position(place, 20)
    found = first_bad(place)
    assert (found["position"], found["seq"]) == (at, 20)


@pytest.mark.parametrize("column", ["subject", "name", "position", "version"])
def test_a_changed_stream(place, column):
    """A stream's row that says something else than its entries is found, and one of its entries named."""
    _, _, _, _, db, branch = place
    number, head = db.execute(
        "SELECT stream, position FROM head WHERE stream>>40=? AND version>1 ORDER BY stream LIMIT 1", (branch,)
    ).fetchall()[0]
    seqs = {seq for (seq,) in db.execute("SELECT seq FROM entry WHERE stream=?", (number,))}
    value = {"subject": bytes(16), "name": bytes(16), "position": head - 1, "version": 77}[column]
    table, key = ("stream", "id") if column in ("subject", "name") else ("head", "stream")
    db.execute(f"UPDATE {table} SET {column}=? WHERE {key}=?", (value, number))
    assert first_bad(place)["seq"] in seqs


def test_an_entry_that_nobody_wrote(place):
    """An entry added by hand at the end is found."""
    _, _, _, _, db, branch = place
    last = db.execute("SELECT max(position) FROM entry").get
    db.execute(
        "INSERT INTO entry SELECT ?, seq + 100000, stream, version, prev, type, commitment, tree, body FROM entry"
        " WHERE stream>>40=? AND seq=5", (last + 1, branch),
    )  # fmt: skip
    assert first_bad(place)["position"] == last + 1


def test_a_signature_that_was_forged(place):
    """A checkpoint whose signature does not hold is found."""
    _, _, _, _, db, branch = place
    db.execute("UPDATE checkpoint SET signature=zeroblob(64) WHERE branch=?", (branch,))
    first_bad(place)


def test_a_receipt_that_was_forged(county):
    """A home does not believe a receipt that the hub's key has not signed."""
    db = by_hand(county / "home" / "log.db")
    db.execute("UPDATE checkpoint SET receipt=zeroblob(72)")
    db.close()
    found = county.quick("site-node", "verify", county / "home", "--json", code=1).json()
    assert "signature" in found["first_bad"]["why"]
