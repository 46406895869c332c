"""Erasing on a node: rows, files, history and import follow, in a fresh, a running and a rebuilt view."""

from __future__ import annotations

import json
import shutil
from contextlib import closing
from uuid import UUID

import pytest

from central_hub import cli as hub_cli
from node import filling as filling_module
from node import projection as projection_module
from node.erasing import erase
from node.filling import Pace
from node.folder import Config, Folder, create_folder
from node.opening import current_views, writing
from node.projection import BUILDING_SUFFIX, FILLING_SUFFIX, KNOWN_SUFFIX, Projection, rebuild
from node.views import Views
from site_node import cli as home_cli
from sync.errors import ErasureUnfinished
from sync.verify import verify
from tests.by_hand import by_hand

CHILD, OTHER = UUID(int=7), UUID(int=8)
CANARIES = ("金丝雀小明", "13900001234", "canary lane")
CLOCK = lambda: 1_741_392_000_000  # noqa: E731


def run(*words) -> int:
    return home_cli.main([str(word) for word in words])


def register(folder, subject, name, phone):
    payload = {
        "name": name,
        "registered_on": "2024-09-01",
        "address": "canary lane" if subject == CHILD else "x",
        "school": phone,
        "sex": "female",
    }
    assert run("record", folder, "child-registered/1", "--subject", subject, "--by", "w", "--payload-json",
               json.dumps(payload)) == 0  # fmt: skip


@pytest.fixture
def home(tmp_path):
    """A home with two children and read models, one child of them full of canaries."""
    path = tmp_path / "home"
    create_folder(path, Config(kind="home", name="南沟村", code="home-01"))
    register(path, CHILD, CANARIES[0], CANARIES[1])
    register(path, OTHER, "别人", "13700000000")
    assert run("children", path) == 0
    return Folder(path, "home")


def remains(path) -> list[tuple[str, str]]:
    """Canaries in any file, as it is and page by page in the clear."""
    found = []
    for file in sorted(p for p in path.rglob("*") if p.is_file()):
        images = [file.read_bytes()]
        if ".db" in file.name and not file.name.endswith(("-wal", "-shm")):
            with closing(by_hand(file)) as db:
                images.append(db.serialize("main"))
        found += [(file.name, word) for word in CANARIES for image in images if word.encode() in image]
    return found


def names(folder) -> list[str]:
    with current_views(folder, home_cli.homes_of(folder)) as (_, views):
        return [row[1] for row in views.rows_of("child")]


def erase_child(folder):
    return erase(folder, home_cli.homes_of(folder), [CHILD.bytes], "w", "监护人申请", CLOCK)


def test_the_rows_of_the_erased_are_nowhere(home):
    """The child's rows vanish, no file keeps a trace of them, others stay, and a rebuild gives the same."""
    home_files = {file for file, _ in remains(home.path)}
    assert home_files == {"views.db"}
    assert erase_child(home) == {"entries": 1, "streams": 1, "photos": 0}
    assert remains(home.path) == []
    assert names(home) == ["别人"]
    assert run("rebuild", home.path) == 0
    assert run("verify", home.path) == 0
    assert remains(home.path) == []


def test_a_running_view_follows(home):
    """While a node serves, rows vanish as soon as its follower has read that they were erased."""
    with writing(home) as store:
        projection = Projection(store, home.views, home_cli.homes_of(home)(store))
        assert len(projection.views.rows_of("child")) == 2
        store.erase([CHILD.bytes], by="w", ground="g", now_ms=CLOCK())
        for _ in projection.catch_up():
            pass
        assert [row[1] for row in projection.views.rows_of("child")] == ["别人"]
        assert projection.views.clear_traces()
        assert remains(home.path) == []
        projection.close()


def test_a_rebuild_beside_an_erasure_is_brought_in_line(home):
    """A file that was built before the erasure and is put in place after it loses the rows as it is opened."""
    with writing(home) as store:
        home_of = home_cli.homes_of(home)(store)
        projection = Projection(store, home.views, home_of)
        rebuild(store, home.views, home_of, lambda _: None, store.position())
        store.erase([CHILD.bytes], by="w", ground="g", now_ms=CLOCK())
        for _ in projection.catch_up():
            pass
        assert [row[1] for row in projection.views.rows_of("child")] == ["别人"]
        projection.close()
    assert remains(home.path) == []


def test_an_old_copy_of_the_views_is_brought_in_line(home):
    """Read models, half-built ones too, that come back from before the erasure do not bring the child back."""
    old = home.path.with_name("old.db")
    shutil.copy(home.views, old)
    half = [home.path / f"views.db{suffix}" for suffix in (BUILDING_SUFFIX, FILLING_SUFFIX, KNOWN_SUFFIX)]
    for path in half:
        shutil.copy(home.views, path)
    erase_child(home)
    assert not any(path.exists() for path in half)
    shutil.copy(old, home.views)
    assert names(home) == ["别人"]
    assert remains(home.path) == []


