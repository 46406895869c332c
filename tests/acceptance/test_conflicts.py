"""Conflicts that people see and settle: between homes, between the tablets of one home, and at the county."""

import json
import uuid
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.acceptance.replicas import hand_over

CHILD = str(uuid.UUID(int=0x7B3C2D189D0E4F6A8A510C1D2E3F4A5B))
IN_USE, REFUSED = 3, 6


def record(yard, home, event, payload, *words, code=0):
    return yard.quick("site-node", "record", home, event, "--subject", CHILD, "--by", f"w-{home.name}",
                      "--payload-json", json.dumps(payload), *words, code=code)  # fmt: skip


def register(yard, home):
    return record(yard, home, "child-registered/1",
                  {"name": "陈小禾", "sex": "female", "registered_on": "2024-09-01"})  # fmt: skip


def phone(yard, home, value, *words, code=0):
    payload = {"field": "guardian_phone", "value": value, "on": "2024-09-05"}
    return record(yard, home, "contact-card-changed/1", payload, *words, code=code)


def conflicts(yard, folder, program="site-node"):
    return yard.quick(program, "conflicts", folder, "--json").json()["conflicts"]


def settle(yard, folder, value, *words, program="site-node", field="guardian_phone", code=0, run=None):
    return (run or yard.quick)(
        program, "settle", folder, CHILD, field, value, "--by", "主任", *words, "--json", code=code
    )


@pytest.fixture
def two_homes(yard):
    """M1: two homes have changed one guardian's phone unknown to each other; home-01 holds both logs."""
    one, two = yard.home("one", "home-01"), yard.home("two", "home-02")
    register(yard, one)
    hand_over(one, two)
    phone(yard, one, "15411111111")
    phone(yard, two, "16322222222")
    hand_over(two, one)
    return one, two


def version(yard, folder):
    return yard.quick("site-node", "child", folder, CHILD, "--json").json()["version"]


def test_a_conflict_is_shown_with_all_that_is_needed_to_choose(yard, two_homes):
    """Each value with its number, who wrote it, where and when; which one is used meanwhile, and why."""
    one, _ = two_homes
    (found,) = conflicts(yard, one)
    assert (found["subject"], found["name"], found["field"]) == (CHILD, "陈小禾", "guardian_phone")
    assert (found["label_zh"], found["label_en"]) == ("监护人电话", "guardian's phone")
    assert {value["value"] for value in found["values"]} == {"15411111111", "16322222222"}
    assert {value["by"] for value in found["values"]} == {"w-one", "w-two"}
    assert [value["number"] for value in found["values"]] == [1, 2]
    assert [value["value"] for value in found["values"] if value["provisional"]] == [found["provisional"]]
    assert found["why_zh"]
    assert found["why_en"]
    text = yard.quick("site-node", "conflicts", one).out
    assert "监护人电话" in text
    assert "暂用" in text
    assert found["shown"] in text


def test_a_conflict_is_settled_by_number(yard, two_homes):
    """The chosen value stands alone, everywhere: the settlement's deps name the other home's entry that was shown."""
    one, two = two_homes
    (found,) = conflicts(yard, one)
    number = next(value["number"] for value in found["values"] if value["value"] == "16322222222")
    done = settle(yard, one, str(number), "--shown", found["shown"]).json()
    assert done["value"] == "16322222222"
    assert conflicts(yard, one) == []
    hand_over(one, two)
    assert conflicts(yard, two) == []
    for home in (one, two):
        child = yard.quick("site-node", "child", home, CHILD, "--json").json()
        assert child["fields"]["guardian_phone"] == "16322222222"
    assert "没有需要处理的冲突" in settle(yard, one, "1", code=REFUSED).err


def test_another_value_may_be_given(yard, two_homes):
    """Neither of the shown values has to be right; what does not fit and no such number are refused."""
    one, _ = two_homes
    assert "1 to 2" in settle(yard, one, "3", code=REFUSED).err
    assert settle(yard, one, "=13900000000").json()["value"] == "13900000000"
    assert conflicts(yard, one) == []


