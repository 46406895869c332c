"""What the commands print with --json is an interface: these are its keys and types."""

import datetime as dt
import json
import re
import subprocess
import uuid

import pytest

HEX_16 = re.compile(r"[0-9a-f]{32}")
HEX_32 = re.compile(r"[0-9a-f]{64}")
RFC_3339 = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)")
HOME_STATUS = [
    "code", "name", "log", "entries", "at_the_county", "waiting", "returned", "size", "root", "last_exchange",
    "clock_offset_s",
]  # fmt: skip


@pytest.fixture(scope="module")
def county(synced):
    """The synced county itself: the tests of this module only read."""
    return synced


@pytest.fixture
def ask(shared_yard, county):
    """Run a reading command on the county's home or hub; its JSON."""

    def run(name, command, *words):
        folder = county / ("home" if name == "site-node" else "hub")
        return shared_yard.quick(name, command, folder, *words, "--json").json()

    return run


def test_status_of_a_home_that_never_joined(shared_yard):
    """A home on its own reports what it holds; what only a county could say is null."""
    home = shared_yard.home("alone", "home-09")
    found = shared_yard.run("site-node", "status", home, "--json").json()
    assert list(found)[: len(HOME_STATUS)] == HOME_STATUS
    assert [found["code"], found["name"], found["entries"], found["size"]] == ["home-09", "home-09 之家", 0, 0]
    nulls = ("at_the_county", "waiting", "returned", "last_exchange", "clock_offset_s")
    assert [found[key] for key in nulls] == [None] * 5
    assert HEX_16.fullmatch(found["log"])
    assert found["root"] == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"


def test_status_of_a_home_in_step(ask):
    """After a sync nothing waits, and every number agrees."""
    found = ask("site-node", "status")
    assert found["entries"] == found["size"] == found["at_the_county"] == 120
    assert (found["waiting"], found["returned"]) == (0, 0)
    assert HEX_32.fullmatch(found["root"])
    assert RFC_3339.fullmatch(found["last_exchange"])
    assert abs(found["clock_offset_s"]) <= 2


def test_status_of_the_hub(ask, shared_yard):
    """The hub lists its homes with their logs and what it holds of them."""
    found = ask("central-hub", "status")
    (home,) = found["homes"]
    assert found["entries"] == home["held"] == 120
    assert (home["code"], home["name"], home["returned"]) == ("home-01", "南沟村之家", 0)
    assert home["logs"] == [{"log": ask("site-node", "status")["log"], "held": 120}]
    assert RFC_3339.fullmatch(home["last_exchange"])


def test_a_home_that_was_invited_only(county, shared_yard):
    """A home that has not joined is listed, sorted by code, and what it would have is null."""
    shared_yard.quick("central-hub", "init", shared_yard / "hub", "--name", "清溪县")
    for code in ("home-10", "home-02"):
        shared_yard.quick("central-hub", "invite", shared_yard / "hub", "--name", code, "--code", code)
    found = shared_yard.quick("central-hub", "status", shared_yard / "hub", "--json").json()
    assert [home["code"] for home in found["homes"]] == ["home-02", "home-10"]
    assert found["homes"][0] == {
        "code": "home-02", "name": "home-02", "logs": [], "held": None, "last_exchange": None, "returned": None,
        "on_hold": None, "county": None, "held_above": None,
    }  # fmt: skip


@pytest.mark.parametrize("name", ["site-node", "central-hub"])
def test_children_are_sorted_and_named_by_uuid(ask, name):
    """`children` gives an object with one sorted list; ids are UUIDs."""
    found = ask(name, "children")
    assert list(found) == ["children"]
    assert len(found["children"]) > 20
    assert all(str(uuid.UUID(child["id"])) == child["id"] and child["name"] for child in found["children"])
    keys = [(child["home"], child["name"] or "", child["id"]) for child in found["children"]]
    assert keys == sorted(keys)


def test_the_child_is_the_same_at_home_and_hub(ask):
    """A child's folded file does not depend on where it is asked for, and says whether anything conflicts."""
    child = ask("site-node", "children")["children"][3]
    found = ask("site-node", "child", child["id"])
    assert (found["id"], "conflicts" in found) == (child["id"], True)
    assert found == ask("central-hub", "child", child["id"])


