"""A file of lines between one decision and its commit: somebody else may be there first."""

import json
from pathlib import Path

import pytest

from node import lines
from node.folder import Folder
from node.opening import writing
from site_node.cli import homes_of, main

CHILD = {"event": "child-registered/1", "subject": "$he",
         "fields": {"name": "陈小禾", "sex": "女", "registered_on": "2024-09-01"}}  # fmt: skip


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    """A home's folder."""
    assert main(["init", str(tmp_path / "home"), "--name", "之家", "--code", "home-01"]) == 0
    return Folder(tmp_path / "home", "home")


def test_the_same_file_stored_meanwhile_is_known(folder, tmp_path):
    """Of two hands with one file, the second to commit finds it stored and adds nothing."""
    path = tmp_path / "lines.jsonl"
    path.write_text(json.dumps(CHILD), encoding="utf-8")
    with writing(folder) as store:

        def run(show=lambda _: None):
            asked = {"path": str(path), "by": "w"}
            return lines.record_lines(store, homes_of(folder), asked, 1_750_000_000_000, show)

        child = run()["subjects"]["$he"]
        talk = {"event": "talk-held/1", "subject": child, "fields": {"on": "2024-10-01", "talked_by": "周老师"}}
        path.write_text(json.dumps(talk), encoding="utf-8")
        others = []

        def meanwhile(_done):
            if not others:
                others.append({})  # the other's own run shows too
                others.append(run())

        mine = run(meanwhile)
        assert (others[1]["stored"], mine["stored"], mine["known"]) == (1, 0, 1)
        assert store.size(store.log) == 2


@pytest.mark.parametrize("line", [CHILD, {**CHILD, "subject": "new"}])
def test_a_file_stored_between_question_and_decision_is_known(folder, tmp_path, monkeypatch, line):
    """The other hand commits after this one asked whether the file is known, and before it looks at what is here."""
    path = tmp_path / "lines.jsonl"
    path.write_text(json.dumps(line), encoding="utf-8")
    with writing(folder) as store:
        asked = {"path": str(path), "by": "w"}
        erased_subjects, others = lines.erased_subjects, []

        def meanwhile(store):
            if not others:
                others.append({})  # the other's own run comes here, too
                others.append(lines.record_lines(store, homes_of(folder), asked, 1_750_000_000_000))
            return erased_subjects(store)

        monkeypatch.setattr(lines, "erased_subjects", meanwhile)
        mine = lines.record_lines(store, homes_of(folder), asked, 1_750_000_000_000)
        assert (others[1]["stored"], mine["stored"], mine["known"]) == (1, 0, 1)
        assert store.size(store.log) == 1
