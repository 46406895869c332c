"""Restored backups, copied disks, stolen computers: real processes and copied folders, and nobody decides anything."""

from __future__ import annotations

import json
import random
import re
import shutil
import time
from pathlib import Path
from typing import Any

import pytest
from pyrage import x25519

from tests.acceptance.replicas import as_told


def digest(yard: Any, folder: Path, program: str = "site-node") -> dict[str, str]:
    return yard.quick(program, "digest", folder, "--json").json()["tables"]


def children(yard: Any, folder: Path, program: str = "site-node") -> list[str]:
    return [one["id"] for one in yard.quick(program, "children", folder, "--json").json()["children"]]


def status(yard: Any, folder: Path) -> dict[str, Any]:
    return yard.quick("site-node", "status", folder, "--json").json()


def facts_of(yard: Any, folder: Path, program: str = "site-node") -> list[tuple[Any, ...]]:
    """Every event about every child that counts: first id, type, author, time, payload."""
    found = []
    for child in children(yard, folder, program):
        for entry in yard.quick(program, "history", folder, child, "--json").json()["entries"]:
            if "set_aside" not in entry:
                first = entry.get("first_id", entry["id"])
                payload = json.dumps(entry["payload"], sort_keys=True)
                found.append((first, entry["type"], entry["actor"], entry["recorded_at"], payload))
    return sorted(set(found))


def plain(yard: Any, folder: Path) -> list[tuple[Any, ...]]:
    """The same without what differs between two homes that record the same: ids, and when it was."""
    found = facts_of(yard, folder)
    return sorted((kind, by, re.sub('"target": "[^"]+"', "", payload)) for _, kind, by, _, payload in found)


@pytest.fixture
def facts(yard, lines_of, write_lines):
    """Write the sample's lines from one to another into a file."""

    def write(start: int, end: int) -> Path:
        return write_lines(yard / f"facts-{start}-{end}.jsonl", lines_of(count=end)[start:])

    return write


@pytest.fixture
def hub(yard):
    return yard.hub()


@pytest.fixture
def home(yard, hub, facts):
    """A joined home with 100 facts at the county."""
    made = yard.home()
    yard.quick("site-node", "join", made, yard.invite())
    yard.quick("site-node", "import", made, facts(0, 100))
    yard.quick("site-node", "sync", made)
    return made


def verified(yard: Any, *folders: Path) -> None:
    for folder in folders:
        program = "central-hub" if folder.name.startswith("hub") else "site-node"
        assert yard.quick(program, "verify", folder, "--json").json()["ok"]


def test_an_old_copy_that_was_used_heals_by_itself(yard, hub, home, facts):
    """The disk failed, last week's copy was put back and used: both weeks' records are there, each once."""
    old = yard / "old"
    shutil.copytree(home, old)
    yard.quick("site-node", "import", home, facts(100, 160))
    yard.quick("site-node", "sync", home)
    yard.quick("site-node", "import", old, facts(160, 200))
    before = facts_of(yard, old)
    yard.quick("site-node", "sync", old)
    after = facts_of(yard, old)
    assert set(before) <= set(after)
    assert set(facts_of(yard, home)) <= set(after)
    assert digest(yard, old) == digest(yard, yard / "hub", "central-hub")
    assert facts_of(yard, yard / "hub", "central-hub") == after
    said = status(yard, old)
    assert said["waiting"] == 0
    assert [(one["why"], one["recorded_again"]) for one in said["healed"]] == [("forked", 40)]
    assert "重新登记" in said["healed"][0]["words"]
    verified(yard, old, yard / "hub")


def test_an_old_copy_that_was_not_used_gets_the_rest_back(yard, hub, home, facts):
    """A copy without anything new shows in the end exactly what the lost disk showed."""
    old = yard / "old"
    shutil.copytree(home, old)
    yard.quick("site-node", "import", home, facts(100, 160))
    yard.quick("site-node", "sync", home)
    yard.quick("site-node", "sync", old)
    assert digest(yard, old) == digest(yard, home) == digest(yard, yard / "hub", "central-hub")
    assert [one["why"] for one in status(yard, old)["healed"]] == ["behind"]
    log = status(yard, old)["log"]
    yard.quick("site-node", "import", old, facts(160, 180))
    yard.quick("site-node", "sync", old)
    assert status(yard, old)["log"] == log, "it healed once"
    everything = yard.home("everything")
    yard.quick("site-node", "import", everything, facts(0, 180))
    assert as_told(digest(yard, old)) == as_told(digest(yard, everything)), (
        "the new log's edits know what the old one said"
    )
    assert digest(yard, old) == digest(yard, yard / "hub", "central-hub")
    verified(yard, old, yard / "hub")


