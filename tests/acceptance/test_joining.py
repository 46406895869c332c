"""An invitation admits one node of one home, once, and only over loopback."""

import json
import shutil
import time
import urllib.error
import urllib.request
from contextlib import closing
from pathlib import Path

import pytest

from sync.entry import log_id
from sync.stored_log import StoredLog

HOUR_S = 3600


def log_of(folder) -> str:
    """The id of a folder's own log, which is the fingerprint of its key."""
    with closing(StoredLog(folder)) as store:
        return store.log.hex()


@pytest.fixture
def hub(yard):
    """A hub of this test's own, to be stopped or counted."""
    return yard.hub()


@pytest.fixture(scope="module")
def common_hub(shared_yard):
    """One hub for all who only ask it."""
    return shared_yard.hub("common")


@pytest.fixture
def invite(shared_yard, common_hub):
    """An invitation of the common hub, as the command line gives it."""
    return lambda **options: shared_yard.quick(
        "central-hub", "invite", shared_yard / "common", "--name", "n", "--code", options.get("code", "home-01")
    ).out.split()[-1]


def test_a_home_joins_and_may_repeat_it(yard, hub):
    """The same node may join again with the same invitation: an answer can be lost on the way."""
    home, invitation = yard.home(), yard.invite()
    for _ in range(2):
        assert "清溪县" in yard.run("site-node", "join", home, invitation).out
    found = yard.quick("site-node", "status", home, "--json").json()
    assert (found["at_the_county"], found["waiting"], found["last_exchange"]) == (0, 0, None)
    assert len(yard.quick("central-hub", "status", yard / "hub", "--json").json()["homes"][0]["logs"]) == 1


def test_an_invitation_in_a_file_copied_carelessly(yard, invite):
    """The text may come in a file, in lower case, with spaces and line breaks where the dashes were."""
    home = yard.home()
    for text in (invite().lower().replace("-", " "), "  " + invite().replace("-", "") + "\n"):
        (yard / "invitation.txt").write_text(text, encoding="utf-8")
        yard.quick("site-node", "join", home, yard / "invitation.txt", code=None)
    yard.quick("site-node", "join", home, invite().lower().replace("-", " "), code=6)  # has joined already


def test_a_used_invitation_admits_nobody_else(yard, invite):
    """The second node is refused in words, and is not joined."""
    invitation = invite()
    first, second = yard.home("first"), yard.home("second")
    yard.quick("site-node", "join", first, invitation)
    answer = yard.quick("site-node", "join", second, invitation, code=6)
    assert "used already" in answer.err
    assert yard.quick("site-node", "status", second, "--json").json()["waiting"] is None


def test_two_nodes_with_one_invitation_at_once(yard, invite):
    """Of two nodes that race, one is admitted and one refused."""
    invitation = invite()
    homes = [yard.home(f"home-{i}") for i in range(4)]
    racing = [yard.begin("site-node", "join", home, invitation) for home in homes]
    assert sorted(process.wait(30) for process in racing) == [0, 6, 6, 6]


def test_a_second_node_of_the_same_home(yard, hub):
    """With an invitation of its own another node joins the same home, and both logs count as its."""
    homes = [yard.home("old"), yard.home("new")]
    for home in homes:
        yard.quick("site-node", "join", home, yard.invite())
        yard.quick("site-node", "sync", home)
    (found,) = yard.quick("central-hub", "status", yard / "hub", "--json").json()["homes"]
    logs = [yard.quick("site-node", "status", home, "--json").json()["log"] for home in homes]
    assert [log["log"] for log in found["logs"]] == sorted(logs)


def test_an_expired_invitation(yard):
    """After 72 hours an invitation is refused; a day earlier it is not."""
    yard.quick("central-hub", "init", yard / "hub", "--name", "清溪县")
    expired = yard.invite(offset_s=-73 * HOUR_S)
    fresh = yard.invite(offset_s=-48 * HOUR_S)
    server = yard.hub()
    home = yard.home()
    answer = yard.quick("site-node", "join", home, expired, "--hub", server.url, code=6)
    assert "72" in answer.err
    yard.quick("site-node", "join", home, fresh, "--hub", server.url)


