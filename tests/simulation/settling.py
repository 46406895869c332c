"""The end of a life: faults stop, everybody exchanges, and what must hold in the end is asked."""

from __future__ import annotations

from typing import TYPE_CHECKING

from node import incarnations
from tests.simulation.checks import events_of
from tests.simulation.nodes import Computer

if TYPE_CHECKING:
    from tests.simulation.world import World


def settle(world: World) -> None:
    """Faults stop; some exchanges later everybody has everything that is its own."""
    world.is_faulty = world.sticks.is_faulty = False
    world.offsets_ms.clear()
    world.turn()
    had: set[bytes] = set()
    for node in (world.hub, *world.computers):
        had |= events_of(node.store, world.people.children).keys()
    if not world.copies:
        assert had == world.people.known.keys(), "what was saved is gone"
        _settle_by_hand(world)
    for _ in range(5):
        for computer in world.computers:
            world.begin(computer)
            _drain(world, computer)
    for computer in world.computers:
        world.checker.upgrade(computer)
    world.checker.check()
    world.checker.check_end(had)
    for computer in world.computers:
        for change in incarnations.shown(computer.store):
            world.fired[f"healed: {change['why']}"] += 1
    world.fired["child moved"] += sum(len(world.people._accepted[child]) for child in world.people.children)


def _settle_by_hand(world: World) -> None:
    """Where there is no line, sticks alone bring everything to the county, and its receipt back."""
    for computer in world.computers:
        if computer.code not in world.by_hand:
            continue
        for _ in range(6):
            world.sticks.up.clear()
            world.sticks.down.clear()
            world.sticks.bundle(computer)
            world.sticks.take_at_the_hub(world.hub)
            assert world.sticks.take_at_home(computer)
            while world.sticks.take_at_home(computer):
                pass
        receipt = computer.store.last_checkpoint(computer.store.log, with_receipt=True)
        assert receipt is not None or not computer.store.size(computer.store.log)
        assert receipt is None or receipt.size == computer.store.size(computer.store.log)
        assert computer.store.files.waiting() == []


def _drain(world: World, computer: Computer) -> None:
    for _ in range(100_000):
        world.turn()
        if computer.task is None and not any(pipe.can_move for wire in world.network.wires for pipe in wire.pipes):
            return
        assert world.move(), "everybody waits"
    raise AssertionError("the exchanges do not end")
