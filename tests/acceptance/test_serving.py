"""`serve`: pages, stopping, and what other commands may do beside it."""

import datetime as dt
import json
import re
import signal
import socket
import threading
import time
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.acceptance.replicas import as_told

HALF_AN_EXCHANGE = (
    b"POST /v1/exchange HTTP/1.1\r\nHost: x\r\nContent-Length: 99\r\n"
    b"Content-Type: application/vnd.homeward.frames\r\n\r\nabc"
)
SCRIPT = "<script>alert(1)</script>"


def child(yard, home, name):
    words = (f"name={name}", "sex=male", "born_on=2016-05-04", "registered_on=2024-09-01")
    event = ("child-registered/1", "--subject", "new", "--by", "w-1")
    return yard.quick("site-node", "record", home, *event, *words).json()["subject"]


def test_the_home_s_page(yard):
    """It shows the children and what is saved, escapes what was typed, and forbids scripts."""
    home = yard.home()
    for name in ("石头", SCRIPT):
        child(yard, home, name)
    server = yard.serve("site-node", "serve", home, "--listen", "127.0.0.1:0")
    yard.quick("site-node", "children", home)  # waits until the server has followed
    text, headers = server.page()
    assert "石头" in text
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in text
    assert "<script" not in text
    assert "已保存 2 条" in text
    assert "default-src 'none'" in headers["Content-Security-Policy"]
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers.get_content_type() == "text/html"


def test_the_county_s_page(yard):
    """It shows the homes, what is held, and R01; names are escaped."""
    yard.quick("central-hub", "init", yard / "hub", "--name", f"清溪县 {SCRIPT}")
    yard.invite(name=SCRIPT, code="home-02")
    invitation = yard.invite(name="南沟村之家")
    server = yard.hub()
    home = yard.home()
    child(yard, home, "石头")
    yard.quick("site-node", "join", home, invitation, "--hub", server.url)
    yard.quick("site-node", "sync", home)
    assert (
        yard.quick("central-hub", "report", yard / "hub", "R01", "--json").json()["figures"]["children"]["value"] == 1
    )
    text, headers = server.page()
    assert "<script" not in text
    assert "南沟村之家" in text
    assert "已收到各家记录 1 条" in text
    assert re.search(r"<b>1</b>在册儿童", text)
    assert "还没有加入" in text
    assert "default-src 'none'" in headers["Content-Security-Policy"]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_serve_stops_when_asked(yard, number):
    """SIGTERM and Ctrl-C end both servers within five seconds with 0, whatever hangs on their connections."""
    hub = yard.hub()
    home = yard.home()
    yard.quick("site-node", "join", home, yard.invite())
    node = yard.serve("site-node", "serve", home, "--listen", "127.0.0.1:0")
    hanging = []
    for server in (hub, node):
        for request in (b"", b"GET / HTTP/1.1\r\n", HALF_AN_EXCHANGE):
            connection = socket.create_connection(("127.0.0.1", server.port))
            connection.sendall(request)
            hanging.append(connection)
    time.sleep(0.2)
    for server in (node, hub):
        server.process.send_signal(number)
    deadline = time.monotonic() + 5
    assert [server.process.wait(deadline - time.monotonic()) for server in (node, hub)] == [0, 0]
    for connection in hanging:
        connection.close()
    for server in (hub, node):
        assert "Traceback" not in server.process.stdout.read()
    assert not (yard / "hub" / "control.json").exists()


def test_serve_stops_while_the_hub_does_not_answer(yard):
    """A home in the middle of an exchange with a hub that hangs still stops in time."""
    hub = yard.hub()
    home = yard.home()
    yard.quick("site-node", "join", home, yard.invite())
    child(yard, home, "石头")
    hub.process.send_signal(signal.SIGSTOP)
    node = yard.serve("site-node", "serve", home, "--listen", "127.0.0.1:0")
    time.sleep(0.3)
    assert node.stop() == 0
    hub.process.send_signal(signal.SIGCONT)
    yard.quick("site-node", "sync", home)


