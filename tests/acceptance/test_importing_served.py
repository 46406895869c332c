"""Imports beside a running `serve` go through it: as without, whoever is killed and whatever is recorded meanwhile."""

import os
import random
import signal
import subprocess
import time

import openpyxl
import pytest

from sync.stored_log import StoredLog

TITLES = ["姓名", "性别", "出生日期"]
ZHANG, LI = ["张三", "男", "2015-03-01"], ["李四", "女", "2014-05-06"]

WORKER = (
    '{{"site":"home-01","subject":"5ef3f230-327e-41f6-b42d-05423e517ee5","type":"WorkerJoined","by":"{1}",'
    '"at":"2024-09-01T09:10:00+08:00","data":{{"worker":"w-01-09","name":"{0}","phone":"16388010814","role":"志愿者"}}}}'
)
SPOILT = ("{}", WORKER.format("长" * 70_000, "w"), WORKER.format("\\ud83d", "w"), WORKER.format("a", "w" * 300))


@pytest.fixture
def sheet(yard):
    """Write a workbook of some rows."""

    def written(name, *rows):
        book = openpyxl.Workbook()
        for row in (TITLES, *rows):
            book.active.append(row)
        book.save(yard / name)
        return yard / name

    return written


def serving(yard, home):
    return yard.serve("site-node", "serve", home, "--listen", "127.0.0.1:0")


def sources(home):
    """What each entry was made from, in the log's order."""
    store = StoredLog(home)
    try:
        return [tuple(entry.body().extensions[3]) for entry in store.entries_of_log(store.log)]
    finally:
        store.close()


def names(yard, home):
    return sorted(one["name"] for one in yard.quick("site-node", "children", home, "--json").json()["children"])


def imported(yard, home, file, *words, code=0):
    words = ("--kind", "roster", "--by", "w-1", "--json", *words)
    return yard.quick("site-node", "import", home, file, *words, code=code)


def sound(yard, home):
    assert yard.quick("site-node", "verify", home, "--json").json()["ok"]
    assert yard.quick("site-node", "rebuild", home, "--json").json()["equal"]


def test_lines_are_imported_as_without_serve(yard, lines_of, write_lines):
    """The same entries in the same order, the same words and codes, pages meanwhile; a bad line keeps those before."""
    file = write_lines(yard / "facts.jsonl", lines_of(count=1200))
    alone, home = yard.home("alone"), yard.home()
    server = serving(yard, home)
    process = yard.begin("site-node", "import", home, file)
    pages = 0
    while process.poll() is None:
        assert "</html>" in server.page()[0]
        pages += 1
    out, err = process.communicate()
    assert (process.returncode, err, pages > 0) == (0, "", True)
    assert out == yard.quick("site-node", "import", alone, file).out
    assert sources(home) == sources(alone)
    assert yard.quick("site-node", "import", home, file).out.startswith("0 recorded, 1200 known")
    more = lines_of(count=1230)
    for count, spoilt in enumerate(SPOILT, 1201):
        bad = write_lines(yard / "bad.jsonl", [*more[:count], spoilt, *more[count : count + 9]])
        told = [yard.quick("site-node", "import", folder, bad, code=6).err for folder in (home, alone)]
        assert f"line {count + 1}" in told[0]
        assert told[0] == told[1]
        assert len(sources(home)) == count
        assert sources(home) == sources(alone)
    sound(yard, home)
    assert server.stop() == 0


def test_whoever_is_killed_each_line_is_stored_once(yard, lines_of, write_lines):
    """The command at any moment, or the process that serves: run again, nothing is missing and nothing doubled."""
    own = lines_of()
    file = write_lines(yard / "facts.jsonl", own)
    home, dice = yard.home(), random.Random(11)
    server = serving(yard, home)
    for turn in range(6):
        process = yard.begin("site-node", "import", home, file)
        time.sleep(dice.uniform(0.3, 0.9))
        if turn % 2:
            server.kill()
            assert process.wait(30) in (0, 3), process.stderr.read()
            server = serving(yard, home)
        else:
            process.kill()
            process.wait(10)
    yard.quick("site-node", "import", home, file)
    found = sources(home)
    assert (len(found), len(set(found))) == (len(own), len(own))
    sound(yard, home)


def test_ctrl_c_stops_between_two_batches(yard, sample, write_lines, lines_of):
    """It ends with 130 and one sentence; what was stored stays, and the next run goes on."""
    file = write_lines(yard / "facts.jsonl", sample * 3)
    home = yard.home()
    serving(yard, home)
    process = yard.begin("site-node", "import", home, file)
    while not sources(home) and process.poll() is None:
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=20)
    assert (process.returncode, err.count("\n")) == (130, 1), err
    assert 0 < len(sources(home)) < len(lines_of())
    yard.quick("site-node", "import", home, file)
    assert len(set(sources(home))) == len(sources(home)) == len(lines_of())


