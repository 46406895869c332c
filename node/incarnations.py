"""A node that is not what it was: restored, copied, put back. It notices, goes on in a new log, and says so.

`checkpoint.txt` lies outside the databases: what the node signed last, and the county's receipt for it. A folder whose
log is shorter, or another one, than what its own receipt says was put back from an older copy. Whoever opens it for
writing then opens a new log first, so that it never writes other entries where the county has acknowledged some. *A
power cut before the new log is in `log.db` leaves everything as it was; behind that, `checkpoint.txt` names a log that
is no longer written, and asks for nothing.*

A hub keeps the file, too: it is written when whoever writes the folder is done, for more often would cost every entry
another fsync. It tells of databases that were put back beside it, and of no whole folder.

Everything else shows itself at the next exchange; `sync.succession` has the theory. A hub goes on in a new log, too,
and with it in a new epoch (`sync.epoch`): homes show it what it has forgotten.
"""

from __future__ import annotations

import sys
from typing import Any, Final

import apsw

from node.clock import Clock, rfc3339
from node.folder import CHECKPOINT_FILE, Folder
from sync import epoch
from sync.database import NotStored
from sync.errors import RemoteProtocolError
from sync.note import Checkpoint, parse, parse_checkpoint
from sync.store import Store
from sync.stored_log import StoredLog
from sync.succession import SET_ASIDE, Change, changes
from sync.taken_back import FORKED
from sync.witness import FORGOTTEN

RESTORED: Final = "restored"
BACKUP: Final = "backup"
BEHIND: Final = "behind"
DAMAGED: Final = "damaged"

WORDS: Final = {
    RESTORED: "打开时发现，这里的记录比县里的回执旧，是从较早的备份恢复的。已另开一本新日志，缺的记录从县里取回。"
    " (When it was opened, this folder was older than its own receipt, so it was restored from an earlier copy. It goes"
    " on in a new log, and what it lacks comes from the county.)",
    BACKUP: "从备份恢复的文件夹，已另开一本新日志，缺的记录从县里取回。"
    " (The folder was restored from a backup. It goes on in a new log, and what it lacks comes from the county.)",
    BEHIND: "县里的记录比这里的多，这里是从较早的备份恢复的。已另开一本新日志，缺的记录从县里取回。"
    " (The county holds more than this folder had, so it was restored from an earlier copy. It goes on in a new log,"
    " and what it lacks comes from the county.)",
    FORKED: "同一本日志在别处也写过（恢复的备份，或复制的硬盘）。"
    "已另开一本新日志，这里的 {again} 条已重新登记，不缺也不重复。"
    " (The same log was also continued elsewhere: a restored backup, or a copied disk. This folder goes on in a new"
    " log, and its {again} entries were recorded again: none is missing and none counts twice.)",
    DAMAGED: "硬盘损坏，这本日志从第 {next} 条起不能再证明。已另开一本新日志，后面还能读出的 {again} 条已重新登记。"
    " (The disk has damaged this log from entry {next} on. The node goes on in a new log, in which the {again} entries"
    " behind it that could still be read were recorded again.)",
}
SET_ASIDE_WORDS: Final = (
    "县里有本之家的另一份日志，与这里的不同。只有这里有的 {again} 条已重新登记，不缺也不重复。"
    " (The county holds another copy of one of this home's logs. The {again} entries that only this folder had were"
    " recorded again: none is missing and none counts twice.)"
)
HUB_WORDS: Final = {
    RESTORED: "打开时发现，这里的记录比上次关闭时旧，所以县级枢纽是从较早的备份恢复的。已开始新的一期："
    "给各家的寄件箱重新开始，缺的记录由各家交回。"
    " (When it was opened, the hub's folder was older than when it was last closed. A new epoch has begun: the homes'"
    " outboxes begin anew, and the homes bring back what it lacks.)",
    BACKUP: "县级枢纽从备份恢复，已开始新的一期：给各家的寄件箱重新开始，缺的记录由各家交回。"
    " (The hub was restored from a backup. A new epoch has begun: the homes' outboxes begin anew, and the homes bring"
    " back what it lacks.)",
    FORGOTTEN: "一个之家出示了县里签过字、县里却已没有的内容，所以县级枢纽是从较早的备份恢复的。已开始新的一期："
    "给各家的寄件箱重新开始，缺的记录由各家交回。"
    " (A home showed what the hub had signed and no longer holds, so the hub was put back to an earlier copy. A new"
    " epoch has begun: the homes' outboxes begin anew, and the homes bring back what it lacks.)",
    BEHIND: "上级保存的本枢纽日志比这里的多，所以县级枢纽是从较早的备份恢复的。已开始新的一期："
    "给各家的寄件箱重新开始，缺的记录由上级和各家交回。"
    " (The hub above holds more of this hub's log than this folder: it was put back to an earlier copy. A new epoch has"
    " begun: the homes' outboxes begin anew, and the hub above and the homes bring back what it lacks.)",
    DAMAGED: "县级枢纽自己的第 {next} 条记录在硬盘上损坏了。已开始新的一期，它后面还读得出来的已重新登记。"
    " (Entry {next} of the hub's own log is damaged on its disk. A new epoch has begun, and what could still be read"
    " behind it was recorded again.)",
    FORKED: "县级枢纽被放回较早的备份之后，在同样的位置写了别的记录。已开始新的一期，这些记录另行登记，不缺也不重复。"
    " (After the hub was put back to an earlier copy, it wrote other entries in places that were taken. A new epoch has"
    " begun, and they are recorded elsewhere: none is missing and none counts twice.)",
}
HUB_SET_ASIDE_WORDS: Final = (
    "县里的 {again} 条记录换了位置重新登记。 ({again} entries of the county's were recorded again in another place.)"
)


