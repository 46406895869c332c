"""Telephone numbers: kept as they were typed, and found whichever way they are typed again."""

from __future__ import annotations

import re
import unicodedata

from domain.errors import Mistyped, shown

LENGTH_MAX = 60
MOBILE_LENGTH = 11
DIGITS_MIN = 3  # 110, 12338
DIGITS_MAX = 16

_NUMBER = re.compile(r"(?:\+|00)?\d[\d\- ()]*")
_COUNTRY = re.compile(r"(?:\+|00)86")


def numbers(text: str) -> tuple[str, ...]:
    """The numbers in a text, as digits only and without China's +86: what is compared and looked for."""
    plain = unicodedata.normalize("NFKC", text[: LENGTH_MAX * 4])
    found = []
    for one in _NUMBER.findall(re.sub(r"[—–−]", "-", plain)):
        digits = re.sub(r"\D", "", _COUNTRY.sub("", one.strip(), count=1))
        if len(digits) == MOBILE_LENGTH + 2 and digits.startswith("861"):
            digits = digits[2:]
        if len(digits) >= DIGITS_MIN:
            found.append(digits)
    return tuple(found)


def checked(text: str) -> str:
    """A telephone number as typed, without blanks around it; or a refusal."""
    typed = unicodedata.normalize("NFC", text).strip()
    found = numbers(typed)
    if not found or len(typed) > LENGTH_MAX:
        raise Mistyped(
            f"“{shown(text)}”里没有电话号码，请填如13812345678或0554-1234567",
            f"{shown(text)!r} holds no telephone number: expected one such as 13812345678 or 0554-1234567",
        )
    for one in found:
        if one.startswith("1") and one[1:2] in "3456789" and len(one) > 7 and len(one) != MOBILE_LENGTH:
            raise Mistyped(
                f"手机号应为11位，“{one}”是{len(one)}位", f"a mobile number has 11 digits, {one} has {len(one)}"
            )
        if len(one) > DIGITS_MAX:
            raise Mistyped(f"“{one}”太长，不是电话号码", f"{one} is too long for a telephone number")
    return typed


def matches(query: str, phone: str) -> bool:
    """Whether the digits that somebody typed stand in one of the numbers."""
    wanted = "".join(numbers(query)) or re.sub(r"\D", "", unicodedata.normalize("NFKC", query))
    return bool(wanted) and any(wanted in one for one in numbers(phone))
