"""Photographs in real processes: taken in at a home, over a bad link to the county, shown, and erased with a child."""

import json
import random
import time
import urllib.error
import urllib.request
import uuid

import pytest
from PIL import Image

from deploy.badlink import Link, LinkThread


def picture(path, seed):
    """A photograph of some 150 kB."""
    Image.frombytes("RGB", (420, 300), random.Random(seed).randbytes(420 * 300 * 3)).save(path, "JPEG", quality=95)
    return path


def take_in(yard, home, seed, *children):
    ties = [word for child in children for word in ("--subject", child)]
    return yard.quick("site-node", "photo", home, picture(yard / f"{seed}.jpg", seed), *ties).out.strip()


def registered(yard, home):
    payload = json.dumps({"name": "陈小禾", "sex": "female", "registered_on": "2025-03-08"})
    answer = yard.quick("site-node", "record", home, "child-registered/1", "--subject", "new", "--by", "w",
                        "--payload-json", payload)  # fmt: skip
    return answer.json()["subject"]


def photos(yard, program, folder):
    return yard.quick(program, "photos", folder, "--json").json()["photos"]


def fetched(url):
    with urllib.request.urlopen(url, timeout=10) as answer:
        return answer.headers["Content-Type"], answer.read()


def test_photographs_over_a_bad_link(yard, lines_of, write_lines):
    """Killed and cut on the way, entries come first, photographs last and whole, and the county shows them."""
    hub, home = yard.hub(), yard.home()
    with LinkThread(Link(to=("127.0.0.1", hub.port), cut_bytes=120_000, rate_kbit=4096, rtt_ms=40, seed=5)) as link:
        yard.quick("site-node", "join", home, yard.invite(), "--hub", f"http://127.0.0.1:{link.port}")
        yard.quick("site-node", "import", home, write_lines(yard / "facts.jsonl", lines_of(count=200)))
        children = [registered(yard, home) for _ in range(3)]
        names = [take_in(yard, home, seed, *children[: seed % 3 + 1]) for seed in range(6)]
        gala = str(uuid.uuid4())
        yard.quick("site-node", "record", home, "activity-held/1", "--subject", gala, "--by", "w", "kind=gala",
                   "on=2024-12-31", f"photo_ids={json.dumps(names)}")  # fmt: skip
        assert yard.quick("site-node", "status", home, "--json").json()["photos_waiting"] == 6
        for _ in range(20):
            process = yard.begin("site-node", "sync", home)
            time.sleep(1.2)
            process.kill()
            process.wait(10)
            status = yard.quick("site-node", "status", home, "--json").json()
            assert status["waiting"] == 0 or status["photos_waiting"] == 6, "a photograph went before an entry"
            if status["photos_waiting"] < 4:
                break
        answer = yard.run("site-node", "sync", home)
        assert answer.out == "the county holds 204 entries, 0 are waiting\n"
        assert link.stats.cuts > 1
    status = yard.quick("site-node", "status", home, "--json").json()
    assert (status["waiting"], status["photos"], status["photos_waiting"]) == (0, 6, 0)
    there = photos(yard, "central-hub", yard / "hub")
    here = photos(yard, "site-node", home)
    assert photos(yard, "hub-audit", yard / "hub") == there
    assert {photo["sent"] for photo in here} == {"at the county"}
    same = ("name", "media", "size", "log", "complete", "subjects")
    assert [[p[key] for key in same] for p in there] == [[p[key] for key in same] for p in here]
    for name in names:
        yard.quick("site-node", "photo-out", home, name, yard / f"{name}.jpg")
        assert fetched(f"{hub.url}/photo/{name}") == ("image/jpeg", (yard / f"{name}.jpg").read_bytes())
    (entry,) = yard.quick("central-hub", "history", yard / "hub", gala, "--json").json()["entries"]
    assert entry["payload"]["photo_ids"] == names
    assert hub.stop() == 0
    for program, folder in (("site-node", home), ("central-hub", yard / "hub")):
        assert yard.quick(program, "verify", folder, "--json").json()["photos"] == {"compared": 6, "bad": []}


