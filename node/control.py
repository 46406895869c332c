"""How a writing command goes through a running `serve`: a loopback request with a token that only the owner reads.

`serve` writes `control.json` (address and token, mode 0600) when it begins to listen and removes it when it ends. One
that a killed process left behind leads to nobody, and is removed by whoever opens the folder for writing next. What
fails in the serving process fails in the command too, with the same sentence and exit code.
"""

from __future__ import annotations

import asyncio
import hmac
import json
import os
import secrets
from http import HTTPStatus
from pathlib import Path
from typing import Any, Final

import aiohttp
from aiohttp import web

from domain.errors import Refused
from node import exits
from node.folder import CONTROL_FILE
from sync.errors import FolderInUse, RefusedByPeer

CONNECT_TIMEOUT_S: Final = 10
TIMEOUT_S: Final = 60


class AnswerLost(FolderInUse):
    """What was asked was handed over, and no answer came: it may have been done, half done, or not at all."""


class Control:
    """The serving end: where the owner's commands find this process, and the token that it asks them for."""

    def __init__(self, folder: Path) -> None:
        self.url = ""
        self._path = folder / CONTROL_FILE
        self._token = secrets.token_hex(16)

    def open(self, url: str) -> None:
        """Say where this process listens."""
        self.url = url
        self._path.unlink(missing_ok=True)
        handle = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            json.dump({"url": url, "token": self._token}, file)

    def close(self) -> None:
        """This process no longer listens."""
        self._path.unlink(missing_ok=True)

    def require_token(self, request: web.Request) -> None:
        """Refuse a request that does not come from the folder's owner."""
        given = request.headers.get("Authorization", "")
        if not hmac.compare_digest(given.encode("utf-8", "surrogateescape"), f"Bearer {self._token}".encode()):
            raise web.HTTPForbidden(text="not from this folder's owner")


def ask(folder: Path, command: str, arguments: dict[str, Any], timeout_s: float = TIMEOUT_S) -> dict[str, Any]:
    """Have the running `serve` of this folder do something.

    Raises:
        FolderInUse: no serving process was found, or it refuses our token; nothing was handed over. AnswerLost: it
        ended, or fell silent, after that. RefusedByPeer, FailedElsewhere: it says why it was not done.
    """
    try:
        found = json.loads((folder / CONTROL_FILE).read_text("utf-8"))
        url, token = str(found["url"]), str(found["token"])
    except FileNotFoundError:
        raise FolderInUse(f"{folder} is in use by another process: stop it, or wait until it ends") from None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise _silent(folder, error) from None
    try:
        return asyncio.run(_post(folder, f"{url}/control/{command}", token, arguments, timeout_s))
    except (aiohttp.ClientConnectorError, aiohttp.InvalidURL, aiohttp.ConnectionTimeoutError) as error:
        raise _silent(folder, error) from None
    except (aiohttp.ClientError, OSError, ValueError, TimeoutError) as error:
        why = str(error) or type(error).__name__
        raise AnswerLost(f"{folder} is in use by another process, which ended or fell silent ({why})") from None


def _silent(folder: Path, error: Exception) -> FolderInUse:
    return FolderInUse(f"{folder} is in use by another process, which does not answer ({error})")


async def _post(folder: Path, url: str, token: str, arguments: dict[str, Any], timeout_s: float) -> dict[str, Any]:
    headers = {"Authorization": f"Bearer {token}"}
    timeout = aiohttp.ClientTimeout(total=timeout_s, sock_connect=CONNECT_TIMEOUT_S)
    async with (
        aiohttp.ClientSession(timeout=timeout) as http,
        http.post(url, json=arguments, headers=headers, allow_redirects=False) as response,
    ):
        if response.status not in (HTTPStatus.OK, HTTPStatus.CONFLICT) and response.status < 500:
            who = f"{url} answers {response.status} {response.reason}"
            raise FolderInUse(f"{folder} is in use by another process, and not by the one in {CONTROL_FILE} ({who})")
        answer: dict[str, Any] = await response.json()
    match answer:
        case {"failed": str(text), "exit": int(code)}:
            raise exits.FailedElsewhere(code, text)
        case {"refused": str(text)}:
            raise RefusedByPeer("refused", text)
    return answer


def refused(error: Refused | RefusedByPeer) -> web.Response:
    """A refusal as an answer."""
    text = f"{error.zh} ({error.en})" if isinstance(error, Refused) else str(error)
    return web.json_response({"refused": text}, status=409)


def failed(error: BaseException) -> web.Response:
    """Whatever a command may fail with, as an answer that ends the asking command in the same way."""
    return web.json_response({"failed": exits.sentence(error), "exit": exits.code_of(error)}, status=409)
