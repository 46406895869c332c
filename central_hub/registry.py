"""Which homes the county has invited, and which logs belong to them: a fold of the hubs' logs, its own and those below.


Entries about the hub itself have the id of its log as their subject; no other node ever sees them, and the domain's
read models leave them out. One invitation admits one node; the same node may repeat its request, because an answer can
be lost on the way. A node that had to open a new log (its folder was restored, or copied) proves it with both keys; the
home has both logs from then on.

A hub may join, too. It brings its homes' logs, and its own log, which comes first, says whose they are: the same
entries as here, by the county's own hand, so there is nothing else to ask for and nobody else to believe. A hub can
bring only logs that it names. Where two name one log (a home moved to another county), it is stored once, and belongs
to who named it first here; `twice` says so. This hub then says whose it is in its own log, before it passes on what the
others said, so that the hubs above see it in the same way.
"""

from __future__ import annotations

import heapq
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

from domain.errors import Refused
from domain.tiers import SEPARATOR
from node.clock import Clock
from sync.batch import Draft, Entry
from sync.entry import Body, log_id
from sync.errors import LogCorrupt
from sync.log_schema import Kind
from sync.messages import Introduction, Succeed, Vouch
from sync.note import is_public_key
from sync.store import Store
from sync.stored_log import StoredLog
from sync.succession import verify_succession, verify_vouch

INVITED: Final = "home-invited/1"
JOINED: Final = "node-joined/1"
HUB_INVITED: Final = "hub-invited/1"
HUB_JOINED: Final = "hub-joined/1"
CLAIMED: Final = "log-claimed/1"
SUCCEEDED: Final = "log-succeeded/1"
VOUCHED: Final = "log-vouched/1"
DAY_MS: Final = 24 * 3600 * 1000
DAYS: Final = 3
DAYS_MAX: Final = 60  # for a home that only a courier reaches
CODE_SIZE_MAX: Final = 40
NAME_SIZE_MAX: Final = 80
Known = Callable[[Entry, Body], bool]
FULL_CODE_SIZE_MAX: Final = 200  # of a home with its hubs: no county is that deep, and no ring endless


class InvitationRefused(Refused):
    """The invitation admits nobody, or not this node."""


@dataclass(slots=True)
class Invited:
    """An invitation as the hub remembers it; the secret itself is not kept."""

    code: str
    expires_ms: int
    is_hub: bool = False
    used_by: bytes | None = None


@dataclass(slots=True)
class Home:
    """A home, or a hub, by its code as this hub calls it: name and logs (id to public key), oldest first."""

    code: str
    name: str
    logs: dict[bytes, bytes] = field(default_factory=dict)

    @property
    def is_hub(self) -> bool:
        """Whether it is a hub."""
        return self.code.endswith(SEPARATOR)


def is_direct(code: str) -> bool:
    """Whether a home, or a hub, joined this hub itself."""
    return SEPARATOR not in code.removesuffix(SEPARATOR)