def test_a_child_that_the_county_erased(yard):
    """Erased at the county, its photographs are gone there, not taken again, and the home erases them on contact."""
    hub, home = yard.hub(), yard.home()
    yard.quick("site-node", "join", home, yard.invite())
    one, two = registered(yard, home), registered(yard, home)
    came, kept = take_in(yard, home, 1, one, two), take_in(yard, home, 2, two)
    yard.run("site-node", "sync", home)
    assert hub.stop() == 0
    why = ("--by", "w", "--ground", "申请", "--yes", "--json")
    assert yard.quick("central-hub", "erase", yard / "hub", one, *why).json()["photos"] == 1
    late = take_in(yard, home, 3, one)
    hub = yard.hub(listen=hub.url.removeprefix("http://"))
    yard.run("site-node", "sync", home)
    assert [photo["name"] for photo in photos(yard, "central-hub", yard / "hub")] == [kept]
    sent = {photo["name"]: photo["sent"] for photo in photos(yard, "site-node", home)}
    assert sent == {kept: "at the county"}
    assert late not in sent
    with pytest.raises(urllib.error.HTTPError) as gone:
        fetched(f"{hub.url}/photo/{came}")
    assert gone.value.code == 410
    gone.value.close()
    assert fetched(f"{hub.url}/photo/{kept}")[0] == "image/jpeg"
    server = yard.serve("site-node", "serve", home, "--listen", "127.0.0.1:0")
    assert fetched(f"{server.url}/photo/{kept}")[0] == "image/jpeg"
    assert yard.run("site-node", "photo", home, picture(yard / "x.jpg", 9), "--subject", two, code=3).err
    assert server.stop() == 0
    assert hub.stop() == 0


def county_of(yard, *codes):
    server = yard.hub()
    for code in codes:
        yard.quick("site-node", "join", yard.home(code, code), yard.invite(code=code, name=code))
    return server, *(yard / code for code in codes)


def same_pictures(yard, one, other):
    """The same files, whole, with the same bytes; how many."""
    here, there = ({p["name"]: p for p in photos(yard, "site-node", home)} for home in (one, other))
    assert here.keys() == there.keys()
    for name in here:
        assert here[name]["complete"]
        assert here[name]["subjects"] == there[name]["subjects"]
        for home in (one, other):
            yard.quick("site-node", "photo-out", home, name, yard / f"{home.name}-{name}")
        assert (yard / f"{one.name}-{name}").read_bytes() == (yard / f"{other.name}-{name}").read_bytes()
    return len(here)


def until_its_photographs_came(yard, home, count):
    """Sync until they are here: the hub puts them on the shelf beside its work, and an exchange waits a moment only."""
    deadline = time.monotonic() + 30
    while sum(photo["complete"] for photo in photos(yard, "site-node", home)) < count:
        assert time.monotonic() < deadline, "the photographs did not come"
        yard.quick("site-node", "sync", home)


def test_a_new_computer_gets_its_photographs_back(yard):
    """In place of a lost one, over a line that is cut, it has all photographs that the county holds of its home."""
    hub, home = county_of(yard, "home-01")
    child = registered(yard, home)
    for seed in range(4):
        take_in(yard, home, seed, child)
    yard.quick("site-node", "sync", home)
    new, invitation = yard.home("new", "home-01"), yard.invite()
    with LinkThread(Link(to=("127.0.0.1", hub.port), cut_bytes=150_000, rate_kbit=8192, rtt_ms=20, seed=5)) as link:
        yard.quick("site-node", "join", new, invitation, "--hub", f"http://127.0.0.1:{link.port}")
        until_its_photographs_came(yard, new, 4)
        assert link.stats.cuts > 0
    status = yard.quick("site-node", "status", new, "--json").json()
    assert (status["photos"], status["photos_coming"], status["photos_waiting"]) == (4, 0, 0)
    assert same_pictures(yard, home, new) == 4
    yard.quick("site-node", "join", new, invitation, "--hub", hub.url)
    server = yard.serve("site-node", "serve", new, "--listen", "127.0.0.1:0", "--exchange-every", "0.3")
    late = take_in(yard, home, 9, child)
    yard.quick("site-node", "sync", home)
    deadline = time.monotonic() + 30
    while late not in {p["name"] for p in photos(yard, "site-node", new) if p["complete"]}:
        assert time.monotonic() < deadline
        time.sleep(0.2)
    assert server.stop() == 0
    assert hub.stop() == 0
    assert yard.quick("site-node", "verify", new, "--json").json()["photos"] == {"compared": 5, "bad": []}


