"""Every icon that a template or a column asks for is in the sprite, whose markup is written in one place; every sign is in the fonts."""

import re
from pathlib import Path

from django.conf import settings
from fontTools.ttLib import TTFont

ROOT = Path(__file__).resolve().parents[2]
TEMPLATES = sorted((ROOT / "templates").rglob("*.html"))
APPS = ("accounts", "billing", "contracts", "orders", "portal")
PYTHON = sorted(path for app in APPS for path in (ROOT / app).rglob("*.py"))
SPRITE = (ROOT / "templates" / "_icons.html").read_text()


def it_finds_every_icon_in_the_sprite():
    known = set(re.findall(r'<symbol id="i-([a-z]+)"', SPRITE))
    asked = set()
    for path in TEMPLATES:
        asked |= set(re.findall(r'{% icon "([a-z]+)"', path.read_text()))
    for path in PYTHON:
        asked |= set(re.findall(r'\bicon\("([a-z]+)"', path.read_text()))
    assert asked, "no template asks for an icon: did the tag's name change?"
    assert asked - known == set()


def it_writes_no_sign_that_the_fonts_lack():
    """In stylesheets and templates: those that every machine has beside its letters draw it as a box."""
    known = {sign for file in settings.FONTS.glob("*.ttf") for sign in TTFont(file).getBestCmap()}
    written = {path: path.read_text() for path in [*TEMPLATES, *(ROOT / "static" / "css").rglob("*.css")]}
    lacking = {
        path.name: {sign for sign in text if sign > "~" and ord(sign) not in known} for path, text in written.items()
    }
    assert {name: signs for name, signs in lacking.items() if signs} == {}
