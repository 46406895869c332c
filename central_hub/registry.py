"""Which homes the county has invited, and which logs belong to them: a fold of the hub's own logs, oldest first.

Entries about the hub itself have the id of its log as their subject; no other node ever sees them, and the domain's
read models leave them out. One invitation admits one node; the same node may repeat its request, because an answer can
be lost on the way. A node that had to open a new log (its folder was restored, or copied) proves it with both keys; the
home has both logs from then on.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from typing import Any, Final

from domain.errors import Refused
from node.clock import Clock
from sync.batch import Draft
from sync.entry import log_id
from sync.messages import Introduction, Succeed, Vouch
from sync.store import Store
from sync.stored_log import StoredLog
from sync.succession import verify_succession, verify_vouch

INVITED: Final = "home-invited/1"
JOINED: Final = "node-joined/1"
SUCCEEDED: Final = "log-succeeded/1"
VOUCHED: Final = "log-vouched/1"
DAY_MS: Final = 24 * 3600 * 1000
DAYS: Final = 3
DAYS_MAX: Final = 60  # for a home that only a courier reaches
CODE_SIZE_MAX: Final = 40
NAME_SIZE_MAX: Final = 80


class InvitationRefused(Refused):
    """The invitation admits nobody, or not this node."""


@dataclass(slots=True)
class Invited:
    """An invitation as the hub remembers it; the secret itself is not kept."""

    code: str
    expires_ms: int
    used_by: bytes | None = None


@dataclass(slots=True)
class Home:
    """A home of the county: its code, name and logs (id to public key), oldest first."""

    code: str
    name: str
    logs: dict[bytes, bytes] = field(default_factory=dict)


class Registry:
    """The county's homes, as the hub's logs say."""

    def __init__(self, store: StoredLog) -> None:
        self._invited: dict[bytes, Invited] = {}
        self._homes: dict[str, Home] = {}
        self._code_of: dict[bytes, str] = {}
        own = store.own_logs()
        for log in own:
            for entry in store.entries_of_log(log):
                body = entry.body()
                if body is not None and body.subject in own:
                    self._evolve(body.type, body.payload)

    def _evolve(self, kind: str, payload: Any) -> None:
        match kind, payload:
            case "home-invited/1", {"code": code, "name": name, "digest": digest, "expires_ms": expires_ms}:
                self._invited[digest] = Invited(code, expires_ms)
                self._homes.setdefault(code, Home(code, name)).name = name
            case "node-joined/1", {"code": code, "digest": digest, "public_key": public_key}:
                log = log_id(public_key)
                self._invited[digest].used_by = log
                self._homes[code].logs[log] = public_key
                self._code_of[log] = code
            case ("log-succeeded/1", {"code": code, "old_key": first, "new_key": second}) | (
                "log-vouched/1",
                {"code": code, "by_key": first, "key": second},
            ):
                for key in (first, second):
                    self._homes[code].logs[log_id(key)] = key
                    self._code_of[log_id(key)] = code

    def logs_of(self, log: bytes) -> dict[bytes, bytes]:
        """The public keys of all logs of the home that a log belongs to, by log."""
        code = self._code_of.get(log)
        return {} if code is None else dict(self._homes[code].logs)

    def key_of(self, log: bytes) -> bytes | None:
        """A log's public key, if the county knows it."""
        code = self._code_of.get(log)
        return None if code is None else self._homes[code].logs[log]

    def code_of(self, log: bytes) -> str:
        """The home that a log belongs to; empty for the county's own."""
        return self._code_of.get(log, "")

    def homes(self) -> list[Home]:
        """All homes by code."""
        return sorted(self._homes.values(), key=lambda home: home.code)


class Admissions(Registry):
    """Who may join. Changes are durable when a method returns; call from any thread."""

    def __init__(self, store: Store, clock: Clock) -> None:
        super().__init__(store)
        self._store = store
        self._clock = clock
        self._lock = threading.Lock()

    def _record(self, kind: str, payload: dict[str, Any]) -> None:
        self._store.record([Draft(kind, "county", self._store.log, self._clock(), payload)]).result()
        self._evolve(kind, payload)

    def invite(self, code: str, name: str, digest: bytes, days: int = DAYS) -> None:
        """Invite one node of a home, for so many days."""
        if not 1 <= days <= DAYS_MAX:
            raise Refused(f"邀请码的有效期为 1 到 {DAYS_MAX} 天", f"an invitation is good for 1 to {DAYS_MAX} days")
        if not code or not name or len(code) > CODE_SIZE_MAX or len(name) > NAME_SIZE_MAX or code.split() != [code]:
            raise Refused("请填写之家的编号和名称，编号中不能有空格", "a home has a code without spaces, and a name")
        with self._lock:
            expires_ms = self._clock() + days * DAY_MS
            self._record(INVITED, {"code": code, "name": name, "digest": digest, "expires_ms": expires_ms})

    def join(self, code: str, digest: bytes, public_key: bytes) -> None:
        """Admit a node that holds an invitation; raises InvitationRefused."""
        with self._lock:
            invited = self._invited.get(digest)
            if invited is None or invited.code != code:
                raise InvitationRefused("县里没有发过这个邀请码", "the county has not issued this invitation")
            log = log_id(public_key)
            if invited.used_by == log:
                return
            if invited.used_by is not None:
                raise InvitationRefused(
                    "这个邀请码已经用过了，请县里重新发一个",
                    "this invitation was used already: ask the county for a new one",
                )
            if self._clock() > invited.expires_ms:
                raise InvitationRefused(
                    "这个邀请码已过期（一般为72小时），请县里重新发一个",
                    "this invitation has expired (ordinarily after 72 hours): ask for a new one",
                )
            if log in self._code_of:
                raise InvitationRefused("这台电脑已经加入过了", "this node belongs to a home of the county already")
            self._store.add_log(log, public_key).result()
            self._record(JOINED, {"code": code, "digest": digest, "public_key": public_key})

    def admit(self, said: Introduction) -> None:
        """Act on what a node says before Hello; see `succeed` and `vouch`."""
        if isinstance(said, Succeed):
            self.succeed(said)
        else:
            self.vouch(said)

    def vouch(self, said: Vouch) -> None:
        """Admit a log that a node of its home vouches for: this county was restored to before it knew it."""
        with self._lock:
            code = self._code_of.get(log_id(said.by_key))
            if code is None or log_id(said.key) in self._code_of:
                return
            verify_vouch(said)
            self._store.add_log(log_id(said.key), said.key).result()
            self._record(VOUCHED, {"code": code, **said._asdict()})

    def succeed(self, said: Succeed) -> None:
        """Admit a log that goes on for one that the county knows, or the other way about; see PROTOCOL.md 6.1.

        Raises VerificationError unless both keys have signed. A log that leads to no known one is left to the exchange.
        """
        with self._lock:
            codes = [self._code_of.get(log_id(key)) for key in (said.old_key, said.new_key)]
            if (codes[0] is None) == (codes[1] is None):
                return
            verify_succession(said)
            for key in (said.old_key, said.new_key):
                self._store.add_log(log_id(key), key).result()
            self._record(SUCCEEDED, {"code": codes[0] or codes[1], **said._asdict()})
