"""`kill -9`, Ctrl-C and cuts at any moment change nothing in the final picture."""

import json
import random
import shutil
import signal
import subprocess
import threading
import time
from contextlib import closing

from deploy.badlink import Link, LinkThread
from node.clock import system_clock
from sync.batch import Draft
from sync.store import Store
from sync.stored_log import StoredLog


def sources(yard, home):
    """The (site, at) names of all entries of a home's log, in order."""
    store = Store(home)
    try:
        return [tuple(entry.body().extensions[3]) for entry in store.entries_of_log(store.log)]
    finally:
        store.close()


def wait_until(true, within_s=120):
    deadline = time.monotonic() + within_s
    while not true():
        assert time.monotonic() < deadline, "it did not come about in time"
        time.sleep(0.1)


def test_an_import_that_was_killed_goes_on(yard, sample, write_lines, lines_of):
    """Killed at many moments and run again, an import leaves exactly the home's lines, each once."""
    file = write_lines(yard / "facts.jsonl", sample)
    whole = yard.home("whole")
    yard.quick("site-node", "import", whole, file)
    home, dice, left = yard.home(), random.Random(7), []
    for _ in range(6):
        process = yard.begin("site-node", "import", home, file)
        time.sleep(dice.uniform(0.2, 0.7))
        process.kill()
        process.wait(10)
        left.append(yard.quick("site-node", "status", home, "--json").json()["entries"])
        assert yard.quick("site-node", "verify", home, "--json").json()["ok"]
    assert left == sorted(left)
    yard.run("site-node", "import", home, file)
    own = lines_of()
    assert yard.quick("site-node", "status", home, "--json").json()["entries"] == len(own)
    assert len(set(sources(yard, home))) == len(own)
    assert sources(yard, home) == sources(yard, whole)
    digests = [yard.quick("site-node", "digest", folder, "--json").json() for folder in (home, whole)]
    assert digests[0]["tables"].keys() == digests[1]["tables"].keys()
    assert yard.run("site-node", "import", home, file).out.startswith("0 recorded")


def test_ctrl_c_during_an_import(yard, sample, write_lines, lines_of):
    """Ctrl-C ends an import with 130 and one sentence; what was stored stays, and the next run goes on."""
    file = write_lines(yard / "facts.jsonl", sample * 3)
    home = yard.home()
    process = yard.begin("site-node", "import", home, file)
    with closing(StoredLog(home)) as store:
        wait_until(lambda: store.size(store.log) or process.poll() is not None)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=20)
    if process.returncode != 0:  # it may be done before the signal comes
        assert (process.returncode, err.count("\n")) == (130, 1)
        assert "saved" in err
    yard.quick("site-node", "import", home, file)
    assert yard.quick("site-node", "status", home, "--json").json()["entries"] == len(lines_of())


def test_everything_is_killed_while_pushing(yard, lines_of, write_lines):
    """Home and hub are killed and restarted while a bad link cuts: both end up with the same entries and pictures."""
    hub = yard.hub()
    codes = ("home-01", "home-02")
    with LinkThread(Link(to=("127.0.0.1", hub.port), cut_bytes=12_000, rate_kbit=2048, rtt_ms=20, seed=3)) as link:
        port = hub.port
        homes = {code: yard.home(code, code) for code in codes}
        for code, home in homes.items():
            invitation = yard.invite(code=code)
            url = f"http://127.0.0.1:{link.port}"
            while yard.quick("site-node", "join", home, invitation, "--hub", url, code=None).code:
                pass
            yard.quick("site-node", "import", home, write_lines(yard / f"{code}.jsonl", lines_of(code, 400)))
        serving = {
            code: yard.serve("site-node", "serve", home, "--listen", "127.0.0.1:0", "--exchange-every", "0.3")
            for code, home in homes.items()
        }
        for code in (*codes, "hub", *codes, "hub"):
            time.sleep(0.25)
            if code == "hub":
                hub.kill()
                hub = yard.hub(listen=f"127.0.0.1:{port}")
            else:
                serving[code].kill()
                serving[code] = yard.serve(
                    "site-node", "serve", homes[code], "--listen", "127.0.0.1:0", "--exchange-every", "0.3"
                )
        for home in homes.values():
            wait_until(lambda home=home: yard.quick("site-node", "status", home, "--json").json()["waiting"] == 0)
    assert link.stats.connections > 5  # interrupted by cuts or by the kills
    found = yard.quick("central-hub", "status", yard / "hub", "--json").json()
    assert [home["held"] for home in found["homes"]] == [400, 400]
    for server in (*serving.values(), hub):
        assert server.stop() == 0
        assert "Traceback" not in server.process.stdout.read()
    for name, folder in (*(("site-node", home) for home in homes.values()), ("central-hub", yard / "hub")):
        assert yard.quick(name, "verify", folder, "--json").json()["ok"]
        assert yard.quick(name, "rebuild", folder, "--json").json()["equal"]


