"""docs/decisions.md and the ids that the tree names."""

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "decisions.md"
# Not inside an address (%F0), a longer word or a path. Sheet sizes and cell names look the same: spell those differently.
ID = re.compile(r"(?<![%\w/.-])([ADFI])(\d{1,2})(?: to \1(\d{1,2}))?(?![\w%/-])")


def ids_in(text):
    """The ids that the text names; `X1 to X6` names six."""
    for kind, first, last in ID.findall(text):
        yield from (f"{kind}{number}" for number in range(int(first), int(last or first) + 1))


def named():
    """Each id that a file of the tree names, with one such file."""
    folders = ("portal", "accounts", "contracts", "orders", "billing", "templates", "tests", "bench", "bin", "docs")
    files = [*ROOT.glob("*.md"), *(file for folder in folders for file in (ROOT / folder).rglob("*"))]
    texts = [file for file in files if file.suffix in ("", ".py", ".md", ".html", ".txt") and file.is_file()]
    return {
        each: file.name
        for file in texts
        if file != PAGE and not {"vendor", "pictures"} & set(file.parts)
        for each in ids_in(file.read_text())
    }


def explained():
    return re.findall(r"^\| ([ADFI]\d+) \|", PAGE.read_text(), re.MULTILINE)


def it_explains_every_id_that_is_named():
    missing = {each: file for each, file in named().items() if each not in explained()}
    assert not missing, f"docs/decisions.md has no line for {missing}"


def it_lists_no_id_that_nothing_names():
    assert set(explained()) <= named().keys()


def it_lists_each_once_and_in_order():
    listed = [(each[0], int(each[1:])) for each in explained()]
    for kind in "ADFI":
        numbers = [number for other, number in listed if other == kind]
        assert numbers == sorted(set(numbers))
