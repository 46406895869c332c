"""`record --lines`: a whole file of events as people state them, stored together or not at all.

    {"event":"child-registered/1","subject":"$xiaohe","fields":{"name":"陈小禾","sex":"女","registered_on":"3月1日"}}
    {"event":"aid-requested/1","subject":"new","fields":{"child":"$xiaohe","programme":"春蕾","amount_fen":"1200元",…}}

Each line is read as `record` reads its fields, and decided on what is here and on the lines above it. All lines go to
the disk in one transaction: *a power cut leaves all of them or none*. If one does not fit, nothing is stored, and every
line that does not is named with its own sentence.

A file is a batch (`node/batches.py`): its name follows from the node's place in the county and the file's content, each
entry names the batch and its line as its source, and the subjects that it makes follow from both. So a file that was
stored before is known, whatever it is called, and running it again stores nothing. Beside a running `serve` that
process reads the file; whoever recorded about one of its subjects meanwhile has everything decided again. The other may
be this very file, so whether it is known is asked again after the subjects' versions were looked at, which the commit
expects.
"""

from __future__ import annotations

import datetime as dt
import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, NamedTuple
from uuid import UUID

from domain import spelling
from domain.commands import wish
from domain.decide import decide
from domain.errors import BadField, Refused
from domain.event import Event
from domain.folding import Folding
from domain.records import Record
from node import batches, photos, policy, today
from node.deciding import folding_of
from node.desk import Asked
from node.opening import HomesOf
from node.records import draft_of, fits
from node.views import HomeOf
from sync.batch import Draft
from sync.erasure import erased_subjects
from sync.errors import FolderInUse, StaleVersion
from sync.store import DRAFTS_COUNT_MAX, Store

KIND: Final = "lines"
FILE_SIZE_BYTES_MAX: Final = 64 * 1024 * 1024
LINE_SIZE_BYTES_MAX: Final = 256 * 1024
LINES_MAX: Final = DRAFTS_COUNT_MAX  # of one transaction
TRIES_MAX: Final = 10
TIMEOUT_S: Final = 1800.0
KEYS: Final = frozenset({"event", "subject", "fields"})
NAME: Final = re.compile(r"\$[^\W\d][\w-]*")
MAKES_ID: Final = frozenset({("pairing-formed/1", "pairing"), ("interest-group-set/1", "group")})
"""Fields that give something an id which is no subject: a name may be met there first."""
AFTER_ALL: Final = 2**48
"""Lamports of lines that are decided and not stored yet: they come after whatever is here."""
Show = Callable[[int], None]


class BadLines(Refused):
    """Lines of the file cannot become entries; nothing is stored."""

    def __init__(self, troubles: dict[int, Refused]) -> None:
        self.troubles = troubles
        zh = "\n".join(f"  第{number}行：{why.zh}" for number, why in troubles.items())
        en = "\n".join(f"  line {number}: {why.en}" for number, why in troubles.items())
        super().__init__(
            f"有{len(troubles)}行不合适，什么都没有保存，改好后再运行一次：\n{zh}\n",
            f"{len(troubles)} lines do not fit, nothing is stored, mend them and run this again:\n{en}\n",
        )


class Line(NamedTuple):
    """One line that could be read."""

    number: int
    subject: bytes
    event: Event
    notes: dict[str, str]


@dataclass(slots=True)
class Lines:
    """What a file says: its lines in order, those that cannot be read, and the subjects that it names."""

    good: list[Line] = field(default_factory=list)
    bad: dict[int, Refused] = field(default_factory=dict)
    names: dict[str, UUID] = field(default_factory=dict)


def record_lines(store: Store, homes_of: HomesOf, asked: Asked, now_ms: int, show: Show = lambda _: None) -> Any:
    """Record a file's lines, all or none; those of a file that is known are counted, and not recorded again."""
    home_of, path = homes_of(store), Path(str(asked["path"]))
    home = home_of(store.log)
    content = _content(path)
    if any(branch.coming for branch in store.branches()):  # what is known is learned from what is here
        raise Refused(
            "本家以前的记录还没有全部取回，现在记录会重复：请先运行 sync，取回之后再运行",
            "the earlier records are still coming, and would be recorded twice: run `sync` first",
        )
    for _ in range(TRIES_MAX):
        position = store.position()
        batch, one = _standing(store, home_of, home, content)
        lines = read(content, home, batch, today.of(store, lambda: now_ms).date, one is not None)
        if one is not None:
            return _answer(batch, 0, len(one.members), lines)
        if not (lines.good or lines.bad):
            raise Refused(f"{path}里一行也没有", f"there is no line in {path}")
        try:
            drafts = _Deciding(store, home_of, home, batch, str(asked["by"]), now_ms).drafts(lines, show)
            if _is_stored_since(store, position, home_of, home, content):
                continue
            store.record(drafts).result()
        except StaleVersion:  # only beside a `serve`: somebody recorded about one of the subjects
            continue
        except BadLines:  # what does not fit may be what the other hand recorded
            if _is_stored_since(store, position, home_of, home, content):
                continue
            raise
        return _answer(batch, len(drafts), 0, lines)
    raise FolderInUse("others record about the same subjects all the time: try again")


def _standing(store: Store, home_of: HomeOf, home: str, content: bytes) -> tuple[str, batches.Batch | None]:
    """The name of a file's batch, and the batch if it is stored and was not taken back."""
    known = batches.every(store, lambda log: home_of(log) == home)
    return batches.standing(known, batches.name_of(KIND, home, content))


def _is_stored_since(store: Store, position: int, home_of: HomeOf, home: str, content: bytes) -> bool:
    """Whether another hand stored this file after the log was at a position."""
    return store.position() != position and _standing(store, home_of, home, content)[1] is not None


