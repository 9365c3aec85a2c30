"""Every icon that a template or a column asks for is in the sprite, and the sprite's markup is written in one place."""

import re
from pathlib import Path

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
