"""Passphrases come from a file that is named, or from a terminal, and never from anywhere else."""

import io
import sys

import pytest

from node import passphrase
from sync.errors import WrongKey


@pytest.fixture(autouse=True)
def nothing_named(monkeypatch):
    """No file is named, and nobody sits at a terminal."""
    monkeypatch.delenv(passphrase.VARIABLE, raising=False)
    monkeypatch.delenv(passphrase.NEW_VARIABLE, raising=False)
    monkeypatch.setattr(sys, "stdin", io.StringIO())


@pytest.fixture
def typed(monkeypatch):
    """Somebody who types these words at a terminal."""

    def types(*words: str) -> list[str]:
        left, prompts = list(words), []
        terminal = io.StringIO()
        terminal.isatty = lambda: True
        monkeypatch.setattr(sys, "stdin", terminal)
        monkeypatch.setattr(passphrase.getpass, "getpass", lambda prompt: (prompts.append(prompt), left.pop(0))[1])
        return prompts

    return types


@pytest.mark.parametrize("ask", [passphrase.known, passphrase.fresh])
def test_without_file_and_terminal_there_is_none(ask):
    """A service without a file is told what to do; it does not hang."""
    with pytest.raises(WrongKey, match="HOMEWARD_"):
        ask()


@pytest.mark.parametrize(("variable", "ask"), [(passphrase.VARIABLE, passphrase.known),
                                               (passphrase.NEW_VARIABLE, passphrase.fresh)])  # fmt: skip
def test_the_file_that_is_named(tmp_path, monkeypatch, variable, ask):
    """Its text without the line's end; a missing, empty or unreadable one is refused."""
    monkeypatch.setenv(variable, str(tmp_path / "p"))
    with pytest.raises(WrongKey, match=variable):
        ask()
    for data in (b"", b"\n", b"\xff\n"):
        (tmp_path / "p").write_bytes(data)
        with pytest.raises(WrongKey, match=variable):
            ask()
    (tmp_path / "p").write_text(" 一个 口令 \r\n", encoding="utf-8")
    assert ask() == " 一个 口令 "


def test_a_known_one_is_typed_once(typed):
    """At a terminal it is asked for."""
    prompts = typed("secret words")
    assert passphrase.known() == "secret words"
    assert len(prompts) == 1


def test_a_new_one_is_typed_twice(typed):
    """Two that differ change nothing."""
    typed("secret words", "secret words")
    assert passphrase.fresh() == "secret words"
    typed("secret words", "secret wards")
    with pytest.raises(WrongKey, match="differ"):
        passphrase.fresh()
