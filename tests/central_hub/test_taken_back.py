"""What only homes still have of the county's own word comes back to a hub that was put back: as it was, and once."""

from __future__ import annotations

import asyncio
from uuid import UUID

import pytest

from central_hub.ordering import address
from central_hub.restoring import Restoring
from domain import events as e
from domain import forms
from node import mailbox
from node.deciding import folding_of
from node.erasing import Order
from sync import epoch, outbox, outbox_sql, wire
from sync.entry import EXT_FIRST_ID, EXT_STOOD
from sync.errors import RemoteProtocolError, VerificationError
from sync.giving_back import GivingBack, returned_of
from sync.messages import Again, Beside, OutboxAt, Recall, Returned, Took, Witness
from sync.outbox_fetching import OutboxFetching
from sync.replicator import Wait
from sync.serving_logs import ServedLogs
from sync.witness import of_outbox, root_of, taken_of
from tests.central_hub.test_router import CHILD, NEW, OLD, OTHER, day, talk
from tests.central_hub.test_witness import Rolling
from tests.central_hub.town import NOW_MS


class Giving(Rolling):
    """A county whose homes give back what its hub had said."""

    def open(self) -> None:
        super().open()
        self.restoring = Restoring(self.hub, self.registry, lambda: NOW_MS)

    def boxes(self, code: str) -> list[outbox_sql.Outbox]:
        """The outboxes of older epochs that a home holds."""
        now = epoch.current(self.hub)
        return [box for box in self.homes[code].reading(outbox_sql.outboxes) if box.size and box.epoch < now]

    def returned(self, code: str) -> list[Returned]:
        """Everything that a home gives back, as the hub asks for it."""
        home, found = self.homes[code], []
        for box in self.boxes(code):
            asked = self.restoring.answer(home.log, of_outbox(home, box))
            assert isinstance(asked, Recall)
            at = asked.size if root_of(home, box.log, asked.size) == asked.root else 0
            while at < box.size:
                found.append(wire.decode(wire.encode(returned_of(home, box.log, at))))
                at = found[-1].push.end
        return found

    def give_back(self, *codes: str) -> None:
        for code in codes or tuple(self.homes):
            log = self.homes[code].log
            for one in self.returned(code):
                took = self.restoring.answer(log, one)
                assert isinstance(took, Took)
                assert took.size == one.push.end

    def lose(self, code: str = NEW) -> None:
        """Put the hub back; the first home that comes shows it."""
        told = self.outbox_of(code)
        self.put_back()
        self.restoring.answer(self.homes[code].log, told)

    def said_by_county(self) -> list[tuple[str, bytes]]:
        """Every entry of the county's own logs that counts, by type and first id."""
        found = []
        for log in self.hub.own_logs():
            for entry in self.hub.entries_of_log(log):
                body = entry.body()
                found.append((body.type, body.extensions.get(EXT_FIRST_ID, entry.id)))
        return found

    def offered(self, code: str) -> OutboxAt:
        """What the hub says of a home's outbox."""
        log = self.homes[code].log
        return ServedLogs(self.hub, log, self.registry.logs_of(log), self.router.outbox_of).outbox_now()

    def folding_of_county(self) -> list[tuple[bytes, bytes, int, int]]:
        """How the county reads what it said itself about the child: id, log, seq, lamport."""
        taken = folding_of(self.hub, CHILD, self.home_of("")).taken()
        return [(one.id, one.log, one.seq, one.lamport) for one in taken if one.home == ""]

    def correct(self, code: str, name: str) -> None:
        """Correct the child's name on a form that shows everything that is there."""
        store = self.store_of(code)
        taken = list(folding_of(store, CHILD, self.home_of(code)).taken())
        target = next(one.id for one in taken if isinstance(one.event, e.ChildRegistered))
        version = forms.version_of(taken)
        deps, saw = forms.deps_of(version, store.log, taken), forms.saw_of(version, store.log, taken)
        self.record(code, CHILD, e.FactCorrected(target=UUID(bytes=target), field="name", value=name), deps, saw)