def test_an_invitation_of_another_county(yard, hub):
    """A hub that has not issued the invitation refuses it, whatever address it is brought to."""
    yard.quick("central-hub", "init", yard / "other", "--name", "远山县")
    foreign = yard.invite("other")
    answer = yard.quick("site-node", "join", yard.home(), foreign, "--hub", hub.url, code=6)
    assert "not issued" in answer.err


def test_an_invitation_for_another_home(yard, invite):
    """The home's code is part of the invitation."""
    answer = yard.quick("site-node", "join", yard.home(code="home-02"), invite(code="home-01"), code=6)
    assert "home-01" in answer.err
    assert "home-02" in answer.err


@pytest.mark.parametrize("text", ["", "hi", "HOMEWARD1", "HOMEWARD1-AAAAAAA", "HOMEWARD1-邀请码",
                                  "HOMEWARD1-ßßßß", "HOMEWARD2-AAAAAAAA", "HOMEWARD1" + "A" * 5000, "."])  # fmt: skip
def test_garbage_is_no_invitation(yard, text):
    """Anything else is refused in one sentence."""
    answer = yard.quick("site-node", "join", yard.home(), text, code=6)
    assert answer.err.count("\n") == 1


def test_every_single_slip_of_the_pen_is_found(yard, hub):
    """A letter that was mistyped is refused at home, before anybody is asked."""
    home, invitation = yard.home(), yard.invite()
    hub.kill()
    for at in range(12, len(invitation), 37):
        wrong = invitation[:at] + ("B" if invitation[at] != "B" else "C") + invitation[at + 1 :]
        assert "not a valid invitation" in yard.quick("site-node", "join", home, wrong, code=6).err


def test_nobody_at_the_address(yard, hub):
    """Where no hub answers the command says unreachable; the home is as it was."""
    home, invitation = yard.home(), yard.invite()
    hub.kill()
    assert hub.url in yard.quick("site-node", "join", home, invitation, code=5).err
    assert yard.quick("site-node", "sync", home, code=6).err.count("\n") == 1


@pytest.mark.parametrize(
    "url",
    ["http://192.0.2.7:8100", "http://example.org:8100", "http://0.0.0.0:8100", "http://[2001:db8::1]:8100",
     "http://127.0.0.1.example.org:8100", "http://127.0.0.1:8100@192.0.2.7:8100", "http://[::]:8100"],
)  # fmt: skip
def test_only_this_machine_may_be_reached(yard, url):
    """Until links are encrypted, `join`, `invite` and `serve` refuse every address but loopback, in words."""
    yard.quick("central-hub", "init", yard / "hub", "--name", "清溪县")
    home, invitation = yard.home(), yard.invite()
    answers = [
        yard.quick("site-node", "join", home, invitation, "--hub", url, code=6),
        yard.quick("central-hub", "invite", yard / "hub", "--name", "n", "--code", "c", "--address", url, code=6),
        yard.quick("site-node", "serve", home, "--listen", url.removeprefix("http://"), code=6),
        yard.quick("central-hub", "serve", yard / "hub", "--listen", url.removeprefix("http://"), code=6),
    ]
    assert [answer.err for answer in answers if answer.err.count("\n") != 1] == []


@pytest.mark.parametrize("url", ["http://127.0.0.1", "http://127.0.0.1:99999", "https://127.0.0.1:8100",
                                 "127.0.0.1:8100", "http://[::1", "http://127.0.0.1:port", ""])  # fmt: skip
def test_an_address_that_is_none(yard, url):
    """An address that cannot be used is refused in one sentence."""
    yard.quick("central-hub", "init", yard / "hub", "--name", "清溪县")
    invitation = yard.invite()
    home = yard.home()
    if url:
        assert yard.quick("site-node", "join", home, invitation, "--hub", url, code=6).err.count("\n") == 1
    for listen in ("127.0.0.1:99999", "127.0.0.1:-1", "127.0.0.1", "x", "", "127.0.0.1:"):
        assert yard.quick("site-node", "serve", home, "--listen", listen, code=None).code in (2, 6)


