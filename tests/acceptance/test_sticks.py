"""Homes that never had a network, and a courier: bundles, answers and joining by real commands, folders as sticks."""

from __future__ import annotations

import json
import random
import shutil
import signal
import time

import pytest
from PIL import Image

from node.folder import Folder
from sync.bundle_file import MAKING_SUFFIX

CANARY = "阿莲奶奶"


def register(yard, home, name=CANARY):
    payload = json.dumps({"name": name, "sex": "female", "registered_on": "2025-03-08"})
    answer = yard.quick("site-node", "record", home, "child-registered/1", "--subject", "new", "--by", "w",
                        "--payload-json", payload)  # fmt: skip
    return answer.json()["subject"]


def picture(path, seed):
    """A photograph of some 50 kB."""
    Image.frombytes("RGB", (240, 160), random.Random(seed).randbytes(240 * 160 * 3)).save(path, "JPEG", quality=95)


@pytest.fixture
def stick(yard):
    """A stick, empty."""
    (yard / "stick").mkdir()
    return yard / "stick"


@pytest.fixture
def far_home(yard):
    """Makes a hub, and homes that joined it without any network."""
    yard.quick("central-hub", "init", yard / "hub", "--name", "清溪县")

    def make(code: str = "home-01"):
        home = yard.home(code, code)
        yard.quick("site-node", "join", home, yard.invite(code=code), "--offline")
        return home

    return make


def bundle(yard, home, stick, *options):
    return yard.quick("site-node", "bundle", home, stick, *options, "--json").json()["files"]


def at_hub(yard, stick, *files, code=0, run=None):
    run = run or yard.quick
    return run("central-hub", "take", yard / "hub", *(files or [stick]), "--answer", stick, "--json", code=code).json()


def at_home(yard, home, stick, code=0):
    return yard.quick("site-node", "take", home, stick, "--json", code=code).json()


def status(yard, home):
    return yard.quick("site-node", "status", home, "--json").json()


def county(yard):
    return yard.quick("central-hub", "status", yard / "hub", "--json").json()


def test_by_stick_alone(yard, far_home, stick, lines_of, write_lines):
    """A home without a network joins and keeps the county up to date by stick alone; both sides say what is true."""
    home = far_home()
    yard.quick("site-node", "import", home, write_lines(yard / "facts.jsonl", lines_of(count=60)))
    found = status(yard, home)
    assert (found["county"], found["at_the_county"], found["waiting"]) == (None, 0, 60)
    bundle(yard, home, stick)
    taken = at_hub(yard, stick)
    assert [(one["outcome"], one["entries"]) for one in taken["files"]] == [("taken", 60)]
    assert [one["code"] for one in taken["answers"]] == ["home-01"]
    assert status(yard, home)["at_the_county"] == 0, "said before the receipt came"
    at_home(yard, home, stick)
    found = status(yard, home)
    assert (found["county"], found["at_the_county"], found["waiting"], found["receipts"]) == ("清溪县", 60, 0, 1)
    assert found["last_exchange"] == county(yard)["homes"][0]["last_exchange"]
    assert found["clock_offset_s"] is None
    assert not (home / "joining.json").exists()
    assert "nothing new to carry" in yard.quick("site-node", "bundle", home, stick).err
    register(yard, home)
    bundle(yard, home, stick)
    taken = at_hub(yard, stick)  # the old bundle lies there, too, and the old answer, which is for others
    assert sorted(one["entries"] for one in taken["files"]) == [0, 0, 1]
    assert taken["others"] == 1
    at_home(yard, home, stick)
    assert status(yard, home)["at_the_county"] == county(yard)["homes"][0]["held"] == 61
    for program, folder in (("site-node", home), ("central-hub", yard / "hub")):
        assert yard.quick(program, "verify", folder, "--json").json()["ok"]
    children = [yard.quick(p, "children", f, "--json").json() for p, f in (("site-node", home),
                                                                            ("central-hub", yard / "hub"))]  # fmt: skip
    assert children[0] == children[1]