def test_a_restored_backup_never_writes_in_the_old_log(yard, hub, home, facts):
    """`restore` opens a new log at once, so nothing has to be set aside when the county turns out to hold more."""
    identity = x25519.Identity.generate()
    (yard / "identity").write_text(str(identity))
    yard.quick("site-node", "backup", home, yard / "backup", "--to", str(identity.to_public()))
    yard.quick("site-node", "import", home, facts(100, 160))
    yard.quick("site-node", "sync", home)
    back = yard / "back"
    yard.quick("site-node", "restore", yard / "backup", back, "--identity", yard / "identity")
    yard.quick("site-node", "import", back, facts(160, 200))
    yard.quick("site-node", "sync", back)
    assert [(one["why"], one["recorded_again"]) for one in status(yard, back)["healed"]] == [("backup", 0)]
    assert "set_aside" not in json.dumps(
        [yard.quick("site-node", "history", back, c, "--json").json() for c in children(yard, back)]
    )
    assert digest(yard, back) == digest(yard, yard / "hub", "central-hub")
    assert set(facts_of(yard, home)) <= set(facts_of(yard, back))
    assert status(yard, back)["waiting"] == 0
    verified(yard, back, yard / "hub")


def test_a_copy_older_than_its_own_receipt_knows_it_at_once(yard, hub, home, facts):
    """Databases put back beside a newer checkpoint.txt: without any network nothing is written in the old log."""
    databases = {name: (home / name).read_bytes() for name in ("log.db", "keys.db")}
    yard.quick("site-node", "import", home, facts(100, 160))
    yard.quick("site-node", "sync", home)
    before = status(yard, home)
    lived = yard / "lived"
    shutil.copytree(home, lived)
    for name, content in databases.items():
        (home / name).write_bytes(content)
        for suffix in ("-wal", "-shm"):
            (home / (name + suffix)).unlink(missing_ok=True)
    answer = yard.quick("site-node", "import", home, facts(160, 170))
    assert "已另开一本新日志" in answer.err
    now = status(yard, home)
    assert now["log"] != before["log"]
    assert [one["why"] for one in now["healed"]] == ["restored"]
    yard.quick("site-node", "import", home, facts(170, 180))
    assert status(yard, home)["log"] == now["log"], "once is enough"
    yard.quick("site-node", "sync", home)
    assert [one["why"] for one in status(yard, home)["healed"]] == ["restored"]
    assert set(facts_of(yard, lived)) <= set(facts_of(yard, home))
    assert digest(yard, home) == digest(yard, yard / "hub", "central-hub")
    verified(yard, home, yard / "hub")


def test_a_lost_wal_is_an_older_state(yard, hub, home, facts):
    """Whoever copied log.db forgot the file beside it: what was in there comes back from the county."""
    server = yard.serve("site-node", "serve", home, "--listen", "127.0.0.1:0", "--exchange-every", "3600")
    old = {name: (home / name).read_bytes() for name in ("log.db", "keys.db")}
    assert server.stop() == 0
    yard.quick("site-node", "import", home, facts(100, 150))
    yard.quick("site-node", "sync", home)
    copy = yard / "copy"
    shutil.copytree(home, copy)
    for name, content in old.items():
        (copy / name).write_bytes(content)  # as it was when everything newer was in the WAL
        for suffix in ("-wal", "-shm"):
            (copy / (name + suffix)).unlink(missing_ok=True)
    yard.quick("site-node", "import", copy, facts(150, 160))
    yard.quick("site-node", "sync", copy)
    assert set(facts_of(yard, home)) <= set(facts_of(yard, copy))
    assert digest(yard, copy) == digest(yard, yard / "hub", "central-hub")
    verified(yard, copy, yard / "hub")


@pytest.mark.parametrize("order", ["ab", "ba", "aba", "bbabab"])
def test_two_clones_in_use_share_everything(yard, hub, home, facts, order):
    """Two computers from one disk image, both used: whoever exchanges first, in the end both have everything once."""
    clone = yard / "clone"
    shutil.copytree(home, clone)
    yard.quick("site-node", "import", home, facts(100, 130))
    yard.quick("site-node", "import", clone, facts(130, 170))
    folders = {"a": home, "b": clone}
    for name in order + "abab":
        yard.quick("site-node", "sync", folders[name])
    assert digest(yard, home) == digest(yard, clone) == digest(yard, yard / "hub", "central-hub")
    assert len(status(yard, home)["healed"]) + len(status(yard, clone)["healed"]) == 1
    assert status(yard, home)["waiting"] == status(yard, clone)["waiting"] == 0
    everything = yard.home("everything")
    yard.quick("site-node", "import", everything, facts(0, 170))
    assert plain(yard, home) == plain(yard, everything), "what a computer that never was copied shows"
    verified(yard, home, clone, yard / "hub")


