"""The web kit of both shells: templates that escape, headers that forbid everything a plain page does not need."""

from __future__ import annotations

import asyncio
import datetime as dt
from collections.abc import Awaitable, Callable
from typing import Any, Final

from aiohttp import web
from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined

from node.clock import LOCAL, Clock, local_date
from node.projection import Projection
from node.views import Views

HEADERS: Final = {
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'self'; "
    "frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def templates(package: str) -> Environment:
    """A shell's templates on top of the shared ones."""
    made = Environment(
        loader=ChoiceLoader([PackageLoader(package), PackageLoader("node")]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters["day"] = day
    made.filters["moment"] = moment
    return made


def view_page(
    projection: Projection, package: str, template: str, values: Callable[[Views], dict[str, Any]]
) -> Handler:
    """A page that shows what one reading of the live read models gives."""
    made = templates(package)

    async def show(_request: web.Request) -> web.StreamResponse:
        return page(made, template, **await asyncio.to_thread(projection.read, values))

    return show


def page(made: Environment, template: str, /, **values: Any) -> web.Response:
    """A rendered page."""
    return web.Response(text=made.get_template(template).render(**values), content_type="text/html", charset="utf-8")


@web.middleware
async def plain_headers(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Every page forbids scripts, frames, foreign files and caching."""
    response = await handler(request)
    if not response.prepared:
        response.headers.update(HEADERS)
    return response


def today(clock: Clock) -> dt.date:
    """The date in the county, as this node's clock says."""
    return local_date(clock())


def day(iso: str | None) -> str:
    """A date as a worker reads it: 3月1日, with the year where there is one to tell apart."""
    if not iso:
        return "—"
    try:
        date = dt.date.fromisoformat(iso)
    except ValueError:
        return iso
    return f"{date.year}年{date.month}月{date.day}日"


def moment(at_ms: int | None) -> str:
    """An instant as a worker reads it, in local time."""
    if at_ms is None:
        return "从未"
    at = dt.datetime.fromtimestamp(at_ms / 1000, LOCAL)
    return f"{at.year}年{at.month}月{at.day}日 {at:%H:%M}"


def age(born_on: str | None, on: dt.date) -> int | None:
    """Full years on a day."""
    if not born_on:
        return None
    try:
        born = dt.date.fromisoformat(born_on)
    except ValueError:
        return None
    return on.year - born.year - ((on.month, on.day) < (born.month, born.day))