def test_sticks_lost_doubled_and_mixed(yard, far_home, stick, lines_of, write_lines):
    """Several homes' sticks in every disorder: nothing is claimed too early, and one good round settles all."""
    dice = random.Random(4)
    homes = {code: far_home(code) for code in ("home-01", "home-02", "home-03")}
    for turn in range(4):
        for code, home in homes.items():
            lines = lines_of(code, 25 * (turn + 1))
            yard.quick("site-node", "import", home, write_lines(yard / "facts.jsonl", lines))
            bundle(yard, home, stick, "--part-size", "10000")
        lost = dice.sample(sorted(stick.iterdir()), len(list(stick.iterdir())) // 3)
        for path in lost:
            path.unlink()
        for path in dice.sample(sorted(stick.iterdir()), 2):
            shutil.copy(path, stick / f"copy-{turn}-{path.name}")
        at_hub(yard, stick, *dice.sample(sorted(stick.iterdir()), 3), code=None)
        if turn % 2:
            at_hub(yard, stick)
        held = {one["code"]: one["held"] or 0 for one in county(yard)["homes"]}
        for code, home in homes.items():
            if dice.random() < 0.6:
                at_home(yard, home, stick)
            found = status(yard, home)
            assert found["at_the_county"] <= held[code] <= found["entries"]
    shutil.rmtree(stick)
    stick.mkdir()
    for _ in range(2):  # a home that was never heard may have nothing parked before it, but one answer must come home
        for home in homes.values():
            bundle(yard, home, stick)
        at_hub(yard, stick)
        for home in homes.values():
            at_home(yard, home, stick)
    found = county(yard)
    assert found["parked"] == []
    for code, home in homes.items():
        mine = status(yard, home)
        assert mine["waiting"] == 0
        assert next(one for one in found["homes"] if one["code"] == code)["held"] == mine["entries"]
    assert yard.quick("central-hub", "verify", yard / "hub", "--json").json()["ok"]


def test_what_lies_on_a_stick_says_nothing(yard, far_home, stick):
    """Neither names nor bytes of bundles and answers tell a home, a child, a code or a date, to a courier."""
    homes = [far_home(code) for code in ("home-01", "home-02")]
    for home in homes:
        register(yard, home)
        bundle(yard, home, stick)
    at_hub(yard, stick)
    words = [CANARY.encode(), "清溪县".encode(), b"home-01", b"homeward/", b"child-registered", b"2025", b"HOMEWARD"]
    words += [bytes.fromhex(status(yard, home)["log"]) for home in homes]
    words += [status(yard, home)["log"].encode() for home in homes]
    files = sorted(stick.iterdir())
    assert len(files) == 4
    for path in files:
        seen = path.name.encode() + path.read_bytes()
        assert [word for word in words if word in seen] == []
    before = {path.name: path.read_bytes() for path in files}
    shutil.copytree(stick, yard / "laptop")
    assert {path.name: path.read_bytes() for path in (yard / "laptop").iterdir()} == before
    mixed = at_home(yard, homes[0], yard / "laptop")
    assert (mixed["others"], mixed["at_the_county"]) == (3, 1)
    everything = [path for home in (*homes, yard / "hub") for path in home.rglob("*") if path.is_file()]
    assert [path for path in everything if CANARY.encode() in path.read_bytes()] == []


def test_beside_serve(yard, far_home, stick, lines_of, write_lines):
    """`bundle` and both `take` work while both sides serve, with the same words and codes; the page shows it."""
    home = far_home()
    yard.quick("site-node", "import", home, write_lines(yard / "facts.jsonl", lines_of(count=40)))
    hub = yard.hub()
    server = yard.serve("site-node", "serve", home, "--listen", "127.0.0.1:0", "--exchange-every", "3600")
    parts = bundle(yard, home, stick, "--part-size", "10000")
    taken = at_hub(yard, stick, run=yard.run)
    assert [one["outcome"] for one in taken["files"]].count("taken") == len(parts)
    assert yard.run("site-node", "take", home, stick, "--json").json()["at_the_county"] == 40
    assert "40" in server.page()[0]
    assert status(yard, home)["county"] == "清溪县"
    (stick / "bad.age").write_bytes((stick / parts[0]["path"].rpartition("/")[2]).read_bytes()[:-30])
    answer = yard.run("central-hub", "take", yard / "hub", stick / "bad.age", "--answer", stick, code=4)
    assert "damaged" in answer.err
    assert yard.run("site-node", "take", home, stick / "bad.age", code=6).err
    assert server.stop() == 0
    assert hub.stop() == 0


def test_a_hub_killed_while_it_takes(yard, far_home, stick, lines_of, write_lines):
    """Killed at any moment, alone or while it serves, the hub takes the stick again to the end; nothing is doubled."""
    home = far_home()
    yard.quick("site-node", "import", home, write_lines(yard / "facts.jsonl", lines_of(count=800)))
    bundle(yard, home, stick, "--part-size", "10000")
    for pause in (0.5, 0.7, 0.9, 1.1):
        process = yard.begin("central-hub", "take", yard / "hub", stick, "--answer", stick)
        time.sleep(pause)
        process.kill()
        process.wait(10)
    hub = yard.hub()
    process = yard.begin("central-hub", "take", yard / "hub", stick, "--answer", stick)
    time.sleep(0.6)
    hub.kill()
    process.communicate(timeout=60)
    at_hub(yard, stick)
    assert county(yard)["homes"][0]["held"] == 800
    assert yard.quick("central-hub", "verify", yard / "hub", "--json").json()["ok"]
    at_home(yard, home, stick)
    assert status(yard, home)["waiting"] == 0


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_a_home_killed_while_it_writes(yard, far_home, stick, lines_of, write_lines, number):
    """What was not finished is no bundle: every file of that form on the stick is whole."""
    home = far_home()
    yard.quick("site-node", "import", home, write_lines(yard / "facts.jsonl", lines_of(count=800)))
    for parts in range(4):
        before = len(list(stick.iterdir()))
        process = yard.begin("site-node", "bundle", home, stick, "--part-size", "10000")
        while process.poll() is None and len(list(stick.iterdir())) <= before + parts:
            time.sleep(0.002)
        process.send_signal(number)
        _, err = process.communicate(timeout=20)
        assert "Traceback" not in err
        if number == signal.SIGINT:
            assert process.returncode in (0, 130)
            assert not list(stick.glob("*" + MAKING_SUFFIX))
    for path in stick.glob("*.age"):
        at_hub(yard, stick, path)
    bundle(yard, home, stick)
    at_hub(yard, stick)
    assert county(yard)["homes"][0]["held"] == 800


def test_after_erasures(yard, far_home, stick, lines_of, write_lines):
    """What either side erased stays gone, also in what waits at the county, and the sticks go on."""
    home = far_home()
    children = [register(yard, home, f"儿童{n}") for n in range(2)]
    bundle(yard, home, stick)
    at_hub(yard, stick)
    at_home(yard, home, stick)
    for child in children:
        yard.quick("site-node", "record", home, "child-registered/1", "--subject", child, "--by", "w", "--payload-json",
                   json.dumps({"name": CANARY, "sex": "female", "registered_on": "2025-03-08"}), code=None)  # fmt: skip
        picture(yard / "photo.jpg", len(child))
        yard.quick("site-node", "photo", home, yard / "photo.jpg", "--subject", child)
    yard.quick("site-node", "import", home, write_lines(yard / "facts.jsonl", lines_of(count=400)))
    parts = bundle(yard, home, stick, "--part-size", "10000")
    assert at_hub(yard, stick, parts[-1]["path"])["files"][0]["outcome"] == "parked"
    waiting = {"code": "home-01", "start": parts[-1]["start"], "end": parts[-1]["end"]}
    assert county(yard)["parked"] == [waiting | {"log": status(yard, home)["log"]}]
    why = ("--by", "w", "--ground", "申请", "--yes", "--json")
    yard.quick("central-hub", "erase", yard / "hub", children[0], *why)
    assert county(yard)["parked"] == []
    yard.quick("site-node", "erase", home, children[1], *why)
    for _ in range(3):
        bundle(yard, home, stick, "--photos")
        at_hub(yard, stick)
        at_home(yard, home, stick)
    found = status(yard, home)
    assert (found["waiting"], found["photos_waiting"]) == (0, 0)
    assert yard.quick("site-node", "photos", home, "--json").json()["photos"] == [], "the county's order came down"
    for program, folder in (("site-node", home), ("central-hub", yard / "hub")):
        assert yard.quick(program, "verify", folder, "--json").json()["ok"]
    assert children[0] not in yard.quick("central-hub", "children", yard / "hub", "--json").out
    for child in children:
        assert child not in yard.quick("site-node", "children", home, "--json").out


def test_photographs_by_stick(yard, far_home, stick):
    """Photographs go when asked for, behind everything else, and `status` says when the county has them."""
    home = far_home()
    child = register(yard, home)
    picture(yard / "photo.jpg", 1)
    yard.quick("site-node", "photo", home, yard / "photo.jpg", "--subject", child)
    (part,) = bundle(yard, home, stick)
    assert part["photos"] == 0
    first, last = bundle(yard, home, stick, "--photos", "--part-size", "10000")
    assert (first["photos"], last["photos"]) == (0, 1)
    at_hub(yard, stick)
    assert status(yard, home)["photos_waiting"] == 1
    at_home(yard, home, stick)
    assert status(yard, home)["photos_waiting"] == 0
    assert county(yard)["photos"] == 1


def test_clear_sentences(yard, far_home, stick):
    """Each thing that may be wrong with a file has its sentence and exit code, and does not stop the other files."""
    home = far_home()
    register(yard, home)
    (good,) = bundle(yard, home, stick)
    yard.quick("central-hub", "init", yard / "other", "--name", "远山县")
    take = ("central-hub", "take")
    foreign = yard.quick(*take, yard / "other", good["path"], "--answer", stick, code=6)
    assert "somebody else" in foreign.err
    (stick / "x.age").write_text("hello", encoding="utf-8")
    (stick / "y.age").write_bytes((stick / good["path"]).read_bytes()[:-1])
    answer = yard.quick(*take, yard / "hub", stick / "x.age", stick / "y.age", good["path"], "--answer", stick,
                        "--json", code=6)  # fmt: skip
    assert "not a bundle" in answer.err
    assert "damaged" in answer.err
    assert answer.json()["files"][2]["entries"] == 1
    assert yard.quick(*take, yard / "hub", stick / "y.age", "--answer", stick, code=4).err.count("\n") == 1
    assert "plugged in" in yard.quick(*take, yard / "hub", good["path"], "--answer", yard / "none", code=2).err
    assert "plugged in" in yard.quick("site-node", "bundle", home, yard / "none", code=2).err
    assert "plugged in" in yard.quick("site-node", "take", home, yard / "none", code=2).err
    lonely = yard.home("lonely", "home-09")
    assert "--offline" in yard.quick("site-node", "bundle", lonely, stick, code=6).err
    config = json.loads((home / "config.json").read_text())
    (lonely / "config.json").write_text(json.dumps(config | {"code": "home-09"}))
    register(yard, lonely)
    (unknown,) = bundle(yard, lonely, stick)
    assert "does not know" in yard.quick(*take, yard / "hub", unknown["path"], "--answer", stick, code=6).err
    assert yard.quick("site-node", "bundle", home, stick, "--part-size", "5", code=2).err


def test_an_invitation_that_is_used_up(yard, far_home, stick):
    """A second node with the same invitation is refused at the county, by stick too, and joins nothing."""
    far_home("home-02")
    hub = yard.hub()
    words = ("central-hub", "invite", yard / "hub", "--name", "n", "--code", "home-01", "--days")
    assert "60" in yard.quick(*words, 61, code=6).err
    answer = yard.quick(*words, 30)
    assert "720 hours" in answer.out
    invitation = answer.out.split()[-1]
    assert hub.stop() == 0
    first, second = yard.home("first"), yard.home("second")
    for home in (first, second):
        yard.quick("site-node", "join", home, invitation, "--offline")
    assert "INVITATION" not in Folder(first, "home").config.hub.name
    (path,) = bundle(yard, first, stick)
    at_hub(yard, stick, path["path"])
    (path,) = bundle(yard, second, stick)
    answer = yard.quick("central-hub", "take", yard / "hub", path["path"], "--answer", stick, code=6)
    assert "used already" in answer.err
    at_home(yard, second, stick)
    assert status(yard, second)["county"] is None
    assert (second / "joining.json").stat().st_mode & 0o077 == 0


def test_by_stick_and_by_network(yard, far_home, stick, lines_of, write_lines):
    """A home that finds a network goes on over it where the stick ended, and the other way round."""
    home = far_home()
    hub = yard.hub()
    config = json.loads((home / "config.json").read_text())
    config["hub"]["url"] = hub.url
    (home / "config.json").write_text(json.dumps(config))
    yard.quick("site-node", "import", home, write_lines(yard / "facts.jsonl", lines_of(count=20)))
    bundle(yard, home, stick)
    at_hub(yard, stick)
    at_home(yard, home, stick)
    register(yard, home)
    assert yard.run("site-node", "sync", home).out == "the county holds 21 entries, 0 are waiting\n"
    at_home(yard, home, stick)  # the older answer changes nothing
    assert status(yard, home)["at_the_county"] == 21
    register(yard, home)
    (part,) = bundle(yard, home, stick)
    assert (part["start"], part["end"]) == (21, 22)
    at_hub(yard, stick, part["path"])
    at_home(yard, home, stick)
    assert status(yard, home)["waiting"] == 0
    assert hub.stop() == 0
