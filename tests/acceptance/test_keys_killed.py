"""`kill -9` at random moments of `key`: whatever key.json lists opens the folder, and everything in it is whole."""

import contextlib
import json
import random
import shutil
import time
from contextlib import closing
from itertools import cycle, islice
from pathlib import Path

import pytest
from pyrage import x25519

from sync.slots import FILE, RECOVERY, SLOTS_FILE, Slots, unlock
from sync.stored_log import StoredLog
from sync.verify import verify

SHORT, LONG = (10, 12), (300, 3600)  # so many kills, within so many seconds
KINDS = ("add-file", "rekey", "add-recovery", "add-file", "remove")
WORK_S = {"add-file": 0.03, "add-recovery": 0.03, "remove": 0.03, "rekey": 0.25}
"""About how long each works once it has the folder's lock, longer than on a fast disk: some are killed too late."""


def wish(home, identity, dice, kind) -> list[str]:
    """The words of a change of this kind, or of another file slot where the slots do not allow it."""
    slots = Slots(home).slots
    files = [number for number, slot in enumerate(slots, 1) if slot.kind == FILE]
    others = [number for number, slot in enumerate(slots, 1) if slot.kind != FILE]
    match kind:
        case "rekey":
            return ["rekey"]
        case "add-recovery" if not others:
            return ["add-recovery", str(identity.to_public())]
        case "remove" if len(slots) > 1:
            return ["remove", str(dice.choice(others + (files if len(files) > 1 else []))), "--yes"]
        case _:
            return ["add-file", str(home / f"{dice.getrandbits(32):08x}.key")]


def has_begun(home, process) -> bool:
    """Wait until the command has opened the folder's lock; False if it has ended before anybody saw it."""
    lock, files = home / "lock", Path(f"/proc/{process.pid}/fd")
    while process.poll() is None:
        with contextlib.suppress(OSError):  # a file that was closed meanwhile, or all of them
            if lock in {file.readlink() for file in files.iterdir()}:
                return True
        time.sleep(0.001)
    return False


def names(home) -> set[tuple[str, str]]:
    """The slots by kind and what tells them apart."""
    found = json.loads((home / SLOTS_FILE).read_text("utf-8"))["slots"]
    return {(slot["kind"], slot.get("path") or slot.get("recipient", "")) for slot in found}


def expected_after(before, words) -> set[tuple[str, str]]:
    """The slots once a change is done; `remove` takes the one of that number."""
    match words:
        case ["add-file", path]:
            return {*before, (FILE, path.rpartition("/")[2])}
        case ["add-recovery", recipient]:
            return {*before, (RECOVERY, recipient)}
        case ["remove", number, _]:
            return set(before) - {before[int(number) - 1]}
        case _:
            return set(before)


def check(home, identity, alone, root: str) -> None:
    """Every slot that key.json lists gives, alone, a master key under which everything is read and whole."""
    masters = set()
    for slot in Slots(home).slots:
        shutil.rmtree(alone, ignore_errors=True)
        alone.mkdir()
        shutil.copy(home / SLOTS_FILE, alone)
        if slot.kind == FILE:
            shutil.copy(home / slot.detail["path"], alone / slot.detail["path"])
            masters.add(unlock(alone))
        else:
            masters.add(Slots(alone).unlock(identities=[identity]))
    (master,) = masters
    with closing(StoredLog(home, master)) as store:
        verdict = verify(store, None, lambda _: None)
        assert (verdict.ok, verdict.compared) == (True, 120)
        assert store.root(store.log, 120).hex() == root


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="looks for the moment in /proc")
@pytest.mark.parametrize(("kills", "within_s"), [SHORT, pytest.param(*LONG, marks=pytest.mark.long)])
def test_killed_while_slots_change(county, kills, within_s):
    """After every kill the slots are those before or after the change, each opens alone, and nothing is lost."""
    home, identity, dice = county / "home", x25519.Identity.generate(), random.Random(kills)
    root = county.quick("site-node", "status", home, "--json").json()["root"]
    tried, hit, deadline = 0, 0, time.monotonic() + within_s
    for kind in islice(cycle(KINDS), kills):
        if time.monotonic() > deadline:
            break
        words = wish(home, identity, dice, kind)
        before = [(slot.kind, slot.detail.get("path") or slot.detail["recipient"]) for slot in Slots(home).slots]
        process = county.begin("site-node", "key", home, *words)
        if has_begun(home, process):
            time.sleep(dice.uniform(0, WORK_S[words[0]]))
            process.kill()
        process.communicate(timeout=20)
        tried, hit = tried + 1, hit + (process.returncode == -9)
        assert names(home) in (set(before), expected_after(before, words)), words
        check(home, identity, county / "alone", root)
    assert hit >= max(1, tried // 3), "most commands had ended before they were killed: this has shown nothing"
    county.quick("site-node", "key", home, "rekey")
    check(home, identity, county / "alone", root)
    assert not Slots(home).is_rekeying
    assert [file.name for file in home.iterdir() if ".rekeying" in file.name] == []
    assert county.quick("site-node", "verify", home, "--json").json()["ok"]