@pytest.fixture
def town(tmp_path):
    """A county of three homes, one child of which has moved, and a copy of its hub."""
    made = Giving(tmp_path)
    made.save()
    yield made
    made.close()


def test_what_homes_built_on_the_countys_word_still_fits(town):
    """A home went on from a correction that the hub forgot: both show the same again, and no conflict."""
    town.correct("", "王大雨")
    town.exchange()
    town.correct(NEW, "王小玉")
    town.record(OLD, CHILD, talk(7))
    town.exchange()
    rows = town.rows(NEW, CHILD)
    assert town.rows("", CHILD) == rows
    town.lose()
    town.exchange()
    town.give_back()
    town.exchange()
    assert town.rows("", CHILD) == town.rows(NEW, CHILD)
    assert town.rows("", CHILD)["conflict"] == []
    assert town.rows("", CHILD)["child"] == rows["child"]
    town.correct("", "王晓玉")
    town.exchange()
    assert "王晓玉" in str(town.rows(NEW, CHILD)["child"])
    assert town.rows("", CHILD) == town.rows(NEW, CHILD)
    assert town.rows("", CHILD)["conflict"] == []
    town.require_whole()


def test_it_comes_back_once_whoever_brings_it(town):
    """Two homes bring the same order, twice, with the hub killed between: the county has said it once to each."""
    address(town.hub, Order((CHILD,), "li", "asked"), NOW_MS)
    town.correct("", "王大雨")
    town.exchange()
    before = {one for one in town.said_by_county() if one[0] not in mailbox.NOTES}
    town.lose()
    for _ in range(2):
        town.give_back(OLD, NEW)
        town.hub.close()
        town.hub = type(town.hub)(town.path / "hub")
        town.open()
    after = [one for one in town.said_by_county() if one[0] not in mailbox.NOTES and one[0] != "log-opened/1"]
    assert sorted(after) == sorted(before)
    for code in (OLD, NEW):
        (order,) = mailbox.pending_orders(town.hub, town.key, code)
        assert order.subjects == (CHILD,)
    town.exchange()
    for code in (OLD, NEW):
        assert {order.subjects for order in mailbox.pending_orders(town.homes[code], town.key, code)} == {(CHILD,)}
    town.require_whole()


def test_what_a_lost_life_said_comes_back(town):
    """The county was restored, spoke in its new log, was restored to before that: homes have proof of both."""
    town.correct("", "王大雨")
    town.exchange()
    town.lose()
    second = town.hub.log
    town.give_back()
    town.correct("", "王晓雨")
    town.exchange()
    told = town.outbox_of(NEW)
    assert told.epoch == 2
    rows = town.rows(NEW, CHILD)
    town.put_back()
    assert second not in town.hub.own_logs()
    town.restoring.answer(town.homes[NEW].log, told)
    assert epoch.current(town.hub) == 3
    town.give_back()
    town.exchange()
    assert town.rows("", CHILD)["child"] == rows["child"]
    assert town.rows("", CHILD) == town.rows(NEW, CHILD)
    assert town.rows("", CHILD)["conflict"] == []
    places = [body.extensions[EXT_STOOD][0] for log in town.hub.own_logs()
              for entry in town.hub.entries_of_log(log) if EXT_STOOD in (body := entry.body()).extensions]  # fmt: skip
    assert second in places
    town.require_whole()


def test_what_the_county_wrote_in_taken_places_moves(town):
    """A hub that wrote before it knew keeps both: its homes' copies where they stand, its own again."""
    town.correct("", "王大雨")
    town.exchange()
    town.put_back()
    town.correct("", "王晓雨")
    town.registry.invite("home-04", "home-04", bytes(32))
    at = town.hub.size(town.hub.log)
    town.route()
    town.restoring.answer(town.homes[NEW].log, town.outbox_of(NEW))
    town.give_back()
    assert epoch.current(town.hub) == 3
    assert town.hub.size(town.hub.own_logs()[0]) < at
    town.exchange()
    town.give_back()
    town.exchange()
    assert epoch.current(town.hub) == 3
    assert town.rows("", CHILD) == town.rows(NEW, CHILD)
    assert len(town.rows("", CHILD)["conflict"]) == 2  # nobody of the two had seen the other
    assert [home.code for home in town.registry.homes()][-1] == "home-04"
    assert [home.code for home in type(town.registry)(town.hub, lambda: NOW_MS).homes()][-1] == "home-04"
    town.require_whole()


