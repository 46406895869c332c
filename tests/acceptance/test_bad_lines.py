"""An import that meets a line it cannot read: what was before stays, the message says where, a second run goes on."""

import json

import pytest

GOOD = 30


def changed(line, **changes):
    """A line with other values; None takes a field away."""
    fact = json.loads(line) | changes
    return json.dumps({key: value for key, value in fact.items() if value is not None}, ensure_ascii=False)


def with_data(line, **changes):
    return changed(line, data=json.loads(line)["data"] | changes)


BAD = {
    "bad JSON": (lambda line: line[:-9], ["JSON"]),
    "not an object": (lambda line: "[1, 2]", ["[1, 2]", "JSON object"]),
    "missing field": (lambda line: changed(line, by=None), ["'by'"]),
    "missing subject": (lambda line: changed(line, subject=None), ["'subject'"]),
    "foreign field": (lambda line: changed(line, colour="red"), ["'colour'"]),
    "subject no UUID": (lambda line: changed(line, subject="abc"), ["'subject'", "'abc'", "UUID"]),
    "wrong type": (lambda line: changed(line, by=7), ["'by'", "7"]),
    "data no object": (lambda line: changed(line, data=[]), ["'data'", "[]"]),
    "bad date": (lambda line: changed(line, at="2024-02-30T08:00:00+08:00"), ["'at'", "2024-02-30T08:00:00+08:00"]),
    "no offset": (lambda line: changed(line, at="2024-09-30T08:00:00"), ["'at'", "2024-09-30T08:00:00"]),
    "unknown type": (lambda line: changed(line, type="DragonSeen"), ["'type'", "DragonSeen"]),
    "unknown data": (lambda line: with_data(line, wings=2), ["wings"]),
    "site no text": (lambda line: changed(line, site=5), ["site", "5"]),
    "lone surrogate": (lambda line: changed(line, by="w-\ud800"), ["'by'"]),
    "surrogate in data": (lambda line: '{"site":"home-01","subject":"5ef3f230-327e-41f6-b42d-05423e517ee5",'
        '"type":"WorkerJoined","at":"2024-09-01T09:10:00+08:00","by":"w-01-01","data":{"worker":"w-01-09",'
        '"name":"\\ud83d","phone":"16388010814","role":"志愿者"}}', ["data"]),
    "a name that never ends": (lambda line: '{"site":"home-01","subject":"5ef3f230-327e-41f6-b42d-05423e517ee5",'
        '"type":"WorkerJoined","at":"2024-09-01T09:10:00+08:00","by":"w-01-01","data":{"worker":"w-01-09",'
        f'"name":"{"长" * 70_000}","phone":"16388010814","role":"志愿者"}}}}', ["data"]),
    "an author that never ends": (lambda line: changed(line, by="w" * 300), ["actor"]),
    "too long": (lambda line: "{" + " " * 300_000 + line[1:], ["line", "bytes"]),
    "too deep": (lambda line: "[" * 100_000, ["JSON"]),
    "huge number": (lambda line: '{"a":' + "9" * 5000 + "}", ["JSON"]),
}  # fmt: skip


@pytest.mark.parametrize("kind", BAD)
def test_a_line_that_cannot_be_read(yard, lines_of, write_lines, kind):
    """It is refused with its number, the field, what was found and expected; the rest is imported once it is mended."""
    spoil, says = BAD[kind]
    home, lines = yard.home(), lines_of(count=GOOD + 20)
    spoilt = [*lines[:GOOD], spoil(lines[GOOD]), *lines[GOOD + 1 :]]
    file = yard / "facts.jsonl"
    file.write_bytes("".join(line + "\n" for line in spoilt).encode("utf-8", "surrogatepass"))
    answer = yard.quick("site-node", "import", home, file, code=6)
    assert f"line {GOOD + 1}" in answer.err
    assert f"第{GOOD + 1}行" in answer.err
    assert "expected" in answer.err
    assert [word for word in says if word not in answer.err] == []
    assert len(answer.err) < 1200
    assert yard.quick("site-node", "status", home, "--json").json()["entries"] == GOOD
    answer = yard.quick("site-node", "import", home, write_lines(file, lines))
    assert answer.out.startswith(f"20 recorded, {GOOD} known")
    assert yard.quick("site-node", "verify", home, "--json").json()["ok"]


