"""What README and the other pages name is there: files, links, commands, functions of screens."""

import re
from importlib import import_module
from pathlib import Path

import pytest
from django.core.management import get_commands

ROOT = Path(__file__).resolve().parents[2]
PAGES = [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").rglob("*.md")), *sorted((ROOT / "deploy").iterdir())]
SCRIPTS = [
    *sorted((ROOT / "bench").glob("*.py")),
    *sorted((ROOT / "docs").glob("*.py")),
    *sorted((ROOT / "bin").iterdir()),
]
FOLDERS = "|".join(
    sorted(entry.name.replace(".", r"\.") for entry in ROOT.iterdir() if entry.is_dir() and entry.name != "var")
)
# A path from the root of the tree; <app>, * and … stand for many files, so such a path is looked at up to there.
PATH = re.compile(rf"(?<![\w/.<>-])(?:{FOLDERS})/[\w./@-]*[\w/](?![\w<*…{{])")
MADE_LATER = (".venv/", ".git/")


def named(pattern):
    """Each place where a page has the pattern, as parameters of a test."""
    return list(places(pattern))


def places(pattern):
    for page in [*PAGES, *SCRIPTS]:
        text = page.read_text()
        for match in re.finditer(pattern, text):
            yield pytest.param(page, match, id=f"{page.name}:{text.count(chr(10), 0, match.start()) + 1}")


@pytest.mark.parametrize(("page", "match"), named(PATH))
def it_names_files_that_are_there(page, match):
    assert match[0].startswith(MADE_LATER) or (ROOT / match[0]).exists(), match[0]


@pytest.mark.parametrize(("page", "match"), named(r"\]\((?!https?:)([^)#]+)"))
def it_links_to_pages_that_are_there(page, match):
    assert (page.parent / match[1]).exists(), match[1]


@pytest.mark.parametrize(("page", "match"), named(r"manage\.py[\"\s]+([a-z]+(?:_[a-z]+)*)"))
def it_names_commands_that_are_there(page, match):
    assert match[1] in get_commands(), match[1]


def screens():
    for line in (ROOT / "README.md").read_text().splitlines():
        if found := re.search(r"`((?:portal|accounts|contracts|orders|billing)\.views)\.", line):
            for function in re.findall(r"`(?:[a-z]+\.views\.)?([a-z_]+)`", line.rsplit("|", 2)[1]):
                yield found[1], function


@pytest.mark.parametrize(("module", "function"), list(screens()))
def it_names_the_function_of_each_screen(module, function):
    assert callable(getattr(import_module(module), function))


def tests_that_exist():
    found = set()
    for file in (ROOT / "tests").rglob("test_*.py"):
        found |= set(re.findall(r"^def (it_\w+)", file.read_text(), re.MULTILINE))
    return found


@pytest.mark.parametrize("page", ["reliability.md", "security.md"])
def it_names_tests_that_are_there(page):
    named = set(re.findall(r"`(it_\w+)`", (ROOT / "docs" / page).read_text()))
    assert not named - tests_that_exist()


def it_numbers_each_decision_once_and_in_its_heading():
    pages = sorted((ROOT / "docs" / "adr").glob("*.md"))
    assert [int(page.name[:4]) for page in pages] == list(range(1, len(pages) + 1))
    assert [page.name for page in pages if not page.read_text().startswith(f"# {int(page.name[:4])}. ")] == []
