"""A look through a packed workbook before it is opened: in one pass, a piece at a time, keeping nothing.

Some kilobytes can unpack to a row of millions of cells, or to styles without end, and a library that builds each row
before it hands it over fills the memory long before anybody can count. So every part is counted first: how many
elements it has, how deep they stand, how many cells a row has, and whether anything is written farther to the right
than a list of ours reaches. Form alone may reach as far as Excel does: people colour whole rows.
"""

from __future__ import annotations

import zipfile
from typing import IO, Final
from xml.parsers import expat

from domain.errors import Refused

PIECE_SIZE_BYTES: Final = 64 * 1024
DEPTH_MAX: Final = 64
ELEMENTS_MAX: Final = {"worksheet": 4_000_000, "sst": 1_000_000}
"""Of a sheet, where empty rows without end may have a form; of the texts that sheets share, which are all read."""
ELEMENTS_BESIDE_MAX: Final = 100_000  # of styles and whatever else
CELLS_OF_A_ROW_MAX: Final = 16_384  # Excel has no more columns
LETTERS: Final = 26


class _TooMuch(Exception):
    """More than a part may have: in Chinese and in English."""

    def __init__(self, zh: str, en: str) -> None:
        self.zh, self.en = zh, en
        super().__init__(en)


def require_bounded(packed: zipfile.ZipFile, columns_max: int) -> None:
    """Raise `Refused` where a part of the file is more than a list can be. What is no XML is left to its reader."""
    for name in packed.namelist():
        scan = _Scan(columns_max)
        try:
            with packed.open(name) as part:
                scan.run(part)
        except expat.ExpatError:
            continue
        except _TooMuch as found:
            raise Refused(
                f"表格{found.zh}，请分成几个文件，或者只留下要导入的内容，另存为一份再导入",
                f"the spreadsheet has {found.en}: split it, or keep only what is to be imported, and save it anew",
            ) from None


class _Scan:
    """One pass over one part."""

    def __init__(self, columns_max: int) -> None:
        self._columns_max = columns_max
        self._depth = self._elements = self._cells = self._column = 0
        self._elements_max = ELEMENTS_BESIDE_MAX
        self._in_value = False

    def run(self, part: IO[bytes]) -> None:
        """Count until the end, or until it is too much."""
        parser = expat.ParserCreate()
        parser.StartElementHandler = self._start
        parser.EndElementHandler = self._end
        parser.CharacterDataHandler = self._text
        parser.EntityDeclHandler = self._entity
        while piece := part.read(PIECE_SIZE_BYTES):
            parser.Parse(piece)

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        kind = name.rpartition(":")[2]
        self._depth += 1
        self._elements += 1
        if self._elements == 1:
            self._elements_max = ELEMENTS_MAX.get(kind, ELEMENTS_BESIDE_MAX)
        if self._elements > self._elements_max:
            raise _TooMuch(
                f"里面的格子或格式太多（超过{self._elements_max}项）", f"more than {self._elements_max} parts"
            )
        if self._depth > DEPTH_MAX:
            raise _TooMuch("里面的内容层次太深", f"content more than {DEPTH_MAX} deep")
        if kind == "row":
            self._cells = self._column = 0
        elif kind == "c":
            self._cells += 1
            self._column = _column_of(attributes.get("r", "")) or self._column + 1
            if self._cells > CELLS_OF_A_ROW_MAX:
                raise _TooMuch(f"超过{self._columns_max}列", f"more than {self._columns_max} columns")
        self._in_value = kind in ("v", "t") and self._column > self._columns_max

    def _end(self, _name: str) -> None:
        self._depth -= 1
        self._in_value = False

    def _text(self, text: str) -> None:
        if self._in_value and text.strip():
            raise _TooMuch(f"超过{self._columns_max}列", f"more than {self._columns_max} columns")

    def _entity(self, *_: object) -> None:
        raise _TooMuch("里面有不该有的定义", "definitions of its own, as no spreadsheet program writes them")


def _column_of(place: str) -> int:
    """The column of a place like AB12; 0 where it is none."""
    column = 0
    for letter in place[:4]:
        if not "A" <= letter <= "Z":
            break
        column = column * LETTERS + ord(letter) - ord("A") + 1
    return column
