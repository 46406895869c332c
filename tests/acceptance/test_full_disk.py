"""A disk that fills up under a node: the last work is saved with the reserve, the rest is put off in words."""

import contextlib
import json
import os
import subprocess
import time
import urllib.request

import pytest

SIZE = "40m"


@pytest.fixture
def disk(tmp_path):
    """A disk of forty megabytes; needs the rights to mount one."""
    place = tmp_path / "disk"
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={SIZE}", "tmpfs", place]
    if os.geteuid() != 0 or subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("cannot mount a small disk here")
    yield place
    subprocess.run(["umount", "-l", place], check=True)


def fill(disk) -> None:
    """Take all the room that is left, to the last page."""
    filler = os.open(disk / "filler", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    for size in (1 << 16, 1 << 12, 1):
        with contextlib.suppress(OSError):
            while True:
                os.write(filler, b"x" * size)
    os.close(filler)


def status(yard, folder, program="site-node"):
    return yard.run(program, "status", folder, "--json").json()


def wait_until(holds, within_s=120) -> None:
    deadline = time.monotonic() + within_s
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.1)


def test_the_last_work_is_saved_with_the_reserve(disk, yard, lines_of, write_lines):
    """On a full disk a home saves what is asked, says so, and refuses in words when that room is gone as well."""
    home, lines = disk / "home", lines_of(count=60)
    yard.run("site-node", "init", home, "--name", "n", "--code", "home-01")
    yard.run("site-node", "import", home, write_lines(yard / "1.jsonl", lines[:20]))
    assert (status(yard, home)["reserve"], status(yard, home)["disk_warning"]) == ("kept", None)
    fill(disk)
    answer = yard.run("site-node", "import", home, write_lines(yard / "2.jsonl", lines[:40]))
    assert answer.out.startswith("20 recorded, 20 known")
    assert answer.err.count("磁盘快满了") == 1
    found = status(yard, home)
    assert (found["entries"], found["reserve"]) == (40, "used")
    assert "磁盘快满了" in found["disk_warning"]
    assert "磁盘快满了" in yard.run("site-node", "status", home).out
    fill(disk)
    answer = yard.run("site-node", "import", home, write_lines(yard / "3.jsonl", lines), code=4)
    assert answer.err.count("\n") == 1
    (disk / "filler").unlink()
    assert "60 known" not in yard.run("site-node", "import", home, yard / "3.jsonl").out
    found = status(yard, home)
    assert (found["entries"], found["reserve"], found["disk_warning"]) == (60, "kept", None)
    assert yard.run("site-node", "verify", home, "--json").json()["ok"]


def test_a_hub_on_a_full_disk_puts_homes_off(disk, yard, sample, lines_of, write_lines):
    """It takes what fits into the reserve, puts off the rest in a sentence, keeps its page, and later takes it all."""
    hub = disk / "hub"
    yard.run("central-hub", "init", hub, "--name", "清溪县")
    server = yard.serve("central-hub", "serve", hub, "--listen", "127.0.0.1:0")
    home = yard.home()
    invitation = yard.run("central-hub", "invite", hub, "--name", "n", "--code", "home-01").out.split()[-1]
    yard.run("site-node", "join", home, invitation)
    yard.run("site-node", "import", home, write_lines(yard / "1.jsonl", lines_of(count=50)))
    fill(disk)
    yard.run("site-node", "sync", home)
    assert "磁盘快满了" in server.page()[0]
    assert "磁盘快满了" in status(yard, hub, "central-hub")["disk_warning"]
    fill(disk)
    yard.run("site-node", "import", home, write_lines(yard / "2.jsonl", sample), "--all")
    answer = yard.run("site-node", "sync", home, code=5)
    assert "cannot store at the moment" in answer.err
    assert answer.err.count("\n") == 1
    refused = yard.run("central-hub", "invite", hub, "--name", "m", "--code", "home-02", code=None)
    assert refused.code == 6, refused
    assert "磁盘已满" in refused.err
    assert "清溪县" in server.page()[0]
    (disk / "filler").unlink()
    yard.run("site-node", "sync", home)
    assert status(yard, home)["waiting"] == 0

    def followed() -> bool:
        with urllib.request.urlopen(server.url + "/", timeout=10) as page:
            return str(len(sample)) in page.read().decode()

    wait_until(followed)
    assert server.stop() == 0
    said = server.process.stdout.read()
    assert "Traceback" not in said, said
    assert said.count("磁盘快满了") == 1
    assert "put off" in said
    assert status(yard, hub, "central-hub")["entries"] == len(sample)
    assert yard.run("central-hub", "verify", hub, "--json").json()["ok"]
    server = yard.serve("central-hub", "serve", hub, "--listen", "127.0.0.1:0")
    assert "磁盘快满了" not in server.page()[0]
    server.stop()


def test_a_home_that_serves_on_a_full_disk_goes_on_serving(disk, yard, lines_of, write_lines):
    """A home whose disk is full shows its page and its last records for as long as it takes, and exchanges later."""
    server = yard.hub()
    home = disk / "home"
    yard.run("site-node", "init", home, "--name", "n", "--code", "home-01")
    yard.run("site-node", "join", home, yard.invite())
    yard.run("site-node", "import", home, write_lines(yard / "1.jsonl", lines_of(count=50)))
    serving = yard.serve("site-node", "serve", home, "--listen", "127.0.0.1:0", "--exchange-every", "1")
    wait_until(lambda: status(yard, home)["waiting"] == 0)
    (home / "reserve").unlink()
    fill(disk)
    time.sleep(3)
    assert serving.process.poll() is None
    assert "没有地方留出预留空间" in serving.page()[0]
    assert status(yard, home)["entries"] == 50
    (disk / "filler").unlink()
    assert serving.stop() == 0
    assert "Traceback" not in serving.process.stdout.read()
    assert json.loads((home / "exchange.json").read_text())["exchanges"] > 0
    server.stop()


def test_a_full_stick_and_a_county_without_room(disk, yard, lines_of, write_lines):
    """A full stick gets no half bundle, a full county takes nothing half; both say so, and go on when there is room."""
    home, hub, stick = yard.home(), disk / "hub", yard / "stick"
    stick.mkdir()
    yard.run("central-hub", "init", hub, "--name", "n")
    invitation = yard.run("central-hub", "invite", hub, "--name", "n", "--code", "home-01").out.split()[-1]
    yard.run("site-node", "join", home, invitation, "--offline")
    yard.run("site-node", "import", home, write_lines(yard / "1.jsonl", lines_of(count=800)))
    (disk / "stick").mkdir()
    fill(disk)
    assert "No space left" in yard.run("site-node", "bundle", home, disk / "stick", code=4).err
    assert list((disk / "stick").iterdir()) == []
    yard.run("site-node", "bundle", home, stick)
    (disk / "reserve").unlink(missing_ok=True)
    (hub / "reserve").unlink()
    fill(disk)
    answer = yard.run("central-hub", "take", hub, stick, "--answer", stick, code=4)
    assert answer.err.count("\n") == 1
    assert len(list(stick.iterdir())) == 1
    (disk / "filler").unlink()
    taken = yard.run("central-hub", "take", hub, stick, "--answer", stick, "--json").json()
    assert taken["files"][0]["held"] == 800
    yard.run("site-node", "take", home, stick)
    assert status(yard, home)["waiting"] == 0
