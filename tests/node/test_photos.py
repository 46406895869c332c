"""Photographs at a node: stored by a command, named by events, shown on a page, erased, verified and restored."""

from __future__ import annotations

import asyncio
import json
import random
from contextlib import closing
from uuid import UUID

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer
from PIL import Image
from pyrage import x25519

from central_hub import cli as hub_cli
from node import photos
from node.folder import Config, Folder, create_folder
from node.opening import writing
from node.scrubbing import Scrubber, shown
from site_node import cli as home_cli
from sync.entry import read_body
from sync.files import FILES_FILE
from sync.stored_log import StoredLog
from tests.by_hand import by_hand

CHILD, OTHER, GALA = UUID(int=7), UUID(int=8), UUID(int=9)
NOW_MS = 1_741_392_000_000


def run(*words) -> int:
    return home_cli.main([str(word) for word in words])


@pytest.fixture
def home(tmp_path):
    """A home with two children, and a picture beside it."""
    path = tmp_path / "home"
    create_folder(path, Config(kind="home", name="南沟村", code="home-01"))
    for child in (CHILD, OTHER):
        payload = {"name": str(child)[-3:], "registered_on": "2024-09-01", "sex": "female"}
        assert run("record", path, "child-registered/1", "--subject", child, "--by", "w", "--payload-json",
                   json.dumps(payload)) == 0  # fmt: skip
    picture(tmp_path / "a.jpg")
    return path


def picture(path, seed: int = 1):
    Image.frombytes("RGB", (90, 60), random.Random(seed).randbytes(90 * 60 * 3)).save(path, "JPEG", quality=90)
    return path


@pytest.fixture
def take_in(home, capsys):
    """Store the picture with these subjects; its name."""

    def command(*subjects, file="a.jpg", more=()) -> str:
        capsys.readouterr()
        ties = [word for subject in subjects for word in ("--subject", subject)]
        assert run("photo", home, home.parent / file, *ties, *more) == 0
        return capsys.readouterr().out.strip()

    return command


@pytest.fixture
def asked(home, capsys):
    """What a command prints as JSON."""

    def command(*words, code: int = 0):
        capsys.readouterr()
        assert run(words[0], home, *words[1:], "--json") == code
        return json.loads(capsys.readouterr().out)

    return command


def test_a_photograph_is_stored_listed_and_taken_out(home, take_in, asked, tmp_path):
    """The command prints the name under which the picture is listed and comes out again."""
    name = take_in(CHILD, OTHER, CHILD)
    assert len(bytes.fromhex(name)) == 32
    (found,) = asked("photos")["photos"]
    assert (found["name"], found["media"], found["complete"], found["sent"]) == (name, "image/jpeg", True, "waiting")
    assert found["subjects"] == [str(CHILD), str(OTHER)]
    assert asked("photos", "--subject", OTHER) == {"photos": [found]}
    assert asked("photos", "--subject", GALA) == {"photos": []}
    assert run("photo-out", home, name, tmp_path / "out.jpg") == 0
    assert (tmp_path / "out.jpg").stat().st_mode & 0o777 == 0o600
    with Image.open(tmp_path / "out.jpg") as made:
        assert made.size == (90, 60)
    assert found["size"] == (tmp_path / "out.jpg").stat().st_size
    assert run("photo-out", home, name, tmp_path / "out.jpg") == 2
    assert run("photo-out", home, "ab" * 32, tmp_path / "none.jpg") == 6
    assert not (tmp_path / "none.jpg").exists()
    status = asked("status")
    assert (status["photos"], status["photos_waiting"]) == (1, None)


def test_json_says_what_was_stored(take_in):
    """With --json the name comes with media type and size."""
    found = json.loads(take_in(CHILD, more=["--json"]))
    assert found.keys() == {"name", "media", "size"}
    assert 1000 < found["size"] <= 200_000


