"""Subjects by their streams' ordinals: only such as the receiver can know, and a plain push where it cannot."""

from __future__ import annotations

import pytest

from sync import wire
from sync.batch import StreamRef
from sync.effort import FAST_BYTES_A_SECOND, Effort
from sync.entry import derive
from sync.errors import RemoteProtocolError, UnreadableForm
from sync.messages import Ack, AskPlain, Held, NoKey
from sync.outgoing import push_of
from sync.references import References
from sync.replicator import Portion, Receiver, Send, Sender

CHILDREN = [bytes([n]) * 16 for n in range(1, 6)]


@pytest.fixture
def home(stores, draft):
    """A log of five children, then what names all of them: entries 6 and, about a new subject, 7."""
    node = stores()
    drafts = [draft()._replace(subject=child) for child in CHILDREN]
    drafts.append(draft(payload={"present": CHILDREN})._replace(subject=CHILDREN[0]))
    drafts.append(draft(payload={"present": [*CHILDREN, b"?" * 16]})._replace(subject=b"6" * 16))
    for one in drafts:
        node.record([one]).result(20)
    return node


def asked(node, start, count, withheld=()):
    push = push_of(node, start, count)
    ordinal_of = References(node).within(push, withheld)
    return [ordinal_of(subject) for subject in (*CHILDREN, b"6" * 16, b"?" * 16)]


def test_only_streams_that_have_begun_are_referred_to(home):
    """A stream that begins behind the push, an unknown id and a withheld stream have no ordinal in it."""
    assert asked(home, 0, 3) == [1, 2, 3, None, None, None, None]
    assert asked(home, 6, 1) == [1, 2, 3, 4, 5, 6, None]
    assert asked(home, 5, 2, withheld=[2, 5]) == [1, None, 3, 4, None, 6, None]
    assert asked(home, 5, 1) == [1, None, None, None, None, None, None], "all that entry 6 alone proves to have begun"
    empty = push_of(home, 5, 1)._replace(rows=[])
    assert References(home).within(empty)(CHILDREN[0]) is None, "nothing proves that anything has begun"


def test_at_the_end_of_the_log_every_stream_has_begun(home, draft):
    """The last push may refer to all streams, also where its own entries begin none."""
    home.record([draft()._replace(subject=CHILDREN[0])]).result(20)
    assert asked(home, 7, 1) == [1, 2, 3, 4, 5, 6, None]


def test_a_push_of_another_log_names_that_logs_streams(home, stores):
    """Who passes on a log that it follows names subjects as that log numbers them, not as its own does."""
    follower = stores("follower")
    follower.add_log(home.log, home.signer.public_key, kin=True).result(20)
    (appending, _) = Receiver(
        home.log, home.signer.public_key, follower.frontier(home.log, 0), 0, lambda _: None
    ).receive(push_of(home, 0, 7), 0)
    follower.append(appending.batch).result(20)
    push = push_of(follower, 0, 7, log=home.log)
    for references, expected in ((References(follower, home.log), [1, 2, 3, 4, 5]), (References(follower), [None] * 5)):
        ordinal_of = references.within(push)
        assert [ordinal_of(child) for child in CHILDREN] == expected


def receiver(home, erased=()):
    """A hub that holds the five entries about the children, some of whom it has erased since."""
    empty = Receiver(home.log, home.signer.public_key, home.frontier(home.log, 0), 0, lambda _: None)
    (appending, _) = empty.receive(push_of(home, 0, 5), 0)
    held = {new.ordinal: StreamRef(new.name, new.subject, derive(new.key).salt) for new in appending.batch.streams}
    held |= {ordinal: held[ordinal]._replace(subject=None, salt=None) for ordinal in erased}
    return Receiver(home.log, home.signer.public_key, home.frontier(home.log, 5), 5, held.get)


def conversation(home, hub, start):
    """Push the log from `start` on, one entry a push, all on their way at once; what the hub said, and the sender."""
    sender = Sender(
        home.log, home.signer.public_key, 7, start, receipted=start, ask_first=False, push_size_bytes=2
    )  # one entry a push
    root = home.root(home.log, start)
    sender.held(Held(start, 0, root), root)
    said = []
    for _ in range(4):
        frames = []
        while isinstance(step := sender.next(), Portion):
            push = push_of(home, step.start, 1)
            ordinal_of = None if sender.plain else References(home).within(push)
            frames.append(wire.encode(push, dictionary=0 if sender.plain else 1, ordinal_of=ordinal_of))
            assert sender.pushed(push, len(frames[-1]))
        for frame in frames:
            try:
                effects = hub.receive(wire.decode(frame, hub.subject_of), 0)
            except UnreadableForm as error:
                effects = hub.cannot_read(error.start)
            answers = [effect.message for effect in effects if isinstance(effect, Send)]
            said += answers
            for answer in answers:
                sender.receive(answer)
        if not frames:
            break
    return said, sender