def test_a_child_that_moves_brings_its_photographs(yard):
    """They come to the new home and to no other; one that shows a child who stays does not; nor one that was erased."""
    hub, old, new, other = county_of(yard, "home-01", "home-02", "home-03")
    moving, staying = registered(yard, old), registered(yard, old)
    alone = take_in(yard, old, 1, moving)
    both = take_in(yard, old, 2, moving, staying)
    yard.quick("site-node", "record", old, "child-transfer-requested/1", "--subject", moving, "--by", "w",
               "to_home=home-02", "on=2025-04-01")  # fmt: skip
    for home in (old, new):
        yard.quick("site-node", "sync", home)
    assert photos(yard, "site-node", new) == []
    yard.quick("site-node", "record", new, "child-transfer-accepted/1", "--subject", moving, "--by", "w",
               "on=2025-04-02")  # fmt: skip
    for home in (new, old, other, new):
        yard.quick("site-node", "sync", home)
    assert [photo["name"] for photo in photos(yard, "site-node", new)] == [alone]
    assert {photo["name"] for photo in photos(yard, "site-node", old)} == {alone, both}
    assert photos(yard, "site-node", other) == []
    late = take_in(yard, old, 3, moving)
    mine = take_in(yard, new, 4, moving)
    for home in (old, new, old, other):
        yard.quick("site-node", "sync", home)
    assert {photo["name"] for photo in photos(yard, "site-node", new)} == {alone, late, mine}
    assert {photo["name"] for photo in photos(yard, "site-node", old)} == {alone, both, late}
    why = ("--by", "w", "--ground", "申请", "--yes", "--json")
    yard.run("central-hub", "erase", yard / "hub", moving, *why)
    for home in (old, new, other):
        yard.quick("site-node", "sync", home)
    left = [photo["name"] for home in (old, new, other) for photo in photos(yard, "site-node", home)]
    assert left == []
    assert hub.stop() == 0


def test_photographs_come_down_by_stick(yard):
    """A child that moves brings its photographs, a new computer gets them back; in parts, over several sticks."""
    stick = yard / "stick"
    stick.mkdir()
    yard.quick("central-hub", "init", yard / "hub", "--name", "清溪县")

    def far(name, code):
        made = yard.home(name, code)
        yard.quick("site-node", "join", made, yard.invite(code=code), "--offline")
        return made

    def carried(*homes, run=yard.quick, lost=0):
        for path in stick.iterdir():
            path.unlink()
        for home in homes:
            run("site-node", "bundle", home, stick, "--photos")
        words = ("--answer", stick, "--photos", "--part-size", "100000", "--json")
        answers = run("central-hub", "take", yard / "hub", stick, *words).json()["answers"]
        for one in answers[len(answers) - lost :]:
            (yard / one["file"]).unlink()
        return [run("site-node", "take", home, stick, "--json").json() for home in homes]

    old, new = far("old", "home-01"), far("new", "home-02")
    child, other = registered(yard, old), registered(yard, old)
    alone = [take_in(yard, old, seed, child) for seed in range(3)]
    both = take_in(yard, old, 3, child, other)
    carried(old, new)
    assert {one["name"] for one in photos(yard, "central-hub", yard / "hub")} == {*alone, both}
    assert carried(old)[0]["photos"] == 0, "what the home has is not sent to it"
    record = ("--subject", child, "--by", "w")
    yard.quick("site-node", "record", old, "child-transfer-requested/1", *record, "to_home=home-02", "on=2025-04-01")
    yard.quick("site-node", "record", new, "child-transfer-accepted/1", *record, "on=2025-04-02")
    some = carried(old, new, lost=1)[1]["photos"]
    assert 0 < some < 3, "the last part was lost"
    assert carried(new, run=yard.run)[0]["photos"] == 3 - some
    assert {one["name"] for one in photos(yard, "site-node", new)} == set(alone)
    for name in alone:
        for program, folder, out in (("site-node", new, "a"), ("central-hub", yard / "hub", "b")):
            (yard / out).unlink(missing_ok=True)
            yard.quick(program, "photo-out", folder, name, yard / out)
        assert (yard / "a").read_bytes() == (yard / "b").read_bytes()

    pc2 = far("pc2", "home-01")
    carried(pc2)
    carried(pc2)
    assert {one["name"] for one in photos(yard, "site-node", pc2)} == {*alone, both}
    assert yard.quick("site-node", "status", pc2, "--json").json()["photos_coming"] == 0
    for program, folder in (("central-hub", yard / "hub"), ("site-node", new), ("site-node", pc2)):
        yard.quick(program, "verify", folder)