def test_an_event_names_what_was_stored(home, take_in, capsys):
    """An activity names its pictures; a name that nothing was stored under is refused, and nothing is recorded."""
    name = take_in(CHILD)
    words = ["record", home, "activity-held/1", "--by", "w", "kind=gala", "on=2024-12-31"]
    assert run(*words, "--subject", GALA, f'photo_ids=["{name}"]') == 0
    with closing(StoredLog(home)) as store:
        (entry,) = store.entries_of_subject(GALA.bytes)
        assert read_body(entry.packed).payload["photo_ids"] == [bytes.fromhex(name)]
    capsys.readouterr()
    for wrong in ("ab" * 32, name[:-1], str(CHILD)):
        assert run(*words, "--subject", UUID(int=10), f'photo_ids=["{wrong}"]') == 6
        err = capsys.readouterr().err
        assert "no photograph abab" in err if wrong == "ab" * 32 else "photo_ids" in err
    assert run("record", home, "diary-entry-written/1", "--subject", CHILD, "--by", "w", "on=2024-09-01",
               "text=x", f"photo={'ab' * 32}") == 6  # fmt: skip
    with closing(StoredLog(home)) as store:
        assert store.size(store.log) == 3


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        (["nothing.jpg", "--subject", CHILD], 6, "cannot be opened"),
        (["a.jpg", "--subject", GALA], 6, "nothing is recorded about"),
        (["broken.jpg", "--subject", CHILD], 6, "damaged"),
        (["a.pdf", "--subject", CHILD], 6, "--scan"),
    ],
)
def test_what_cannot_be_stored_is_refused(home, capsys, words, code, says):
    """A refusal is one sentence with an exit code, and nothing is stored."""
    (home.parent / "broken.jpg").write_bytes((home.parent / "a.jpg").read_bytes()[:900])
    (home.parent / "a.pdf").write_bytes(b"%PDF-1.7\n%%EOF\n")
    file, *rest = words
    capsys.readouterr()
    assert run("photo", home, home.parent / file, *rest) == code
    assert says in capsys.readouterr().err
    assert not (home / FILES_FILE).exists()


def test_a_scan_is_kept_as_pdf(home, take_in, asked, tmp_path):
    """A PDF comes out byte for byte."""
    pdf = b"%PDF-1.7\n" + random.Random(1).randbytes(60_000) + b"\n%%EOF\n"
    (tmp_path / "a.pdf").write_bytes(pdf)
    name = take_in(CHILD, file="a.pdf", more=["--scan"])
    assert asked("photos")["photos"][0]["media"] == "application/pdf"
    assert run("photo-out", home, name, tmp_path / "b.pdf") == 0
    assert (tmp_path / "b.pdf").read_bytes() == pdf


def test_erasing_one_child_takes_the_picture_along(home, take_in, asked, tmp_path, capsys):
    """The picture of two goes with one of them; the other's entries stay, and a new one of the erased is refused."""
    name, kept = take_in(CHILD, OTHER), take_in(OTHER)
    assert asked("erase", CHILD, "--by", "w", "--ground", "g", "--yes")["photos"] == 1
    assert run("photo-out", home, name, tmp_path / "out.jpg") == 6
    assert [photo["name"] for photo in asked("photos")["photos"]] == [kept]
    capsys.readouterr()
    assert run("photo", home, home.parent / "a.jpg", "--subject", CHILD) == 6
    assert "erased" in capsys.readouterr().err
    assert len(asked("history", OTHER)["entries"]) == 1
    assert asked("verify")["photos"] == {"compared": 1, "bad": []}


def test_verify_names_a_bad_picture(home, take_in, asked, capsys):
    """A flipped bit in a picture is a promise failed, named by the picture; the log itself holds."""
    take_in(OTHER)
    name = take_in(CHILD)
    assert asked("verify")["photos"] == {"compared": 2, "bad": []}
    with closing(by_hand(home / FILES_FILE)) as db:
        db.execute("UPDATE chunk SET sealed = zeroblob(length(sealed)) WHERE id = 2<<8")
    found = asked("verify", code=1)
    assert (found["ok"], found["first_bad"], found["photos"]["compared"]) == (False, None, 2)
    assert [bad["name"] for bad in found["photos"]["bad"]] == [name]


def test_a_flipped_byte_of_the_file_is_damage(home, take_in):
    """A page that the cipher does not open is 4, and the file is named."""
    take_in(CHILD)
    data = bytearray((home / FILES_FILE).read_bytes())
    data[3 * 4096 + 100] ^= 1
    (home / FILES_FILE).write_bytes(data)
    assert run("verify", home) == 4


def test_a_lost_file_is_said(home, take_in, capsys):
    """Without its file the folder neither verifies nor takes in more."""
    take_in(CHILD)
    (home / FILES_FILE).unlink()
    for words in (["verify", home], ["photo", home, home.parent / "a.jpg", "--subject", CHILD]):
        capsys.readouterr()
        assert run(*words) == 2
        assert "files.db is missing" in capsys.readouterr().err


