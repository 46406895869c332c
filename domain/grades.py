"""School grades as lists have them: 三年级, 3, 初一, 七年级(2)班, 学前班; 0 before school, 10 in 高一."""

from __future__ import annotations

import re

from domain.errors import Mistyped, shown
from domain.numerals import arabic, squeezed

_BEFORE = re.compile("学前|幼儿|托班|[大中小]班$")
_STAGES = {"小": 0, "小学": 0, "初": 6, "初中": 6, "高": 9, "高中": 9}
_GRADE = re.compile(r"(?P<stage>小学?|初中?|高中?)?(?P<n>\d{1,2})(?:年级?|级)?(?:\(?\d{1,2}\)?班?)?", re.ASCII)
_YEARS = {0: 6, 6: 3, 9: 3}


def parse(text: str) -> int:
    """The grade that a text names."""
    compact = arabic(squeezed(text))
    if _BEFORE.search(compact):
        return 0
    found = _GRADE.fullmatch(compact)
    if found:
        number, base = int(found["n"]), _STAGES[found["stage"] or "小"]
        most = _YEARS[base] if found["stage"] else 12
        if 1 <= number <= most:
            return base + number
    raise Mistyped(
        f"“{shown(text)}”不是年级，请填如三年级、3、初一或学前班",
        f"found {shown(text)!r}, expected a grade such as 三年级, 3 or 初一",
    )
