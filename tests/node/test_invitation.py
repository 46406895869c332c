"""Invitations: typos are found, careless copying is forgiven, garbage is only ever refused."""

import base64
import contextlib
import zlib

import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.errors import Refused
from node.invitation import PREFIX, BadInvitation, Invitation, NotLoopback, new_secret, parse, require_loopback

GIVEN = Invitation("http://127.0.0.1:8100", bytes(range(32)), "home-01", bytes(range(16)))


def wrapped(packed: bytes) -> str:
    """Anything in an invitation's clothes, its checksum right."""
    letters = base64.b32encode(packed + zlib.crc32(packed).to_bytes(4, "big")).decode().rstrip("=")
    return f"{PREFIX}-{letters}"


def test_it_reads_back():
    """What was written is what is read."""
    assert parse(GIVEN.text()) == GIVEN


@given(st.randoms(use_true_random=False))
def test_careless_copying(dice):
    """Case, spaces, line breaks and dashes anywhere do not matter."""
    text = GIVEN.text().replace("-", "")
    careless = "".join(dice.choice(["", " ", "-", "\n", "\u3000"]) + dice.choice([c.lower(), c]) for c in text)
    assert parse(careless) == GIVEN


@given(st.integers(len(PREFIX), len(GIVEN.text()) - 1), st.sampled_from("ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"))
def test_one_wrong_letter_is_found(at, letter):
    """A single wrong letter never gives another invitation."""
    text = GIVEN.text()
    if text[at] in ("-", letter):
        return
    with contextlib.suppress(BadInvitation):
        assert parse(text[:at] + letter + text[at + 1 :]) == GIVEN  # only bits that encode nothing may differ


@given(st.integers(len(PREFIX) + 1, len(GIVEN.text()) - 2))
def test_two_letters_that_changed_places_are_found(at):
    """Swapped neighbours are the commonest slip."""
    text = GIVEN.text().replace("-", "")
    at = min(at, len(text) - 2)
    swapped = text[:at] + text[at + 1] + text[at] + text[at + 2 :]
    if swapped != text:
        with pytest.raises(BadInvitation):
            parse(swapped)


@given(st.one_of(st.text(), st.text().map(PREFIX.__add__), st.binary(max_size=200).map(wrapped),
                 st.recursive(st.none() | st.integers(-5, 5) | st.text(max_size=5) | st.binary(max_size=33), st.lists,
                              max_leaves=6).map(lambda value: wrapped(msgpack.packb(value)))))  # fmt: skip
def test_garbage_is_refused_and_nothing_else(text):
    """Whatever the text, the answer is an invitation or BadInvitation."""
    with contextlib.suppress(BadInvitation):
        assert isinstance(parse(text), Invitation)


def test_the_hub_remembers_a_hash_only():
    """What the hub keeps of an invitation neither holds nor reveals the secret."""
    assert len(GIVEN.digest) == 32
    assert GIVEN.secret not in GIVEN.digest
    assert GIVEN._replace(secret=new_secret()).digest != GIVEN.digest


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:8100", "http://localhost:1", "http://[::1]:8100", "http://127.9.9.9:80"]
)
def test_loopback_is_let_through(url):
    """This machine's own addresses are fine; a slash at the end is taken off."""
    assert require_loopback(url + "/") == url


@pytest.mark.parametrize(
    "url", ["http://192.0.2.1:80", "http://example.org:80", "http://0.0.0.0:80", "http://10.0.0.1:1"]
)
def test_everything_else_is_not(url):
    """Every other host is refused as such."""
    with pytest.raises(NotLoopback):
        require_loopback(url)


@given(st.text())
def test_any_text_as_an_address(text):
    """Whatever stands for an address is let through or refused."""
    with contextlib.suppress(Refused):
        require_loopback("http://" + text)
