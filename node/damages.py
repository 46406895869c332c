"""What the disk has damaged, as people are told: which entry, what that means, and what brings its content back."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from sync import damage
from sync.stored_log import StoredLog

HERE: Final = (
    "第 {seq} 条记录在本机硬盘上损坏，内容读不出来；证明仍然成立，别的记录不受影响。别处还有的，下次联系时自动取回；"
    "没有的，可从备份恢复。 (The content of entry {seq} was damaged on this disk. Every proof still stands, and nothing"
    " else is affected. Whoever else has it sends it with the next exchange; otherwise put back a backup.)"
)
AWAY: Final = (
    "第 {seq} 条记录传来时没有内容，在写它的电脑上损坏了；那里一旦恢复就会补来。 (Entry {seq} came without its content,"
    " which was damaged where it was written: it follows as soon as it is there again.)"
)


def shown(store: StoredLog, home_of: Callable[[bytes], str] | None = None) -> list[dict[str, Any]]:
    """Every entry whose content is lacking here, for `status` and `returned`; at a hub with the home that wrote it."""
    found = []
    for lack in damage.lacking(store):
        words = (HERE if lack.here else AWAY).format(seq=lack.seq)
        one = {"log": lack.log.hex(), "seq": lack.seq, "here": lack.here, "words": words}
        found.append(one if home_of is None else {"home": home_of(lack.log), **one})
    return found
