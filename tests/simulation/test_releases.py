"""Nodes of different releases: what may be passed over is, what may not is refused in words, nothing is lost."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from central_hub.taking import taker_of
from domain.event import Event
from node.folder import VIEWS_FILE
from node.projection import Projection
from node.records import draft_of
from node.views import remove
from sync import wire
from sync.bundle import BundleWriter, Head, Kind
from sync.bundle_file import write_new
from sync.errors import RefusedByPeer, UnknownKind
from sync.messages import Hello, Refusal
from sync.outgoing import push_of
from sync.recipients import recipient_of
from sync.wire import NOTICES
from tests.domain.domain_samples import DAY, registered
from tests.domain.histories import events
from tests.simulation import releases
from tests.simulation.checks import home_of
from tests.simulation.releases import LACKING, NO_NOTICE, NOTICE, LaterServer, LaterSession, frame_of
from tests.simulation.test_cuts import NOW_MS, Pair


@pytest.fixture
def pair(tmp_path: Path) -> Iterator[Pair]:
    pair = Pair(tmp_path)
    yield pair
    pair.close()


def speak_later(pair: Pair, *says: bytes) -> None:
    """From here on the home is of a later release."""
    pair.home.exchanger._http = LaterSession(pair.home._session, says)


@pytest.mark.parametrize("count", [1, 80])
def test_a_later_node_and_todays_hub(pair, count):
    """Notices are passed over, and an unknown dictionary is answered by AskPlain: everything arrives."""
    for _ in range(count):
        pair.work()
    speak_later(pair, frame_of(NOTICE), frame_of(NOTICES[-1], [None]))
    while pair.exchange(1 << 20) != "done" or pair.home.store.files.waiting():
        pass
    assert pair.hub.store.size(pair.home.store.log) == 2 * count
    pair.require_the_end()
    pair.require_all()


def test_todays_node_and_a_later_hub(pair):
    """A node passes over what a later hub says beside everything else."""
    pair.hub.server.__class__ = LaterServer
    for _ in range(3):
        pair.work()
        assert pair.exchange(7) == "done"
        pair.require_the_end()
    pair.require_all()


def test_what_a_hub_must_not_pass_over_is_refused(pair):
    """The sentence names what to update; what came before is kept, and an exchange without it goes through."""
    pair.work()
    plain = pair.home.exchanger._http
    speak_later(pair, frame_of(NO_NOTICE, 1))
    with pytest.raises(RefusedByPeer, match=r"请先更新县里的程序.*kind 50") as refused:
        pair.exchange(1 << 20)
    assert refused.value.code == "protocol"
    pair.home.exchanger._http = plain
    assert pair.exchange(1 << 20) == "done"
    pair.require_the_end()


def test_what_a_node_must_not_pass_over_ends_the_exchange(pair):
    """The node says that it is the one to update, and has lost nothing."""
    pair.work()
    pair.hub.server.__class__ = type("Mute", (LaterServer,), {"says": (frame_of(NO_NOTICE),)})
    with pytest.raises(UnknownKind, match=r"请先更新这里的程序.*kind 50"):
        pair.exchange(1 << 20)
    pair.hub.server.__class__ = LaterServer
    assert pair.exchange(1 << 20) == "done"
    pair.require_the_end()


@pytest.mark.parametrize(("kind", "code", "held"), [(NOTICE, None, 2), (NO_NOTICE, "protocol", 0)])
def test_a_later_nodes_bundle(tmp_path, pair, kind, code, held):
    """By stick the same: a notice is passed over, another unknown kind is refused in words, behind what came before."""
    pair.work()
    store, hub = pair.home.store, pair.hub
    hub_key = hub.store.identity.public_key
    push = push_of(store, 0, 10)
    writer = BundleWriter(store.signer)
    pieces = [
        writer.begin(Head(Kind.TO_HUB, store.signer.public_key, hub.store.log, 0, 0, b"")),
        writer.frame(wire.encode(Hello(1, store.log, 2, NOW_MS))),
        writer.frame(frame_of(kind, "new")),
        writer.frame(wire.encode(push)),
        writer.end(),
    ]
    path = write_new(tmp_path, recipient_of(hub_key), pieces)
    reply = taker_of(hub.folder, hub.store, hub.registry, lambda: NOW_MS).take(path, lambda _: None)
    assert reply.refusal == (None if code is None else Refusal(code, UnknownKind(kind).for_peer))
    assert hub.store.size(store.log) == held


def test_an_earlier_release_shows_as_unknown_what_a_later_one_shows(tmp_path, pair):
    """What it does not know is kept and counted; after its upgrade the read model is the hub's."""
    child = bytes([1]) * 16
    home = pair.home
    picked = [event for event in events(lambda options: options[0], []) if isinstance(event, Event)]
    drafts = [draft_of(child, event, "w", NOW_MS) for event in (registered("孩子", on=DAY), *picked)]
    home.store.record(drafts).result()
    assert {draft.type for draft in drafts} >= set(LACKING)
    pair.photos.append(b"")
    assert pair.exchange(1 << 20) == "done"
    path = home.path / VIEWS_FILE

    def shown() -> tuple[dict[str, str], int]:
        projection = Projection(home.store, path, home_of(home))
        for _ in projection.catch_up():
            pass
        found = projection.views.digest(), projection.views.query("SELECT count(*) FROM unknown_entry")[0][0]
        projection.close()
        return found

    with releases.earlier():
        before, unknown = shown()
    assert unknown == len(LACKING)
    remove(path)  # an upgrade has another version of the read models
    after, unknown = shown()
    assert (unknown, after != before) == (0, True)
    hub = Projection(pair.hub.store, tmp_path / "hub.db", home_of(pair.hub))
    for _ in hub.catch_up():
        pass
    assert hub.views.digest() == after
    hub.close()


def test_frames_of_a_later_release_are_frames():
    """What these tests send is well formed: only its kind, or its dictionary, is not known."""
    buffer = wire.FrameBuffer()
    (frame,) = buffer.feed(frame_of(NOTICE, 1))
    assert wire.decode(frame).kind == NOTICE