def test_the_county_overwrites_nothing_that_its_other_life_said(town):
    """The county corrects a name, is put back, and corrects it twice where it had written: each life's value stands."""
    town.correct("", "王大雨")
    town.exchange()
    town.put_back()
    for name in ("王晓雨", "王小玉"):
        town.correct("", name)
    town.registry.invite("home-04", "home-04", bytes(32))
    town.route()
    town.restoring.answer(town.homes[NEW].log, town.outbox_of(NEW))
    for _ in range(2):
        town.give_back()
        town.exchange()
    for code in ("", NEW):
        heads = folding_of(town.store_of(code), CHILD, town.home_of(code)).heads("name")
        assert {head.value for head in heads} == {"王大雨", "王小玉"}
        assert len(town.rows(code, CHILD)["conflict"]) == 2
    assert town.rows("", CHILD) == town.rows(NEW, CHILD)
    town.correct("", "王一一")
    town.exchange()
    assert town.rows("", CHILD)["conflict"] == []
    assert town.rows("", CHILD) == town.rows(NEW, CHILD)
    town.require_whole()


def test_what_the_county_said_since_is_not_overwritten_in_silence(town):
    """Restored, the county corrects a name; what it had said before comes back: a conflict, at both ends the same."""
    town.correct("", "王大雨")
    town.exchange()
    town.lose()
    town.correct("", "王晓雨")
    town.give_back()
    town.exchange()
    assert town.rows("", CHILD) == town.rows(NEW, CHILD)
    assert len(town.rows("", CHILD)["conflict"]) == 2
    assert epoch.current(town.hub) == 2
    size = town.hub.position()
    town.give_back()
    assert town.hub.position() == size
    town.correct("", "王小玉")
    town.exchange()
    assert town.rows("", CHILD)["conflict"] == []
    assert town.rows("", CHILD) == town.rows(NEW, CHILD)
    town.require_whole()


def test_nothing_false_is_taken_back(town):
    """Other rows, another edge of the tree, the present epoch, another home's outbox: nothing is recorded."""
    address(town.hub, Order((CHILD,), "li", "asked"), NOW_MS)
    town.exchange()
    town.lose()
    (one, *_) = town.returned(NEW)
    log, before = town.homes[NEW].log, town.said_by_county()
    rows = one.push.rows
    forged = rows[-1]._replace(actor="mallory")
    false = [
        one._replace(push=one.push._replace(rows=[*rows[:-1], forged])),
        one._replace(push=one.push._replace(rows=rows[:-1])),
        one._replace(push=one.push._replace(start=one.push.start + 1)),
        one._replace(frontier=[bytes(32) for _ in one.frontier] or [bytes(32)]),
        one._replace(seqs=[seq + 1 for seq in one.seqs]),
        one._replace(logs=[bytes(16) for _ in one.logs]),
        one._replace(epoch=2),
        one._replace(epoch=9),
    ]
    for wrong in false:
        with pytest.raises((VerificationError, RemoteProtocolError)):
            town.restoring.answer(log, wrong)
    with pytest.raises(VerificationError):
        town.restoring.answer(town.homes[OTHER].log, one)
    assert town.said_by_county() == before
    town.restoring.answer(log, one)
    assert len(town.said_by_county()) > len(before)


def test_a_homes_word_is_not_taken_for_the_countys(town):
    """What homes wrote is in their outboxes, too, and comes back: the county makes none of it its own."""
    town.record(OLD, CHILD, talk(7))
    town.record(OTHER, CHILD, e.ChildTransferAccepted(on=day(30)))
    town.exchange()
    town.lose()
    before = town.said_by_county()
    town.give_back()
    assert town.said_by_county() == before


