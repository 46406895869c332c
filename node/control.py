"""How a writing command goes through a running `serve`: a loopback request with a token that only the owner reads.

`serve` writes `control.json` (address and token, mode 0600) when it begins to listen and removes it when it ends.
"""

from __future__ import annotations

import asyncio
import hmac
import json
import os
import secrets
from pathlib import Path
from typing import Any, Final

import aiohttp
from aiohttp import web

from domain.errors import Refused
from sync.errors import FolderInUse, RefusedByPeer

CONTROL_FILE: Final = "control.json"
TIMEOUT_S: Final = 60


def open_control(folder: Path, url: str) -> str:
    """Say where this process listens; the token that it will ask for."""
    token = secrets.token_hex(16)
    path = folder / CONTROL_FILE
    path.unlink(missing_ok=True)
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        json.dump({"url": url, "token": token}, file)
    return token


def close_control(folder: Path) -> None:
    """This process no longer listens."""
    (folder / CONTROL_FILE).unlink(missing_ok=True)


def require_token(request: web.Request, token: str) -> None:
    """Refuse a request that does not come from the folder's owner."""
    given = request.headers.get("Authorization", "")
    if not hmac.compare_digest(given.encode("utf-8", "surrogateescape"), f"Bearer {token}".encode()):
        raise web.HTTPForbidden(text="not from this folder's owner")


def ask(folder: Path, command: str, arguments: dict[str, Any]) -> dict[str, Any]:
    """Have the running `serve` of this folder do something; raises FolderInUse if none answers."""
    try:
        found = json.loads((folder / CONTROL_FILE).read_text("utf-8"))
        return asyncio.run(_post(f"{found['url']}/control/{command}", found["token"], arguments))
    except (OSError, ValueError, KeyError, TypeError, aiohttp.ClientError, TimeoutError) as error:
        raise FolderInUse(f"{folder} is in use by another process, which does not answer ({error})") from None


async def _post(url: str, token: str, arguments: dict[str, Any]) -> dict[str, Any]:
    headers = {"Authorization": f"Bearer {token}"}
    timeout = aiohttp.ClientTimeout(total=TIMEOUT_S)
    async with (
        aiohttp.ClientSession(timeout=timeout) as http,
        http.post(url, json=arguments, headers=headers) as response,
    ):
        answer: dict[str, Any] = await response.json()
        if "refused" in answer:
            raise RefusedByPeer("refused", answer["refused"])
        return answer


def refused(error: Refused | RefusedByPeer) -> web.Response:
    """A refusal as an answer."""
    text = f"{error.zh} ({error.en})" if isinstance(error, Refused) else str(error)
    return web.json_response({"refused": text}, status=409)