def test_a_port_that_is_taken(yard):
    """A port in use is said in one sentence; the folder is free again."""
    hub = yard.hub()
    home = yard.home()
    answer = yard.quick("site-node", "serve", home, "--listen", f"127.0.0.1:{hub.port}", code=2)
    assert str(hub.port) in answer.err
    child(yard, home, "石头")


@pytest.mark.parametrize("every", ["0", "-1", "nan", "soon"])
def test_an_interval_that_is_none(yard, every):
    """Exchanging every 0 seconds would be for ever; that is refused as usage."""
    words = ("--listen", "127.0.0.1:99999", "--exchange-every", every)
    assert yard.quick("site-node", "serve", yard.home(), *words, code=2).out == ""


def test_one_writer_a_folder(yard):
    """Beside a running `serve`, writing commands and a second `serve` say that the folder is in use: 3."""
    hub = yard.hub()
    home = yard.home()
    yard.quick("site-node", "join", home, yard.invite())
    yard.serve("site-node", "serve", home, "--listen", "127.0.0.1:0")
    for words in (("serve", home, "--listen", "127.0.0.1:0"), ("sync", home), ("join", home, yard.invite())):
        answer = yard.quick("site-node", *words, code=3)
        assert "in use" in answer.err
        assert answer.err.count("\n") == 1
    assert "in use" in yard.quick("central-hub", "serve", yard / "hub", "--listen", "127.0.0.1:0", code=3).err
    assert hub.page()


def test_recording_beside_serve(yard):
    """`record` goes through a running `serve`: the entry is stored, and a refusal has the same words and code."""
    home = yard.home()
    yard.serve("site-node", "serve", home, "--listen", "127.0.0.1:0")
    subject = child(yard, home, "小禾")
    assert yard.quick("site-node", "child", home, subject, "--json").json()["fields"]["name"] == "小禾"
    again = ("record", home, "child-registered/1", "--subject", subject, "--by", "w", "name=n", "sex=male")
    refused = yard.quick("site-node", *again, "registered_on=2024-09-01", code=6)
    assert refused.err.count("\n") == 1
    assert yard.quick("site-node", *again, "registered_on=yesterday", code=6).err.count("registered_on")
    assert yard.quick("site-node", "status", home, "--json").json()["entries"] == 1


def test_reading_beside_serve(county):
    """Every reading command works beside a running `serve`, and sees what it sees."""
    before = {name: county.quick(name, "digest", county / folder, "--json").json()
              for name, folder in (("site-node", "home"), ("central-hub", "hub"))}  # fmt: skip
    for name, folder in (("site-node", "home"), ("central-hub", "hub")):
        county.serve(name, "serve", county / folder, "--listen", "127.0.0.1:0")
        assert county.quick(name, "digest", county / folder, "--json").json() == before[name]
        first = county.quick(name, "children", county / folder, "--json").json()["children"][0]["id"]
        for words in (("child", first), ("history", first), ("status",), ("verify",)):
            county.quick(name, words[0], county / folder, *words[1:], "--json")
    county.quick("central-hub", "report", county / "hub", "R17", "--as-of", "2024-09-30", "--json")


def test_what_is_recorded_is_seen_at_once(yard):
    """A reading command that begins after an entry was stored by a running hub shows it."""
    yard.hub()
    home = yard.home()
    yard.quick("site-node", "join", home, yard.invite())
    for count in range(1, 6):
        child(yard, home, f"孩子{count}")
        yard.quick("site-node", "sync", home)
        assert len(yard.quick("central-hub", "children", yard / "hub", "--json").json()["children"]) == count


