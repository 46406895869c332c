"""`record --lines`: a file of events by real commands, all or none, once, at a home and at the county."""

import json

import pytest

REFUSED, USAGE = 6, 2
CHILD = {"event": "child-registered/1", "subject": "$he",
         "fields": {"name": "陈小禾", "sex": "女", "registered_on": "2024-09-01"}}  # fmt: skip
TALK = {"event": "talk-held/1", "subject": "$he", "fields": {"on": "2024-09-20", "talked_by": "周老师"}}
AID = {"event": "aid-requested/1", "subject": "new",
       "fields": {"child": "$he", "kind": "sponsored", "programme": "春蕾", "reason": "困难", "amount_fen": "1200元",
                  "instalments": 6}}  # fmt: skip
PAIRING = {"event": "pairing-formed/1", "subject": "$he",
           "fields": {"pairing": "$p", "kind": "cadre", "from_on": "2024-09-02", "helper_name": "李强"}}  # fmt: skip
END = {"event": "pairing-ended/1", "subject": "$he", "fields": {"pairing": "$p", "on": "2025-01-10"}}
GOOD = [CHILD, TALK, PAIRING, AID, END]


def write(yard, lines, name="lines.jsonl"):
    path = yard / name
    path.write_text("".join((one if isinstance(one, str) else json.dumps(one, ensure_ascii=False)) + "\n"
                            for one in lines), encoding="utf-8")  # fmt: skip
    return path


def record(yard, home, path, *words, program="site-node", **options):
    return yard.quick(program, "record", home, "--lines", path, "--by", "李老师", *words, **options)


def size(yard, home):
    return yard.quick("site-node", "status", home, "--json").json()["size"]


def test_a_file_is_stored_once_as_it_is_typed(yard):
    """Typed amounts are read, names stand for ids, a second run stores nothing, and the whole can be taken back."""
    home = yard.home()
    before = size(yard, home)
    done = record(yard, home, write(yard, GOOD)).json()
    assert (done["stored"], done["known"], set(done["subjects"])) == (5, 0, {"$he", "$p"})
    assert size(yard, home) == before + 5
    again = record(yard, home, write(yard, GOOD, "renamed.jsonl")).json()
    assert again == done | {"stored": 0, "known": 5}
    assert size(yard, home) == before + 5
    child = done["subjects"]["$he"]
    history = yard.quick("site-node", "history", home, child, "--json").json()["entries"]
    assert [one["type"].partition("/")[0] for one in history] == [
        "child-registered", "talk-held", "pairing-formed", "pairing-ended"]  # fmt: skip
    found = yard.quick("site-node", "report", home, "R08", "--list", "requests", "--json").json()["rows"]
    assert [one["child"] for one in found] == [child]
    (asked,) = yard.quick("site-node", "history", home, found[0]["id"], "--json").json()["entries"]
    assert (asked["payload"]["amount_fen"], asked["payload"]["instalments"]) == (120_000, 6)
    assert yard.quick("site-node", "verify", home, "--json").json()["ok"]
    yard.quick("site-node", "import-undo", home, done["batch"], "--by", "李老师")
    anew = record(yard, home, write(yard, GOOD)).json()
    assert (anew["stored"], anew["batch"]) == (5, done["batch"] + "-2")
    assert anew["subjects"]["$he"] != child