def test_a_scrub_finds_a_bad_picture(home, take_in):
    """A round goes over the pictures behind the entries, shows what is bad, and forgets it once it is mended."""
    take_in(OTHER)
    name = take_in(CHILD)
    folder = Folder(home, "home")

    def round_of() -> dict:
        with writing(folder) as store:
            scrubber = Scrubber(folder, store, lambda: NOW_MS)
            steps = 1
            while not scrubber.step():
                steps += 1
            scrubber.save()
            assert steps >= 4
        return shown(folder)

    assert round_of()["scrub_bad"] is None
    with closing(by_hand(home / FILES_FILE)) as db:
        good = db.execute("SELECT sealed FROM chunk WHERE id=2<<8").get
        db.execute("UPDATE chunk SET sealed = zeroblob(length(sealed)) WHERE id = 2<<8")
    assert round_of()["scrub_bad"]["photo"] == name
    with closing(by_hand(home / FILES_FILE)) as db:
        db.execute("UPDATE chunk SET sealed = ? WHERE id = 2<<8", (good,))
    assert round_of()["scrub_bad"] is None


def test_a_backup_brings_the_pictures_back(home, take_in, tmp_path):
    """A restored folder has every picture; one whose picture is bad does not restore."""
    name = take_in(CHILD, OTHER)
    county = x25519.Identity.generate()
    (tmp_path / "county.txt").write_text(str(county))
    assert run("backup", home, tmp_path / "b.age", "--to", county.to_public()) == 0
    assert run("restore", tmp_path / "b.age", tmp_path / "again", "--identity", tmp_path / "county.txt") == 0
    assert run("photo-out", home, name, tmp_path / "1.jpg") == 0
    assert run("photo-out", tmp_path / "again", name, tmp_path / "2.jpg") == 0
    assert (tmp_path / "1.jpg").read_bytes() == (tmp_path / "2.jpg").read_bytes()
    with closing(by_hand(home / FILES_FILE)) as db:
        db.execute("UPDATE chunk SET sealed = zeroblob(length(sealed))")
    assert run("backup", home, tmp_path / "c.age", "--to", county.to_public()) == 0
    assert run("restore", tmp_path / "c.age", tmp_path / "third", "--identity", tmp_path / "county.txt") == 1
    assert not (tmp_path / "third").exists()


def test_a_new_key_is_over_the_pictures_too(home, take_in, tmp_path):
    """After re-keying the picture comes out as before."""
    name = take_in(CHILD)
    assert run("key", home, "rekey") == 0
    assert run("photo-out", home, name, tmp_path / "out.jpg") == 0


def test_a_page_shows_a_picture_by_its_name(home, tmp_path):
    """The page gives the picture under its media type, a paper to be saved, and says what is unknown or erased."""
    pdf = b"%PDF-1.7\n%%EOF\n"

    async def look(store) -> None:
        jpeg = (home.parent / "a.jpg").read_bytes()
        name = store.files.add(store.log, jpeg, "image/jpeg", [CHILD.bytes], NOW_MS).hex()
        paper = store.files.add(store.log, pdf, "application/pdf", [OTHER.bytes], NOW_MS).hex()
        app = web.Application()
        app.add_routes(photos.routes(store))
        async with TestClient(TestServer(app)) as client:
            answer = await client.get(f"/photo/{name}")
            assert (answer.status, answer.content_type, await answer.read()) == (200, "image/jpeg", jpeg)
            answer = await client.get(f"/photo/{paper}")
            assert answer.headers["Content-Disposition"] == "attachment"
            for unknown in ("ab" * 32, "ab", "../log.db", name.upper()):
                assert (await client.get(f"/photo/{unknown}")).status == 404
            await asyncio.to_thread(store.erase, [CHILD.bytes], by="w", ground="g", now_ms=NOW_MS)
            answer = await client.get(f"/photo/{name}")
            assert answer.status == 410
            assert "删除" in await answer.text()
            with closing(by_hand(home / FILES_FILE)) as db:
                db.execute("DELETE FROM chunk")
            assert (await client.get(f"/photo/{paper}")).status == 500

    with writing(Folder(home, "home")) as store:
        asyncio.run(look(store))


def test_the_hub_lists_what_it_has(tmp_path, capsys):
    """The county's commands are there from the start, and its list is empty."""
    assert hub_cli.main(["init", str(tmp_path / "hub"), "--name", "清溪县"]) == 0
    capsys.readouterr()
    assert hub_cli.main(["photos", str(tmp_path / "hub"), "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"photos": []}
    assert hub_cli.main(["photo-out", str(tmp_path / "hub"), "ab" * 32, str(tmp_path / "x")]) == 6
