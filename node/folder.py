"""A node's data folder: what lies in it, who may write to it, and how it comes into being.

    config.json     what this node is, and which hub it belongs to       precious, small
    log.db keys.db  the entries; the keys that open them                 precious: back up both
    files.db        photographs and scans, from the first one on         precious
    key.json        slots of the master key, under which the databases are encrypted      precious
    node.key        the key file of the first slot; may lie elsewhere, or be replaced by a passphrase
    checkpoint.txt  the last checkpoint and receipt, outside the databases: a witness; see `incarnations`
    exchange.json   when the last exchange was, and how it went          may be lost
    backup.json     when the last verified backup was made, what it holds        may be lost
    bundle.json     at a home, what answers by stick asked for           may be lost
    joining.json    at a home, an invitation that goes by stick          while it waits
    parked/         at a hub, bundles that came too early                may be lost
    control.json    address and token of a running `serve`, for its owner's commands       while it runs
    views.db        read models                                          may be deleted at any time
    views.db.*      read models that are being made (`projection`)       may be deleted at any time
    reserve         room that is given back when the disk is full        may be deleted at any time
    lock            held by the one process that writes entries
    views.lock      held by the one process that writes views.db: `serve`, or for moments a command that reads them
    import.lock     held by the one process that imports, also where a running `serve` writes for it

A folder is made under another name beside its place and moved there whole, so a power cut leaves none or all of it.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Final, Literal

import apsw
import filelock

from node import passphrase
from node.clock import rfc3339
from node.reserve import Reserve
from sync.cipher import MasterKey
from sync.errors import FolderError, FolderInUse, LogCorrupt, NewerFormat
from sync.signed_notes import note_of
from sync.slots import unlock
from sync.small_file import sync_folder, write_file
from sync.store import Store
from sync.stored_log import StoredLog

FORMAT: Final = 1
CONFIG_FILE: Final = "config.json"
BACKUP_FILE: Final = "backup.json"
CONTROL_FILE: Final = "control.json"
EXCHANGE_FILE: Final = "exchange.json"
CHECKPOINT_FILE: Final = "checkpoint.txt"
VIEWS_FILE: Final = "views.db"
LOCK_FILE: Final = "lock"
VIEWS_LOCK_FILE: Final = "views.lock"
REBUILD_LOCK_FILE: Final = "rebuild.lock"
IMPORT_LOCK_FILE: Final = "import.lock"

Kind = Literal["home", "hub"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Hub:
    """The hub that a home has joined: its address, its log's public key (hex) and its county's name."""

    url: str
    key: str
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """What a node is. One that has not joined has no hub; a hub has a code only in the one above, once it joined."""

    kind: Kind
    name: str
    code: str = ""
    hub: Hub | None = None
    listen: str = ""
    format: int = FORMAT


@dataclass(frozen=True, slots=True, kw_only=True)
class ExchangeState:
    """How exchanges went; nothing depends on it but what a person is shown."""

    last_exchange_ms: int | None = None
    clock_offset_s: int | None = None
    exchanges: int = 0
    retries: int = 0
    last_failure: str = ""
    coming_of: int = 0  # how many entries there will be of what comes down, while it is awaited …
    coming_from: int = 0  # … how many were here when this exchange began to fetch …
    coming_since_ms: int | None = None  # … and when that was; None where no exchange is at it
    singly_url: str = ""  # on the way to this hub a proxy keeps requests until they are whole …
    singly_until_ms: int = 0  # … which is believed until then


class Folder:
    """The paths and small files of one data folder."""

    def __init__(self, path: Path, kind: Kind) -> None:
        """An existing folder; raises FolderError, NewerFormat or LogCorrupt if it cannot be used."""
        self.path = path
        self._master: MasterKey | None = None
        self.config = _load_config(path)
        if self.config.kind != kind:
            wanted, found = ("home", "hub") if kind == "home" else ("hub", "home")
            raise FolderError(f"{path} is the data folder of a {found}, this command needs that of a {wanted}")

    @property
    def master(self) -> MasterKey:
        """The key to its databases; a passphrase is asked for once, if no key file opens it."""
        if self._master is None:
            self._master = unlock(self.path, passphrase.known)
        return self._master

    def open_with(self, master: MasterKey) -> None:
        """From here on this is the key to the databases."""
        self._master = master

    @property
    def views(self) -> Path:
        """The file of the read models."""
        return self.path / VIEWS_FILE

    @contextmanager
    def lock(self, name: str = LOCK_FILE, wait_s: float = 0) -> Iterator[None]:
        """Be the one process that writes entries (or what another lock stands for); FolderInUse if another is."""
        lock = filelock.FileLock(self.path / name, timeout=wait_s)
        try:
            lock.acquire()
        except filelock.Timeout:
            raise FolderInUse(
                f"{self.path} is in use by another process (is `serve` running?): stop it, or wait until it ends"
            ) from None
        except OSError as error:
            raise FolderError(f"{self.path} cannot be written: {error.strerror}") from None
        try:
            yield
        finally:
            lock.release()

    def save_config(self, **changes: Any) -> None:
        """Change the configuration, durably."""
        self.config = replace(self.config, **changes)
        write_file(self.path / CONFIG_FILE, json.dumps(asdict(self.config), ensure_ascii=False, indent=2) + "\n")

    def exchange_state(self) -> ExchangeState:
        """How exchanges went; the beginning again if the file is lost or unreadable."""
        try:
            return ExchangeState(**json.loads((self.path / EXCHANGE_FILE).read_text("utf-8")))
        except (OSError, ValueError, TypeError):
            return ExchangeState()

    def save_exchange_state(self, state: ExchangeState) -> None:
        """Keep how exchanges went."""
        write_file(self.path / EXCHANGE_FILE, json.dumps(asdict(state), ensure_ascii=False) + "\n")

    def last_backup(self, now_ms: int) -> dict[str, Any] | None:
        """When the last backup was made that was verified, how old that is, and how many entries it holds."""
        try:
            found = json.loads((self.path / BACKUP_FILE).read_text("utf-8"))
            made_ms, entries = int(found["made_at_ms"]), int(found["entries"])
            return {"at": rfc3339(made_ms), "age_s": (now_ms - made_ms) // 1000, "entries": entries}
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def save_backup(self, made_at_ms: int, entries: int, covered: dict[str, tuple[int, str]]) -> None:
        """Keep when the last verified backup was made, and what it holds of each log: its size and its root."""
        kept = {"made_at_ms": made_at_ms, "entries": entries, "logs": covered}
        write_file(self.path / BACKUP_FILE, json.dumps(kept) + "\n")

    def backed_up(self) -> dict[str, tuple[int, str]]:
        """What the last verified backup holds of each log; nothing if that is lost. See `backed_up.BackedUp`."""
        try:
            found = json.loads((self.path / BACKUP_FILE).read_text("utf-8"))["logs"]
            return {str(log): (int(size), str(root)) for log, (size, root) in found.items()}
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            return {}

    def backup_stamp(self) -> int:
        """Another number whenever another backup was kept; 0 if there is none."""
        try:
            return (self.path / BACKUP_FILE).stat().st_mtime_ns
        except OSError:
            return 0

    def save_checkpoint(self, store: StoredLog, hub_key: bytes | None) -> None:
        """Keep the last signed size, and the receipt for it, outside the databases."""
        note = note_of(store, store.log, hub_key)
        if note is not None:
            write_file(self.path / CHECKPOINT_FILE, note.format())


def _load_config(path: Path) -> Config:
    if not path.is_dir():
        raise FolderError(f"{path} is missing: make it with `init`")
    file = path / CONFIG_FILE
    if not file.exists():
        raise FolderError(f"{file} is missing: {path} is not a data folder, or was only half copied")
    try:
        found = json.loads(file.read_text("utf-8"))
        if found["format"] > FORMAT:
            raise NewerFormat(f"{file} was written by a newer version of the program: install that version")
        hub = found.pop("hub", None)
        return Config(hub=Hub(**hub) if hub else None, **found)
    except (ValueError, KeyError, TypeError) as error:
        raise LogCorrupt(f"{file} is damaged ({error}): put back a copy of it") from None


def create_folder(path: Path, config: Config) -> bytes:
    """Make a new data folder, whole or not at all; its log's id."""
    if path.exists() and (not path.is_dir() or any(path.iterdir())):
        raise FolderError(f"{path} exists and is not empty: choose another place")
    making = path.with_name(f"{path.name}.making-{os.getpid()}")
    shutil.rmtree(making, ignore_errors=True)
    try:
        making.mkdir(parents=True)
        log = Store.create(making)
        write_file(making / CONFIG_FILE, json.dumps(asdict(config), ensure_ascii=False, indent=2) + "\n")
        Reserve(making).renew()
        if path.exists():
            path.rmdir()
        making.rename(path)
        sync_folder(path.parent)
    except (OSError, apsw.Error) as error:
        shutil.rmtree(making, ignore_errors=True)
        why = error.strerror if isinstance(error, OSError) else error
        raise FolderError(f"{path} cannot be made: {why}") from None
    return log