def test_a_conflict_that_moved_meanwhile_is_shown_again(yard, two_homes):
    """Who chose from values that have changed since is refused (6), stores nothing, and sees what is there now."""
    one, two = two_homes
    (before,) = conflicts(yard, one)
    entries = yard.quick("site-node", "status", one, "--json").json()["entries"]
    phone(yard, two, "13900000000")
    hand_over(two, one)
    answer = settle(yard, one, "1", "--shown", before["shown"], code=REFUSED)
    assert "没有保存" in answer.err
    moved = answer.json()["moved"]
    assert {value["value"] for value in moved["values"]} == {"15411111111", "13900000000"}
    assert yard.quick("site-node", "status", one, "--json").json()["entries"] == entries
    settle(yard, one, "1", "--shown", moved["shown"])
    assert conflicts(yard, one) == []


def test_two_tablets_at_the_same_moment(yard):
    """Two commands on one version of a card, at once: one is stored, the other refused (6) and shown what is there."""
    home = yard.home()
    register(yard, home)
    phone(yard, home, "15400000000")
    for turn in range(3):
        shown = version(yard, home)

        def edit(value, shown=shown):
            while True:  # a home's folder has one writer at a time
                words = ("--subject", CHILD, "--by", "w", "--shown", shown, "field=guardian_phone", f"value={value}")
                answer = yard.run("site-node", "record", home, "contact-card-changed/1", *words, code=None)
                if answer.code != IN_USE:
                    return value, answer

        with ThreadPoolExecutor(2) as tablets:
            answers = list(tablets.map(edit, [f"1{turn}1", f"1{turn}2"]))
        assert sorted(answer.code for _, answer in answers) == [0, REFUSED]
        ((kept, _),) = [one for one in answers if one[1].code == 0]
        ((_, refused),) = [one for one in answers if one[1].code]
        assert kept in refused.err
        child = yard.quick("site-node", "child", home, CHILD, "--json").json()
        assert (child["fields"]["guardian_phone"], child["conflicts"]) == (kept, [])


def test_two_people_settle_at_the_same_moment_beside_serve(yard, two_homes):
    """Beside a running `serve`: of two choices from the same values one is stored, the other shown what is there."""
    one, _ = two_homes
    (found,) = conflicts(yard, one)
    server = yard.serve("site-node", "serve", one, "--listen", "127.0.0.1:0")
    with ThreadPoolExecutor(2) as people:
        answers = list(people.map(lambda number: settle(yard, one, number, "--shown", found["shown"], code=None,
                                                        run=yard.run), "12"))  # fmt: skip
    assert sorted(answer.code for answer in answers) == [0, REFUSED]
    (stored,) = [answer.json() for answer in answers if answer.code == 0]
    (moved,) = [answer.json()["moved"] for answer in answers if answer.code]
    assert [value["value"] for value in moved["values"]] == [stored["value"]]
    assert server.stop() == 0
    assert conflicts(yard, one) == []


def test_the_county_settles_where_a_child_belongs_and_nothing_else(yard):
    """The hub shows every conflict; what a file says is left to the homes (6), rival claims it decides."""
    hub = yard.hub()
    for name, code in (("one", "home-01"), ("two", "home-02")):
        home = yard.home(name, code)
        yard.quick("site-node", "join", home, yard.invite(code=code, name=code))
        register(yard, home)
        phone(yard, home, f"1540000000{code[-1]}")
        yard.quick("site-node", "sync", home)
    found = {one["field"]: one for one in conflicts(yard, yard / "hub", "central-hub")}
    assert {value["home"] for value in found["guardian_phone"]["values"]} == {"home-01", "home-02"}
    assert conflicts(yard, yard / "hub", "hub-audit") == list(found.values())
    refused = settle(yard, yard / "hub", "1", program="central-hub", code=REFUSED)
    assert "home-01, home-02" in refused.err
    number = next(str(value["number"]) for value in found["home"]["values"] if value["value"] == "home-02")
    settle(yard, yard / "hub", number, "--shown", found["home"]["shown"], program="central-hub", field="home")
    assert "home" not in {one["field"] for one in conflicts(yard, yard / "hub", "central-hub")}
    child = yard.quick("central-hub", "child", yard / "hub", CHILD, "--json").json()
    assert child["home"] == "home-02"
    assert hub.stop() == 0
