"""Names of people: written one way, and found by their sound and its initials.

单晓明 is found by shanxiaoming, shan, sxm and 晓明: surnames have readings of their own, which `pypinyin` leaves to us.
A given name with a character of several readings is found by each.
"""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache
from itertools import islice, product

from domain.errors import Mistyped, shown

LENGTH_MAX = 40
READINGS_MAX = 3
SPELLINGS_MAX = 24
CACHED_MAX = 20_000

_DOTS = re.compile("[•‧・･∙⋅．.]")
_HAN = "\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff〇\U00020000-\U0003ffff"
_BETWEEN = re.compile(rf"(?<=[{_HAN}·])\s+(?=[{_HAN}·])")
_ALLOWED = re.compile(rf"[{_HAN}A-Za-zÀ-ɏ·'’\- ()]+")
_RUN = re.compile(rf"[A-Za-z]+|[{_HAN}]+")
_RETROFLEX = re.compile("^([zcs])h")
_IS_HAN = re.compile(f"[{_HAN}]")

SURNAMES = {
    "万俟": "moqi", "尉迟": "yuchi", "单于": "chanyu", "长孙": "zhangsun", "澹台": "tantai", "宰父": "zaifu",
    "令狐": "linghu", "皇甫": "huangfu", "夏侯": "xiahou", "呼延": "huyan", "拓跋": "tuoba", "仉督": "zhangdu",
    "单": "shan", "曾": "zeng", "仇": "qiu", "解": "xie", "查": "zha", "区": "ou", "朴": "piao", "盖": "ge gai",
    "任": "ren", "华": "hua", "纪": "ji", "宁": "ning", "燕": "yan", "缪": "miao", "谌": "chen shen", "乜": "nie",
    "冼": "xian", "洗": "xian", "种": "chong", "黑": "he", "秘": "bi", "逄": "pang", "折": "she", "隗": "wei kui",
    "员": "yun", "郇": "xun huan", "郗": "xi chi", "召": "shao", "祭": "zhai", "繁": "po", "能": "nai",
    "翟": "zhai di",
    "覃": "qin tan", "盛": "sheng", "乐": "yue le", "阚": "kan", "晁": "chao", "车": "che", "句": "gou", "过": "guo",
    "贲": "ben", "柏": "bai bo", "薄": "bo", "牟": "mou mu", "尉": "wei yu", "宓": "mi fu", "莘": "shen xin",
    "都": "du",
    "訾": "zi", "石": "shi", "沈": "shen", "强": "qiang", "干": "gan", "佴": "nai", "撒": "sa", "哈": "ha",
    "於": "yu",
    "钭": "tou", "逯": "lu", "粘": "nian", "占": "zhan", "谷": "gu", "朝": "chao", "应": "ying", "俞": "yu",
    "瞿": "qu",
}  # fmt: skip
"""Surnames whose reading is not the one that the character has by itself, or that must not vary; several by blanks."""


def tidied(text: str) -> str:
    """A name as it is stored: 张　三 becomes 张三, the dot in 买买提·艾力 always the same."""
    name = " ".join(unicodedata.normalize("NFKC", text).split())
    name = _BETWEEN.sub("", _DOTS.sub("·", name) if _IS_HAN.search(name) else name)
    name = re.sub(r"\s*·\s*", "·", name)
    if not name or not name.isprintable():
        raise Mistyped("请填写姓名", "a name is missing")
    if len(name) > LENGTH_MAX:
        raise Mistyped(f"姓名最多{LENGTH_MAX}个字", f"a name has at most {LENGTH_MAX} characters")
    return name


def cleaned(text: str) -> str:
    """The same for a list, where a digit or a sign in a name is a slip or another column's content."""
    name = tidied(text)
    if not _ALLOWED.fullmatch(name):
        raise Mistyped(
            f"“{shown(text)}”不像姓名：姓名里不要写数字和符号，请只写姓名",
            f"{shown(text)!r} is no name: expected letters only, without digits and signs",
        )
    return name


@lru_cache(CACHED_MAX)
def spellings(name: str) -> tuple[tuple[str, ...], ...]:
    """The name in pinyin, syllable by syllable, once for each way in which it may be read; ü is v."""
    from pypinyin import Style, pinyin

    given = name
    first: list[tuple[str, ...]] = []
    for size in (2, 1):
        if name[:size] in SURNAMES and len(name) > (1 if size == 2 else 0):
            given = name[size:]
            first = [tuple(_syllables(one, size)) for one in SURNAMES[name[:size]].split()]
            break
    rest: list[tuple[str, ...]] = []
    for run in _RUN.findall(given):
        if run.isascii():
            rest.append((run.lower(),))
        else:
            found = pinyin(run, style=Style.NORMAL, heteronym=True, errors="ignore")
            rest += [tuple(dict.fromkeys(map(str, readings)))[:READINGS_MAX] for readings in found]
    ways = islice(product(first or [()], *rest), SPELLINGS_MAX)
    return tuple((*way[0], *map(str, way[1:])) for way in ways)


def _syllables(spelled: str, size: int) -> list[str]:
    """A surname of two characters is spelled as one word; its second initial follows from where a vowel group ends."""
    if size == 1:
        return [spelled]
    found = re.fullmatch(r"([a-z]+?(?:ng|n(?![aeiouv]))?)((?:[zcs]h|[^aeiouv])[aeiouv]+(?:ng|n)?)", spelled)
    return [found[1], found[2]] if found else [spelled]


def initials(name: str) -> frozenset[str]:
    """The first letters of a name's syllables, for each way to read it."""
    return frozenset("".join(one[0] for one in way) for way in spellings(name))


def sounds(name: str) -> frozenset[str]:
    """The name in pinyin, in one word, for each way to read it."""
    return frozenset("".join(way) for way in spellings(name))


def sounds_of_dialect(name: str) -> frozenset[str]:
    """The same where zh, ch, sh and z, c, s, or -ng and -n, are not told apart: 张三 may be heard as 张山."""
    return frozenset("".join(_RETROFLEX.sub(r"\1", one).removesuffix("g") for one in way) for way in spellings(name))


def matches(query: str, name: str) -> bool:
    """Whether what somebody typed to look for a name finds it: characters, pinyin or initials, from any syllable on."""
    wanted = "".join(unicodedata.normalize("NFKC", query).split()).lower()
    if not wanted:
        return False
    if not wanted.isascii():
        return wanted.replace("ü", "v") in name.lower() or ("ü" in wanted and matches(wanted.replace("ü", "v"), name))
    wanted = wanted.replace("'", "")
    forms = {wanted, wanted.replace("yu", "v") if wanted[:1] in "ln" else wanted}
    for way in spellings(name):
        for at in range(len(way)):
            sound, letters = "".join(way[at:]), "".join(one[0] for one in way[at:])
            loose = sound.replace("v", "u")
            if any(sound.startswith(form) or loose.startswith(form) or letters.startswith(form) for form in forms):
                return True
    return False
