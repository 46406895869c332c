"""The county's hub at work: exchanges, joining, its follower, its page."""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
from functools import partial
from typing import Any, Final

from aiohttp import web

from central_hub import ordering, reports, revoking
from central_hub.api import Api
from central_hub.cli import homes_of, status_of
from central_hub.forwarding import Forwarder
from central_hub.obeying import Obedience
from central_hub.registry import Admissions
from central_hub.restoring import Restoring
from central_hub.router import Router
from central_hub.taking import ServedTaker
from central_hub.welcoming import Needs
from domain.codes import SEX
from node import conflicts, filed, known, photos, policy, recording, reporting, returning, scribing, service
from node import web as kit
from node.backed_up import BackedUp
from node.clock import Clock
from node.control import Control
from node.desk import Desk
from node.erasing_served import Eraser
from node.folder import VIEWS_LOCK_FILE, Folder
from node.opening import WAIT_FOR_VIEWS_S, writing
from node.projection import Projection
from node.reserve import Reserve
from node.scrubbing import Scrubber
from node.views import Views
from sync import epoch
from sync.server import ExchangeServer
from sync.store import Store
from sync.welcome import Welcomes

TABLES: Final = (("按年龄", "age"), ("按年级", "grade"), ("按乡镇", "township"), ("按类别", "category"))


def run(folder: Folder, listen: str, forward_every_s: float, clock: Clock) -> int:
    """Serve a county until told to stop."""
    host, port = service.parse_listen(listen)
    with writing(folder) as store, folder.lock(VIEWS_LOCK_FILE, WAIT_FOR_VIEWS_S):
        registry = Admissions(store, clock)
        projection = Projection(store, folder.views, registry.code_of)
        follower = service.FollowerThread(store, projection)
        owner = Control(folder.path)
        try:
            work = _serve(folder, store, registry, projection, follower, owner, host, port, forward_every_s, clock)
            asyncio.run(work)
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
    registry: Admissions,
    projection: Projection,
    follower: service.FollowerThread,
    owner: Control,
    host: str,
    port: int,
    forward_every_s: float,
    clock: Clock,
) -> None:
    api = Api(store, registry, folder.config.name, owner)
    router = Router(store, registry, clock)
    restoring = Restoring(store, registry, clock)
    exchanges = ExchangeServer(
        store,
        registry.key_of,
        clock,
        registry.logs_of,
        registry.admit,
        outbox_of=router.outbox_of,
        route=router.catch_up_quickly,
        epoch_of=partial(epoch.current, store),
        backed_up_to=BackedUp(folder, store),
        welcomes=Welcomes(store, registry.code_of, Needs(store, registry, clock).in_order, clock),
        may_have=router.may_have,
        restored=restoring.answer,
        settle=restoring.settle,
    )
    app = web.Application(middlewares=[kit.plain_headers], client_max_size=service.REQUEST_SIZE_BYTES_MAX)
    app.add_routes(api.routes())
    exchanges.add_to(app)
    eraser = Eraser(folder, store, follower, owner, clock, ordering.address)
    eraser.add_to(app)
    obedience = Obedience(store, registry, eraser.carry_out, clock)
    ServedTaker(folder, store, registry, owner, clock, router, obedience.follow, restoring, eraser.carry_out).add_to(
        app
    )
    at_the_desk = conflicts.TASKS | policy.TASKS | revoking.TASKS | recording.TASKS | filed.TASKS | scribing.TASKS
    app.add_routes(Desk(store, homes_of(folder), owner, clock, at_the_desk).routes())
    values = partial(_county_values, folder, store, registry, clock)
    app.add_routes(
        [web.get("/", kit.view_page(projection, "central_hub", "county.html", values)), *photos.routes(store)]
    )

    def started(url: str) -> None:
        owner.open(url)
        folder.save_config(listen=url)
        print(f"listening on {url}", flush=True)

    async def background() -> None:
        beside = [Scrubber(folder, store, clock).keep_up(), Reserve(folder.path).keep_up(), router.keep_up()]
        beside.append(obedience.keep_up())
        beside.append(restoring.keep_up(eraser.carry_out))
        if folder.config.hub is not None:
            beside.append(Forwarder(folder, store, registry, clock, eraser.carry_out).keep_up(forward_every_s))
        await asyncio.gather(*beside)

    with contextlib.suppress(asyncio.CancelledError):
        await service.serve(app, host, port, started, background, follower)


def _county_values(folder: Folder, store: Store, registry: Admissions, clock: Clock, views: Views) -> dict[str, Any]:
    """The county's one page: its homes with what is held and when they were heard, and R01."""
    found = status_of(folder, store, registry, returning.counts_in(views))
    behind = reports.behind(store, registry, clock)
    asked = reporting.asked(kit.today(clock))
    with reporting.making("R01", views, asked, partial(known.sizes_at, store), behind) as made:
        r01 = made.json()
    register = r01["figures"]["children"]
    homes = [{**home, "heard_ms": _instant_ms(home["last_exchange"])} for home in found["homes"]]
    return {
        "name": folder.config.name,
        "homes": homes,
        "entries": found["entries"],
        "hubs": found["hubs"],
        "parent": found["parent"],
        "disk_warning": Reserve(folder.path).warning(),
        "r01": r01,
        "register": register,
        "unknown": views.query("SELECT count(*) FROM unknown_entry")[0][0],
        "sex_label": SEX.label,
        "tables": [(title, register["by"][split]) for title, split in TABLES],
    }


def _instant_ms(text: str | None) -> int | None:
    return None if text is None else int(dt.datetime.fromisoformat(text).timestamp() * 1000)
