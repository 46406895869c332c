"""What the hub answers to nodes: joining; and to its own command line: inviting. Exchanges are `sync.server`'s."""

from __future__ import annotations

import asyncio
import unicodedata
from functools import partial

from aiohttp import web

from central_hub.registry import DAYS, Admissions
from domain.errors import Refused
from node import control, joining
from node.control import Control
from node.invitation import Invitation, new_secret, require_loopback
from sync.store import Store


class Api:
    """The hub's small requests."""

    def __init__(self, store: Store, registry: Admissions, county: str, owner: Control) -> None:
        self._owner = owner
        self._store = store
        self._registry = registry
        self._county = county

    def routes(self) -> list[web.RouteDef]:
        """What to add to the application's router."""
        return [web.post(joining.PATH, self.join), web.post("/control/invite", self.invite)]

    async def join(self, request: web.Request) -> web.Response:
        """Admit a node that holds an invitation."""
        try:
            asked = joining.read_question(await request.json())
            join = partial(self._registry.join, asked.code, asked.digest, asked.public_key, is_hub=asked.is_hub)
            await asyncio.to_thread(join)
        except (ValueError, RecursionError):
            raise web.HTTPBadRequest(text="not JSON") from None
        except Refused as error:
            return control.refused(error)
        return web.json_response(joining.answer(self._county, self._store.identity, asked.secret, asked.public_key))

    async def invite(self, request: web.Request) -> web.Response:
        """Make an invitation for the command line of this folder's owner."""
        self._owner.require_token(request)
        asked = await request.json()
        try:
            address = asked.get("address") or self._owner.url
            make = partial(invite, self._store, self._registry, asked["code"], asked["name"], address)
            made = await asyncio.to_thread(make, asked.get("days", DAYS), is_hub=asked.get("is_hub", False))
        except Refused as error:
            return control.refused(error)
        return web.json_response({"invitation": made})


def invite(
    store: Store, registry: Admissions, code: str, name: str, address: str, days: int, *, is_hub: bool = False
) -> str:
    """Invite one node of a home, or a hub, for so many days; the text to hand over."""
    code, name = unicodedata.normalize("NFC", code), unicodedata.normalize("NFC", name)
    invitation = Invitation(require_loopback(address), store.identity.public_key, code, new_secret())
    registry.invite(code, name, invitation.digest, days, is_hub=is_hub)
    return invitation.text()
