"""A rebuild that was killed, or stopped with Ctrl-C, goes on: real processes, real signals, small ranges."""

import json
import signal
import subprocess
from contextlib import closing

import pytest

from node.projection import BUILDING_SUFFIX
from tests.by_hand import by_hand

TOTAL = 2400
# The program, with ranges and commits as of a log a thousand times as large; it says how far it is, and stays there.
SLOW = """
import contextlib, sys, time
from node import filling, opening
import site_node.cli
filling.PACE = filling.Pace(200, 600)
stay_at = int(sys.argv.pop(1))
@contextlib.contextmanager
def saying(what, total):
    def show(done, *_):
        print(done, flush=True)
        if done >= stay_at:
            sys.stdin.readline()
    yield show if what == "rebuild" else lambda *_: None
opening.bar = saying
sys.exit(site_node.cli.main(sys.argv[1:]))
"""


@pytest.fixture(scope="module")
def home(shared_yard, lines_of, write_lines):
    """A home with some thousand entries, and its digest."""
    home = shared_yard.home()
    shared_yard.quick("site-node", "import", home, write_lines(shared_yard / "facts.jsonl", lines_of(count=TOTAL)))
    return home


@pytest.fixture(scope="module")
def digest(shared_yard, home):
    return shared_yard.quick("site-node", "digest", home, "--json").json()["tables"]


class Rebuild:
    """A process that rebuilds, up to where it stays."""

    def __init__(self, yard, home, stay_at=10**9, *words):
        words = ("-c", SLOW, stay_at, "rebuild", home, "--json", *words)
        self.process = yard.begin("python", *words, stdin=subprocess.PIPE)
        self.shown = []
        for line in self.process.stdout:
            if line.startswith("{"):
                self.found = json.loads(line)
                break
            self.shown.append(int(line))
            if self.shown[-1] >= stay_at:
                break

    def end(self, number=None):
        """What it said at the end, and its exit code, after this signal."""
        if number is not None:
            self.process.send_signal(number)
        _, err = self.process.communicate("\n" * 1000, timeout=60)
        return err, self.process.returncode


def building(home):
    return home / f"views.db{BUILDING_SUFFIX}"


@pytest.mark.parametrize("share", [0.05, 0.6, 1])
def test_a_rebuild_that_was_killed_goes_on(shared_yard, home, digest, share):
    """kill -9 early leaves nothing of use, later all but what came after the last commit; the digest is the same."""
    total = TOTAL
    first = Rebuild(shared_yard, home, int(share * total))
    first.end(signal.SIGKILL)
    second = Rebuild(shared_yard, home)
    assert second.end() == ("", 0)
    assert (second.found["equal"], second.found["tables"]) == (True, digest)
    assert second.shown[0] == second.found["resumed_from"] <= total
    assert second.found["folded"] + second.found["resumed_from"] == total
    assert (second.found["resumed_from"] > 0) == (share > 0.2) == ("--fresh" in second.found.get("words", ""))
    assert second.found["resumed_from"] >= share * total - 900
    assert not building(home).exists()


def test_killed_again_and_again(shared_yard, home, digest):
    """Each run goes further than the one before, until one comes to the end."""
    begun = []
    for stay_at in (900, 1600, 2300):
        some = Rebuild(shared_yard, home, stay_at)
        some.end(signal.SIGKILL)
        begun.append(some.shown[0])
    last = Rebuild(shared_yard, home)
    assert begun == sorted(set(begun))
    assert last.found["resumed_from"] > begun[-1]
    assert (last.end()[1], last.found["tables"]) == (0, digest)


def test_ctrl_c_says_that_it_will_go_on(shared_yard, home, digest):
    """One sentence, 130, and the ranges that were done are kept, committed or not; before there is one, nothing."""
    first = Rebuild(shared_yard, home, 500)
    err, code = first.end(signal.SIGINT)
    assert (code, err.count("\n")) == (130, 1)
    assert err.startswith("已停下")
    assert "the next rebuild goes on from there" in err
    second = Rebuild(shared_yard, home)
    assert 0 < second.found["resumed_from"] <= first.shown[-1]
    assert second.found["tables"] == digest
    assert second.end() == ("", 0)
    early = Rebuild(shared_yard, home, 0)
    err, code = early.end(signal.SIGINT)
    assert (code, err) == (130, "stopped; what was said to be saved is saved\n")
    assert not building(home).exists()


