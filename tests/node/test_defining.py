"""`events`: what can be recorded, printed."""

from __future__ import annotations

import json

import pytest

from domain import schema
from node import exits
from site_node.cli import main


def test_events_prints_the_catalogue(capsys: pytest.CaptureFixture[str]) -> None:
    """Every event is printed, as text and as JSON, without a data folder."""
    assert main(["events"]) == exits.DONE
    printed = capsys.readouterr().out
    assert all(name in printed for name in schema.names())
    assert main(["events", "--json"]) == exits.DONE
    assert {one["name"] for one in json.loads(capsys.readouterr().out)["events"]} == set(schema.names())


def test_events_can_be_asked_for_by_name_or_subject(capsys: pytest.CaptureFixture[str]) -> None:
    """A name or a kind of subject gives that part; a name that nobody knows is refused in words."""
    assert main(["events", "hazard", "talk-held/1", "--json"]) == exits.DONE
    found = [one["name"] for one in json.loads(capsys.readouterr().out)["events"]]
    assert found == ["talk-held/1", "hazard-found/1", "hazard-remedied/1", "hazard-reported/1"]
    assert main(["events", "nonsense"]) == exits.REFUSED
    assert "nonsense" in capsys.readouterr().err