def test_equal_sets_after_a_bad_link(yard, lines_of, write_lines):
    """What came through a link that cuts every few kilobytes gives the hub the home's own digest."""
    hub = yard.hub()
    home = yard.home()
    yard.quick("site-node", "join", home, yard.invite())
    yard.quick("site-node", "import", home, write_lines(yard / "facts.jsonl", lines_of(count=400)))
    with LinkThread(Link(to=("127.0.0.1", hub.port), cut_bytes=5_000, seed=5)) as link:
        config = json.loads((home / "config.json").read_text())
        config["hub"]["url"] = f"http://127.0.0.1:{link.port}"
        (home / "config.json").write_text(json.dumps(config))
        wait_until(lambda: yard.quick("site-node", "sync", home, code=None).code == 0)
    digests = [yard.quick(*words, "--json").json() for words in
               (("site-node", "digest", home), ("central-hub", "digest", yard / "hub"))]  # fmt: skip
    assert digests[0] == digests[1]
    assert yard.quick("site-node", "status", home, "--json").json()["retries"] > 0


def test_an_event_type_of_a_newer_version(county):
    """A type nobody here knows is refused when typed, yet kept, forwarded, counted and shown when it is in a log."""
    home = county / "home"
    child = county.quick("site-node", "children", home, "--json").json()["children"][0]["id"]
    county.quick("site-node", "record", home, "moon-visited/1", "--subject", child, "--by", "w", "x=1", code=6)
    store = Store(home)
    payload = {"crater": "宁静海", "on": 20270101, "deep": {"1": [True, None, b"\x01"]}}
    subject = bytes.fromhex(child.replace("-", ""))
    store.record([Draft("moon-visited/1", "w-9", subject, system_clock()(), payload)]).result()
    store.record([Draft("moon-left/7", "w-9", bytes(16), system_clock()(), [1])]).result()
    store.close()
    hub = county.hub()
    config = json.loads((home / "config.json").read_text())
    config["hub"]["url"] = hub.url
    (home / "config.json").write_text(json.dumps(config))
    county.quick("site-node", "sync", home)
    for name, folder in (("site-node", home), ("central-hub", county / "hub")):
        entries = county.quick(name, "history", folder, child, "--json").json()["entries"]
        assert (entries[-1]["type"], entries[-1]["payload"]["crater"]) == ("moon-visited/1", "宁静海")
        assert county.quick(name, "history", folder, "0" * 32, "--json").json()["entries"][0]["type"] == "moon-left/7"
        (shown,) = [c for c in county.quick(name, "children", folder, "--json").json()["children"] if c["id"] == child]
        assert shown["unknown"] == 1
        assert county.quick(name, "verify", folder, "--json").json()["ok"]
        assert county.quick(name, "rebuild", folder, "--json").json()["equal"]
    assert "有 2 条记录来自更新的版本" in hub.page()[0]


def test_a_hub_from_an_older_copy_gets_back_what_it_lost(county, lines_of, write_lines):
    """A hub restored from a backup is brought up to date by the next exchange."""
    shutil.copytree(county / "hub", county / "backup")
    home = county / "home"
    hub = county.hub()
    port = hub.port
    config = json.loads((home / "config.json").read_text())
    config["hub"]["url"] = hub.url
    (home / "config.json").write_text(json.dumps(config))
    county.quick("site-node", "import", home, write_lines(county / "more.jsonl", lines_of(count=300)))
    county.quick("site-node", "sync", home)
    hub.kill()
    shutil.rmtree(county / "hub")
    (county / "backup").rename(county / "hub")
    hub = county.hub(listen=f"127.0.0.1:{port}")
    assert county.quick("central-hub", "status", county / "hub", "--json").json()["entries"] == 120
    county.quick("site-node", "sync", home)
    assert county.quick("central-hub", "status", county / "hub", "--json").json()["entries"] == 300
    digests = [county.quick(*words, "--json").json() for words in
               (("site-node", "digest", home), ("central-hub", "digest", county / "hub"))]  # fmt: skip
    assert digests[0] == digests[1]
    assert county.quick("central-hub", "verify", county / "hub", "--json").json()["ok"]


def test_two_at_once_take_turns(yard, lines_of, write_lines):
    """Of several imports or syncs at once those that come second say in use; nothing is doubled."""
    hub = yard.hub()
    home = yard.home()
    yard.quick("site-node", "join", home, yard.invite())
    file = write_lines(yard / "facts.jsonl", lines_of(count=1000))
    for words in (("import", home, file), ("sync", home)):
        running = [yard.begin("site-node", *words) for _ in range(3)]
        ends = [(process.wait(60), process.stderr.read()) for process in running]
        assert {code for code, _ in ends} <= {0, 3}
        assert any(code == 0 for code, _ in ends)
        assert all(err.count("\n") == (1 if code == 3 else 0) for code, err in ends), ends
    assert yard.quick("central-hub", "status", yard / "hub", "--json").json()["entries"] == 1000
    assert hub.stop() == 0


def test_reading_while_an_import_writes(yard, lines_of, write_lines):
    """Reading commands beside a running import answer, never more than what is stored, never a lock error."""
    home = yard.home()
    file = write_lines(yard / "facts.jsonl", lines_of())
    over = threading.Event()
    process = yard.begin("site-node", "import", home, file, stderr=subprocess.STDOUT)
    seen = []
    while process.poll() is None and not over.is_set():
        seen.append(yard.quick("site-node", "status", home, "--json").json()["entries"])
        yard.quick("site-node", "children", home, "--json")
        assert yard.quick("site-node", "verify", home, "--json").json()["ok"]
    assert process.returncode == 0, process.stdout.read()
    assert seen == sorted(seen)
