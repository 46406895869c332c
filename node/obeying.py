"""What a home does with what came from the county, however it came: it carries out the orders to erase.

The orders stand in the home's log, in its mailbox: *killed before one is carried out, it is found again*, behind the
next exchange or when the next answer is taken.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from node import mailbox
from node.erasing import Order
from node.folder import Folder
from sync.errors import ErasureUnfinished, FolderInUse
from sync.store import Store

Erase = Callable[[Order], object]


class Obeyed(NamedTuple):
    """How many orders were carried out, and why another could not be yet; "" if none is owed."""

    done: int
    owed: str


def obey(folder: Folder, store: Store, erase: Erase) -> Obeyed:
    """Carry out what the county has ordered; what fails is tried again the next time."""
    done, owed = 0, ""
    if folder.config.hub is None:
        return Obeyed(0, "")
    for order in mailbox.pending_orders(store, bytes.fromhex(folder.config.hub.key), folder.config.code):
        try:
            erase(Order(order.subjects, order.by, order.ground))
            done += 1
        except (ErasureUnfinished, FolderInUse) as error:  # keys went first: old pages wait for readers
            owed = str(error)
    return Obeyed(done, owed)