def test_fresh_folds_every_entry(shared_yard, home, digest):
    """An auditor who wants all of it folded now gets that, whatever was left."""
    Rebuild(shared_yard, home, 2000).end(signal.SIGKILL)
    again = Rebuild(shared_yard, home, 10**9, "--fresh")
    assert (again.found["resumed_from"], again.found["tables"]) == (0, digest)
    assert "words" not in again.found
    assert again.end() == ("", 0)


def test_two_rebuilds_at_once(shared_yard, home, digest):
    """The second says in use and harms nothing; the first comes to its end."""
    first = Rebuild(shared_yard, home, 2000)
    inode = building(home).stat().st_ino
    for more in ((), ("--fresh",)):
        shared_yard.quick("site-node", "rebuild", home, *more, code=3)
    assert building(home).stat().st_ino == inode
    first.end(signal.SIGKILL)
    second = Rebuild(shared_yard, home)
    assert second.found["resumed_from"] > 0
    assert (second.found["tables"], second.end()) == (digest, ("", 0))


def test_recorded_and_erased_in_between(yard, lines_of, write_lines):
    """Entries that came since are in the rebuilt file; what was erased since is in none, half-built or not."""
    home = yard.home()
    lines = lines_of(count=1500)
    yard.quick("site-node", "import", home, write_lines(yard / "facts.jsonl", lines))
    child = next(line["subject"] for line in map(json.loads, lines) if line["type"] == "ChildRegistered")
    canary = "金丝雀小明"
    change = ("site-node", "record", home, "child-details-changed/1", "--subject", child, "--by", "w")
    yard.quick(*change, "field=name", f"value={canary}")

    def canaries(path):
        with closing(by_hand(path)) as db:
            return canary.encode() in db.serialize("main")

    Rebuild(yard, home, 1400).end(signal.SIGKILL)
    yard.quick(*change, "field=school", "value=镇中心小学")
    grown = Rebuild(yard, home, 10**9)
    assert grown.found["resumed_from"] > 0
    assert grown.end() == ("", 0)
    Rebuild(yard, home, 1400).end(signal.SIGKILL)
    assert canaries(building(home))
    yard.quick("site-node", "erase", home, child, "--by", "w", "--ground", "监护人申请", "--yes")
    assert not building(home).exists()
    assert not canaries(home / "views.db")
    after = Rebuild(yard, home)
    assert (after.found["resumed_from"], after.found["equal"]) == (0, True)
    assert after.end() == ("", 0)
    assert not canaries(home / "views.db")


def test_erased_while_it_rebuilds(yard, lines_of, write_lines):
    """An erasure beside a running rebuild takes its file away, and it begins anew without what was erased."""
    home = yard.home()
    yard.quick("site-node", "import", home, write_lines(yard / "facts.jsonl", lines_of(count=600)))
    child = yard.quick("site-node", "children", home, "--json").json()["children"][0]["id"]
    server = yard.serve("site-node", "serve", home, "--listen", "127.0.0.1:0")
    running = Rebuild(yard, home, 500)
    assert building(home).exists()
    yard.run("site-node", "erase", home, child, "--by", "w", "--ground", "监护人申请", "--yes")
    assert not building(home).exists()
    out, err = running.process.communicate("\n" * 1000, timeout=60)
    found = json.loads(out.splitlines()[-1])
    assert running.process.returncode == 1, err  # the live ones, before, had the child
    assert found["resumed_from"] == 0
    assert found["tables"] == yard.quick("site-node", "digest", home, "--json").json()["tables"]
    assert yard.quick("site-node", "rebuild", home, "--json").json()["equal"]
    assert server.stop() == 0