def test_rebuilding_while_serving(yard, sample, write_lines):
    """The page answers all the time, the rebuilt file is swapped in, and digests stay what they were."""
    home = yard.home()
    yard.quick("site-node", "import", home, write_lines(yard / "facts.jsonl", sample), "--all")
    server = yard.serve("site-node", "serve", home, "--listen", "127.0.0.1:0")
    before = yard.quick("site-node", "digest", home, "--json").json()["tables"]  # waits until all is followed
    expected = server.page()[0]
    answers, wrong, over = [], [], threading.Event()

    def look():
        while not over.is_set():
            try:
                text, _ = server.page()
                answers.append(text == expected)
            except (OSError, urllib.error.HTTPError) as error:
                wrong.append(repr(error))

    def ask():
        while not over.is_set():
            found = yard.run("site-node", "digest", home, "--json", code=None)
            if found.code or found.json()["tables"] != before:
                wrong.append(found)

    with ThreadPoolExecutor(4) as pool:
        looking = [pool.submit(look) for _ in range(3)] + [pool.submit(ask)]
        try:
            for _ in range(4):
                inode = (home / "views.db").stat().st_ino
                found = yard.run("site-node", "rebuild", home, "--json").json()
                assert (found["equal"], found["tables"]) == (True, before)
                assert (home / "views.db").stat().st_ino != inode
        finally:
            over.set()
        for one in looking:
            one.result(30)
    assert wrong == []
    assert len(answers) > 20
    assert all(answers)
    assert server.stop() == 0


def test_exchanges_in_the_background(yard, lines_of, write_lines):
    """A joined home that serves brings what it holds to the county by itself, and says so on its page."""
    hub = yard.hub()
    home = yard.home()
    yard.quick("site-node", "join", home, yard.invite())
    yard.quick("site-node", "import", home, write_lines(yard / "facts.jsonl", lines_of(count=50)))
    node = yard.serve("site-node", "serve", home, "--listen", "127.0.0.1:0", "--exchange-every", "0.5")
    deadline = time.monotonic() + 20
    while yard.quick("site-node", "status", home, "--json").json()["waiting"] and time.monotonic() < deadline:
        time.sleep(0.1)
    assert "县里已全部收到" in node.page()[0]
    hub.kill()
    time.sleep(1)
    assert node.page()
    port = hub.port
    hub = yard.hub(listen=f"127.0.0.1:{port}")
    before = yard.quick("site-node", "status", home, "--json").json()["exchanges"]
    deadline = time.monotonic() + 20
    while yard.quick("site-node", "status", home, "--json").json()["exchanges"] == before:
        assert time.monotonic() < deadline
        time.sleep(0.1)
    assert json.loads((home / "exchange.json").read_text())["last_failure"] == ""


def test_a_clock_that_is_wrong_by_years(yard, lines_of, write_lines):
    """A home that believes it is 2008 records, joins and syncs; only its clock note differs from a right one's."""
    wrong_s = -18 * 365 * 86400
    file = write_lines(yard / "facts.jsonl", lines_of(count=60))
    digests = []
    for name, offset_s in (("wrong", wrong_s), ("right", 0)):
        hub = yard.hub(f"hub-{name}")  # two computers of one home at one county would share what they have
        home = yard.home(name)
        yard.run("site-node", "join", home, yard.invite(f"hub-{name}"), offset_s=offset_s)
        yard.run("site-node", "import", home, file, offset_s=offset_s)
        yard.run("site-node", "sync", home, offset_s=offset_s)
        found = yard.run("site-node", "status", home, "--json", offset_s=offset_s).json()
        assert found["waiting"] == 0
        assert abs(found["clock_offset_s"] - offset_s) <= 3
        assert found["today"][:4] == str((dt.datetime.now(dt.UTC) + dt.timedelta(hours=8)).year)  # the county's receipt
        assert bool(found["clock_warning"]) == bool(offset_s)
        served = yard.serve("site-node", "serve", home, "--listen", "127.0.0.1:0", offset_s=offset_s)
        assert ("请检查电脑的日期" in served.page()[0]) == bool(offset_s)
        assert served.stop() == 0
        digests.append(as_told(yard.quick("site-node", "digest", home, "--json").json()["tables"]))
        assert yard.quick("site-node", "verify", home, "--json").json()["ok"]
        if offset_s:
            first = yard.quick("site-node", "children", home, "--json").json()["children"][0]["id"]
            entries = yard.quick("central-hub", "history", yard / "hub-wrong", first, "--json").json()["entries"]
            assert entries[0]["recorded_at"][:2] == "20"
            assert int(entries[0]["recorded_at"][:4]) < int(time.strftime("%Y")) - 16
            assert [entry["seq"] for entry in entries] == sorted(entry["seq"] for entry in entries)
        assert hub.stop() == 0
    assert digests[0] == digests[1]
