"""What staff type into a search box, taken apart, and the conditions by which indexes find it.

Width, kind of kana, case, blanks and dashes make no difference. Every word must be found: in a row itself, or in the customer
it belongs to. A customer is looked for first, by the grams of its texts, then its rows by their customer; never both at once.
A word that many of the newest rows have is no help in finding any: rows with it are met on the way, in the order they are shown in.
"""

import re
import unicodedata
from collections.abc import Iterable, Sequence
from functools import reduce
from operator import or_
from typing import Any, NamedTuple, Self

from django.contrib.auth import get_user_model
from django.contrib.postgres.expressions import ArraySubquery
from django.core.exceptions import ValidationError
from django.db.models import Count, Model, Q, QuerySet, Value
from django.urls import Resolver404, resolve
from django.utils.translation import gettext as _

from portal import numbers, reading
from portal.db.ids import Ids
from portal.db.sets import united
from portal.models.functions import APART, HasGrams, IsAmong, StandsIn, has_grams
from portal.scoping import Scoped

LONGEST = 200  # characters; no name is longer
MOST_WORDS = 5
MOST_CUSTOMERS = 500  # whose rows a list looks for; more are found by words that say nothing
SHORTEST_START = 4  # characters of a number from which others begin
SAMPLE = 500  # rows of a table, the newest, that tell how common a word is
COMMON = 5  # of them; of 100,000 rows a thousand, which are soon met by walking
NEVER = Q(pk__in=())

ADDRESS = re.compile(r"(?:https?://[^/\s]+)?(/[^\s?#]*)(?:[?#]\S*)?", re.IGNORECASE)
NUMBER = re.compile(r"(?=.*\d)[A-Z0-9-]{2,20}", re.ASCII)
OF_ALL_TIME = re.compile(rf"([{numbers.CUSTOMER}{numbers.CONTRACT}])0*(\d{{1,7}})", re.ASCII)
OF_A_MONTH = re.compile(r"([BOQ]?)(\d{6})-?(\d{1,12})", re.ASCII)
CALLED = re.compile(r"(\+?)[\d().-]*\d[\d().-]*", re.ASCII)


class Word(NamedTuple):
    """One word: as the database keeps texts for searching (`key`), with its dashes (`folded`), the numbers it may be, as it was
    typed but for its width (`plain`), and the tables in which it is common."""

    key: str
    folded: str
    numbers: tuple[str, ...]
    plain: str = ""
    common: frozenset[str] = frozenset()

    def begins(self, name: str) -> list[Q]:
        """Rows whose number begins so, by the index of its beginnings; a short one is only ever the whole number. None for a word
        that is no number."""
        if not self.numbers:
            return []
        starts = [each for each in self.numbers if len(each) >= SHORTEST_START]
        return [
            reduce(or_, (Q(**{f"{name}__startswith": each}) for each in starts), Q(**{f"{name}__in": self.numbers}))
        ]

    def is_common(self, model: type[Model]) -> bool:
        return model._meta.db_table in self.common

    def stands_in(self, model: type[Model], column: str = "sought", text: str = "") -> Q:
        """Rows in whose text the word's key stands, or this form of it: of those with all of its grams, which the index gives.

        Where it is common the text is looked at alone: to take it apart takes a hundred times as long.
        """
        text = text or self.key
        if self.is_common(model):
            return Q(StandsIn(column, Value(text)))
        return Q((f"{column}__contains", text), has_grams(column, grams(text)))

    def is_whole(self) -> Q:
        """Rows of which one text is this word, and no more."""
        text = f"{APART}{self.key}{APART}"
        return Q(("sought__contains", text), has_grams("sought", grams(text)))


def words(typed: str) -> list[Word]:
    """The words of a search, in the order typed; none where nothing was. Raises ValidationError if there are too many."""
    typed = typed.strip()
    if len(typed) > LONGEST:
        raise ValidationError(_("検索する語は%d文字までで入力してください。") % LONGEST)
    found = [word for part in typed.split() if (word := read(part)).key]
    if len(found) > MOST_WORDS:
        raise ValidationError(_("検索する語は%dつまでにしてください。") % MOST_WORDS)
    return found