def test_bytes_that_are_no_text(yard, lines_of):
    """A line that is not UTF-8 is refused like any other."""
    home, lines = yard.home(), lines_of(count=3)
    file = yard / "facts.jsonl"
    file.write_bytes("\n".join(lines[:2]).encode() + b'\n{"site":"\xff\xfe"}\n' + lines[2].encode())
    answer = yard.quick("site-node", "import", home, file, code=6)
    assert "line 3" in answer.err
    assert yard.quick("site-node", "status", home, "--json").json()["entries"] == 2


def test_small_things_that_are_fine(yard, lines_of):
    """Empty lines, CRLF, a byte order mark and a last line without an end are no reason to refuse."""
    home, lines = yard.home(), lines_of(count=4)
    file = yard / "facts.jsonl"
    file.write_bytes(b"\xef\xbb\xbf" + "\r\n\r\n".join(lines).encode())
    assert yard.quick("site-node", "import", home, file).out.startswith("4 recorded")
    assert yard.quick("site-node", "import", home, file).out.startswith("0 recorded, 4 known")


def test_an_import_is_of_this_home_only(yard, sample, write_lines):
    """Lines of other homes are counted and left alone, unless --all asks for them."""
    home, file = yard.home(), write_lines(yard / "facts.jsonl", sample[:60])
    own = sum('"site":"home-01"' in line for line in sample[:60])
    answer = yard.quick("site-node", "import", home, file)
    assert answer.out == f"{own} recorded, 0 known from before, {60 - own} of other homes\n"
    answer = yard.quick("site-node", "import", home, file, "--all")
    assert answer.out == f"{60 - own} recorded, {own} known from before, 0 of other homes\n"


def test_a_file_that_is_none(yard):
    """A missing file, or a folder in its place, is refused by name."""
    home = yard.home()
    for path in (yard / "nothing.jsonl", home):
        assert str(path) in yard.quick("site-node", "import", home, path, code=6).err


def test_a_line_that_no_entry_can_hold_costs_no_other(yard, lines_of, write_lines):
    """Lines of one batch are stored up to the one that cannot be, also where that is found only at the disk."""
    home, lines = yard.home(), lines_of(count=90)
    bad = {20: changed(lines[20], by="w" * 300), 70: changed(lines[70], by="w" * 400)}
    spoilt = [bad.get(i, line) for i, line in enumerate(lines)]
    for mended, number in ((20, 21), (70, 71)):
        answer = yard.quick("site-node", "import", home, write_lines(yard / "facts.jsonl", spoilt), code=6)
        assert f"line {number}:" in answer.err
        assert yard.quick("site-node", "status", home, "--json").json()["entries"] == number - 1
        spoilt[mended] = lines[mended]
    answer = yard.quick("site-node", "import", home, write_lines(yard / "facts.jsonl", spoilt))
    assert answer.out.startswith("20 recorded, 70 known")


@pytest.mark.parametrize("at", ["9999-12-31T23:59:59-23:59", "0001-01-01T00:00:00+23:59", "1969-07-20T20:17:00+00:00"])
def test_moments_of_other_ages(yard, lines_of, write_lines, at):
    """A moment that no living worker wrote down, yet well formed, is stored once and breaks no read model."""
    home, line = yard.home(), changed(lines_of(count=1)[0], at=at)
    file = write_lines(yard / "facts.jsonl", [line])
    assert yard.quick("site-node", "import", home, file).out.startswith("1 recorded")
    assert yard.quick("site-node", "import", home, file).out.startswith("0 recorded, 1 known")
    subject = json.loads(line)["subject"]
    assert len(yard.quick("site-node", "history", home, subject, "--json").json()["entries"]) == 1
    assert yard.quick("site-node", "rebuild", home, "--json").json()["equal"]
