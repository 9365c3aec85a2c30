"""Vendored files are the published ones: the README of their folder lists each with its SHA-256 and its licence."""

import hashlib
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
FOLDERS = [ROOT / "static/vendor", ROOT / "static/fonts", ROOT / "tests/vendor"]
ROW = re.compile(
    r"^\| `(?P<file>[^`]+)` \|.* `(?P<licence>LICENSE\.[^`]+)` \| `(?P<sha256>[0-9a-f]{64})` \|$", re.MULTILINE
)


def listed(folder):
    return {row["file"]: row for row in ROW.finditer((folder / "README.md").read_text())}


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: str(folder.relative_to(ROOT)))
def it_lists_every_vendored_file_with_its_hash(folder):
    rows = listed(folder)
    files = {path.name: path for path in folder.iterdir() if path.suffix in (".css", ".js", ".ttf")}
    assert rows.keys() == files.keys()
    for name, path in files.items():
        assert hashlib.sha256(path.read_bytes()).hexdigest() == rows[name]["sha256"], name


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: str(folder.relative_to(ROOT)))
def it_keeps_the_licence_of_every_vendored_file(folder):
    kept = {path.name for path in folder.glob("LICENSE.*")}
    assert {row["licence"] for row in listed(folder).values()} == kept
