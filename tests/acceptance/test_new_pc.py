"""A new computer in place of a lost one, over a slow line: it serves before all is there."""

from __future__ import annotations

import time
import uuid
from dataclasses import replace
from typing import Any

import pytest

from deploy.badlink import Link, LinkThread
from node.folder import Folder
from sync.stored_log import StoredLog
from tests.acceptance.test_healing import children, digest, status, verified

RATE_KBIT, RTT_MS = 200, 50
PATIENCE_S = 120


@pytest.fixture
def lost(yard, lines_of, write_lines):
    """A home with some 1,900 facts at the county, and its folder, which nobody has any more."""
    server = yard.hub()
    old = yard.home()
    yard.quick("site-node", "join", old, yard.invite())
    yard.quick("site-node", "import", old, write_lines(yard / "facts.jsonl", lines_of()))
    yard.quick("site-node", "sync", old)
    return old, server.url


def files(folder: Any, names: list[str]) -> dict[str, list[bytes]]:
    """What there is about each child, by its entries' ids."""
    store = StoredLog(folder)
    try:
        return {name: [one.id for one in store.entries_of_subject(uuid.UUID(name).bytes)] for name in names}
    finally:
        store.close()


def others(folder: Any) -> int:
    store = StoredLog(folder)
    try:
        return sum(branch.size for branch in store.branches() if branch.log != store.log)
    finally:
        store.close()


def test_a_new_pc_serves_before_all_is_there(yard, lost):
    """Killed in the middle it has whole files already; people record; in the end all is there, once, and verifies."""
    old, url = lost
    new = yard.home("new")
    yard.quick("site-node", "join", new, yard.invite())
    every = others(old) + status(yard, old)["entries"]
    host, _, port = url.rpartition("/")[2].partition(":")
    with LinkThread(Link(to=(host, int(port)), rate_kbit=RATE_KBIT, rtt_ms=RTT_MS)) as link:
        hub = Folder(new, "home").config.hub
        Folder(new, "home").save_config(hub=replace(hub, url=f"http://127.0.0.1:{link.port}"))
        fetching, deadline = yard.begin("site-node", "sync", new), time.monotonic() + PATIENCE_S
        while not others(new) > 0 and time.monotonic() < deadline:
            time.sleep(0.02)
        time.sleep(0.5)
        awaited = status(yard, new)["coming"]
        fetching.kill()
        fetching.wait(10)
        part = others(new)
        assert 0 < awaited["here"] <= part < every == awaited["of"]
        assert "已取回" in awaited["words"]
        begun, lost_files = files(new, children(yard, new)), files(old, children(yard, old))
        whole = [child for child, ids in begun.items() if ids == lost_files[child]]
        assert len(begun) - len(whole) <= 1
        assert whole
        talk = ("talk-held/1", "--subject", whole[0], "--by", "worker:li", "on=2024-12-01", "minutes=20")
        talked = bytes.fromhex(yard.quick("site-node", "record", new, *talk).json()["id"])
        refused = yard.quick("site-node", "import", new, yard / "facts.jsonl", code=None)
        assert (refused.code != 0, "请先运行 sync" in refused.err) == (True, True)
        assert part == others(new)
        answer = yard.quick("site-node", "sync", new)
        assert "1 entries, 0 are waiting" in answer.out
    assert others(new) == every
    found = files(new, children(yard, new))
    found[whole[0]].remove(talked)
    assert found == lost_files
    assert digest(yard, new) == digest(yard, yard / "hub", "central-hub")
    assert status(yard, new)["coming"] is None
    assert yard.quick("site-node", "import", new, yard / "facts.jsonl").out.startswith("0 recorded")
    verified(yard, new, yard / "hub")
