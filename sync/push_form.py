"""The form of a push before it is compressed: as little as possible that compression cannot find by itself.

    content = msgpack [before, texts, start, first ordinal, day, unit, beginnings] | msgpack [row, …]
    raw     = root 32 | signature 64 | subjects, keys and names of the streams that begin | commitments of erased rows

`before` is the message's kind and, where entries are carried or delivered, what it says of whose they are.

What is random stands apart in `raw`, which is not compressed: inside it would spoil the statistics of the rest. Texts
that are shorter in UTF-16 (Chinese ones) stand together before the rows, dates become days from the frame's `day`, and
an id that is the subject of a stream of the same log becomes that stream's ordinal: a list of 30 children who were
present takes 30 bytes or so instead of 500. These three leave a mark in their place, a msgpack extension, which no
entry can hold. Types, actors and sources stand in full where they come first in the frame and by index afterwards.

A reader builds the very values that were packed, so body, commitment and leaf follow byte for byte. An ordinal means
something only to a reader who holds the log as far as the push needs it and has not erased that subject; others say so
(`UnreadableForm`) and get the push again without references.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Callable, Iterator
from datetime import date
from typing import Any, Final

import msgpack

from sync.entry import EXT_SOURCE, ID_SIZE, INT_MAX, ITEMS_COUNT_MAX, STREAM_KEY_SIZE, TIME_MS_MAX, int_ok, text_ok
from sync.errors import RemoteProtocolError, UnreadableForm
from sync.messages import Beginning, ErasedRow, Push, PushRow

REFERENCES_COUNT_MAX: Final = 4096  # different ones in a push: each may cost its reader a look into the store
NAME_MAX: Final = 120
COMMITMENT_SIZE: Final = 32
TEXT, DAY, REFERENCE = 0, 1, 2  # the marks
BEGINS_ERASED, BEGINS, BEGINS_NAMED = 1, 2, 3
DAY_MS: Final = 86_400_000
DAY_MAX: Final = TIME_MS_MAX // DAY_MS
EPOCH_DAY: Final = date(1970, 1, 1).toordinal()
UNITS: Final = (1000, 1)  # of the numbers of sources: most are moments in ms that were written down in seconds

OrdinalOf = Callable[[bytes], int | None]
SubjectOf = Callable[[int], bytes | None]
_DATE: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_DAYS: Final = {1: struct.Struct(">b"), 2: struct.Struct(">h")}
_TEXT_MARK: Final = msgpack.ExtType(TEXT, b"")
_NOTHING: Final[dict[Any, Any]] = {}


def pack_push(before: list[Any], push: Push, ordinal_of: OrdinalOf | None, size_bytes_max: int) -> tuple[bytes, bytes]:
    """Raw part and content of a push. `ordinal_of` gives a subject's stream, if it has begun by the push's end.

    `before` are the elements that stand before the push's own: the kind of the message, and what else it begins with.

    Raises:
        ValueError: the push is too large for one message.
    """
    for with_texts in (True, False):
        packed = _pack(before, push, _Marks(push, ordinal_of, with_texts=with_texts))
        if len(packed) <= size_bytes_max:  # else: many short texts take more room apart than in their places
            return _raw(push), packed
    raise ValueError(f"a message may have {size_bytes_max} bytes, this one has {len(packed)}")


def _raw(push: Push) -> bytes:
    parts = [push.root, push.signature]
    for stream in push.streams:
        parts += [part for part in stream if part is not None]
    parts += [row.commitment for row in push.rows if isinstance(row, ErasedRow)]
    return b"".join(parts)


class _Marks:
    """Puts marks in place of texts, dates and ids, and keeps the texts."""

    def __init__(self, push: Push, ordinal_of: OrdinalOf | None, *, with_texts: bool) -> None:
        self.texts: list[bytes] = []
        self.sources = [_source(row) if isinstance(row, PushRow) else None for row in push.rows]
        self.unit, self.day = _unit_and_day(push, self.sources)
        self._with_texts = with_texts
        self._ordinal_of = ordinal_of
        self._ordinals: dict[bytes, int | None] = {}
        self._ascii: dict[str, Any] = {}  # dates and codes, which come again and again

    def marked(self, value: Any) -> Any:
        """The value with marks in it; the order of a map's keys is kept."""
        kind = type(value)
        if kind is str:
            known = self._ascii.get(value)
            return self._text(value) if known is None else known
        if kind is bytes:
            return self._id(value) if len(value) == ID_SIZE and self._ordinal_of is not None else value
        if kind is dict:
            return {key: self.marked(item) for key, item in value.items()}
        if kind is list or kind is tuple:
            return [self.marked(item) for item in value]
        return value

    def _text(self, text: str) -> Any:
        if text.isascii():
            found = self._ascii[text] = self._date(text) if len(text) == 10 and _DATE.fullmatch(text) else text
            return found
        if not self._with_texts or "\0" in text:
            return text
        packed = text.encode("utf-16-be")
        if len(packed) > len(text.encode()):
            return text
        self.texts.append(packed)
        return _TEXT_MARK

    def _date(self, text: str) -> Any:
        try:
            days = date.fromisoformat(text).toordinal() - EPOCH_DAY - self.day
        except ValueError:
            return text
        size = 1 if -128 <= days < 128 else 2
        return msgpack.ExtType(DAY, _DAYS[size].pack(days)) if -32768 <= days < 32768 else text

    def _id(self, found: bytes) -> Any:
        assert self._ordinal_of is not None
        if found not in self._ordinals:
            if len(self._ordinals) >= REFERENCES_COUNT_MAX:
                return found
            self._ordinals[found] = self._ordinal_of(found)
        ordinal = self._ordinals[found]
        return found if ordinal is None else msgpack.ExtType(REFERENCE, _shortest(ordinal))