def test_history_says_who_wrote_what_when(ask):
    """Every entry about a child with the promised keys, in order."""
    child = ask("site-node", "children")["children"][0]
    entries = ask("central-hub", "history", child["id"])["entries"]
    assert entries
    for entry in entries:
        assert list(entry) == ["id", "type", "actor", "recorded_at", "log", "seq", "payload", "line", "between"]
        assert RFC_3339.fullmatch(entry["between"]["before"])
        assert HEX_16.fullmatch(entry["id"])
        assert HEX_16.fullmatch(entry["log"])
        assert RFC_3339.fullmatch(entry["recorded_at"])
        assert re.fullmatch(r"[a-z-]+/\d+", entry["type"])
        assert isinstance(entry["payload"], dict)
        assert entry["line"].endswith("。")
    assert [entry["seq"] for entry in entries] == sorted(entry["seq"] for entry in entries)


def test_history_of_nobody_is_empty(ask):
    """A subject that no entry is about has an empty history, which is no error."""
    assert ask("site-node", "history", uuid.uuid4()) == {"entries": []}


def test_a_child_that_is_unknown_is_refused(shared_yard, county):
    """Asking for a child that is not there ends with 6 and one sentence."""
    answer = shared_yard.quick("site-node", "child", county / "home", uuid.uuid4(), "--json", code=6)
    assert (answer.out, answer.err.count("\n")) == ("", 1)


def test_equal_sets_of_entries_give_equal_digests(ask):
    """Home and hub hold the same entries, so every table has the same sum."""
    home, hub = ask("site-node", "digest"), ask("central-hub", "digest")
    assert home == hub
    assert list(home) == ["views_version", "tables"]
    assert type(home["views_version"]) is int
    assert {"child", "stay", "tally"} <= home["tables"].keys()
    assert list(home["tables"]) == sorted(home["tables"])
    assert all(HEX_32.fullmatch(found) for found in home["tables"].values())


@pytest.mark.parametrize("name", ["site-node", "central-hub"])
def test_verify_and_rebuild(ask, name):
    """A healthy folder verifies, and its rebuilt read models equal the live ones."""
    held = 120 if name == "site-node" else 122
    assert ask(name, "verify") == {
        "ok": True,
        "compared": held,
        "first_bad": None,
        "photos": {"compared": 0, "bad": []},
    }
    rebuilt = ask(name, "rebuild")
    assert rebuilt["equal"] is True
    assert rebuilt["tables"] == ask(name, "digest")["tables"]


def test_report_r01(ask):
    """R01 counts the children of the read models, by home and by what else the county asks for."""
    found = ask("central-hub", "report", "R01", "--as-of", "2025-03-01")
    children = [c for c in ask("central-hub", "children")["children"] if c["status"] in ("here", "leaving")]
    assert found["as_of"] == "2025-03-01"
    register = found["figures"]["children"]
    assert register["value"] == len(children) == register["by"]["home"]["home-01"]
    assert sum(register["by"]["sex"].values()) == register["value"]
    assert found["positions"][ask("site-node", "status")["log"]] == 120


def test_a_figure_opens_its_list(ask):
    """The rows behind a figure, and behind one part of it, are as many as it counts."""
    register = ask("central-hub", "report", "R01", "--as-of", "2025-03-01")["figures"]["children"]
    listed = ask("central-hub", "report", "R01", "--as-of", "2025-03-01", "--list", "children/sex=female")
    assert listed["count"] == len(listed["rows"]) == register["by"]["sex"]["female"]
    children = {c["id"]: c for c in ask("central-hub", "children")["children"]}
    assert {children[row["id"]]["sex"] for row in listed["rows"]} == {"female"}


def test_a_report_refuses_a_date_that_is_none(shared_yard, county):
    """A date that does not exist is a matter of usage."""
    answer = shared_yard.quick("central-hub", "report", county / "hub", "R01", "--as-of", "2025-02-30", code=2)
    assert "2025-02-30" in answer.err
    answer = shared_yard.quick("central-hub", "report", county / "hub", "R17", "--period", "soon", code=6)
    assert "soon" in answer.err
    answer = shared_yard.quick("central-hub", "report", county / "hub", "R01", "--list", "children/x=1", code=6)
    assert "children/home" in answer.err


def test_the_auditors_read_checkpoints(shared_yard, county, ask):
    """`hub-audit` shows every log's size, root and receipt, and prints the signed note itself."""
    log = ask("site-node", "status")["log"]
    found = shared_yard.quick("hub-audit", "logs", county / "hub", "--json").json()["logs"]
    (home,) = [one for one in found if one["log"] == log]
    assert (home["size"], home["receipt_size"], home["root"]) == (120, 120, ask("site-node", "status")["root"])
    note = shared_yard.quick("hub-audit", "checkpoint", county / "hub", log).out
    assert note.startswith(f"homeward/{log}\n120\n")
    assert len(re.findall("^— ", note, re.MULTILINE)) == 2
    assert shared_yard.quick("hub-audit", "checkpoint", county / "hub", "00" * 16, code=6).code == 6