def test_of_two_at_once_one_waits(yard, lines_of, write_lines):
    """Beside a `serve`, too, the second says in use, and nothing is doubled."""
    home = yard.home()
    serving(yard, home)
    file = write_lines(yard / "facts.jsonl", lines_of(count=1000))
    running = [yard.begin("site-node", "import", home, file) for _ in range(3)]
    ends = [(process.wait(60), process.stderr.read()) for process in running]
    assert {code for code, _ in ends} <= {0, 3}
    assert any(code == 0 for code, _ in ends)
    assert all(err.count("\n") == (code == 3) for code, err in ends), ends
    assert len(sources(home)) == len(set(sources(home))) == 1000


def test_a_spreadsheet_is_stored_and_taken_back(yard, sheet):
    """One batch, known afterwards; what somebody wrote about since stays; the pages show it."""
    home = yard.home()
    server = serving(yard, home)
    file = sheet("a.xlsx", ZHANG, LI)
    done = imported(yard, home, file, "--confirm").json()
    assert (done["stored"], names(yard, home)) == (2, ["张三", "李四"])
    assert done["batch"] in imported(yard, home, file, "--confirm", code=6).err
    bad = imported(yard, home, sheet("b.xlsx", ["李4", "女", "2014年5月"]), "--confirm", code=6).json()
    assert (bad["stored"], len(sources(home))) == (0, 2)
    zhang = next(row["subject"] for row in done["rows"] if row["name"] == "张三")
    talk = ("talk-held/1", "--subject", zhang, "--by", "w-2", "on=今天", "summary=好")
    yard.quick("site-node", "record", home, *talk)
    undo = ("site-node", "import-undo", home, done["batch"], "--by", "w-1", "--json")
    undone = yard.quick(*undo).json()
    assert (undone["withdrawn"], [one["subject"] for one in undone["left"]]) == (1, [zhang])
    assert yard.quick(*undo).json()["withdrawn"] == 0
    assert yard.quick("site-node", "import-undo", home, "roster-0", "--by", "w-1", code=6).err.count("\n") == 1
    assert names(yard, home) == ["张三"]
    sound(yard, home)
    assert server.stop() == 0


def test_a_large_list_killed_anywhere_is_there_whole_or_not_at_all(yard):
    """The command, or the process that serves, is killed while 800 books are handed over."""
    home, dice, file = yard.home(), random.Random(5), yard / "a.csv"
    file.write_text("书名,册数\n" + "".join(f"第{n}本,2\n" for n in range(800)), encoding="utf-8")
    server = serving(yard, home)
    words = ("site-node", "import", home, file, "--kind", "books", "--by", "w-1", "--confirm")
    began = time.monotonic()
    yard.run(*words)
    took_s = time.monotonic() - began
    for turn in range(3):
        batch = yard.quick("site-node", "import-undo", home, "--json").json()["batches"][-1]
        assert (batch["entries"], batch["withdrawn"]) == (800, 0)
        yard.quick("site-node", "import-undo", home, batch["batch"], "--by", "w-1")
        process = yard.begin(*words)
        time.sleep(took_s * dice.uniform(0.5, 1))
        if turn % 2:
            server.kill()
            assert process.wait(30) in (0, 3)
            server = serving(yard, home)
        else:
            process.kill()
            process.wait(10)
        yard.quick(*words, code=None)  # stores it, or knows it
    assert yard.quick("site-node", "status", home, "--json").json()["entries"] == 800 * 7
    assert yard.quick("site-node", "verify", home, "--json").json()["ok"]


@pytest.mark.parametrize(("name", "code", "stored"), [("王五", 0, True), ("张三", 6, False)])
def test_what_was_shown_is_what_is_stored(yard, sheet, name, code, stored):
    """Where others recorded before the yes: the same again is stored, anything else is not."""
    home = yard.home()
    serving(yard, home)
    ours, theirs = os.openpty()
    words = ("site-node", "import", home, sheet("a.xlsx", ZHANG), "--kind", "roster", "--by", "w-1")
    process = yard.begin(*words, stdin=theirs, stdout=subprocess.PIPE)
    assert process.stdout.readline()  # it is planned
    fields = (f"name={name}", "sex=男", "born_on=2015-03-01", "registered_on=3月1日")
    yard.quick("site-node", "record", home, "child-registered/1", "--subject", "new", "--by", "w-2", *fields)
    os.write(ours, "是\n".encode())
    out, err = process.communicate(timeout=60)
    os.close(ours)
    os.close(theirs)
    assert process.returncode == code, (out, err)
    assert len(yard.quick("site-node", "children", home, "--json").json()["children"]) == 1 + stored