def _answer(batch: str, stored: int, known: int, lines: Lines) -> dict[str, Any]:
    return {
        "batch": batch,
        "stored": stored,
        "known": known,
        "subjects": {name: str(subject) for name, subject in lines.names.items()},
        "notes": {str(line.number): line.notes for line in lines.good if line.notes} if stored else {},
    }


def _content(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            content = file.read(FILE_SIZE_BYTES_MAX + 1)
    except OSError as error:
        raise Refused(f"打不开文件 {path}", f"{path} cannot be read: {error.strerror}") from None
    if len(content) > FILE_SIZE_BYTES_MAX or sum(bool(line.strip()) for line in content.split(b"\n")) > LINES_MAX:
        raise Refused(
            f"文件太大（最多{LINES_MAX}行，{FILE_SIZE_BYTES_MAX >> 20} MiB），请分成几个",
            f"more than {LINES_MAX} lines or {FILE_SIZE_BYTES_MAX >> 20} MiB: split the file",
        )
    return content


# -- reading


def read(content: bytes, home: str, batch: str, day: dt.date, names_only: bool = False) -> Lines:
    """Every line of a file; what each trouble is, beside its number."""
    lines = Lines()
    for number, text in enumerate(content.removeprefix(b"\xef\xbb\xbf").split(b"\n"), 1):
        if not text.strip():
            continue
        try:
            given = _parsed(text)
            subject = _subject(lines.names, given["subject"], home, batch, number)
            event = str(given["event"])
            fields = {
                name: _resolved(lines.names, value, home, batch, (event, name) in MAKES_ID)
                for name, value in given["fields"].items()
                if value is not None
            }
            if not names_only:
                found = spelling.read(event, fields, day)
                notes = {name: str(note) for name, note in found.notes.items()}
                lines.good.append(Line(number, subject, found.event, notes))
        except Refused as why:
            lines.bad[number] = why
    return lines


def _parsed(text: bytes) -> dict[str, Any]:
    if len(text) > LINE_SIZE_BYTES_MAX:
        raise BadField("line", f"{len(text)} bytes", f"at most {LINE_SIZE_BYTES_MAX} / 一行太长")
    try:
        given = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise BadField("line", text[:60].decode("utf-8", "replace"), f"a JSON object / JSON 对象 ({error})") from None
    match given:
        case {"event": str(), "subject": str(), "fields": dict()} if given.keys() == KEYS:
            return dict(given)
    raise BadField("line", text[:60].decode("utf-8", "replace"), '{"event","subject","fields":{…}}')


def _subject(names: dict[str, UUID], text: str, home: str, batch: str, number: int) -> bytes:
    if text == "new":
        return batches.subject_of(home, batch, number)
    if NAME.fullmatch(text):
        return names.setdefault(text, UUID(bytes=batches.subject_of(home, batch, text))).bytes
    try:
        return UUID(text).bytes
    except ValueError:
        raise BadField("subject", text, "a UUID, new, or a $name") from None


def _resolved(names: dict[str, UUID], value: Any, home: str, batch: str, makes: bool) -> Any:
    """A field's value, with the ids in place of the names of lines above it."""
    match value:
        case str() if NAME.fullmatch(value):
            if makes:
                names.setdefault(value, UUID(bytes=batches.subject_of(home, batch, value)))
            if value not in names:
                raise Refused(f"上面没有哪一行叫做{value}", f"no line above is named {value}")
            return str(names[value])
        case list():
            return [_resolved(names, one, home, batch, False) for one in value]
        case dict():
            return {key: _resolved(names, one, home, batch, False) for key, one in value.items()}
    return value


# -- deciding


class _Deciding:
    """One run over the lines, each decided on what is here and on those above it."""

    def __init__(self, store: Store, home_of: HomeOf, home: str, batch: str, by: str, now_ms: int) -> None:
        self._store, self._home_of, self._home = store, home_of, home
        self._batch, self._by, self._now_ms = batch, by, now_ms
        self._erased = erased_subjects(store)
        self._foldings: dict[bytes, Folding] = {}

    def drafts(self, lines: Lines, show: Show) -> list[Draft]:
        """A draft for each line, or `BadLines` with the troubles of all."""
        drafts: list[Draft] = []
        bad = dict(lines.bad)
        for done, line in enumerate(lines.good, 1):
            try:
                drafts += self._decided(line)
            except Refused as why:
                bad[line.number] = why
            show(done)
        if bad:
            raise BadLines(dict(sorted(bad.items())))
        return drafts

    def _decided(self, line: Line) -> list[Draft]:
        if line.subject in self._erased:
            raise Refused("这个对象已按要求删除，不再记录", "its subject was erased on order: nothing more is recorded")
        policy.require_other(line.event)
        first = line.subject not in self._foldings
        if first:
            expect, seen = self._store.version_of(line.subject), self._store.seen(line.subject)
            self._foldings[line.subject] = folding_of(self._store, line.subject, self._home_of)
        folding = self._foldings[line.subject]
        events = decide(folding, wish(self._home, line.event))
        photos.require_here(self._store, events)
        drafts = []
        for event in events:
            draft = draft_of(
                line.subject, event, self._by, self._now_ms, source=batches.source(self._batch, line.number)
            )
            if not fits(draft):
                raise BadField("line", "", "an entry that is not too long / 内容太长")
            drafts.append(draft)
            after = AFTER_ALL + line.number
            folding.add(Record(after.to_bytes(16, "big"), None, self._store.log, after, self._home, self._by,
                               self._now_ms, after, {}, event))  # fmt: skip
        if first:
            drafts[0] = drafts[0]._replace(expect=expect, deps=seen)
        return drafts
