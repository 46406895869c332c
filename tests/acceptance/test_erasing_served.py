"""Erasing beside a running `serve`: the same result, while pages are served, whoever is killed on the way."""

import json
import os
import random
import shutil
import signal
import threading
import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager

import pytest

from node.folder import Folder
from sync import log_sql
from sync.stored_log import StoredLog
from tests.by_hand import by_hand

WHY = ("--by", "w", "--ground", "申请", "--yes", "--json")
CANARIES = ("金丝雀小明", "13900001234", "canary lane")
PROGRAMS = {"home": "site-node", "hub": "central-hub"}
SERVE = {"home": ("--listen", "127.0.0.1:0", "--exchange-every", "3600"), "hub": ("--listen", "127.0.0.1:0")}


def register(yard, home) -> str:
    """A child full of canaries; its id."""
    payload = {"name": CANARIES[0], "registered_on": "2025-03-08", "address": CANARIES[2], "school": CANARIES[1],
               "sex": "female"}  # fmt: skip
    said = yard.quick("site-node", "record", home, "child-registered/1", "--subject", "new", "--by", "w",
                      "--payload-json", json.dumps(payload)).json()  # fmt: skip
    return said["subject"]


@pytest.fixture(params=["home", "hub"])
def place(request, county):
    """(yard, program, folder, child): a node of a county in which a canary is everywhere."""
    child = register(county, county / "home")
    url = json.loads((county / "home" / "config.json").read_text("utf-8"))["hub"]["url"]
    hub = county.hub(listen=url.removeprefix("http://"))
    county.quick("site-node", "sync", county / "home")
    assert hub.stop() == 0
    for kind, program in PROGRAMS.items():
        assert child in ids(county, program, county / kind)
    return county, request.param, county / request.param, child


def ids(yard, program, folder) -> set[str]:
    return {child["id"] for child in yard.quick(program, "children", folder, "--json").json()["children"]}


def kinds_of(yard, program, folder, subject) -> list[str]:
    found = yard.quick(program, "history", folder, subject, "--json").json()["entries"]
    return [entry["type"] for entry in found]


def keys_of(folder, subject: str) -> list[bytes]:
    with closing(StoredLog(folder)) as store:
        streams = store.reading(lambda db: log_sql.streams_of_subject(db, uuid.UUID(subject).bytes))
        return [store.keyring.stream_key(stream.key) for stream in streams]


def remains(folder, *needles: bytes) -> list[tuple[str, bytes]]:
    """Where canaries or other needles are, in any file as it is, and in the clear in any page of any database."""
    found = []
    for file in sorted(p for p in folder.rglob("*") if p.is_file()):
        images = [file.read_bytes()]
        if file.suffix == ".db":
            with closing(by_hand(file)) as db:
                images.append(db.serialize("main"))
        wanted = [*needles, *(word.encode() for word in CANARIES)]
        found += [(file.name, word) for word in wanted for image in images if word in image]
    return found


def wait_until(true, within_s=120):
    deadline = time.monotonic() + within_s
    while not true():
        assert time.monotonic() < deadline, "it did not come about in time"
        time.sleep(0.05)


@contextmanager
def reader_of(file):
    """Somebody who goes on reading the state of a database as it is now."""
    with closing(by_hand(file)) as other:
        other.execute("BEGIN")
        other.execute("SELECT count(*) FROM sqlite_schema").fetchall()
        yield
        other.execute("COMMIT")


def started(yard, kind, folder):
    return yard.serve(PROGRAMS[kind], "serve", folder, *SERVE[kind])


def test_the_same_as_without_serve(place):
    """Pages go on, the answer is that of a node at rest, and no file keeps a trace while the node still serves."""
    yard, kind, folder, child = place
    program, needles = PROGRAMS[kind], keys_of(folder, child)
    assert {name for name, _ in remains(folder, *needles)} == {"keys.db", "views.db"}
    shutil.copytree(folder, yard / "at-rest")
    at_rest = yard.quick(program, "erase", yard / "at-rest", child, *WHY)
    server = started(yard, kind, folder)
    looked, wrong, over = [], [], threading.Event()

    def look():
        while not over.is_set():
            try:
                looked.append(server.page()[0])
            except OSError as error:
                wrong.append(repr(error))

    with ThreadPoolExecutor(3) as pool:
        looking = [pool.submit(look) for _ in range(3)]
        try:
            answer = yard.run(program, "erase", folder, child, *WHY)
            found = remains(folder, *needles)
            after = server.page()[0]
        finally:
            over.set()
        for one in looking:
            one.result(30)
    assert (answer.code, answer.json(), answer.err) == (0, at_rest.json(), at_rest.err)
    assert answer.json()["entries"] == 1
    assert (found, wrong) == ([], [])
    assert looked
    assert (folder / "keys.db-wal").stat().st_size == 0
    if kind == "home":
        assert CANARIES[0] in looked[0]
        assert CANARIES[0] not in after
        assert (folder / "log.db-wal").stat().st_size == 0  # a hub may have routed the order since, into its log
    assert child not in ids(yard, program, folder)
    assert yard.quick(program, "digest", folder).out == yard.quick(program, "digest", yard / "at-rest").out
    assert yard.quick(program, "rebuild", folder, "--json").json()["equal"]
    assert yard.quick(program, "verify", folder, "--json").json()["ok"]
    assert server.stop() == 0
    assert "Traceback" not in server.process.stdout.read()
    assert remains(folder, *needles) == []