def test_another_address_for_a_hub_that_moved(yard, hub):
    """--hub overrides the invitation's address and is what the home uses from then on."""
    home = yard.home()
    invitation = yard.run(
        "central-hub", "invite", yard / "hub", "--name", "n", "--code", "home-01", "--address", "http://127.0.0.1:9"
    ).out.split()[-1]  # fmt: skip
    assert yard.quick("site-node", "join", home, invitation, code=5).code == 5
    yard.quick("site-node", "join", home, invitation, "--hub", hub.url + "/")
    yard.quick("site-node", "sync", home)


def test_an_impostor_cannot_answer_for_the_hub(yard, hub):
    """A hub with another key, even one that would admit anybody, is not believed."""
    yard.quick("central-hub", "init", yard / "other", "--name", "远山县")
    other = yard.hub("other")
    home = yard.home()
    yard.quick("site-node", "join", home, yard.invite())
    config = json.loads((home / "config.json").read_text())
    config["hub"]["url"] = other.url
    (home / "config.json").write_text(json.dumps(config))
    expected, found = (log_id(bytes.fromhex(config["hub"]["key"])).hex(), log_of(yard / "other"))
    answer = yard.quick("site-node", "sync", home, code=6)
    assert [word for word in (other.url, "清溪县", expected, found, "config.json") if word not in answer.err] == []
    assert "join again" not in answer.err
    assert yard.quick("site-node", "status", home, "--json").json()["at_the_county"] == 0


def test_a_county_that_forgot_the_home_says_how_to_come_back(yard, hub):
    """The hub that was joined, put back from before the home joined, asks it to join again: nothing else is wrong."""
    home = yard.home()
    hub.stop()
    shutil.copytree(yard / "hub", yard / "before")
    hub = yard.hub(listen=hub.url.removeprefix("http://"))
    yard.quick("site-node", "join", home, yard.invite())
    hub.stop()
    shutil.rmtree(yard / "hub")
    (yard / "before").rename(yard / "hub")
    yard.hub(listen=hub.url.removeprefix("http://"))
    answer = yard.quick("site-node", "sync", home, code=6)
    assert "join again" in answer.err
    assert "fingerprint" not in answer.err


def test_only_the_owner_invites(yard, hub):
    """The running hub invites only for who can read the folder's token."""
    asked = json.dumps({"code": "home-66", "name": "n", "address": None}).encode()
    for header in ({}, {"Authorization": "Bearer "}, {"Authorization": "Bearer \xff"}):
        request = urllib.request.Request(hub.url + "/control/invite", asked, header)
        with pytest.raises(urllib.error.HTTPError) as refusal:
            urllib.request.urlopen(request, timeout=10)
        assert refusal.value.code == 403
        refusal.value.close()
    assert yard.quick("central-hub", "status", yard / "hub", "--json").json()["homes"] == []
    assert (Path(yard / "hub") / "control.json").stat().st_mode & 0o077 == 0


def test_inviting_beside_serve_and_without(yard):
    """`invite` goes through a running hub or does it itself; either way the home is listed at once."""
    yard.quick("central-hub", "init", yard / "hub", "--name", "清溪县")
    assert yard.invite(code="home-01").startswith("HOMEWARD1-")
    server = yard.hub()
    assert yard.invite(code="home-02", name="Cafe\u0301").startswith("HOMEWARD1-")
    for name, code in (("", "home-03"), ("n", "home 03"), ("n" * 90, "home-03")):
        yard.quick("central-hub", "invite", yard / "hub", "--name", name, "--code", code, code=6)
    server.kill()  # leaves its control file behind
    started = time.monotonic()
    assert yard.invite(code="home-04").startswith("HOMEWARD1-")
    assert time.monotonic() - started < 5
    found = yard.quick("central-hub", "status", yard / "hub", "--json").json()["homes"]
    assert [home["code"] for home in found] == ["home-01", "home-02", "home-04"]
