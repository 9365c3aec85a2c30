"""The database folds a text for searching exactly as `reading.fold` does, and keeps it beside every row."""

import sys
import unicodedata

import pytest
from django.db import connection
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.django import TestCase

from accounts.models import User
from contracts.models import Contract
from portal import history, reading
from tests import make

TEXTS = [
    "ｻｰﾊﾞ",
    "さーば",
    "サーバー",
    "山田　花子",
    "Ｂ２０２６",
    "㈱ＡＢＣ",
    "É Ñ ß Ω Я Ё",
    "か\u3099",
    "葛\U000e0100",
    "a\u200bb\u00ad",
    "K−1",
    "〜～",
    "𠮷",
]


def keys(*texts):
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT search_key(each) FROM unnest(%s::text[]) WITH ORDINALITY AS t(each, n) ORDER BY n", [list(texts)]
        )
        return [row[0] for row in cursor.fetchall()]


def folded(*texts):
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT search_form(each) FROM unnest(%s::text[]) WITH ORDINALITY AS t(each, n) ORDER BY n", [list(texts)]
        )
        return [row[0] for row in cursor.fetchall()]


@pytest.mark.django_db
def it_folds_as_python_does():
    assert folded(*TEXTS) == [reading.fold(text) for text in TEXTS]


@pytest.mark.django_db
def it_keeps_the_same_without_dashes_for_staffs_search():
    assert keys(*TEXTS) == [reading.fold(text).replace("-", "") for text in TEXTS]
    assert keys("みどり-ＡＢ 03−1234\x1fﾐﾄﾞﾘ") == ["ミドリab031234\x1fミドリ"]


@pytest.mark.django_db
def it_folds_every_character_as_python_does():
    """Each by itself, of those that both know (two Unicode versions may meet here)."""
    characters = [
        each for each in map(chr, range(1, sys.maxunicode + 1)) if unicodedata.category(each) not in ("Cs", "Cn", "Co")
    ]
    differ = [each for each, found in zip(characters, folded(*characters), strict=True) if found != reading.fold(each)]
    assert differ == []
    differ = [
        each
        for each, found in zip(characters, keys(*characters), strict=True)
        if found != reading.fold(each).replace("-", "")
    ]
    assert differ == []


class AnyText(TestCase):
    @given(st.text(st.characters(exclude_categories=["Cs", "Cn"], exclude_characters="\0"), max_size=40))
    def test_it_folds_as_python_does(self, text):
        assert folded(text) == [reading.fold(text)]
        assert keys(text) == [reading.fold(text).replace("-", "")]


def it_keeps_what_is_searched_with_every_change(cast):
    contract = make.make_contract(cast.a, (1,))
    Contract.objects.filter(pk=contract.pk).update(name="ﾃｽﾄ 契約")
    User.objects.filter(pk=cast.taro.pk).update(name="鈴木　太郎", kana="すずき")
    event = history.record("user_changed", "Ｘ Ｙ", by=cast.taro, customer=cast.a)
    assert Contract.objects.get(pk=contract.pk).search == "テスト契約"
    assert User.objects.get(pk=cast.taro.pk).search == "鈴木太郎\nスズキ"
    assert (event.actor_search, event.subject_search) == ("taro", "xy")