def test_every_line_that_does_not_fit_is_named_and_nothing_is_stored(yard):
    """What cannot be read, what no line above names, what is decided against: each with its number, all in one go."""
    home = yard.home()
    before = size(yard, home)
    late = {"event": "talk-held/1", "subject": "$he", "fields": {"on": "2024-08-01", "talked_by": "周老师"}}
    two = {"event": "talk-held/1", "subject": "$he", "fields": {"on": "没有这天", "minutes": "许多"}}
    bad = {
        2: "{",
        3: '{"event":"talk-held/1","subject":"new"}',
        4: TALK | {"subject": "somebody"},
        5: AID | {"fields": AID["fields"] | {"child": "$nobody"}},
        6: TALK | {"event": "dragon-seen/1"},
        7: late,
        8: two,
        9: CHILD,
        10: {"event": "aid-decided/1", "subject": "new", "fields": {"decision": "同意", "on": "2024-10-01"}},
        11: AID | {"fields": AID["fields"] | {"instalments": [1]}},
        12: {"event": "term-scheduled/1", "subject": "new",
             "fields": {"name": "2024秋", "from_on": "2024-09-01", "to_on": "2025-01-10"}},
        13: AID | {"fields": AID["fields"] | {"reason": "长" * 90_000}},
    }  # fmt: skip
    said = record(yard, home, write(yard, [CHILD, *bad.values(), TALK]), code=REFUSED).err
    assert [number for number in range(1, 16) if f"第{number}行" in said] == list(bad)
    assert [number for number in range(1, 16) if f"line {number}:" in said] == list(bad)
    for word in ("dragon-seen/1", "$nobody", "没有这天", "许多", "somebody", "县里", "instalments"):
        assert word in said
    assert size(yard, home) == before
    assert record(yard, home, write(yard, [CHILD, TALK])).json()["stored"] == 2


@pytest.mark.parametrize("content", [b"", b"\n\n", b"\xff\xfe\x00", b"\x00" * 99, b"[" * 9999, b'{"event":1e999}'])
def test_garbage_is_refused_in_words(yard, content):
    """No line, no text, no JSON: 6 with a sentence, nothing stored."""
    home = yard.home()
    before = size(yard, home)
    (yard / "garbage").write_bytes(content)
    assert record(yard, home, yard / "garbage", code=REFUSED).err
    assert record(yard, home, yard / "nowhere", code=REFUSED).err
    assert size(yard, home) == before


def test_it_goes_with_by_alone(yard):
    """An event and a file, or neither, is a wrong use; an event may still stand behind its options."""
    home, path = yard.home(), write(yard, GOOD)
    record(yard, home, path, "--subject", "new", code=USAGE)
    yard.quick("site-node", "record", home, "--by", "w", code=USAGE)
    yard.quick("site-node", "record", home, "--by", "w", "child-registered/1", code=USAGE)
    words = ("--subject", "new", "--by", "w", "child-registered/1", "name=王小明", "sex=男", "registered_on=2024-09-01")
    assert yard.quick("site-node", "record", home, *words).json()["seq"]


def test_more_lines_about_what_is_on_file(yard):
    """A later file may speak of what an earlier one made: it is decided on that."""
    home = yard.home()
    child = record(yard, home, write(yard, [CHILD])).json()["subjects"]["$he"]
    said = record(yard, home, write(yard, [CHILD | {"subject": child}]), code=REFUSED).err
    assert "第1行" in said
    assert record(yard, home, write(yard, [TALK | {"subject": child}])).json()["stored"] == 1
    yard.quick("site-node", "erase", home, child, "--by", "w", "--ground", "监护人要求", "--yes")
    assert "第1行" in record(yard, home, write(yard, [PAIRING | {"subject": child}]), code=REFUSED).err


def test_beside_serve_and_at_the_county(yard):
    """The serving process reads the file; the same file at the county is another batch, about subjects of its own."""
    server, home = yard.hub(), yard.home()
    yard.quick("site-node", "join", home, yard.invite())
    notice = [{"event": "notice-issued/1", "subject": "$n",
               "fields": {"title": "开学安全", "text": "全文", "to": ["home-01"]}}]  # fmt: skip
    path = write(yard, notice)
    ours = yard.run("site-node", "record", home, "--lines", path, "--by", "w").json()
    yard.quick("site-node", "sync", home)
    theirs = yard.run("central-hub", "record", yard / "hub", "--lines", path, "--by", "w").json()
    assert theirs["stored"] == 1
    assert theirs["subjects"] != ours["subjects"]
    assert yard.run("central-hub", "record", yard / "hub", "--lines", path, "--by", "w").json()["known"] == 1
    said = yard.run("central-hub", "record", yard / "hub", "--lines", write(yard, ["{"]), "--by", "w", code=REFUSED)
    assert "第1行" in said.err
    assert server.stop() == 0


