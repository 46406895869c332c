"""What the county itself owes is recorded at the hub, and named there; a mailbox's emptying at the home."""

import datetime as dt

import pytest

REFUSED = 6


@pytest.fixture
def town(yard):
    """A hub that serves, with a term around today, and a joined home that serves, with its register entry."""
    server = yard.hub()
    home = yard.home()
    yard.quick("site-node", "join", home, yard.invite())
    today = dt.date.fromisoformat(yard.quick("site-node", "status", home, "--json").json()["today"])
    for year in (today.year - 1, today.year):
        words = (f"{year}-全", "--from", f"{year}-01-01", "--to", f"{year}-12-31", "--by", "县妇联")
        yard.quick("central-hub", "term", yard / "hub", *words)
    registered = ("name=上坪村之家", f"opened_on={today.year - 1}-01-01")
    place = record(yard, home, "home-registered/1", "new", *registered)["subject"]
    yield yard, home, place, today
    assert server.stop() == 0


def record(yard, folder, event, subject, *fields, program="site-node", code=0):
    answer = yard.quick(program, "record", folder, event, "--subject", subject, "--by", "周主任", *fields, code=code)
    return answer.json() if code == 0 else answer


def due(yard, folder, *words, program="central-hub"):
    return {(one["rule"], one["subject"]): one for one in
            yard.quick(program, "due", folder, *words, "--json").json()["duties"]}  # fmt: skip


def waive(yard, hub, *words, code=0):
    """Beside a running `serve`."""
    answer = yard.quick(
        "central-hub", "waive", hub, *words, "--reason", "大雪封路", "--by", "县妇联", "--json", code=code
    )
    return answer.json() if code == 0 else answer


def setting(yard, rule, today):
    words = ("--on", "--from", f"{today.year - 1}-01-01", "--by", "县妇联")
    yard.quick("central-hub", "rule-set", yard / "hub", rule, *words)


def test_the_platform_and_the_joint_meeting_are_owed_until_they_are_recorded(town):
    """Beside a running `serve`; what a home records of the kind fulfils nothing, and of the platform it may not."""
    yard, home, _, today = town
    hub = yard / "hub"
    setting(yard, "O47", today)
    open_ones = {rule: one for (rule, _), one in due(yard, hub).items()}
    assert set(open_ones) == {"O39", "O47"}
    assert (open_ones["O39"]["status"], open_ones["O39"]["name"], open_ones["O39"]["holder"]) == (
        "due",
        "清溪县",
        "county",
    )
    assert "清溪县：联席会议" in yard.quick("central-hub", "due", hub).out
    record(yard, home, "meeting-held/1", "new", "kind=joint", f"on={today}")
    assert "县" in record(yard, home, "platform-updated/1", "new", f"on={today}", code=REFUSED).err
    yard.run("site-node", "sync", home)
    assert {rule for rule, _ in due(yard, hub)} == {"O39", "O47"}
    record(yard, hub, "platform-updated/1", "new", f"on={today}", "as_of=昨天", program="central-hub")
    assert {rule for rule, _ in due(yard, hub)} == {"O47"}
    held = ("kind=joint", f"on={today}", "agenda=四部门参加")
    record(yard, hub, "meeting-held/1", "new", *held, program="central-hub")
    assert due(yard, hub) == {}
    assert due(yard, hub, "--week") == {}
    assert "没有要办的工作" in yard.quick("central-hub", "due", hub, "--overdue").out


def test_a_visit_of_supervision_is_owed_for_each_home_and_can_be_waived(town):
    """Once a year with a feedback meeting; and of the county's own duties it may say why one need not be done."""
    yard, home, place, today = town
    hub = yard / "hub"
    setting(yard, "O38", today)
    yard.run("site-node", "sync", home)
    visits = {subject: one for (rule, subject), one in due(yard, hub).items() if rule == "O38"}
    assert [(one["name"], one["holder"]) for one in visits.values()] == [("上坪村之家", "county")]
    assert list(visits) == [place]
    seen = ("kind=supervision", f"on={today}", "home=home-01", "feedback=开了反馈会")
    record(yard, hub, "inspection-done/1", "new", *seen, program="central-hub")
    assert "O38" not in {rule for rule, _ in due(yard, hub)}
    (((_, county), platform),) = due(yard, hub).items()
    waived = waive(yard, hub, "O39", platform["period"])
    assert (waived.keys(), waived["subject"]) == ({"id", "subject", "seq"}, county)
    assert due(yard, hub) == {}


