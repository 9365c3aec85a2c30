"""The faces that documents are printed with, and the characters that none of them has.

Nothing but these: what the machine has besides would make another file of the same rows on another machine.
"""

import unicodedata
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import NamedTuple

from django.conf import settings

NORMAL, BOLD = 400, 700
SHIPPED = [("Portal", "NotoSansJP"), ("PortalLatin", "NotoSans")]
UNSEEN = {"Cc", "Cf", "Zl", "Zp", "Zs"}  # categories of characters that print nothing, whatever the font
VARIANTS = [range(0xFE00, 0xFE10), range(0xE0100, 0xE01F0)]  # they choose among the forms of the character before


class Face(NamedTuple):
    """A font file, and the name and weight by which style sheets ask for it."""

    family: str
    weight: int
    path: Path


class Kept(NamedTuple):
    """The faces in the order in which they are asked for a character, and the vendor's files that are none."""

    faces: list[Face]
    unreadable: list[str]

    @property
    def families(self) -> list[str]:
        return list(dict.fromkeys(face.family for face in self.faces))


@cache
def kept() -> Kept:
    """The shipped faces, then the vendor's own (PORTAL_FONT_DIR: .ttf and .otf) by the names of their files."""
    shipped = [
        Face(family, weight, settings.FONTS / f"{file}_{weight}{name}.ttf")
        for family, file in SHIPPED
        for weight, name in [(NORMAL, "Regular"), (BOLD, "Bold")]
    ]
    return Kept(shipped + (own := read(vendors_files())).faces, own.unreadable)


def vendors_files() -> Iterable[Path]:
    found = Path(settings.FONT_DIR).iterdir() if settings.FONT_DIR else []
    return sorted(path for path in found if path.suffix.lower() in (".ttf", ".otf"))


def read(paths: Iterable[Path]) -> Kept:
    """Faces of one typeface share a family, so that bold words get the bold one."""
    from fontTools.ttLib import TTFont, TTLibError

    faces, unreadable = [], []
    names: dict[str, str] = {}
    for path in paths:
        try:
            font = TTFont(path, lazy=True)
            name = font["name"].getBestFamilyName() or path.stem
            weight = BOLD if font["OS/2"].usWeightClass >= 600 else NORMAL
            font.getBestCmap()
        except (TTLibError, KeyError, OSError, AssertionError):
            unreadable.append(path.name)
            continue
        faces.append(Face(names.setdefault(name, f"PortalOwn{len(names) + 1}"), weight, path))
    return Kept(faces, unreadable)


@cache
def characters() -> frozenset[int]:
    """The code points that some face has."""
    from fontTools.ttLib import TTFont

    found: set[int] = set()
    for path in {face.family: face.path for face in reversed(kept().faces)}.values():
        with TTFont(path, lazy=True) as font:
            found |= font.getBestCmap().keys()
    return frozenset(found)


def missing(text: str) -> str:
    """The characters of the text, each once, that would be printed as empty boxes."""
    if text.isascii():
        return ""
    return "".join(sorted(letter for letter in set(text) if not printable(letter)))


def printable(letter: str) -> bool:
    code = ord(letter)
    return (
        code in characters() or unicodedata.category(letter) in UNSEEN or any(code in variants for variants in VARIANTS)
    )
