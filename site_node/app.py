"""The home's node at work: its page, its follower, its exchanges."""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
from functools import partial
from typing import Any

from aiohttp import web

from domain.codes import SEX
from node import conflicts, filed, photos, policy, recording, returning, scribing, service
from node import web as kit
from node.answers import ServedTaker
from node.brackets import TOLERANCE_MS, how_long
from node.clock import Clock
from node.control import Control
from node.desk import Desk
from node.erasing_served import Eraser
from node.exchanging import Exchanger
from node.folder import VIEWS_LOCK_FILE, Folder
from node.opening import WAIT_FOR_VIEWS_S, writing
from node.projection import Projection
from node.reading import row_json
from node.reserve import Reserve
from node.scrubbing import Scrubber
from node.views import Views
from site_node.cli import homes_of, status_of
from sync.store import Store


def run(folder: Folder, listen: str, exchange_every_s: float, clock: Clock) -> int:
    """Serve a home until told to stop."""
    host, port = service.parse_listen(listen)
    with writing(folder) as store, folder.lock(VIEWS_LOCK_FILE, WAIT_FOR_VIEWS_S):
        projection = Projection(store, folder.views, homes_of(folder)(store))
        follower = service.FollowerThread(store, projection)
        owner = Control(folder.path)
        try:
            asyncio.run(_serve(folder, store, projection, follower, owner, host, port, exchange_every_s, clock))
        finally:
            owner.close()
            follower.stop()
            projection.close()
        if follower.failure is not None:
            raise follower.failure
    return 0


async def _serve(
    folder: Folder,
    store: Store,
    projection: Projection,
    follower: service.FollowerThread,
    owner: Control,
    host: str,
    port: int,
    every_s: float,
    clock: Clock,
) -> None:
    app = web.Application(middlewares=[kit.plain_headers], client_max_size=service.REQUEST_SIZE_BYTES_MAX)
    page = kit.view_page(projection, "site_node", "home.html", partial(_home_values, folder, clock))
    app.add_routes([web.get("/", page), *photos.routes(store)])
    eraser = Eraser(folder, store, follower, owner, clock)
    eraser.add_to(app)
    app.add_routes(ServedTaker(folder, store, owner, clock, eraser.carry_out).routes())
    at_the_desk = conflicts.TASKS | policy.TASKS | returning.TASKS | recording.TASKS | filed.TASKS | scribing.TASKS
    app.add_routes(Desk(store, homes_of(folder), owner, clock, at_the_desk).routes())

    def started(url: str) -> None:
        owner.open(url)
        print(f"listening on {url}", flush=True)

    async def exchange() -> None:
        if folder.config.hub is None:
            await asyncio.Event().wait()
        await Exchanger(folder, store, clock, eraser.carry_out).keep_up(every_s)

    async def background() -> None:
        beside = [Scrubber(folder, store, clock).keep_up(), Reserve(folder.path).keep_up()]
        tasks = [asyncio.create_task(work) for work in beside]
        try:
            await exchange()
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)

    with contextlib.suppress(asyncio.CancelledError):
        await service.serve(app, host, port, started, background, follower)


def _home_values(folder: Folder, clock: Clock, views: Views) -> dict[str, Any]:
    """The home's one page: its children with their last contacts, and the sync line."""
    config, state = folder.config, folder.exchange_state()
    rows = [row_json("child", row) for row in views.rows_of("child")]
    status = status_of(folder, returning.counts_in(views), clock)
    today = dt.date.fromisoformat(status["today"])
    here = [
        {
            **row,
            "sex_label": SEX.label(row["sex"] or ""),
            "age": kit.age(row["born_on"], today),
            "guardian": " ".join(filter(None, (row["guardian_name"], row["guardian_phone"]))),
            "leaving": row["status"] == "leaving",
        }
        for row in rows
        if row["home"] == config.code and row["status"] in ("here", "leaving")
    ]
    here.sort(key=lambda child: (child["number"] is None, child["number"], child["name"] or ""))
    return {
        "name": config.name,
        "code": config.code,
        "here": here,
        "unknown": views.query("SELECT count(*) FROM unknown_entry")[0][0],
        "status": status,
        "backed_up": _backup_words(status["at_the_county"], status["backed_up"]),
        "disk_warning": Reserve(folder.path).warning(),
        "last_exchange": state.last_exchange_ms,
        "clock_wrong": _offset_words(state.clock_offset_s),
    }


def _backup_words(held: int | None, backed_up: int | None) -> str:
    """What of it the county has twice: what is not in its backup would be sent once more after a loss there."""
    if not held or not backed_up:
        return ""
    return "，也都在县里的备份中" if backed_up >= held else f"，其中 {backed_up} 条也在县里的备份中"


def _offset_words(offset_s: int | None) -> str:
    return "" if offset_s is None or abs(offset_s) * 1000 < TOLERANCE_MS else how_long(abs(offset_s))[0]