def test_what_a_node_was_filling_goes(home, monkeypatch):
    """After an upgrade that was cut the half-built file holds the child: an erasure leaves nothing of it anywhere."""
    monkeypatch.setattr(filling_module, "PACE", Pace(1, 1))
    monkeypatch.setattr(projection_module, "FILLED_COUNT_MIN", 1)
    for path in home.path.glob("views.db*"):
        path.unlink()
    with writing(home) as store:
        projection = Projection(store, home.views, home_cli.homes_of(home)(store))
        with closing(projection.catch_up()) as going:
            for _ in range(3):
                next(going)
        projection.close()
    assert {file for file, _ in remains(home.path)} == {f"views.db{FILLING_SUFFIX}"}
    erase_child(home)
    assert remains(home.path) == []
    assert names(home) == ["别人"]


def test_an_old_log_put_back_does_not_bring_the_child_back(home):
    """With an older copy of the log over the new one, the next opening for writing erases again, rows included."""
    old = home.path.with_name("old-log.db")
    shutil.copy(home.path / "log.db", old)
    views = home.path.with_name("old-views.db")
    shutil.copy(home.views, views)
    erase_child(home)
    shutil.copy(old, home.path / "log.db")
    shutil.copy(views, home.views)
    with writing(home) as store:
        assert verify(store, None, lambda _: None).ok
    assert names(home) == ["别人"]
    assert remains(home.path) == []


def test_a_reader_of_old_rows_is_named(home, monkeypatch):
    """Who still reads the state before keeps old pages alive: the command says so, and finishes when run again."""
    with closing(by_hand(home.views)) as other:
        other.execute("BEGIN")
        other.execute("SELECT count(*) FROM child").fetchall()
        with pytest.raises(ErasureUnfinished, match="run this again"):
            erase_child(home)
        other.execute("COMMIT")
    assert erase_child(home) == {"entries": 0, "streams": 0, "photos": 0}
    assert remains(home.path) == []


def test_history_shows_the_order_and_nothing_else(home, capsys):
    """Of the erased subject the log's own orders are left; its child's file is not there any more."""
    erase_child(home)
    capsys.readouterr()
    assert run("history", home.path, CHILD, "--json") == 0
    shown = json.loads(capsys.readouterr().out)["entries"]
    assert [entry["type"] for entry in shown] == ["erasure-ordered/1", "erasure-executed/1"]
    assert shown[0]["payload"] == {"subjects": [str(CHILD)], "ground": "监护人申请"}
    assert shown[0]["actor"] == "w"
    assert run("child", home.path, CHILD) == 6
    assert run("record", home.path, "child-registered/1", "--subject", CHILD, "--by", "w", "name=x") == 6


def test_the_command_asks_first(home, capsys, monkeypatch):
    """Without --yes nothing is erased until a person has typed the word."""
    words = ("erase", home.path, CHILD, "--by", "w", "--ground", "g")
    for answer in ("", "yes", None):

        def typed(_, answer=answer):
            if answer is None:
                raise EOFError
            return answer

        monkeypatch.setattr("builtins.input", typed)
        assert run(*words) == 6
    assert len(names(home)) == 2
    assert run("erase", home.path, CHILD, "--by", " ", "--ground", "g", "--yes") == 6
    monkeypatch.setattr("builtins.input", lambda _: "ERASE")
    capsys.readouterr()
    assert run(*words, "--json") == 0
    assert json.loads(capsys.readouterr().out.splitlines()[-1]) == {"entries": 1, "streams": 1, "photos": 0}
    assert run(*words, "--yes") == 0


def test_the_hub_erases_too(tmp_path, capsys):
    """The county's command is the same; what it is asked about need not have come yet."""
    assert hub_cli.main(["init", str(tmp_path / "hub"), "--name", "清溪县"]) == 0
    words = ["erase", str(tmp_path / "hub"), str(CHILD), str(OTHER), "--by", "局长", "--ground", "g", "--yes", "--json"]
    capsys.readouterr()
    assert hub_cli.main(words) == 0
    assert json.loads(capsys.readouterr().out) == {"entries": 0, "streams": 0, "photos": 0}
    assert hub_cli.main(["verify", str(tmp_path / "hub")]) == 0


def test_an_import_passes_over_the_erased(home, tmp_path, capsys):
    """Lines about an erased subject are counted and left out; the rest of the file is recorded."""

    def line(subject, number, second):
        person = {"name": "李", "relation": "奶奶", "phone": "16458120072"}
        data = {
            "name": "某某",
            "no": number,
            "sex": "女",
            "born": "2016-02-29",
            "address": "x",
            "school": "y",
            "grade": 3,
            "boards": True,
            "guardian": person,
            "parents": [],
        }
        return json.dumps({"site": "home-01", "subject": str(subject), "type": "ChildRegistered",
                           "at": f"2024-09-01T08:00:{second:02}+08:00", "by": "w", "data": data})  # fmt: skip

    erase_child(home)
    file = tmp_path / "facts.jsonl"
    file.write_text("\n".join([line(CHILD, 1, 1), line(UUID(int=9), 2, 2)]) + "\n", encoding="utf-8")
    capsys.readouterr()
    code = run("import", home.path, file)
    printed = capsys.readouterr()
    assert code == 0, printed.err
    assert printed.out.startswith("1 recorded, 0 known from before, 0 of other homes, 1 about erased subjects")


def test_traces_are_cleared_after_a_cut(home):
    """Rows that were taken away just before a power cut are cleared from the pages at the next opening."""

    def cut(self):
        return False

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Views, "clear_traces", cut)
        with pytest.raises(ErasureUnfinished):
            erase_child(home)
    assert names(home) == ["别人"]
    assert remains(home.path) == []