class Registry:
    """The homes of the county, and of the hubs that joined it, as the hubs' logs say. Safe to use from any thread."""

    def __init__(self, store: StoredLog, known: Known = lambda _entry, _body: True) -> None:
        """`known`: which entries count at all, for the homes as they once were."""
        self._source, self._known = store, known
        self._lock = threading.RLock()
        self._invited: dict[bytes, Invited] = {}
        self._homes: dict[str, Home] = {}
        self._code_of: dict[bytes, str] = {}
        self._twice: dict[bytes, list[str]] = {}
        self._claimed: dict[bytes, str] = {}  # whose a log is that two name, as the hub said that met both first
        self._hubs: dict[bytes, str] = {}  # hubs' logs, "" for those of this one
        self._read: dict[bytes, int] = {}  # up to which seq each hub's log was read
        self.refresh()
        self._require_readable(store)

    @staticmethod
    def _require_readable(store: StoredLog) -> None:
        """Who belongs to whom, and who was revoked, is not guessed: a log that nobody knows counts as the county's."""
        own = set(store.own_logs())
        places = [place for place in store.unreadable if place[0] in own]
        about = {(e.log, e.seq) for log in {log for log, _ in places} for e in store.entries_of_subject(log)}
        if lost := sorted(about.intersection(places)):
            log, seq = lost[0]
            raise LogCorrupt(
                f"县里登记各家的第 {seq} 条记录在硬盘上损坏了，请用备份恢复（restore） (entry {seq} of the "
                f"county's own log {log.hex()}, about its homes, is damaged on this disk: put back a backup)"
            )

    def refresh(self) -> None:
        """Read what hubs said since, in the order in which it arrived here."""
        with self._lock:
            branches = self._source.branches()
            sizes = {branch.log: branch.size for branch in branches}
            self._hubs |= {branch.log: "" for branch in branches if branch.own}
            waiting: list[tuple[int, bytes, str, Any]] = []
            open_logs = list(self._hubs)
            while open_logs or waiting:
                for log in open_logs:
                    for said in self._unread(log, sizes.get(log, 0)):
                        heapq.heappush(waiting, said)
                open_logs = []
                if waiting:
                    _, log, kind, payload = heapq.heappop(waiting)
                    known = set(self._hubs)
                    self._evolve(self._hubs[log], kind, payload)
                    open_logs = [one for one in self._hubs if one not in known]

    def _unread(self, log: bytes, size: int) -> list[tuple[int, bytes, str, Any]]:
        """What a hub said about itself and was not read yet."""
        after, self._read[log] = self._read.get(log, 0), size  # which is less where a part was set aside
        if size <= after:
            return []
        pairs = [(entry, entry.body()) for entry in self._source.entries_of_log(log, after) if entry.seq <= size]
        return [
            (entry.position, log, body.type, body.payload)
            for entry, body in pairs
            if body is not None
            and self._known(entry, body)
            and self._hubs.get(body.subject) == self._hubs[log]  # a hub may have several logs
        ]

    def _evolve(self, hub: str, kind: str, payload: Any) -> None:
        """Take in what a hub said: "" for this one."""
        match kind, payload:
            case "home-invited/1" | "hub-invited/1", {"code": str(code), "name": str(name)}:
                is_hub = kind == HUB_INVITED
                if hub == "":
                    self._invited[payload["digest"]] = Invited(code, payload["expires_ms"], is_hub)
                if (home := self._home(hub, code + SEPARATOR * is_hub)) is not None:
                    home.name = name
            case ("node-joined/1" | "hub-joined/1", {"code": str(code), "digest": bytes(digest), "public_key": key}):
                if hub == "" and digest in self._invited:
                    self._invited[digest].used_by = log_id(key)
                self._assign(hub, code + SEPARATOR * (kind == HUB_JOINED), key)
            case ("log-succeeded/1", {"code": str(code), "old_key": first, "new_key": second}) | (
                "log-vouched/1",
                {"code": str(code), "by_key": first, "key": second},
            ):
                for key in (first, second):
                    self._assign(hub, code, key)
            case "log-claimed/1", {"log": bytes(log), "code": str(code)}:
                self._claimed.setdefault(log, hub + code)

    def _home(self, hub: str, code: str) -> Home | None:
        """The home, or the hub, that a hub calls by this code; None for a code that none may have."""
        full = hub + code
        name = code.removesuffix(SEPARATOR)
        if not name or SEPARATOR in name or len(full) > FULL_CODE_SIZE_MAX:
            return None
        return self._homes.setdefault(full, Home(full, name))

    def _assign(self, hub: str, code: str, key: Any) -> None:
        """A hub says that a log is of this home, or of this hub. Who said so first is right, and the other is noted."""
        home = self._home(hub, code) if isinstance(key, bytes) and is_public_key(key) else None
        if home is None:
            return
        log = log_id(key)
        known = self._code_of.get(log) or self._claimed.get(log)
        if self._hubs.get(log) == "":
            return  # a hub that names a hub above it as one below
        if known is not None and known != home.code:
            if home.code not in self._twice.setdefault(log, []):
                self._twice[log].append(home.code)
            return
        home.logs[log] = key
        self._code_of[log] = home.code
        if home.is_hub:
            self._hubs[log] = home.code

    def logs_of(self, log: bytes) -> dict[bytes, bytes]:
        """The public keys of all logs of the node's home that a log belongs to, by log.

        Nothing of homes that belong to another hub: what they have comes from there.
        """
        with self._lock:
            code = self._code_of.get(log)
            return dict(self._homes[code].logs) if code is not None and is_direct(code) else {}

    def key_of(self, log: bytes) -> bytes | None:
        """A log's public key, if the county knows it, or a hub that joined it does."""
        if log not in self._code_of:
            self.refresh()
        with self._lock:
            code = self._code_of.get(log)
            return None if code is None else self._homes[code].logs[log]

    def passed_by(self, hub: bytes, log: bytes) -> bytes | None:
        """The public key of a log that the hub below with this log may bring here; see `children_of`."""
        key, code = self.key_of(log), self.code_of(hub)
        if key is None or not code.endswith(SEPARATOR) or self._is_in_part(log):
            return None
        return key if any(one.startswith(code) for one in self.codes_of(log)) else None

    def all_passed_by(self, hub: bytes) -> list[bytes]:
        """The logs that the hub below with this log brings here; nothing for the log of a home."""
        code = self.code_of(hub)
        if not code.endswith(SEPARATOR):
            return []
        ours = self.logs_of(hub)
        return [log for home in self._all() if home.code.startswith(code) for log in home.logs if log not in ours]

    def _is_in_part(self, log: bytes) -> bool:
        return self._source.holds(log) and self._source.branch(log).kind == Kind.PART

    def code_of(self, log: bytes) -> str:
        """The home that a log belongs to; empty for the county's own. See `domain.tiers`."""
        code = self._code_of.get(log)
        if code is None and log not in self._hubs:
            self.refresh()
            code = self._code_of.get(log)
        return code or ""

    def child_of(self, log: bytes) -> str:
        """The code of the home, or of the hub, that joined this one and brings a log; empty for the county's own."""
        return self.code_of(log).partition(SEPARATOR)[0]

    def children_of(self, log: bytes) -> set[str]:
        """The same of all who name it."""
        return {code.partition(SEPARATOR)[0] for code in self.codes_of(log)}

    def codes_of(self, log: bytes) -> list[str]:
        """All that hubs call a log's home: first whose it is, then who else names it."""
        return [self.code_of(log), *self.twice().get(log, [])]

    def homes(self) -> list[Home]:
        """All homes by code, those of hubs below with their hubs' codes in front."""
        return [home for home in self._all() if not home.is_hub]

    def hubs(self) -> list[Home]:
        """All hubs below by code, those nearest first."""
        return sorted((home for home in self._all() if home.is_hub), key=lambda hub: hub.code.count(SEPARATOR))

    def children(self) -> list[Home]:
        """The homes and hubs that joined this one itself, or were invited."""
        return [home for home in self._all() if is_direct(home.code)]

    def name_of(self, hub: str) -> str:
        """The name of a hub below; empty for this one."""
        found = self._homes.get(hub)
        return found.name if found else ""

    def twice(self) -> dict[bytes, list[str]]:
        """Logs that more than one hub calls its own: what others than the first call them."""
        self.refresh()
        with self._lock:
            return {log: list(codes) for log, codes in self._twice.items()}

    def unclaimed(self) -> set[bytes]:
        """Logs that more than one hub names, of which this hub has not said whose they are: they do not go up yet."""
        return self.twice().keys() - self._claimed.keys()

    def _all(self) -> list[Home]:
        self.refresh()
        with self._lock:
            return sorted(self._homes.values(), key=lambda home: home.code)