def read(part: str) -> Word:
    """One word; blanks in it don't count."""
    plain = unicodedata.normalize("NFKC", part).strip("<>、,;").removeprefix("mailto:").removeprefix("〒")
    folded = reading.fold(plain)
    dialled = reading.fold(re.sub(r"(?<=\d)ー(?=\d)", "-", plain))
    if called := CALLED.fullmatch(dialled):
        digits = re.sub(r"\D", "", dialled)
        folded = "0" + digits.removeprefix("81").lstrip("0") if called[1] and digits.startswith("81") else dialled
        return Word(re.sub(r"\D", "", folded), folded, may_be(dialled.upper()), plain)
    return Word(folded.replace("-", ""), folded, may_be(dialled.upper()), plain)


def may_be(code: str) -> tuple[str, ...]:
    """The numbers that somebody may mean: as typed, filled up with zeros, with its hyphen, with the letter of its series."""
    if not NUMBER.fullmatch(code):
        return ()
    found = [code]
    if each := OF_ALL_TIME.fullmatch(code):
        found.append(numbers.written(each[1], int(each[2])))
    if each := OF_A_MONTH.fullmatch(code):
        found += [f"{letter}{each[2]}-{each[3]}" for letter in each[1] or "BOQ"]
    return tuple(dict.fromkeys(found))


def grams(text: str) -> list[str]:
    """What to look up in the grams of `search_grams`: the pairs of neighbours, those with its ends too, or the one character."""
    return sorted({text[place : place + 2] for place in range(len(text) - 1)}) or [text]


class Sought(Scoped):
    """Rows that staff's search finds by words that stand in themselves or in the customer they belong to."""

    def holding(self, word: Word) -> list[Q]:
        """The conditions of a row by which this word stands in it itself, none if it can't; one index serves each."""
        raise NotImplementedError

    def found_by(self, words: Sequence[Word], customers: Sequence[int] | None = ()) -> Self:
        """Of these rows those in which each of the words is found.

        `customers` are keys of those whose own texts hold all the words, None where customers must not be looked at.
        """
        known = customers is not None
        of_these = IsAmong("customer", Value(Ids(customers or ())))  # one parameter, not five hundred
        common = [word for word in words if word.is_common(self.model)]
        rare = [word for word in words if word not in common and not word.is_common(customer_model())]
        if common and not rare:
            stands = own(self, words) | Q(of_these) if customers else own(self, words)
            return self.filter(stands, *(anywhere(self, word, known) for word in words if len(words) > 1))
        of_all: QuerySet = self.model._default_manager.order_by()
        # Apart from each other, for an OR over two tables no index serves. Where one word is common, another finds all.
        ways = [of_all.filter(of_these)] if customers else []
        for sought in [max(rare, key=lambda word: len(word.key))] if common else words:
            others = [word for word in words if word is not sought]
            held = [anywhere(self, word, known) for word in others]
            ways += [of_all.filter(condition, *held) for condition in self.holding(sought)]
            if common and known:
                with_it = ArraySubquery(customer_model().objects.named([sought]).values("pk"))
                ways.append(of_all.filter(IsAmong("customer", with_it), own(self, others), *held))
        if not ways:
            return self.none()
        # They are found first: the planner might walk through all rows in order and ask of each whether it is among those found.
        return self.filter(IsAmong("pk", ArraySubquery(united([way.values("pk") for way in ways]))))


def customer_model() -> Any:
    return get_user_model()._meta.get_field("customer").related_model


def own(rows: Sought, words: Iterable[Word]) -> Q:
    """One of the words stands in the row itself."""
    return reduce(or_, (condition for word in words for condition in rows.holding(word)), NEVER)


