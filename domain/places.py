"""Township and village, read from an address as people write it."""

from __future__ import annotations

import re

_PLACE = re.compile(r"(?:^|[县区市旗州])(?P<town>[^县区市旗州]{1,10}?(?:镇|乡|街道))(?P<rest>.*)", re.DOTALL)
_VILLAGE = re.compile(r"(?P<village>[^县区市镇乡]{1,10}?(?:村|社区|居委会))")


def place_of(address: str | None) -> tuple[str, str]:
    """The township and the village in an address; "" for what is not found."""
    found = _PLACE.search(address) if address else None
    if found is None:
        return "", ""
    village = _VILLAGE.match(found["rest"])
    return found["town"], village["village"] if village else ""
