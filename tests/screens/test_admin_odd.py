"""Whatever stands in an address, a field or a filter of staff's desk is answered with a page.

The questions follow `admin.site`: a new page, field or filter is asked by itself. Each run asks every eighth question: each
model an eighth of the values, each value an eighth of the models; `bin/test -m nightly tests/screens/test_admin_odd.py` asks all.
"""

from itertools import product

import pytest
from django.forms import CharField
from django.urls import reverse

from portal import numbers
from portal.forms import LineField
from tests.filled import form_page
from tests.sampling import sampled, share
from tests.screens.desk import ADMINS, try_out

APPS = sorted({label.partition(".")[0] for label in ADMINS})
ODD = ["abc", "-1", "99999999999999999999", "a/b", "_2F", "１"]
QUESTIONS = [
    "p=abc", "p=99999999999999999999", "p=-1", "o=abc", "o=99.-99", "q=%27", "q=" + "x" * 3000, "all=", "e=1", "_popup=1",
    "_to_field=password", "_to_field=id", "id__exact=1", "pk=abc", "month__gte=abc", "month__gte=9999-99-99",
    "is_active__exact=9", "service__id__exact=99999999999999999999", "service__id__exact=abc", "handled_at__isempty=x",
    "_changelist_filters=%27", "_facets=True", "state__exact=%00",
]  # fmt: skip


def models_of(app):
    """[(place among all models, label)]"""
    return [(place, label) for place, label in enumerate(ADMINS) if label.startswith(f"{app}.")]


@sampled(8)
@pytest.mark.parametrize("app", APPS)
def it_answers_odd_ids_and_questions_with_a_page(app, step, every_row, web, desk_world):
    web.force_login(desk_world["staff"])
    for place, label in models_of(app):
        odd, questions = share(ODD, step, place), share(QUESTIONS, step, place)
        ask_oddly(web, label, every_row, odd=odd, questions=questions)


def ask_oddly(web, label, every_row, *, odd, questions):
    home = reverse(f"admin:{label.replace('.', '_')}_changelist")
    actions = {each if isinstance(each, str) else each.__name__ for each in ADMINS[label].actions} | {"delete_selected"}
    for typed in odd:
        for method, page in [
            ("get", ""),
            ("get", "change/"),
            ("post", "change/"),
            ("get", "history/"),
            ("post", "delete/"),
        ]:
            assert try_out(web, method, f"{home}{typed}/{page}", {}) in (200, 301, 302, 403, 404), (typed, page)
        for action in sorted(actions):
            given = {"action": action, "_selected_action": [typed, every_row[label].pk]}
            assert try_out(web, "post", home, given) in (200, 302), (action, typed)
        given = {"form-TOTAL_FORMS": "1", "form-INITIAL_FORMS": "1", "form-0-id": typed, "_save": "1"}
        assert try_out(web, "post", home, given) in (200, 302, 400), typed
    for question in questions:
        assert try_out(web, "get", f"{home}?{question}") in (200, 302, 400), question


def odd_forms(web, address):
    """What a page's form would send, with one field odd; a word in each field of a new row, a number below 0 in a stored one's."""
    response = form_page(web, address)
    if response.status_code != 200:
        return
    forms = tried = [response.context["adminform"].form]
    for inline in response.context["inline_admin_formsets"]:
        rows = inline.formset.forms
        forms = [*forms, inline.formset.management_form, *rows]
        # A stored row and a new one: the others of the table have the same fields.
        tried = [*tried, inline.formset.management_form, *{form.instance.pk is None: form for form in rows}.values()]
    fields = {field.html_name: field for form in tried for field in form}
    values = {field.html_name: field.value() for form in forms for field in form}
    sent = {name: value for name, value in values.items() if value not in (None, False)}
    for name, field in fields.items():
        if address.endswith("add/"):
            yield sent | {name: "x", "_continue": "1"}
        elif type(field.field) not in (CharField, LineField):
            yield sent | {name: "-1", "_continue": "1"}


@sampled(8)
@pytest.mark.parametrize("app", APPS)
def it_answers_an_odd_value_in_any_field_with_a_page(app, step, every_row, web, desk_world):
    web.force_login(desk_world["staff"])
    for _typed in (desk_world["a"], desk_world["b"]):  # their numbers, which didn't come from the counter
        numbers.next_number(numbers.CUSTOMER)
    for place, label in models_of(app):
        home = reverse(f"admin:{label.replace('.', '_')}_changelist")
        for address in (f"{home}add/", f"{home}{every_row[label].pk}/change/"):
            for sent in share(odd_forms(web, address), step, place):
                assert try_out(web, "post", address, sent) in (200, 302, 403), (label, sent)


@sampled(8)
@pytest.mark.parametrize("app", APPS)
def it_answers_a_filters_odd_value_with_a_page(app, step, every_row, web, desk_world):
    web.force_login(desk_world["staff"])
    for place, label in models_of(app):
        here = reverse(f"admin:{label.replace('.', '_')}_changelist")
        asked = product(ADMINS[label].filter_lookups(), ("x", "-1", "9" * 20, "", "1,2"))
        for lookup, odd in share(asked, step, place):
            assert try_out(web, "get", here, {lookup: odd}) in (200, 302, 400), (label, lookup, odd)


def it_answers_odd_completions_and_short_cuts_with_a_page(web, cast):
    web.force_login(cast.staff)
    for odd in ODD:
        asked = {"app_label": "accounts", "model_name": "user", "field_name": "customer", "term": odd, "page": odd}
        assert web.get("/admin/autocomplete/", asked).status_code in (200, 404)
        for name in ("app_label", "model_name", "field_name"):
            assert web.get("/admin/autocomplete/", asked | {name: odd, "page": "1"}).status_code == 403
        assert web.get(f"/admin/r/{odd}/{odd}/").status_code in (301, 404)


def it_completes_customers_in_pages(web, cast):
    web.force_login(cast.staff)
    asked = {"app_label": "accounts", "model_name": "user", "field_name": "customer", "term": "C0"}
    assert len(web.get("/admin/autocomplete/", asked).json()["results"]) == 2