def _shortest(number: int) -> bytes:
    return number.to_bytes(max(1, (number.bit_length() + 7) // 8), "big")


def _source(row: PushRow) -> tuple[str, int] | None:
    """The name and number of an entry's source, if that is all its extensions and it has no deps."""
    if row.deps or len(row.extensions) != 1:
        return None
    source = row.extensions.get(EXT_SOURCE)
    if type(source) not in (list, tuple) or len(source) != 2:
        return None
    name, number = source
    if type(name) is not str or len(name) > NAME_MAX or type(number) is not int or not 0 <= number <= TIME_MS_MAX:
        return None
    return name, number


def _unit_and_day(push: Push, sources: list[tuple[str, int] | None]) -> tuple[int, int]:
    """In what the numbers of sources are counted, and the day on which the first of the entries was made."""
    numbers = [source[1] for source in sources if source is not None]
    first = next((row.recorded_at_ms for row in push.rows if isinstance(row, PushRow)), 0)
    unit = next(unit for unit in UNITS if all(number % unit == 0 for number in numbers))
    return unit, max(0, min(DAY_MAX, (numbers[0] if numbers else first) // DAY_MS))


def _pack(before: list[Any], push: Push, marks: _Marks) -> bytes:
    rows = list(_packed_rows(push, marks))
    beginnings = [_form_of(stream) for stream in push.streams]
    texts = b"\0\0".join(marks.texts)
    head = [*before, texts, push.start, push.first_ordinal, marks.day, marks.unit, beginnings]
    packed: bytes = msgpack.packb(head) + msgpack.packb(rows)
    return packed


def _form_of(stream: Beginning) -> int:
    if stream.subject is None:
        return BEGINS_ERASED
    return BEGINS if stream.name is None else BEGINS_NAMED


def _packed_rows(push: Push, marks: _Marks) -> Iterator[Any]:
    names: tuple[dict[str, int], ...] = ({}, {}, {})
    types, actors, sources = names

    def index(known: dict[str, int], name: str) -> str | int:
        if name in known:
            return known[name]
        known[name] = len(known)
        return name

    lamports: dict[int, int] = {}
    recorded_at_ms = marks.day * DAY_MS
    number_before = recorded_at_ms
    for row, source in zip(push.rows, marks.sources, strict=True):
        if isinstance(row, ErasedRow):
            yield row.ordinal
            continue
        later, recorded_at_ms = row.recorded_at_ms - recorded_at_ms, row.recorded_at_ms
        higher = row.lamport - lamports.get(row.ordinal, 0)
        lamports[row.ordinal] = row.lamport
        if source is not None:
            name, number = source
            beyond, number_before = (number - number_before) // marks.unit, number
            yield [
                later, beyond, row.ordinal, higher, index(actors, row.actor), index(sources, name),
                index(types, row.type), marks.marked(row.payload),
            ]  # fmt: skip
            continue
        plain: list[Any] = [later, row.ordinal, higher, index(actors, row.actor), index(types, row.type)]
        plain.append(marks.marked(row.payload))
        if row.deps or row.extensions:
            plain.append([row.deps, row.extensions])
        yield plain


# Reading


def unpack_push(head: list[Any], packed: bytes, raw: bytes, subject_of: SubjectOf | None) -> Push:
    """Read a push: its own elements without what stands before them, the packed rows, and the raw part.

    Raises:
        UnreadableForm: it refers to a stream whose subject is not known here.
        RemoteProtocolError: it does not fit its form.
    """
    match head:
        case [bytes(texts), int(start), int(first_ordinal), int(day), int(unit), list(beginnings)]:
            pass
        case _:
            raise RemoteProtocolError("a push that does not fit its form")
    int_ok(start, "start", 0, INT_MAX)
    int_ok(first_ordinal, "first stream", 1, INT_MAX)
    int_ok(day, "day", 0, DAY_MAX)
    if unit not in UNITS or type(unit) is not int:
        raise RemoteProtocolError(f"unit must be 1 or 1000, found {unit}")
    parts = _Parts(raw)
    root, signature = parts.take(32), parts.take(64)
    streams = [_beginning(form, parts) for form in beginnings]
    begun = {ordinal: stream.subject for ordinal, stream in enumerate(streams, first_ordinal)}
    values = _Values(_texts(texts), day, begun, subject_of, start)
    rows = unpack_limited(packed, values.value)
    if type(rows) is not list:
        raise RemoteProtocolError("rows must be an array")
    values.all_used()
    read = list(_Rows(day, unit, parts).read(rows))
    parts.all_used()
    return Push(start, first_ordinal, streams, read, root, signature)


def unpack_limited(packed: bytes, value: Callable[[int, bytes], Any]) -> Any:
    """One msgpack value from bytes of unknown origin; arrays and maps say how long they are, and are not believed."""
    try:
        return msgpack.unpackb(
            packed,
            strict_map_key=False,
            ext_hook=value,
            max_array_len=ITEMS_COUNT_MAX,
            max_map_len=ITEMS_COUNT_MAX,
            max_ext_len=8,
        )
    except (ValueError, RecursionError, TypeError, MemoryError, msgpack.exceptions.UnpackException) as error:
        raise RemoteProtocolError(f"a frame that is not msgpack: {error or type(error).__name__}") from None


class _Parts:
    """Cuts the raw part into what it consists of."""

    def __init__(self, raw: bytes) -> None:
        self._raw = raw
        self._at = 0

    def take(self, size: int) -> bytes:
        """The next so many bytes."""
        part = self._raw[self._at : self._at + size]
        if len(part) < size:
            raise RemoteProtocolError("a push whose root, signature, keys or commitments are cut short")
        self._at += size
        return part

    def all_used(self) -> None:
        """Refuse what nothing in the push speaks of."""
        if self._at != len(self._raw):
            raise RemoteProtocolError(f"{len(self._raw) - self._at} bytes that belong to nothing in the push")


def _beginning(form: Any, parts: _Parts) -> Beginning:
    match form:
        case 1 if type(form) is int:
            return Beginning(None, None, parts.take(ID_SIZE))
        case 2 | 3 if type(form) is int:
            subject, key = parts.take(ID_SIZE), parts.take(STREAM_KEY_SIZE)
            return Beginning(subject, key, parts.take(ID_SIZE) if form == BEGINS_NAMED else None)
    raise RemoteProtocolError("a stream is its subject and its key, or its name")


def _texts(packed: bytes) -> list[str]:
    try:
        return packed.decode("utf-16-be").split("\0") if packed else []
    except UnicodeDecodeError:
        raise RemoteProtocolError("the texts of a push must be UTF-16") from None


class _Values:
    """Puts back what marks stand for. What is said often is built once."""

    def __init__(
        self, texts: list[str], day: int, begun: dict[int, bytes | None], subject_of: SubjectOf | None, start: int
    ) -> None:
        self._texts = iter(texts)
        self._day = day + EPOCH_DAY
        self._begun = begun
        self._subject_of = subject_of
        self._start = start
        self._built: dict[tuple[int, bytes], Any] = {}
        self._looked_up = 0

    def value(self, code: int, data: bytes) -> Any:
        """What one mark stands for."""
        if code == TEXT and not data:
            try:
                return next(self._texts)
            except StopIteration:
                raise RemoteProtocolError("a push with fewer texts than marks for them") from None
        built = self._built.get((code, data))
        if built is None:
            built = self._built[code, data] = self._build(code, data)
        return built

    def _build(self, code: int, data: bytes) -> Any:
        if code == DAY and len(data) in _DAYS:
            (days,) = _DAYS[len(data)].unpack(data)
            try:
                return date.fromordinal(self._day + days).isoformat()
            except (ValueError, OverflowError):
                raise RemoteProtocolError("a day outside the calendar") from None
        if code == REFERENCE and data:
            return self._subject(int.from_bytes(data, "big"))
        raise RemoteProtocolError(f"a mark of kind {code} that does not fit its form")

    def _subject(self, ordinal: int) -> bytes:
        subject = self._begun.get(ordinal)
        if subject is None and self._subject_of is not None:
            self._looked_up += 1
            if self._looked_up > REFERENCES_COUNT_MAX:
                raise RemoteProtocolError(f"a push may refer to {REFERENCES_COUNT_MAX} streams")
            subject = self._subject_of(ordinal)
        if subject is None:
            raise UnreadableForm(f"a push refers to stream {ordinal}, whose subject is not known here", self._start)
        return subject

    def all_used(self) -> None:
        """Refuse texts that stand nowhere."""
        if next(self._texts, None) is not None:
            raise RemoteProtocolError("a push with more texts than marks for them")


class _Rows:
    """Reads rows in order; each says how it differs from those before it."""

    def __init__(self, day: int, unit: int, parts: _Parts) -> None:
        self._recorded_at_ms = self._number = day * DAY_MS
        self._unit = unit
        self._parts = parts
        self._lamports: dict[int, int] = {}
        self._types: list[str] = []
        self._actors: list[str] = []
        self._sources: list[str] = []

    def read(self, rows: list[Any]) -> Iterator[PushRow | ErasedRow]:
        """Every row as a message has it."""
        for row in rows:
            match row:
                case [int(later), int(beyond), int(ordinal), int(higher), actor, source, kind, payload]:
                    self._number += beyond * self._unit
                    extensions = {EXT_SOURCE: [self._name(self._sources, source), self._number]}
                    yield self._row(later, ordinal, higher, actor, kind, (_NOTHING, payload, extensions))
                case [int(later), int(ordinal), int(higher), actor, kind, payload]:
                    yield self._row(later, ordinal, higher, actor, kind, (_NOTHING, payload, _NOTHING))
                case [
                    int(later), int(ordinal), int(higher), actor, kind, payload, [dict(deps), dict(extensions)]
                ]:  # fmt: skip
                    yield self._row(later, ordinal, higher, actor, kind, (deps, payload, extensions))
                case int(ordinal):
                    yield ErasedRow(ordinal, self._parts.take(COMMITMENT_SIZE))
                case _:
                    raise RemoteProtocolError("a row that does not fit its form")

    def _row(
        self, later: int, ordinal: int, higher: int, actor: Any, kind: Any, content: tuple[Any, Any, Any]
    ) -> PushRow:
        self._recorded_at_ms += later
        lamport = self._lamports[ordinal] = self._lamports.get(ordinal, 0) + higher
        actor, kind = self._name(self._actors, actor), self._name(self._types, kind)
        deps, payload, extensions = content
        return PushRow(ordinal, kind, actor, lamport, self._recorded_at_ms, deps, payload, extensions)

    @staticmethod
    def _name(known: list[str], said: Any) -> str:
        if type(said) is str:
            text_ok(said, "name", NAME_MAX)
            known.append(said)
            return said
        if type(said) is not int or not 0 <= said < len(known):
            raise RemoteProtocolError("a row names a type, an actor or a source that did not come before it")
        return known[said]
