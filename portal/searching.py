"""What staff type into a search box, taken apart, and the conditions by which indexes find it.

Width, kind of kana, case, blanks and dashes make no difference. Every word must be found: in a row itself, or in the customer
it belongs to. A customer is looked for first, by the grams of its texts, then its rows by their customer; never both at once.
"""

import re
import unicodedata
from collections.abc import Callable, Sequence
from functools import reduce
from operator import or_
from typing import Any, NamedTuple

from django.contrib.auth import get_user_model
from django.contrib.postgres.expressions import ArraySubquery
from django.core.exceptions import ValidationError
from django.db.models import Model, Q, QuerySet
from django.urls import Resolver404, resolve
from django.utils.translation import gettext as _

from portal import numbers, reading
from portal.models.functions import APART, HasGrams, IsAmong, has_grams

LONGEST = 200  # characters; no name is longer
MOST_WORDS = 5
MOST_CUSTOMERS = 500  # whose documents are looked for; more are found by words that say nothing
SHORTEST_START = 4  # characters of a number from which others begin

ADDRESS = re.compile(r"(?:https?://[^/\s]+)?(/[^\s?#]*)(?:[?#]\S*)?", re.IGNORECASE)
NUMBER = re.compile(r"(?=.*\d)[A-Z0-9-]{2,20}", re.ASCII)
OF_ALL_TIME = re.compile(rf"([{numbers.CUSTOMER}{numbers.CONTRACT}])0*(\d{{1,7}})", re.ASCII)
OF_A_MONTH = re.compile(r"([BOQ]?)(\d{6})-?(\d{1,12})", re.ASCII)
CALLED = re.compile(r"(\+?)[\d().-]*\d[\d().-]*", re.ASCII)


class Word(NamedTuple):
    """One word: as the database keeps texts for searching (`key`), with its dashes (`folded`), the numbers it may be, and as it
    was typed but for its width (`plain`)."""

    key: str
    folded: str
    numbers: tuple[str, ...]
    plain: str = ""

    def begins(self, name: str) -> Q:
        """Rows whose number begins so, by the index of its beginnings; a short one is only ever the whole number."""
        starts = [each for each in self.numbers if len(each) >= SHORTEST_START]
        return reduce(or_, (Q(**{f"{name}__startswith": each}) for each in starts), Q(**{f"{name}__in": self.numbers}))


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
    """What to look up in the grams of `search_grams`: the pairs of neighbours, or the one character."""
    return sorted({text[place : place + 2] for place in range(len(text) - 1)}) or [text]


def contains(column: Any, text: str) -> Q:
    """Texts that hold this one: those with all of its grams, which the index gives, and of these those in which it stands.

    Where most rows are read anyway, the text is looked at first: to take it apart takes a hundred times as long.
    """
    return Q((f"{column}__contains", text), has_grams(column, grams(text)))


def holds(column: Any, text: str) -> Q:
    """Those of which one text is this one, and no more."""
    return Q((f"{column}__contains", f"{APART}{text}{APART}"), has_grams(column, grams(text)))


def found_by(
    rows: QuerySet,
    words: Sequence[Word],
    *,
    own: Callable[[Word], list[Q]],
    customers: Sequence[int] | None = (),
    through: str = "customer",
) -> QuerySet:
    """Of these rows those in which each word is found.

    `own` gives the conditions of the row itself, each of which one index serves; `customers` are keys of those whose own texts
    hold all the words, None where customers must not be looked at. Conditions are tried apart from each other, for an OR
    over two tables no index serves.
    """
    of_all: QuerySet = rows.model._default_manager.order_by()
    ways = []
    for word in words:
        others = [
            anywhere(other, own, through if customers is not None else "") for other in words if other is not word
        ]
        ways += [of_all.filter(condition, *others) for condition in own(word)]
    if customers:
        ways.append(of_all.filter(**{f"{through}__in": customers}))
    first, *more = [way.values("pk") for way in ways]
    # They are found first: where many rows have a word, the planner would sort all rows and look each up among those found.
    return rows.filter(IsAmong("pk", ArraySubquery(first.union(*more, all=True) if more else first)))


def anywhere(word: Word, own: Callable[[Word], list[Q]], through: str) -> Q:
    """The word stands in the row or in its customer: asked of rows that were found by another word."""
    conditions = [without_grams(condition) for condition in own(word)]
    return reduce(or_, conditions, Q(**{f"{through}__sought__contains": word.key}) if through else Q())


def without_grams(condition: Q) -> Q:
    """The same of rows that are read anyway: their grams would be computed one by one, and say nothing more."""
    kept = [each for each in condition.children if not isinstance(each, HasGrams)]
    return Q(*kept, _connector=condition.connector, _negated=condition.negated)


def customers_of(model: type[Model], words: Sequence[Word], *, by: Any) -> tuple[Sequence[int] | None, str]:
    """(keys of the customers with these words in their own texts, whose rows are to be found; what to tell if they are too many).

    None instead of keys if `by` may not see whom else the words would be looked for in: the customers, or those's users.
    """
    customers: Any = get_user_model()._meta.get_field("customer").related_model
    if model is customers:
        return (() if by.has_perm("accounts.view_user") else None), ""
    if not by.has_perm("accounts.view_customer"):
        return None, ""
    return few(customers.objects.named(words))


def of_list(rows: Any, typed: str, *, by: Any) -> tuple[QuerySet, str]:
    """(the rows of a list in which these words stand, what to tell whoever typed them)."""
    try:
        found = words(typed)
    except ValidationError as refused:
        return rows.none(), " ".join(refused.messages)
    if not found:
        return rows, ""
    customers, told = customers_of(rows.model, found, by=by)
    return rows.found_by(found, customers), told


def few(customers: QuerySet) -> tuple[Sequence[int], str]:
    """Their keys; none of them, and a sentence, if they are so many that the words say nothing of what belongs to them."""
    found = list(customers.values_list("pk", flat=True)[: MOST_CUSTOMERS + 1])
    if len(found) <= MOST_CUSTOMERS:
        return found, ""
    told = _("あてはまるお客様が%d社を超えるため、お客様の名前では探していません。語を足してください。")
    return (), told % MOST_CUSTOMERS


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
