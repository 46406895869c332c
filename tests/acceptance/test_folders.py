"""A data folder that is missing, foreign, newer, damaged or in use: one sentence names the file, and an exit code."""

import json
import shutil

import pytest

from tests.by_hand import by_hand

READING = ["status", "children", "digest", "verify", "rebuild"]


def one_sentence(answer, *names):
    """What a person is shown: a line without internals that names what is wrong."""
    assert answer.err.count("\n") == 1
    assert "Error" not in answer.err
    assert [name for name in names if name not in answer.err] == []


def spoil(path, at, data):
    with path.open("r+b") as file:
        file.seek(at)
        file.write(data)


def set_version(path, version):
    db = by_hand(path)
    db.execute(f"PRAGMA user_version={version}")
    db.close()


@pytest.mark.parametrize("command", READING)
def test_a_folder_that_is_missing(yard, command):
    """Nothing but `init` makes a folder."""
    one_sentence(yard.quick("site-node", command, yard / "nowhere", code=2), str(yard / "nowhere"), "init")
    assert not (yard / "nowhere").exists()


@pytest.mark.parametrize("command", READING)
def test_a_folder_that_is_not_ours(yard, command):
    """Somebody's photographs are no data folder, and stay as they are."""
    (yard / "photos").mkdir()
    one_sentence(yard.quick("site-node", command, yard / "photos", code=2), "config.json")
    assert list((yard / "photos").iterdir()) == []


def test_a_home_is_no_hub(county):
    """Each program says whose folder it was given."""
    one_sentence(county.quick("central-hub", "status", county / "home", code=2), "home", "hub")
    one_sentence(county.quick("site-node", "status", county / "hub", code=2), "home", "hub")


def test_a_file_in_place_of_the_folder(yard):
    """A path through or to a file is refused in words, by `init` as well."""
    (yard / "file").write_text("a letter")
    one_sentence(yard.quick("site-node", "status", yard / "file", code=2), str(yard / "file"))
    for path in (yard / "file", yard / "file" / "home"):
        one_sentence(yard.quick("site-node", "init", path, "--name", "n", "--code", "c", code=2), str(path))
    assert (yard / "file").read_text() == "a letter"


def test_init_never_overwrites(yard):
    """A folder with anything in it is left alone; an empty one is taken."""
    home = yard.home()
    before = (home / "config.json").read_text()
    one_sentence(yard.quick("site-node", "init", home, "--name", "n", "--code", "c", code=2), "not empty")
    assert (home / "config.json").read_text() == before
    (yard / "empty").mkdir()
    yard.quick("site-node", "init", yard / "empty", "--name", "n", "--code", "c")
    yard.quick("site-node", "init", yard / "deep" / "down", "--name", "n", "--code", "c")
    assert sorted(file.name for file in yard.path.iterdir()) == ["deep", "empty", "home"]


@pytest.mark.parametrize(("name", "code"), [("", "c"), ("n", ""), ("n", "home 01"), ("n" * 81, "c"), ("n\n", " ")])
def test_init_wants_a_name_and_a_code(yard, name, code):
    """A home has a name and a code without spaces."""
    yard.quick("site-node", "init", yard / "home", "--name", name, "--code", code, code=6)
    assert not (yard / "home").exists()


def test_a_configuration_of_a_newer_version(county):
    """A newer format is left to the newer program."""
    file = county / "home" / "config.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | {"format": 99}))
    one_sentence(county.quick("site-node", "status", county / "home", code=7), "config.json", "newer")


@pytest.mark.parametrize("name", ["log.db", "keys.db"])
def test_a_database_of_a_newer_version(county, name):
    """A database with a newer user_version is left to the newer program."""
    set_version(county / "home" / name, 99)
    for command in READING:
        one_sentence(county.quick("site-node", command, county / "home", code=7), name, "99", "newer")


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"format": "x", "kind": "home", "name": "n"}', "\0\1",
                                  '{"format": 1, "kind": "home", "name": "n", "hub": 7}'])  # fmt: skip