def test_record_prints_where_it_went(shared_yard):
    """`record` answers with id, subject and seq; the field's values are kept as they were typed."""
    home = shared_yard.home("recording", "home-07")
    words = ("name=石头", "sex=male", "born_on=2016-05-04", "registered_on=2024-09-01")
    found = shared_yard.run(
        "site-node", "record", home, "child-registered/1", "--subject", "new", "--by", "w-1", *words
    ).json()
    assert list(found) == ["id", "subject", "seq"]
    assert HEX_16.fullmatch(found["id"])
    entry = shared_yard.quick("site-node", "history", home, found["subject"], "--json").json()["entries"][0]
    assert (entry["id"], entry["seq"], entry["actor"], entry["payload"]["name"]) == (found["id"], 1, "w-1", "石头")


def test_a_json_payload_from_standard_input(shared_yard):
    """`--payload-json -` reads the payload from standard input."""
    home = shared_yard.home("piped", "home-07")
    process = shared_yard.begin(
        "site-node", "record", home, "child-registered/1", "--subject", "new", "--by", "w-1", "--payload-json", "-",
        stdin=subprocess.PIPE,
    )  # fmt: skip
    given = {"name": "石头", "sex": "male", "born_on": "2016-05-04", "registered_on": "2024-09-01"}
    out, err = process.communicate(json.dumps(given), timeout=30)
    assert (process.returncode, err) == (0, "")
    assert json.loads(out)["seq"] == 1


@pytest.mark.parametrize(
    ("event", "words", "says"),
    [
        ("flying-lesson-held/1", [], "flying-lesson-held/1"),
        ("child-registered/1", ["name=石头", "sex=maybe", "born_on=2016-05-04", "registered_on=2024-09-01"], "sex"),
        ("child-registered/1", ["name=石头", "sex=", "born_on"], "field=value"),
        ("child-registered/1", ["--payload-json", "[1]"], "JSON object"),
        ("child-registered/1", ["--payload-json", "{"], "JSON object"),
    ],
)
def test_record_refuses_what_it_cannot_read(shared_yard, event, words, says):
    """An unknown type or a field that does not fit is refused by name, and nothing is stored."""
    home = shared_yard / "refusing"
    if not home.exists():
        shared_yard.home("refusing", "home-07")
    answer = shared_yard.quick("site-node", "record", home, event, "--subject", "new", "--by", "w-1", *words, code=6)
    assert says in answer.err
    assert shared_yard.quick("site-node", "status", home, "--json").json()["entries"] == 0


def test_text_output_is_for_people(shared_yard, county):
    """Without --json the same content is readable lines."""
    out = shared_yard.quick("central-hub", "status", county / "hub").out
    assert "home-01" in out
    with pytest.raises(ValueError):
        json.loads(out)


def test_recorded_at_is_the_node_s_clock(ask):
    """Imported entries say when they were written down here: a moment ago, not when the fact happened."""
    child = ask("site-node", "children")["children"][0]
    at = ask("site-node", "history", child["id"])["entries"][0]["recorded_at"]
    assert abs(dt.datetime.fromisoformat(at) - dt.datetime.now(dt.UTC)) < dt.timedelta(minutes=10)


@pytest.mark.parametrize("name", ["site-node", "central-hub", "hub-audit"])
def test_every_command_explains_itself(shared_yard, name):
    """--help of the program and of each of its commands names its arguments and ends with 0."""
    text = shared_yard.run(name, "--help").out
    commands = re.findall(r"^    ([a-z]+) ", text, re.MULTILINE)
    assert {"children", "child", "history", "digest", "rebuild", "verify"} <= set(commands)
    for command in commands:
        takes = "EVENT" if command == "events" else "DIR"  # the catalogue is the same for every folder
        assert takes in shared_yard.quick(name, command, "--help").out


def test_a_command_that_is_none(shared_yard):
    """No command, or an unknown one, is a matter of usage."""
    assert shared_yard.quick("site-node", code=2).out == ""
    assert "fly" in shared_yard.quick("site-node", "fly", code=2).err


@pytest.mark.parametrize("words", [("children",), ("status", "--json")])
def test_a_closed_pipe_is_no_error(county, shared_yard, words):
    """`… | head -1` ends without a traceback, however much or little is printed."""
    process = shared_yard.begin("central-hub", words[0], county / "hub", *words[1:])
    process.stdout.close()
    assert process.stderr.read() == ""
    assert process.wait(20) == 0