def test_a_stolen_computers_successor_shows_all_children(yard, hub, home, facts):
    """A new computer with a new invitation for the same home gets all that the stolen one had brought to the county."""
    yard.quick("site-node", "import", home, facts(100, 160))
    yard.quick("site-node", "sync", home)
    new = yard.home("new")
    yard.quick("site-node", "join", new, yard.invite())
    yard.quick("site-node", "sync", new)
    assert children(yard, new) == children(yard, home) != []
    assert digest(yard, new) == digest(yard, home) == digest(yard, yard / "hub", "central-hub")
    said = status(yard, new)
    assert (said["entries"], said["waiting"], said["fetched"]) == (0, 0, 160)
    again = yard.quick("site-node", "import", new, facts(0, 180)).out
    assert again.startswith("20 recorded, 160 known")
    yard.quick("site-node", "sync", new)
    assert digest(yard, new) == digest(yard, yard / "hub", "central-hub")
    verified(yard, new, yard / "hub")


def test_a_node_killed_while_it_heals_heals_the_next_time(yard, hub, home, facts):
    """Killed again and again at any moment of its healing exchange, a copy ends with everything, once."""
    dice = random.Random(7)
    old = yard / "old"
    shutil.copytree(home, old)
    yard.quick("site-node", "import", home, facts(100, 160))
    yard.quick("site-node", "sync", home)
    yard.quick("site-node", "import", old, facts(160, 220))
    before = facts_of(yard, old)
    for _ in range(6):
        process = yard.begin("site-node", "sync", old)
        time.sleep(dice.uniform(0.3, 1.5))
        process.kill()
        process.wait(10)
    yard.quick("site-node", "sync", old)
    after = facts_of(yard, old)
    assert set(before) | set(facts_of(yard, home)) == set(after)
    assert len(status(yard, old)["healed"]) == 1
    assert digest(yard, old) == digest(yard, yard / "hub", "central-hub")
    verified(yard, old, yard / "hub")


def test_a_serving_node_heals_while_people_look(yard, hub, home, facts):
    """`serve` on an old copy heals in the background, and its pages show what the lost disk showed."""
    old = yard / "old"
    shutil.copytree(home, old)
    yard.quick("site-node", "import", home, facts(100, 160))
    yard.quick("site-node", "sync", home)
    server = yard.serve("site-node", "serve", old, "--listen", "127.0.0.1:0", "--exchange-every", "1")
    deadline = time.monotonic() + 120
    while digest(yard, old) != digest(yard, home) and time.monotonic() < deadline:
        time.sleep(0.5)
    assert digest(yard, old) == digest(yard, home)
    assert [one["why"] for one in status(yard, old)["healed"]] == ["behind"]
    assert server.stop() == 0
    assert yard.quick("site-node", "rebuild", old, "--json").json()["equal"]


def test_what_the_lost_computer_erased_stays_erased(yard, hub, home, facts):
    """An order of erasure comes back with the log that it stands in, and the old copy carries it out."""
    old = yard / "old"
    shutil.copytree(home, old)
    child = children(yard, home)[0]
    yard.quick("site-node", "erase", home, child, "--by", "li", "--ground", "家长要求", "--yes")
    yard.quick("site-node", "sync", home)
    assert child in children(yard, old)
    yard.quick("site-node", "sync", old)
    assert child not in children(yard, old)
    assert digest(yard, old) == digest(yard, home)
    verified(yard, old)


def test_home_and_county_are_restored_both(yard, hub, home, facts):
    """Each is put back to another day: what either still has is at both in the end."""
    assert hub.stop() == 0
    shutil.copytree(yard / "hub", yard / "hub-old")
    server = yard.hub()
    yard.quick("site-node", "import", home, facts(100, 140))
    move_to(home, server.url)
    yard.quick("site-node", "sync", home)
    old = yard / "old"
    shutil.copytree(home, old)
    yard.quick("site-node", "import", home, facts(140, 180))
    yard.quick("site-node", "sync", home)
    assert server.stop() == 0
    shutil.rmtree(yard / "hub")
    shutil.copytree(yard / "hub-old", yard / "hub")
    server = yard.hub()
    for folder in (old, home):
        move_to(folder, server.url)
    yard.quick("site-node", "import", old, facts(180, 200))
    for folder in (old, home, old):
        yard.quick("site-node", "sync", folder)
    assert digest(yard, old) == digest(yard, home) == digest(yard, yard / "hub", "central-hub")
    assert plain(yard, old) == plain(yard, home)
    everything = yard.home("everything")
    yard.quick("site-node", "import", everything, facts(0, 200))
    assert plain(yard, home) == plain(yard, everything)
    verified(yard, old, home, yard / "hub")


def move_to(folder: Path, url: str) -> None:
    """The hub listens on another port now."""
    config = json.loads((folder / "config.json").read_text())
    config["hub"]["url"] = url
    (folder / "config.json").write_text(json.dumps(config))