def notice(folder: Folder, store: Store, clock: Clock) -> None:
    """Open a new log if the folder is older, or another one, than what its own receipt says."""
    told = _last_told(folder)
    if told is None or not _contradicts(store, told):
        return
    if folder.config.kind == "hub":
        epoch.open_next(store, RESTORED, clock())
        print(f"{folder.path}: {HUB_WORDS[RESTORED]}", file=sys.stderr)
        return
    store.succeed(store.size(store.log), RESTORED, clock())
    store.keep_checkpoint(store.log, store.sign(store.size(store.log))).result()
    hub = folder.config.hub
    folder.save_checkpoint(store, bytes.fromhex(hub.key) if hub else None)
    print(f"{folder.path}: {WORDS[RESTORED]}", file=sys.stderr)


def leave(folder: Folder, store: Store) -> None:
    """A hub's folder is about to be closed: note outside the databases how far its own log is."""
    told, size = _last_told(folder), store.size(store.log)
    if not size or (told is not None and (told.origin, told.size) == (store.signer.name, size)):
        return
    try:
        store.keep_checkpoint(store.log, store.sign(size)).result()
        folder.save_checkpoint(store, None)
    except (OSError, apsw.Error, NotStored) as error:  # the disk is full: what was done is done
        print(f"{folder.path / CHECKPOINT_FILE} is not written: {error}", file=sys.stderr)


def restored(folder: Folder, clock: Clock) -> None:
    """A folder that was just restored from a backup: its first life may have gone on, so it has a log of its own."""
    store = Store(folder.path, folder.master)
    try:
        if folder.config.kind == "hub":
            epoch.open_next(store, BACKUP, clock())
        else:
            store.succeed(store.size(store.log), BACKUP, clock())
    finally:
        store.close()


def _last_told(folder: Folder) -> Checkpoint | None:
    """What the node signed last, as far as the file can be read."""
    try:
        return parse_checkpoint(parse((folder.path / CHECKPOINT_FILE).read_bytes()).text)
    except FileNotFoundError:
        return None
    except (OSError, RemoteProtocolError) as error:
        print(f"{folder.path / CHECKPOINT_FILE} cannot be read, so it bears no witness: {error}", file=sys.stderr)
        return None


def _contradicts(store: Store, told: Checkpoint) -> bool:
    name = told.origin.rpartition("/")[2]
    sizes = {branch.log.hex(): branch.size for branch in store.branches()}
    if name != store.log.hex():
        return name not in sizes  # a log that came after all that this folder knows
    return sizes[name] < told.size or store.root(store.log, told.size) != told.root


def shown(store: StoredLog) -> list[dict[str, Any]]:
    """What happened to this node's logs, for `status`: when, which log, and in words."""
    found = changes(store)
    is_hub = any(change.epoch for change in found)
    return [
        {
            "at": rfc3339(change.at_ms),
            "why": change.why,
            "old_log": change.old.hex(),
            "kept": change.size,
            "recorded_again": change.again,
            "log": change.new.hex(),
            "words": words(change, is_hub=is_hub),
            **({"epoch": change.epoch} if change.epoch else {}),
        }
        for change in found
    ]


def words(change: Change, *, is_hub: bool = False) -> str:
    """What happened, as a person is told."""
    known = HUB_WORDS if is_hub else WORDS
    aside = HUB_SET_ASIDE_WORDS if is_hub else SET_ASIDE_WORDS
    sentence = aside if change.kind == SET_ASIDE else known.get(change.why, known[FORKED])
    return sentence.format(again=change.again, next=change.size + 1)