def test_a_power_cut_leaves_all_of_it_or_none(yard):
    """Killed at any moment: the file is then known whole or not at all, and running it again completes it."""
    home = yard.home()
    before = size(yard, home)
    children = [CHILD | {"subject": f"$c{n}"} for n in range(600)]
    path = write(yard, children)
    for wait in (0.2, 0.5, 0.8):
        process = yard.begin("site-node", "record", home, "--lines", path, "--by", "w")
        try:
            process.wait(wait)
        except Exception:  # noqa: BLE001  it runs still
            process.kill()
            process.wait(10)
        assert size(yard, home) - before in (0, 600)
    done = yard.quick("site-node", "record", home, "--lines", path, "--by", "w").json()
    assert done["stored"] + done["known"] == 600
    assert size(yard, home) - before == 600


def test_the_same_file_from_two_hands_at_once(yard):
    """Two commands ask the serving process for one file at the same moment: one stores it, the other knows it."""
    home = yard.home()
    child = record(yard, home, write(yard, [CHILD])).json()["subjects"]["$he"]
    talks = [TALK | {"subject": child, "fields": {"on": f"2024-10-{n % 28 + 1:02d}", "talked_by": f"老师{n}"}}
             for n in range(1500)]  # fmt: skip
    path, before = write(yard, talks, "talks.jsonl"), size(yard, home)
    server = yard.serve("site-node", "serve", home, "--listen", "127.0.0.1:0", "--exchange-every", "3600")
    hands = [yard.begin("site-node", "record", home, "--lines", path, "--by", "w") for _ in range(2)]
    told = [json.loads(one.communicate(timeout=60)[0]) for one in hands]
    assert sorted((one["stored"], one["known"]) for one in told) == [(0, 1500), (1500, 0)]
    assert server.stop(within_s=30) == 0
    assert size(yard, home) == before + 1500


def test_each_takes_back_its_own_and_nobody_elses(yard):
    """The county its files, beside `serve` too; of a home's import it is told whose it is, and so is the home."""
    server, home = yard.hub(), yard.home()
    hub = yard / "hub"
    yard.quick("site-node", "join", home, yard.invite())
    notice = [{"event": "notice-issued/1", "subject": "$n",
               "fields": {"title": "开学安全", "text": "全文", "to": ["home-01"]}}]  # fmt: skip
    theirs = record(yard, hub, write(yard, notice), program="central-hub").json()["batch"]
    ours = record(yard, home, write(yard, GOOD, "ours.jsonl")).json()["batch"]
    yard.quick("site-node", "sync", home)
    assert size(yard, home) == 5
    for program, folder, other, whose in (("central-hub", hub, ours, "home-01"), ("site-node", home, theirs, "县里")):
        said = yard.quick(program, "import-undo", folder, other, "--by", "w", code=REFUSED)
        assert f"{whose}" in said.err
        assert "import-undo" in said.err
    assert size(yard, home) == 5
    (listed,) = yard.quick("central-hub", "import-undo", hub, "--json").json()["batches"]
    assert (listed["batch"], listed["entries"], listed["withdrawn"]) == (theirs, 1, 0)
    undone = yard.quick("central-hub", "import-undo", hub, theirs, "--by", "周主任", "--json").json()
    assert (undone["withdrawn"], undone["left"]) == (1, [])
    again = record(yard, hub, write(yard, notice), program="central-hub").json()
    assert (again["stored"], again["batch"]) == (1, theirs + "-2")
    assert "没有批次" in yard.quick("central-hub", "import-undo", hub, "lines-0", "--by", "w", code=REFUSED).err
    assert server.stop() == 0