def test_a_hub_that_knows_the_streams_reads_references(home):
    """Entries that name children arrive whole, their bodies recomputed from ordinals: the signed root holds."""
    said, sender = conversation(home, receiver(home), 5)
    assert said == [Ack(6), Ack(7)]
    assert not sender.plain


def test_a_hub_that_erased_a_child_asks_for_plain_pushes(home):
    """What names an erased child is asked for again without references, and arrives; nothing is lost."""
    hub = receiver(home, erased=[3])
    said, sender = conversation(home, hub, 5)
    assert said == [Ack(6), AskPlain(6), Ack(7)]
    assert sender.plain
    assert hub.size == 7


def test_a_push_behind_a_gap_is_a_gap_even_if_it_cannot_be_read(home):
    """A hub that lacks what a push refers to because entries before it did not arrive says where to go on."""
    hub = Receiver(home.log, home.signer.public_key, home.frontier(home.log, 0), 0, lambda _: None)
    push = push_of(home, 6, 1)
    with pytest.raises(UnreadableForm) as raised:
        wire.decode(wire.encode(push, ordinal_of=References(home).within(push)), hub.subject_of)
    assert hub.cannot_read(raised.value.start) == [Send(Ack(0))]


def test_a_hub_without_the_dictionary_gets_plain_pushes(home, monkeypatch):
    """A reader that does not know the dictionary is sent frames without one, each unread push asked for once."""
    hub = receiver(home)
    real = wire.expand

    def older(squeezed, dictionary, size_bytes_max):
        if dictionary:
            raise UnreadableForm("dictionary 1 is not known here")
        return real(squeezed, dictionary, size_bytes_max)

    monkeypatch.setattr(wire, "expand", older)
    said, sender = conversation(home, hub, 5)
    assert said == [AskPlain(5), AskPlain(5), Ack(6), Ack(7)]
    assert sender.plain


def test_plain_pushes_are_not_asked_for_without_reason(home):
    """A hub that asks although nothing is on its way, once more than there were pushes, or beyond them, is refused."""
    root = home.root(home.log, 5)

    def pushing():
        sender = Sender(home.log, home.signer.public_key, 7, 5, ask_first=False, push_size_bytes=8000)
        sender.held(Held(5, 0, root), root)
        return sender

    with pytest.raises(RemoteProtocolError, match="without reason"):
        pushing().receive(AskPlain(5))
    sender = pushing()
    sender.pushed(push_of(home, 5, 1), 100)
    with pytest.raises(RemoteProtocolError, match="without reason"):
        sender.receive(AskPlain(7))
    sender.receive(AskPlain(5))
    with pytest.raises(RemoteProtocolError, match="without reason"):
        sender.receive(AskPlain(5))
    sender.receive(NoKey(5, [1]))
    assert sender.plain


def test_a_slow_link_is_compressed_harder_for():
    """Until acknowledgements prove that bytes arrive fast, and where they arrive slowly, the harder level is taken."""
    pace = Effort()
    assert pace.level == 19
    pace.acknowledged(50, 9.0)  # of an attempt before this one
    assert pace.level == 19
    pace.pushed(100, FAST_BYTES_A_SECOND, 10.0)
    pace.pushed(200, FAST_BYTES_A_SECOND, 10.1)
    assert pace.level == 19
    pace.acknowledged(100, 10.5)
    assert pace.level == 9
    pace.acknowledged(100, 13.0)
    assert pace.level == 19
    pace.acknowledged(200, 12.0)
    assert pace.level == 9


@pytest.mark.parametrize(("size_bytes", "level"), [(FAST_BYTES_A_SECOND - 1, 19), (FAST_BYTES_A_SECOND, 9)])
def test_a_link_is_fast_from_its_bound_on(size_bytes, level):
    """All bytes since the first push count, over all the time since then, whatever was pushed later."""
    pace = Effort()
    pace.pushed(100, size_bytes, 10.0)
    pace.pushed(200, 1, 10.9)
    pace.acknowledged(100, 11.0)
    assert pace.level == level


def test_a_subject_is_looked_up_once(home, monkeypatch):
    """What was found is remembered, up to a bound; what was not found may have come since, and is looked up again."""
    looked = []
    real = home.reading
    monkeypatch.setattr(home, "reading", lambda work: looked.append(1) or real(work))
    monkeypatch.setattr("sync.references.REMEMBERED_MAX", 3)
    push = push_of(home, 0, 7)
    ordinal_of = References(home).within(push)

    def asking(*subjects) -> int:
        looked.clear()
        for subject in subjects:
            ordinal_of(subject)
        return len(looked)

    assert asking(*CHILDREN[:3], *CHILDREN[:3]) == 3
    assert asking(b"?" * 16, b"?" * 16) == 2
    assert asking(CHILDREN[3], CHILDREN[3], CHILDREN[0]) == 2, "a fourth makes room by forgetting the three"