def test_the_county_waives_what_it_owes_and_nothing_that_a_home_does(town):
    """One visit, or all; for a child, whose home then knows. A home's word excuses no county, nor its word a home."""
    yard, home, place, today = town
    hub = yard / "hub"
    setting(yard, "O38", today)
    yard.run("site-node", "sync", home)
    child = record(
        yard, home, "child-registered/1", "new", "name=小禾", "sex=female", f"registered_on={today.year - 1}-01-02"
    )["subject"]
    for year in (today.year - 1, today.year):
        yard.quick("site-node", "waive", home, "O38", f"{year}-全", "--reason", "不来", "--by", "王主任")
    yard.run("site-node", "sync", home)

    def visits():
        return {one["period"] for (rule, _), one in due(yard, hub).items() if rule == "O38"}

    (last,) = visits()
    assert waive(yard, hub, "O38", last, "--subject", place)["subject"] == place
    assert visits() == set()
    assert waive(yard, hub, "O38", str(today.year - 1))["subject"] not in (place, child)
    since = ("--from", f"{today.year - 1}-01-01", "--to", f"{today.year}-12-31")
    made = yard.quick("central-hub", "compliance", hub, *since, "--json").json()
    assert (made["by_rule"]["O38"]["waived"], made["by_rule"]["O39"]["open"]) == (2, 1)
    assert made["by_home"].keys() == {"home-01"}
    asked = ("R04", "--period", str(today.year), "--json")
    owed = yard.quick("central-hub", "report", hub, *asked).json()["figures"]["open"]["by"]
    assert (owed["rule"]["O39"], owed["home"].keys()) == (1, {"home-01"})
    rows = yard.quick("central-hub", "report", hub, *asked, "--list", "open/rule=O39").json()["rows"]
    assert [(one["name"], one["home"]) for one in rows] == [("县里", "")]
    for words in (("O01", last), ("O01", last, "--subject", place), ("O39", last, "--subject", place)):
        assert "site-node waive" in waive(yard, hub, *words, code=REFUSED).err
    for words in (("O99", last), ("O39", "soon"), ("O04", last, "--subject", "00000000-0000-0000-0000-00000000000a")):
        waive(yard, hub, *words, code=REFUSED)
    assert "O46" in {rule for rule, _ in due(yard, home, program="site-node")}
    waive(yard, hub, "O46", str(today.year - 1), "--subject", child)
    yard.run("site-node", "sync", home)
    assert "O46" not in {rule for rule, _ in due(yard, home, program="site-node")}


def test_a_mailbox_is_emptied_every_week_and_urgent_notes_come_first(town):
    """Where the county asks for it: emptied once a week, an urgent note answered in a day, another in seven."""
    yard, home, place, today = town
    setting(yard, "O24", today)
    yard.run("site-node", "sync", home)

    def owed(*words):
        found = due(yard, home, *words, program="site-node")
        return {(rule, subject): one["due"] for (rule, subject), one in found.items() if rule.startswith("O24")}

    assert [rule for rule, _ in owed()] == ["O24-emptied"]
    record(yard, home, "mailbox-emptied/1", place, f"on={today}", "notes=2")
    assert owed() == {}
    words = ("channel=mailbox", f"at={today}T00:30:00+08:00", "text=想妈妈", "anonymous=是")
    urgent = record(yard, home, "message-received/1", "new", *words, "urgent=是")["subject"]
    other = record(yard, home, "message-received/1", "new", *words)["subject"]
    assert owed() == {}  # a note's existence is for few
    assert owed("--restricted") == {
        ("O24-urgent", urgent): str(today + dt.timedelta(1)), ("O24-others", other): str(today + dt.timedelta(7)),
    }  # fmt: skip
    record(yard, home, "message-answered/1", urgent, f"at={today}T08:00:00+08:00", "how=talk")
    assert list(owed("--restricted")) == [("O24-others", other)]
    shown = yard.quick("site-node", "subject", home, place, "--json").json()["picture"]
    assert shown["mailbox_emptied_on"] == str(today)


def test_auditors_have_the_same_reports(town):
    """`hub-audit` makes every report that the county makes, of a copy too, and lists what was filed."""
    yard, _, _, _ = town
    hub = yard / "hub"
    for words in (("report", hub, "R05"), ("report", hub, "R18"), ("reports", hub), ("due", hub)):
        assert yard.quick("hub-audit", *words, "--json").json() == yard.quick("central-hub", *words, "--json").json()