class Admissions(Registry):
    """Who may join. Changes are durable when a method returns; call from any thread."""

    def __init__(self, store: Store, clock: Clock) -> None:
        super().__init__(store)
        self._store = store
        self._clock = clock
        self._admitting = threading.Lock()  # held while an entry is stored; the fold's own lock never is, or the
        # writer's thread, which asks who is registered, would wait for who waits for it

    def _record(self, kind: str, payload: dict[str, Any]) -> None:
        self._store.record([Draft(kind, "county", self._store.log, self._clock(), payload)]).result()
        self.refresh()

    def invite(self, code: str, name: str, digest: bytes, days: int = DAYS, *, is_hub: bool = False) -> None:
        """Invite one node of a home, or a hub, for so many days."""
        if not 1 <= days <= DAYS_MAX:
            raise Refused(f"邀请码的有效期为 1 到 {DAYS_MAX} 天", f"an invitation is good for 1 to {DAYS_MAX} days")
        if not code or not name or len(code) > CODE_SIZE_MAX or len(name) > NAME_SIZE_MAX or code.split() != [code]:
            raise Refused("请填写之家的编号和名称，编号中不能有空格", "a home has a code without spaces, and a name")
        if SEPARATOR in code:
            raise Refused(
                f"编号中不能有“{SEPARATOR}”", f"a code has no {SEPARATOR}: it stands between a county and its homes"
            )
        with self._admitting:
            if code + SEPARATOR * (not is_hub) in self._homes:
                raise Refused(f"编号“{code}”已经用过了，请换一个", f"a home and a hub cannot both be called {code}")
            expires_ms = self._clock() + days * DAY_MS
            kind = HUB_INVITED if is_hub else INVITED
            self._record(kind, {"code": code, "name": name, "digest": digest, "expires_ms": expires_ms})

    def join(self, code: str, digest: bytes, public_key: bytes, *, is_hub: bool = False) -> None:
        """Admit a node that holds an invitation; raises InvitationRefused."""
        with self._admitting:
            invited = self._invited.get(digest)
            if invited is None or invited.code != code:
                raise InvitationRefused("县里没有发过这个邀请码", "the county has not issued this invitation")
            if invited.is_hub != is_hub:
                what = ("枢纽", "a hub") if invited.is_hub else ("之家", "a home")
                raise InvitationRefused(f"这个邀请码是给{what[0]}的", f"this invitation is for {what[1]}")
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
            if log in self._hubs and not self._hubs[log]:
                raise InvitationRefused("枢纽不能加入自己", "a hub cannot join itself")
            if log in self._code_of:
                raise InvitationRefused("这台电脑已经加入过了", "this node belongs to a home of the county already")
            self._store.add_log(log, public_key).result()
            kind = HUB_JOINED if is_hub else JOINED
            self._record(kind, {"code": code, "digest": digest, "public_key": public_key})

    def settle_claims(self) -> None:
        """Say whose the logs are that more than one hub names, where this hub has not said so yet."""
        self.refresh()
        with self._admitting:
            for log in self.unclaimed():
                self._record(CLAIMED, {"log": log, "code": self._code_of[log]})

    def admit(self, said: Introduction) -> None:
        """Act on what a node says before Hello; see `succeed` and `vouch`."""
        if isinstance(said, Succeed):
            self.succeed(said)
        else:
            self.vouch(said)

    def vouch(self, said: Vouch) -> None:
        """Admit a log that a node of its home vouches for: this county was restored to before it knew it."""
        with self._admitting:
            code = self._code_of.get(log_id(said.by_key))
            if code is None or not is_direct(code) or self._homes[code].is_hub or log_id(said.key) in self._code_of:
                return
            verify_vouch(said)
            self._store.add_log(log_id(said.key), said.key).result()
            self._record(VOUCHED, {"code": code, **said._asdict()})

    def succeed(self, said: Succeed) -> None:
        """Admit a log that goes on for one that the county knows, or the other way about; see PROTOCOL.md 6.1.

        Raises VerificationError unless both keys have signed. A log that leads to no known one is left to the exchange.
        """
        with self._admitting:
            codes = [self._code_of.get(log_id(key)) for key in (said.old_key, said.new_key)]
            code = codes[0] or codes[1]
            if (codes[0] is None) == (codes[1] is None) or code is None or not is_direct(code):
                return
            verify_succession(said)
            for key in (said.old_key, said.new_key):
                self._store.add_log(log_id(key), key).result()
            self._record(SUCCEEDED, {"code": code, **said._asdict()})