def test_what_cannot_be_erased_is_answered_the_same(place):
    """Nobody's id, an order given twice, the log's own id and a name that is too long end as on a node at rest."""
    yard, kind, folder, child = place
    program = PROGRAMS[kind]
    with closing(StoredLog(folder)) as store:
        own = str(uuid.UUID(bytes=store.log))
    shutil.copytree(folder, yard / "at-rest")
    server = started(yard, kind, folder)
    orders = [(str(uuid.uuid4()), "w", 0), (child, "w", 0), (child, "w", 0), (own, "w", 6), (child, "w" * 200, 6)]
    for subject, by, code in orders:
        words = (subject, "--by", by, "--ground", "g", "--yes", "--json")
        answers = [yard.quick(program, "erase", one, *words, code=code) for one in (yard / "at-rest", folder)]
        assert answers[0] == answers[1]
        assert answers[1].err.count("\n") == (1 if code else 0)
    assert server.stop() == 0
    assert yard.quick(program, "verify", folder, "--json").json()["ok"]


def test_only_the_owner_erases(county):
    """Without the folder's token, or with that of a process that is gone, nothing is erased: the folder is in use."""
    home = county / "home"
    child = register(county, home)
    server = started(county, "home", home)
    file = home / "control.json"
    good = json.loads(file.read_text())
    for wrong in (good | {"token": ""}, good | {"token": "0" * 32}, good | {"url": "http://127.0.0.1:9"}):
        file.write_text(json.dumps(wrong))
        assert "in use" in county.quick("site-node", "erase", home, child, *WHY, code=3).err
    assert child in ids(county, "site-node", home)
    file.write_text(json.dumps(good))
    server.kill()  # leaves its control file behind
    with Folder(home, "home").lock():
        assert "in use" in county.quick("site-node", "erase", home, child, *WHY, code=3).err
    assert county.quick("site-node", "erase", home, child, *WHY).json() == {"entries": 1, "streams": 1, "photos": 0}
    assert not file.exists()


@pytest.mark.parametrize("file", ["log.db", "views.db"])
def test_readers_are_waited_for(county, file):
    """Who reads an old state holds the answer up, not the pages; when they end, nothing is left."""
    home = county / "home"
    child = register(county, home)
    ids(county, "site-node", home)
    server = started(county, "home", home)
    with reader_of(home / file):
        process = county.begin("site-node", "erase", home, child, *WHY)
        wait_until(lambda: CANARIES[0] not in server.page()[0])
        time.sleep(0.5)
        assert process.poll() is None
    out, err = process.communicate(timeout=20)
    assert (process.returncode, json.loads(out), err) == (0, {"entries": 1, "streams": 1, "photos": 0}, "")
    assert remains(home) == []
    assert server.stop() == 0


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_the_command_finishes_where_serve_ends(county, number):
    """A `serve` that is stopped in the middle stops in time; one that is killed, too: the command does the rest."""
    home = county / "home"
    child = register(county, home)
    ids(county, "site-node", home)
    server = started(county, "home", home)
    with reader_of(home / "log.db"):
        process = county.begin("site-node", "erase", home, child, *WHY)
        wait_until(lambda: "erasure-executed/1" in kinds_of(county, "site-node", home, child))
        assert server.stop(number) == (0 if number == signal.SIGTERM else -number)
        time.sleep(1)
        assert process.poll() is None
    out, err = process.communicate(timeout=20)
    assert (process.returncode, err) == (0, "")
    assert json.loads(out).keys() == {"entries", "streams", "photos"}
    assert "Traceback" not in server.process.stdout.read()
    assert remains(home) == []
    assert county.quick("site-node", "verify", home, "--json").json()["ok"]


def test_the_next_start_finishes(county):
    """Command and `serve` are killed while old pages are still read: a start after that leaves nothing of them."""
    home = county / "home"
    child = register(county, home)
    ids(county, "site-node", home)
    needles = keys_of(home, child)
    server = started(county, "home", home)
    with reader_of(home / "log.db"), reader_of(home / "keys.db"), reader_of(home / "views.db"):
        process = county.begin("site-node", "erase", home, child, *WHY)
        wait_until(lambda: "erasure-executed/1" in kinds_of(county, "site-node", home, child))
        for one in (process, server.process):
            os.kill(one.pid, signal.SIGKILL)
            one.wait(10)
        assert (home / "log.db-wal").stat().st_size > 0
    server = started(county, "home", home)
    assert CANARIES[0] not in server.page()[0]
    assert remains(home, *needles) == []
    assert (home / "log.db-wal").stat().st_size == 0
    assert server.stop() == 0


def test_killed_at_any_moment(county):
    """Wherever both are killed, the child is there as before, or everything of it is gone after the next start."""
    home, dice = county / "home", random.Random(11)
    for _ in range(3):
        child = register(county, home)
        ids(county, "site-node", home)
        needles = keys_of(home, child)
        server = started(county, "home", home)
        process = county.begin("site-node", "erase", home, child, *WHY)
        time.sleep(dice.uniform(0.35, 0.75))
        for one in (server.process, process):
            one.kill()
            one.wait(10)
        server = started(county, "home", home)
        ordered = "erasure-ordered/1" in kinds_of(county, "site-node", home, child)
        assert (child in ids(county, "site-node", home)) is not ordered
        if not ordered:
            erased = {"entries": 1, "streams": 1, "photos": 0}
            assert county.quick("site-node", "erase", home, child, *WHY).json() == erased
        assert remains(home, *needles) == []
        assert server.stop() == 0
    assert county.quick("site-node", "verify", home, "--json").json()["ok"]
    assert county.quick("site-node", "rebuild", home, "--json").json()["equal"]
