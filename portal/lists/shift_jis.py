"""Text as Shift_JIS (Microsoft's CP932) has it: the nearest spelling of what it lacks, and 〓 for the rest (D16)."""

import codecs
import re
import unicodedata
from functools import lru_cache
from typing import Any

# A letter and the marks that combine with it. Only these are composed: NFC of everything would also replace characters
# of names that CP932 has, such as U+FA19.
COMBINED = re.compile("[^\u0300-\u036f\u3099\u309a][\u0300-\u036f\u3099\u309a]+")
NEAREST = {
    "\u00a5": "￥",
    "\u2011": "\u2010",
    "\u2012": "－",
    "\u2013": "－",
    "\u2014": "\u2015",
    "\u203e": "￣",
    "\u2022": "・",
    "\u2044": "/",
    "\u3099": "゛",
    "\u309a": "゜",
}


def to_shift_jis(data: bytes) -> bytes:
    """UTF-8 bytes as CP932 bytes."""
    return COMBINED.sub(compose, data.decode()).encode("cp932", "nearest")


def compose(found: re.Match[str]) -> str:
    return unicodedata.normalize("NFC", found[0])


def nearest(error: Any) -> tuple[str, int]:
    return "".join(map(spelling, error.object[error.start : error.end])), error.end


@lru_cache(maxsize=1024)
def spelling(character: str) -> str:
    """How CP932 writes a character that it lacks: nothing for invisible ones, a blank for blanks."""
    if character in NEAREST:
        return NEAREST[character]
    category = unicodedata.category(character)
    if category == "Cf" or "VARIATION SELECTOR" in unicodedata.name(character, ""):
        return ""
    if category in ("Zs", "Zl", "Zp"):
        return " "
    compatible = unicodedata.normalize("NFKC", character)
    return "〓" if compatible == character else compatible.encode("cp932", "nearest").decode("cp932")


codecs.register_error("nearest", nearest)