def test_a_configuration_that_is_damaged(county, text):
    """A configuration that says nothing is named."""
    (county / "home" / "config.json").write_text(text)
    one_sentence(county.quick("site-node", "status", county / "home", code=4), "config.json")


@pytest.mark.parametrize("name", ["log.db", "keys.db"])
@pytest.mark.parametrize("how", ["header", "empty", "text", "cut", "page 1"])
def test_a_precious_file_that_is_damaged(county, name, how):
    """Overwritten, emptied or cut: the file is named, and nothing writes to it."""
    file = county / "home" / name
    match how:
        case "header":
            spoil(file, 0, b"\xff" * 64)
        case "empty":
            file.write_bytes(b"")
        case "text":
            file.write_text("a letter" * 1000)
        case "cut":
            file.write_bytes(file.read_bytes()[:5000])
        case "page 1":
            spoil(file, 100, b"\xff" * 3000)
    before = file.read_bytes()
    for command in ("status", "digest", "verify", "import"):
        more = [county / "facts.jsonl"] if command == "import" else []
        answer = county.quick("site-node", command, county / "home", *more, code=4)
        one_sentence(answer, name)
    assert file.read_bytes() == before


@pytest.mark.parametrize("name", ["log.db", "keys.db"])
def test_a_precious_file_that_is_missing(county, name):
    """A missing file is named and never made anew."""
    (county / "home" / name).unlink()
    for command in READING:
        one_sentence(county.quick("site-node", command, county / "home", code=2), name)
    assert not (county / "home" / name).exists()


def test_the_keys_of_another_home(county):
    """Keys that belong to another log are noticed at once."""
    other = county.home("other", "home-02")
    for file in other.glob("keys.db*"):
        shutil.copy(file, county / "home" / file.name)
    for command in READING:
        one_sentence(county.quick("site-node", command, county / "home", code=4), "keys.db")


def test_the_log_in_place_of_the_keys(county):
    """Two files that changed places are noticed."""
    home = county / "home"
    for old, new in (("log.db", "x"), ("keys.db", "log.db"), ("x", "keys.db")):
        (home / old).rename(home / new)
    one_sentence(county.quick("site-node", "status", home, code=4), "log.db")


@pytest.mark.parametrize("how", ["gone", "header", "text", "newer", "older", "pages", "row"])
@pytest.mark.parametrize("name", ["site-node", "central-hub"])
def test_read_models_may_be_lost(county, name, how):
    """views.db is disposable: gone, damaged or of another version, it is made anew and says the same as before."""
    folder = county / ("home" if name == "site-node" else "hub")
    file = folder / "views.db"
    before = county.quick(name, "digest", folder, "--json").json()
    match how:
        case "gone":
            file.unlink()
        case "header":
            spoil(file, 0, b"\xff" * 100)
        case "text":
            file.write_text("a letter" * 1000)
        case "newer":
            set_version(file, 99)
        case "older":
            set_version(file, 0)
        case "pages":
            size = file.stat().st_size
            spoil(file, 4096, b"\xff" * (size - 4096))
        case "row":
            db = by_hand(file)
            db.execute("DROP TABLE stay")
            db.close()
    answer = county.quick(name, "digest", folder, "--json")
    assert (answer.json(), answer.err) == (before, "")
    assert len(county.quick(name, "children", folder, "--json").json()["children"]) > 20
    assert county.quick(name, "rebuild", folder, "--json").json()["equal"]


def test_the_other_small_files_may_be_lost(county):
    """What lies beside the databases and the configuration can go without harm."""
    home = county / "home"
    for file in home.iterdir():
        if file.name.partition("-")[0] not in ("config.json", "log.db", "keys.db", "key.json", "node.key"):
            file.unlink()
    found = county.quick("site-node", "status", home, "--json").json()
    assert (found["entries"], found["waiting"]) == (120, 0)
    (home / "exchange.json").write_text("{")
    assert county.quick("site-node", "status", home, "--json").json()["last_exchange"] is None