def anywhere(rows: Sought, word: Word, of_customers: bool = True) -> Q:
    """The word stands in the row or in its customer: asked of rows that were found by another word, or that are met on the way."""
    conditions = [without_grams(condition) for condition in rows.holding(word)]
    of_one = Q(StandsIn("customer__sought", Value(word.key))) if of_customers else NEVER
    return reduce(or_, conditions, of_one)


def without_grams(condition: Q) -> Q:
    """The same of rows that are read anyway: their grams would be computed one by one, and say nothing more."""
    kept = [each for each in condition.children if not isinstance(each, HasGrams)]
    return Q(*kept, _connector=condition.connector, _negated=condition.negated)


def weighed(words: Sequence[Word], models: Iterable[type[Model]]) -> list[Word]:
    """These words, each with the tables of these models in which it is common."""
    parts = []
    for model in models:
        rows: Any = model._default_manager.order_by()
        seen = [at_hand(rows, word) for word in words]
        if any(seen):
            newest = model._default_manager.order_by("-pk").values("pk")[:SAMPLE]
            counts = [Count("pk", filter=condition) if condition else Value(0) for condition in seen]
            of_words = {f"of_{place}": count for place, count in enumerate(counts)}
            table = Value(model._meta.db_table)
            parts.append(
                rows.filter(pk__in=newest).values(table=table).annotate(**of_words).values_list("table", *of_words)
            )
    counted = list(united(parts))
    return [
        word._replace(common=frozenset(table for table, *found in counted if found[place] >= COMMON))
        for place, word in enumerate(words)
    ]


def at_hand(rows: Sought, word: Word) -> Q:
    """The word stands in the row's own columns; an empty condition if it can't."""
    return reduce(or_, (without_grams(each) for each in rows.holding(word) if not looks_elsewhere(each)), Q())


def looks_elsewhere(condition: Q) -> bool:
    return any(isinstance(each, tuple) and isinstance(each[1], QuerySet) for each in condition.children)


def customers_of(model: type[Model], words: Sequence[Word], *, by: Any, most: int) -> tuple[Sequence[int] | None, str]:
    """(keys of the customers with these words in their own texts, whose rows are to be found; what to tell if they are too many).

    None instead of keys if `by` may not see whom else the words would be looked for in: the customers, or those's users.
    """
    if model is customer_model():
        return (() if by.has_perm("accounts.view_user") else None), ""
    if not by.has_perm("accounts.view_customer"):
        return None, ""
    return few(customer_model().objects.named(words), most)


def of_list(rows: Any, typed: str, *, by: Any) -> tuple[QuerySet, str]:
    """(the rows of a list in which these words stand, what to tell whoever typed them)."""
    try:
        found = words(typed)
    except ValidationError as refused:
        return rows.none(), " ".join(refused.messages)
    if not found:
        return rows, ""
    found = weighed(found, dict.fromkeys([rows.model, customer_model(), get_user_model()]))
    customers, told = customers_of(rows.model, found, by=by, most=MOST_CUSTOMERS)
    return rows.found_by(found, customers), told


def few(customers: QuerySet, most: int) -> tuple[Sequence[int], str]:
    """Their keys; none of them, and a sentence, if they are so many that the words say nothing of what belongs to them."""
    found = list(customers.values_list("pk", flat=True)[: most + 1])
    if len(found) <= most:
        return found, ""
    told = _("あてはまるお客様が%d社を超えるため、お客様の名前では探していません。語を足してください。")
    return (), told % most


def page_of(typed: str) -> tuple[str, Any] | None:
    """What a pasted address of the portal or of its admin shows: (a number or a key, and the name of its page)."""
    given = ADDRESS.fullmatch(typed.strip())
    if not given:
        return None
    try:
        found = resolve(given[1] if given[1].endswith("/") else f"{given[1]}/")
    except Resolver404:
        return None
    part = next(
        (found.kwargs[name] for name in ("number", "pk", "object_id", "invoice", "contract") if name in found.kwargs),
        None,
    )
    return None if part is None else (found.url_name or "", str(part))
