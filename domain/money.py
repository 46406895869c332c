"""Amounts of money as people write them, kept as whole fen: 1200, 1,200.50元, 110万元, 3块5, 一千二百元."""

from __future__ import annotations

import re
from fractions import Fraction

from domain import quantity
from domain.errors import Mistyped, shown
from domain.numerals import NUMBER, NoNumber, number, squeezed
from domain.quantity import Quantity

FEN_MAX = 10**14

_YUAN = re.compile("人民币|RMB|CNY|[¥$]", re.IGNORECASE)
_AMOUNT = re.compile(
    rf"(?:(?P<yuan>{NUMBER})(?:元|圆|块钱?)?)?(?:(?<=[元圆块])(?P<tenth>[\d一二三四五六七八九])"
    rf"|(?:(?P<jiao>{NUMBER})(?:角|毛))?(?:(?P<fen>{NUMBER})分)?)(?:钱|整|正)?"
)
_VAGUE = re.compile("多|余|约|近|左右|以上|不到|几|\\+")
_RANGE = re.compile(r"\d.*(?:-|—|–|~|至|到).*\d")


def parse(text: str) -> int:
    """An exact amount in fen; a bare number is in yuan."""
    compact = _bare(text)
    found = _AMOUNT.fullmatch(compact)
    parts = [found["yuan"], found["tenth"] or found["jiao"], found["fen"]] if found else []
    if any(parts):
        try:
            sizes = [number(part) * unit for part, unit in zip(parts, (100, 10, 1), strict=True) if part]
        except NoNumber:
            pass
        else:
            return _bounded(sum(sizes, Fraction(0)), text)
    if _RANGE.search(compact) or _VAGUE.search(compact):
        raise Mistyped(
            f"“{shown(text)}”不是确切的金额，请写实际数额，如1200元或1,200.50",
            f"found {shown(text)!r}, expected the exact amount, as 1200 or 1,200.50",
        )
    raise Mistyped(
        f"“{shown(text)}”不是金额，请填如1200元、1,200.50、110万元或一千二百元",
        f"found {shown(text)!r}, expected an amount in yuan, as 1200, 1,200.50 or 110万元",
    )


def roughly(text: str) -> Quantity:
    """An amount in fen that may be a lower bound or a range: 278万余元, 2000--3000元."""
    try:
        return quantity.parse(_bare(text).replace("元", ""), scale=100)
    except Mistyped:
        return quantity.exactly(parse(text))


def written(fen: int) -> str:
    """An amount as it is shown: 1,200.50元."""
    sign, fen = ("-", -fen) if fen < 0 else ("", fen)
    return f"{sign}{fen // 100:,}.{fen % 100:02}元"


def _bare(text: str) -> str:
    return _YUAN.sub("", squeezed(text))


def _bounded(fen: Fraction, text: str) -> int:
    if fen.denominator != 1:
        raise Mistyped(
            f"“{shown(text)}”比一分还细，金额最多写到分", f"found {shown(text)!r}, expected at most two decimals"
        )
    if fen > FEN_MAX:
        raise Mistyped(f"“{shown(text)}”太大了", f"found {shown(text)!r}, expected at most {written(FEN_MAX)}")
    return int(fen)
