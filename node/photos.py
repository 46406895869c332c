"""Photographs and scans at a node: taken in by a command, listed, taken out, and shown by name."""

from __future__ import annotations

import argparse
import asyncio
import os
import uuid
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Final

from aiohttp import web

from domain.errors import Refused
from node import cli, exits
from node.clock import Clock, rfc3339, system_clock
from node.folder import Folder, Kind
from node.opening import reading, writing
from sync import erasure
from sync.errors import FileUnknown, FolderError, KeyDestroyed, LogCorrupt, SubjectErased
from sync.file_form import NAME_SIZE, Sent
from sync.file_sql import StoredFile
from sync.small_file import sync_file
from sync.store import Store
from sync.stored_log import StoredLog

PATH: Final = "/photo/{name:[0-9a-f]{64}}"
SENT_WORDS: Final = {Sent.WAITING: "waiting", Sent.HELD: "at the county", Sent.DESTROYED: "erased at the county"}


def file_name(text: str) -> bytes:
    """A photograph's name as typed: what storing it printed."""
    try:
        name = bytes.fromhex(text)
    except ValueError:
        name = b""
    if len(name) != NAME_SIZE:
        raise argparse.ArgumentTypeError(f"a photograph's name is the 64 hex digits that `photo` printed, not {text!r}")
    return name


def add_taking_in(commands: cli.Commands) -> None:
    """The command that stores a photograph or scan; for a home."""

    def run(arguments: argparse.Namespace) -> int:
        folder = Folder(arguments.dir, "home")
        done = take_in(folder, arguments.file, arguments.subject, system_clock(), scan=arguments.scan)
        cli.show(done, as_json=True) if arguments.json else print(done["name"])
        return exits.DONE

    made = cli.add(commands, "photo", run, "store a photograph or scan: made small, without place or device; prints "
                   "its name, which an event's photo field takes", as_json=True)  # fmt: skip
    made.add_argument("file", type=Path, metavar="FILE", help="a JPEG or PNG picture, with --scan also a PDF")
    made.add_argument("--subject", type=cli.subject_id, action="append", required=True, metavar="ID",
                      help="whom or what it shows: every child in it, once for each; it is erased with any of them",
                      )  # fmt: skip
    made.add_argument("--scan", action="store_true", help="a paper: kept large enough to be read (up to 1 MB)")


def add_reading(commands: cli.Commands, kind: Kind) -> None:
    """The commands that list photographs and take one out, the same at a home and at the hub."""

    def photos(arguments: argparse.Namespace) -> int:
        with reading(Folder(arguments.dir, kind)) as store:
            cli.show(
                {"photos": [_shown(store, file) for file in store.files.files_of(arguments.subject)]}, arguments.json
            )
        return exits.DONE

    def out(arguments: argparse.Namespace) -> int:
        with reading(Folder(arguments.dir, kind)) as store:
            write_new(arguments.file, store.files.read(arguments.name)[1])
        print(f"{arguments.file}: {arguments.file.stat().st_size:,} bytes")
        return exits.DONE

    made = cli.add(commands, "photos", photos, "list the photographs and scans", as_json=True)
    made.add_argument("--subject", type=cli.subject_id, metavar="ID", help="only those that show this subject")
    made = cli.add(commands, "photo-out", out, "write a photograph or scan into a file")
    made.add_argument("name", type=file_name, metavar="NAME", help="its name, as `photos` lists it")
    made.add_argument("file", type=Path, metavar="FILE", help="the new file; it is not encrypted")


def take_in(folder: Folder, source: Path, subjects: Sequence[bytes], clock: Clock, *, scan: bool) -> dict[str, Any]:
    """Store a picture that shows these subjects. Raises Refused, SubjectErased, FolderInUse."""
    from node import shrinking  # only here: other commands start faster without Pillow

    content, media = shrinking.load(source, scan=scan)
    with writing(folder) as store:
        for subject in subjects:
            _require_known(store, subject)
        name = store.files.add(store.log, content, media, dict.fromkeys(subjects), clock())
    return {"name": name.hex(), "media": media, "size": len(content)}


def _require_known(store: Store, subject: bytes) -> None:
    """A mistyped id would tie the picture to nobody, and so keep it for ever."""
    if subject in erasure.erased_subjects(store):
        raise SubjectErased(f"subject {uuid.UUID(bytes=subject)} was erased here: no picture of it is taken in")
    if not store.entries_of_subject(subject):
        raise Refused(
            f"没有编号为 {uuid.UUID(bytes=subject)} 的档案，请先登记",
            f"nothing is recorded about {uuid.UUID(bytes=subject)} here: register it first, or look at the id",
        )


def require_here(store: StoredLog, events: Iterable[object]) -> None:
    """Refuse events that name a photograph which is not here: it was mistyped, or erased."""
    for event in events:
        for name in (*getattr(event, "photo_ids", ()), *filter(None, [getattr(event, "photo", None)])):
            if store.files.find(name) is None:
                raise Refused(
                    f"这里没有编号为 {name.hex()} 的照片，请先用 photo 命令存入",
                    f"no photograph {name.hex()} is here: store it first with `photo`, or look at the name",
                )


def write_new(path: Path, content: bytes) -> None:
    """Write a file that only its owner reads, never over another."""
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        raise FolderError(f"{path} exists already: a photograph is never written over a file") from None
    with os.fdopen(handle, "wb") as file:
        file.write(content)
    sync_file(path)


def _shown(store: StoredLog, file: StoredFile) -> dict[str, Any]:
    return {
        "name": file.name.hex(),
        "media": file.manifest.media,
        "size": file.manifest.size,
        "log": file.log.hex(),
        "kept_at": rfc3339(file.kept_at_ms),
        "complete": file.complete,
        "sent": SENT_WORDS[file.sent] if file.log == store.log else None,
        "subjects": [str(uuid.UUID(bytes=subject)) for subject in store.files.subjects(file)],
    }


def routes(store: StoredLog) -> list[web.RouteDef]:
    """A photograph by its name, for the node's pages."""

    async def show(request: web.Request) -> web.Response:
        name = bytes.fromhex(request.match_info["name"])
        try:
            media, content = await asyncio.to_thread(store.files.read, name)
        except FileUnknown:
            return web.Response(status=404, text="没有这张照片，或还没有传完。")
        except KeyDestroyed:
            return web.Response(status=410, text="这张照片已按要求删除。")
        except LogCorrupt as error:
            return web.Response(status=500, text=f"照片文件已损坏，请运行 verify。\n{error}")
        headers = {} if media.startswith("image/") else {"Content-Disposition": "attachment"}
        return web.Response(body=content, content_type=media, headers=headers)

    return [web.get(PATH, show)]
