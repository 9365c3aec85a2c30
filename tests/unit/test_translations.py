"""Both catalogues: our own Japanese for sentences of Django, and the English of all that customers read."""

import ast
import gettext
import re
from pathlib import Path

import django
import pytest
from django.conf import settings

from tests import words

FOLDER = Path(settings.LOCALE_PATHS[0]) / "ja/LC_MESSAGES"
ENGLISH = Path(settings.LOCALE_PATHS[0]) / "en/LC_MESSAGES"
PLACEHOLDER = re.compile(r"%\(\w+\)[sd]|%[sd]|\{\w+\}")
ENTRY = re.compile(r'(?:^msgctxt (".+")\n)?^msgid (".+")\n(?:msgid_plural .+\n)?msgstr(?:\[0\])? (".*")$', re.MULTILINE)


def written():
    """{sentence: ours} as the .po file has them; of a plural the singular sentence."""
    return {sentence: ours for (_context, sentence), ours in entries(FOLDER).items()}


def entries(folder):
    """{(context or "", sentence): translation}."""
    found = ENTRY.findall((folder / "django.po").read_text())
    return {
        (context and ast.literal_eval(context), ast.literal_eval(sentence)): ast.literal_eval(ours)
        for context, sentence, ours in found
        if ast.literal_eval(sentence)
    }


def compiled(path):
    """The same of a .mo file."""
    with path.open("rb") as file:
        catalog = gettext.GNUTranslations(file)._catalog
    return {(key if isinstance(key, str) else key[0]): ours for key, ours in catalog.items() if key}


@pytest.mark.parametrize("path", settings.LOCALE_PATHS)
def it_looks_for_words_where_there_are_some(path):
    assert list(Path(path).rglob("*.mo"))


def it_is_compiled_from_what_is_written():
    assert len(written()) > 30
    assert compiled(FOLDER / "django.mo") == written()


def it_says_anew_only_what_django_says():
    known = set()
    for part in ("conf", "contrib/admin"):
        known |= compiled(Path(django.__file__).parent / part / "locale/ja/LC_MESSAGES/django.mo").keys()
    assert written().keys() - known == set()


def it_names_the_same_things_and_has_no_blanks_inside():
    for sentence, ours in written().items():
        assert set(PLACEHOLDER.findall(ours)) == set(PLACEHOLDER.findall(sentence)), sentence
        assert not re.search(r"[^\x00-\x7f] |(?<!:) [^\x00-\x7f]", ours), ours


def it_says_in_english_all_that_customers_read_and_no_more():
    needed, said = words.of_customers(), entries(ENGLISH)
    assert {key: path for key, path in needed.items() if key not in said} == {}
    assert said.keys() - needed.keys() == set()


def it_compiles_the_english_that_is_written():
    known = compiled(ENGLISH / "django.mo")
    assert {
        f"{context}\4{text}" if context else text: ours for (context, text), ours in entries(ENGLISH).items()
    } == known


def it_translates_every_sentence_with_all_that_it_names():
    for (_context, sentence), ours in entries(ENGLISH).items():
        assert ours, sentence
        assert sorted(PLACEHOLDER.findall(ours)) == sorted(PLACEHOLDER.findall(sentence)), sentence
        assert not re.search(r"[\u3001-\u30ff\u4e00-\u9fff\uff01-\uff9f]", ours), ours
        assert ours.endswith("\n") == sentence.endswith("\n"), sentence