def taken(town: Giving) -> int:
    """What the hub says in OutboxAt that the home gave back in this epoch."""
    now = outbox.outbox_id(town.key, NEW, epoch.current(town.hub))
    return taken_of(town.hub, now, town.homes[NEW].log)


def test_a_hub_put_back_within_its_epoch_is_given_everything_again(town):
    """What homes gave back and the hub forgot again leaves no evidence but two sums, which the home compares."""
    town.correct("", "王大雨")
    town.exchange()
    town.lose()
    town.save("within")
    home, now = town.homes[NEW], epoch.current(town.hub)

    def give() -> int:
        """One exchange's part in giving back, as node and hub speak; how many entries the hub took."""

        async def work() -> int:
            back = GivingBack(home, NEW, town.key)
            await back.told(now, taken(town))
            while not back.done:
                message = await back.next()
                answered = town.restoring.answer(home.log, message) if isinstance(message, Witness | Returned) else None
                if isinstance(answered, Took):
                    await back.took(answered)
                elif answered is not None:
                    await back.recalled(answered)
            return back.given

        return asyncio.run(work())

    def told() -> Beside:
        """What the shortest question compares: a node that is settled learns by it that it must exchange."""
        return ServedLogs(town.hub, home.log, town.registry.logs_of(home.log), town.router.outbox_of).beside()

    assert give() > 0
    assert give() == 0
    beside = told()
    said = town.said_by_county()
    town.put_back("within")
    assert town.said_by_county() != said
    assert told() != beside
    assert told()._replace(taken=beside.taken) == beside
    assert give() > 0
    assert told() == beside
    assert sorted(town.said_by_county()) == sorted(said)
    assert give() == 0


def test_as_many_entries_that_are_others_show_what_was_forgotten(town):
    """Put back, the county says something else to a home in as many entries: no size tells, the root does."""
    town.correct("", "王大雨")
    town.exchange()
    shown = town.outbox_of(NEW)
    town.put_back()
    town.correct("", "王晓雨")
    town.route()
    offered = town.offered(NEW)
    assert (offered.epoch, offered.size) == (shown.epoch, shown.size)

    async def work() -> None:
        fetching = OutboxFetching(town.homes[NEW], NEW, town.key)
        await fetching.take(offered)
        assert fetching.witness() == shown
        asked = town.restoring.answer(town.homes[NEW].log, shown)
        assert isinstance(asked, Recall)
        await fetching.take(asked)
        await fetching.take(town.offered(NEW))
        assert not fetching.done

    asyncio.run(work())
    assert epoch.current(town.hub) > shown.epoch
    town.give_back()
    town.exchange()
    assert town.rows("", CHILD) == town.rows(NEW, CHILD)
    assert len(town.rows(NEW, CHILD)["conflict"]) == 2


def test_nothing_is_followed_before_all_is_given_back(town):
    """The answers to two witnesses come at once, behind the word of the epoch that one began: both are heeded."""
    town.correct("", "王大雨")
    town.exchange()
    town.lose()
    town.give_back()
    town.exchange()
    home, log = town.homes[NEW], town.homes[NEW].log
    older, newer = (of_outbox(home, box) for box in home.reading(outbox_sql.outboxes) if box.size)
    town.put_back()

    async def work() -> None:
        fetching = OutboxFetching(home, NEW, town.key)
        await fetching.take(OutboxAt(2, 0))  # an epoch that neither has an end of
        assert fetching.witness() == newer
        await fetching.take(OutboxAt(2, 0))  # what is said before a receipt, and answers nothing
        assert await fetching.next() == older
        answers = [town.restoring.answer(log, one) for one in (newer, older)]
        for answer in answers:
            await fetching.take(answer)
            await fetching.take(town.offered(NEW))
        given = set()
        while isinstance(said := await fetching.next(), Returned):
            given.add(said.epoch)
            await fetching.take(town.restoring.answer(log, said))
        assert given == {older.epoch, newer.epoch}
        assert not isinstance(said, Wait)

    asyncio.run(work())


