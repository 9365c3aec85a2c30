"""Our own Japanese for sentences of Django: compiled as written, of sentences that Django still has, without blanks inside."""

import ast
import gettext
import re
from pathlib import Path

import django
import pytest
from django.conf import settings

FOLDER = Path(settings.LOCALE_PATHS[0]) / "ja/LC_MESSAGES"
PLACEHOLDER = re.compile(r"%\(\w+\)[sd]|%s|\{\w+\}")


def written():
    """{sentence: ours} as the .po file has them; of a plural the singular sentence."""
    text = (FOLDER / "django.po").read_text()
    found = re.findall(r'^msgid (".+")\n(?:msgid_plural .+\n)?msgstr(?:\[0\])? (".+")$', text, re.MULTILINE)
    return {ast.literal_eval(sentence): ast.literal_eval(ours) for sentence, ours in found}


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