def test_an_unanswered_witness_is_shown_again(town):
    """A request that ends before the hub answered costs nothing; a hub that has the outbox's epoch need not answer."""
    town.correct("", "王大雨")
    town.exchange()
    town.lose()
    home = town.homes[NEW]

    async def work() -> None:
        back = GivingBack(home, NEW, town.key)
        await back.told(epoch.current(town.hub), 0)
        shown = await back.next()
        assert isinstance(shown, Witness)
        assert isinstance(await back.next(), Wait)
        back.ended()
        assert await back.next() == shown
        await back.told(shown.epoch, 0)
        assert back.done

    asyncio.run(work())


def test_what_is_set_aside_counts_where_it_stood(town):
    """One home had what the hub then set aside, another what stood there first: all show the same, both count."""
    town.correct("", "王大雨")
    town.exchange()
    town.put_back()
    town.correct("", "王晓雨")
    town.route()
    second = next(entry for entry in town.hub.entries_of_subject(CHILD) if entry.log == town.hub.log)
    mine = town.folding_of_county()
    town.restoring.answer(town.homes[NEW].log, town.outbox_of(NEW))
    town.give_back(NEW)
    again = [body.extensions for log in town.hub.own_logs() for entry in town.hub.entries_of_log(log)
             if (body := entry.body()).extensions.get(EXT_FIRST_ID) == second.id]  # fmt: skip
    assert [one[EXT_STOOD][:3] for one in again] == [[second.log, second.seq, second.id]]
    assert set(mine) <= set(town.folding_of_county())
    assert len(town.folding_of_county()) == len(mine) + 1
    town.exchange()
    assert town.rows("", CHILD) == town.rows(NEW, CHILD)
    assert len(town.rows("", CHILD)["conflict"]) == 2
    town.require_whole()


def test_a_stream_that_two_lives_began_is_known_again(town):
    """A home has the county's stream about it from two lives, each under a key of its own: both are known later."""

    def say(code: str, log: bytes) -> None:
        town.hub.record([mailbox.assignment(mailbox.mailbox_of(town.key, code), log, OLD, NOW_MS)]).result(10)

    say(OLD, b"1" * 16)
    say(OTHER, b"2" * 16)
    town.exchange()
    told = town.outbox_of(OTHER)
    town.put_back()
    town.hub._tail.use_fresh_keys()
    say(OTHER, b"3" * 16)
    town.restoring.answer(town.homes[OTHER].log, told)
    town.give_back(OTHER)
    town.exchange()
    epoch.open_next(town.hub, "backup", NOW_MS)
    town.exchange()
    assert {b"2" * 16, b"3" * 16} <= mailbox.read(town.homes[OTHER], town.key, OTHER).homes.keys()
    town.require_whole()


def test_content_of_another_epoch_is_asked_for_in_vain(town):
    """A home lacks what a lost life gave it: it hears that it is not here, as of what is not its own, and goes on."""
    town.record(OTHER, b"another child 1!", talk(7))
    town.exchange()
    (theirs,) = (entry for entry in town.homes[OTHER].entries_of_log(town.homes[OTHER].log))
    (mine, *_) = (entry for entry in town.homes[OLD].entries_of_log(town.homes[OLD].log))
    of = town.homes[NEW].log
    served = ServedLogs(town.hub, of, town.registry.logs_of(of), town.router.outbox_of)
    assert [one.packed for one in served.contents(Again(theirs.log, [theirs.seq]))] == [b""]
    assert [one.packed for one in served.contents(Again(b"?" * 16, [1, 2]))] == [b"", b""]
    assert [one.packed for one in served.contents(Again(mine.log, [mine.seq, 999]))] == [mine.packed, b""]


def test_what_was_erased_keeps_its_place(town):
    """A home has erased what the hub had said: the hub does not write another entry in its place."""
    town.correct("", "王大雨")
    town.exchange()
    town.put_back()
    home = town.homes[NEW]
    home.erase([CHILD], by="li", ground="asked", now_ms=NOW_MS)
    town.correct("", "王晓雨")
    said = town.said_by_county()
    town.restoring.answer(home.log, town.outbox_of(NEW))
    town.give_back(NEW)
    town.exchange()
    assert set(said) <= set(town.said_by_county())
    town.require_whole()
