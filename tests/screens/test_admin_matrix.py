"""Who may do what at staff's desk: every address, method and action as nobody, a customer, each role and a superuser.

The rows follow `admin.site` and its addresses: a new page, address or action without a row fails.
"""

import functools
from datetime import date
from itertools import product

import pytest
import time_machine
from django.contrib import admin
from django.contrib.auth.models import Group
from django.db import transaction
from django.forms import CharField
from django.urls import URLPattern, reverse
from django.utils import timezone

from accounts.models import User
from billing.models import Decision, Invoice, NumberGone, Rendering, Upload
from billing.month import parking
from contracts.models import Contract
from portal import history, mail, numbers, rights
from portal.forms import LineField
from portal.models import Action, CalendarDay, Notice, VendorRegistration
from tests import make
from tests.filled import form_page
from tests.replay import remembered

# V 閲覧, R 受付, B 請求, M 管理, S superuser
ROLE_OF = dict(zip("VRBM", rights.ROLES, strict=True))
EVERYBODY = "VRBMS"
TAKES_AWAY = "RBMS"
# Who may see, add, change and delete a row, and run which action. Nobody else, and no customer, may do anything.
TABLE = {
    "portal.vendor": (EVERYBODY, "", "MS", "", {}),
    "portal.vendorregistration": (EVERYBODY, "MS", "MS", "MS", {"delete_selected": "MS"}),
    "portal.taxclass": (EVERYBODY, "MS", "MS", "MS", {"delete_selected": "MS"}),
    "portal.calendarday": (EVERYBODY, "MS", "MS", "MS", {"delete_selected": "MS"}),
    "portal.faqentry": (EVERYBODY, "RS", "RS", "RS", {"delete_selected": "RS"}),
    "portal.notice": (EVERYBODY, "RS", "RS", "RS", {"delete_selected": "RS"}),  # one that isn't shown yet
    "portal.inquiry": (EVERYBODY, "RS", "RS", "", {}),
    "portal.mail": (EVERYBODY, "", "", "", {"send_again": "RS"}),
    "portal.historyevent": (EVERYBODY, "", "", "", {}),
    "accounts.customer": (EVERYBODY, "RS", "RS", "RS", {}),  # the page of one that stays says why; test_deletions.py
    "accounts.user": (
        EVERYBODY,
        "RMS",
        "RS",  # a customer's user; test_admin_roles.py is about members of the staff
        "",
        {"send_account_data": "RMS", "remove_second_factor": "RMS", "delete_users": "RMS"},
    ),
    "contracts.service": (EVERYBODY, "MS", "MS", "MS", {"delete_selected": "MS"}),
    "contracts.contract": (EVERYBODY, "BS", "BS", "", {}),
    "contracts.meter": (EVERYBODY, "BS", "BS", "BS", {"delete_selected": "BS"}),
    "orders.order": (EVERYBODY, "", "", "", {}),
    "orders.usage": (EVERYBODY, "", "", "", {}),
    "orders.usagefile": (EVERYBODY, "", "", "", {}),
    "billing.invoice": (EVERYBODY, "", "BS", "", {}),  # a draft one
    "billing.credit": (EVERYBODY, "", "", "", {"take_back": "BS"}),
    "billing.decision": (EVERYBODY, "", "", "", {"take_back": "BS"}),
    "billing.numbergone": (EVERYBODY, "", "", "", {}),
    "billing.monthrun": (EVERYBODY, "", "", "", {}),
    "billing.parked": (EVERYBODY, "", "", "", {"try_again": "BS"}),
    "billing.upload": (EVERYBODY, "", "", "", {}),
    "billing.rendering": (EVERYBODY, "", "", "", {"try_again": "BS"}),
}
ADMINS = {model._meta.label_lower: desk for model, desk in admin.site._registry.items()}
# Addresses that belong to no model: what they answer to whoever works here.
PLAIN = {
    "index": 200,
    "app_list": 302,  # to the index
    "autocomplete": 403,  # without a field to complete
    "jsi18n": 200,
    "view_on_site": 404,  # no row of ours has a page of its own
    "logout": 405,
    "login": 302,
    "password_change": 302,
    "password_change_done": 200,
    None: 404,
}
APPS = sorted({label.partition(".")[0] for label in TABLE})
OF_A_MODEL = ["csv", "changelist", "add", "history", "delete", "change", None]
# Pages of a model's own; test_decisions.py, test_withdrawal.py, test_threads.py and test_notices.py say who may open them.
OWN = {
    "portal.notice": ["portal_notice_preview"],
    "portal.inquiry": ["portal_inquiry_answer", "portal_inquiry_memo", "portal_inquiry_take"],
    "contracts.contract": ["contracts_contract_decide", "contracts_contract_decide_all", "contracts_contract_withdraw"],
    "billing.invoice": [
        "billing_invoice_credit",
        "billing_invoice_correct",
        "billing_invoice_pdf",
        "billing_invoice_xml",
    ],
}
REFUSED, SIGN_IN = 403, "sign-in"
NOW = "2026-05-08T12:00+09:00"


def names(patterns):
    for entry in patterns:
        if isinstance(entry, URLPattern):
            yield entry.name
        else:
            yield from names(entry.url_patterns)


def it_has_a_row_for_every_page_action_and_address():
    assert set(TABLE) == set(ADMINS)
    of_models = [f"{label.replace('.', '_')}_{name}" for label in TABLE for name in OF_A_MODEL if name]
    assert set(names(admin.site.get_urls())) == {
        *of_models,
        *PLAIN,
        *(page for pages in OWN.values() for page in pages),
    }
    for label, (*_pages, actions) in TABLE.items():
        desk = ADMINS[label]
        offered = {action if isinstance(action, str) else action.__name__ for action in desk.actions}
        assert offered | ({"delete_selected"} & set(actions)) == set(actions), label
        assert [each.name for each in desk.get_urls() if each.name] == [
            *OWN.get(label, []),
            *(f"{label.replace('.', '_')}_{name}" for name in OF_A_MODEL if name),
        ], label


def it_asks_for_a_right_at_every_action():
    for label, (*_pages, actions) in TABLE.items():
        for name in actions:
            assert getattr(ADMINS[label].get_action(name)[0], "allowed_permissions", None), f"{label} {name}"


def staff_in(role):
    person = make.make_user(None, f"{role}@example.net".lower(), is_staff=True, is_superuser=role == "S")
    if role in ROLE_OF:
        person.groups.add(Group.objects.get(name=ROLE_OF[role]))
    return User.objects.get(pk=person.pk)


@pytest.fixture
def rows(world):
    """One row of every model, in May: every save follows the contracts up to its day."""
    with time_machine.travel(NOW):
        yield {label: world[label] for label in ADMINS}


@pytest.fixture
def cast(world):
    return make.together(**{name: row for name, row in world.items() if "." not in name})


@pytest.fixture
def world(db):
    return people_and_rows()


@remembered
def people_and_rows():
    people = make.cast_rows()
    with time_machine.travel(NOW):
        return people | make_rows(make.together(**people))


def make_rows(cast):
    rights.set_up_roles()
    contract = make.make_contract(cast.a, (1000,))
    make.make_meter(contract, 10)
    make.use(contract, 5)
    make.close_month()
    make.open_month()
    parking.park([cast.b.pk], make.MAY, "for a test")
    fixed = Invoice.objects.filter(customer=cast.a, state="fixed").get()
    Rendering.objects.create(customer=cast.a, invoice=fixed, tries=3, parked_at=timezone.now())
    history.record(Action.USER_CHANGED, "x", by=cast.staff, customer=cast.a)
    mail.queue(mail.Kind.PASSWORD_CHANGED, key="x", customer=cast.a, user=cast.hanako)
    Upload.objects.create(kind="customers", name="x.csv", sha256="x", size=1, content=b"x", by=cast.staff)
    found = {label: desk.model._default_manager.order_by("pk").last() for label, desk in ADMINS.items()}
    found["accounts.user"] = cast.hanako
    found["billing.credit"] = make.make_credit(cast.a, 100)
    line = fixed.lines.exclude(order_line=None).first()
    found["billing.decision"] = Decision.objects.create(
        customer=cast.a, contract_line=line.order_line.contract_line, term=line.order.term, invoice_line=line,
        choice="refused", amount=1, reason="x", by=cast.staff,
    )  # fmt: skip
    found["billing.numbergone"] = NumberGone.objects.create(customer=cast.a, number="B202604-000009", month=make.APRIL)
    found["billing.invoice"] = Invoice.objects.filter(state="draft").last()
    found["contracts.meter"] = make.make_meter(Contract.objects.filter(customer=cast.b).get(), 10)
    # On no invoice, so they may change and go.
    found["portal.calendarday"] = CalendarDay.objects.create(day=date(2000, 1, 31))
    found["portal.vendorregistration"] = VendorRegistration.objects.create(
        number="T8990000000009", valid_from=date(2000, 1, 1), valid_to=date(2000, 1, 31)
    )
    found["portal.notice"] = Notice.objects.create(title="x", body="x", starts_at="2099-01-01T00:00Z")
    found["portal.inquiry"] = make.make_inquiry(cast.hanako)
    assert [label for label, row in found.items() if row is None] == []
    return found


def outcome(response):
    if response.status_code == 302 and response.url.startswith(("/admin/login/", "/login/")):
        return SIGN_IN
    return response.status_code


def try_out(web, method, address, data=None):
    """One request whose writes are undone."""
    with transaction.atomic():
        found = outcome(getattr(web, method)(address, data))
        transaction.set_rollback(True)
    return found


def walk(web, rows):
    """{(model, what): outcome} of every page and of what it takes."""
    found = {}
    for label, row in rows.items():
        name = f"admin:{label.replace('.', '_')}"
        here = f"{name}_changelist", []
        for what, (route, keys), method, data in [
            ("see the list", here, "get", None),
            ("take the list away", (f"{name}_csv", []), "get", None),
            ("see", (f"{name}_change", [row.pk]), "get", None),
            ("see the history", (f"{name}_history", [row.pk]), "get", None),
            ("open add", (f"{name}_add", []), "get", None),
            ("add", (f"{name}_add", []), "post", {}),
            ("change", (f"{name}_change", [row.pk]), "post", {}),
            ("open delete", (f"{name}_delete", [row.pk]), "get", None),
            ("delete", (f"{name}_delete", [row.pk]), "post", {"post": "yes"}),
        ]:
            found[label, what] = try_out(web, method, reverse(route, args=keys), data)
    return found


def expected(role):
    found = {}
    for label, (see, add, change, delete, _actions) in TABLE.items():
        for whats, roles in [
            (["see the list", "see", "see the history"], see),
            (["take the list away"], TAKES_AWAY),
            (["open add", "add"], add),
            (["change"], change),
            (["open delete", "delete"], delete),
        ]:
            for what in whats:
                found[label, what] = role in roles
    return found


@pytest.mark.parametrize("role", EVERYBODY)
def it_lets_each_role_see_and_write_what_the_table_says(role, rows, web):
    web.force_login(staff_in(role))
    found = walk(web, rows)
    assert set(found.values()) <= {200, 302, REFUSED}
    may, table = {key: answer != REFUSED for key, answer in found.items()}, expected(role)
    assert {key: may[key] for key in may if may[key] != table[key]} == {}


@pytest.mark.parametrize("who", ["nobody", "customer", "staff without a role"])
def it_lets_nobody_else_in(who, rows, web, cast):
    if who != "nobody":
        web.force_login(cast.hanako if who == "customer" else staff_in("nothing"))
    assert set(walk(web, rows).values()) == {REFUSED if who == "staff without a role" else SIGN_IN}


@pytest.mark.parametrize("role", ["nobody", "customer", "nothing", *EVERYBODY])
def it_runs_each_action_for_whom_the_table_says(role, rows, web, cast, monkeypatch):
    ran = []

    def watched(action, label):
        @functools.wraps(action)
        def run(desk, request, chosen):
            ran.append((label, action.__name__))
            return action(desk, request, chosen)

        return run

    for label, (*_pages, actions) in TABLE.items():
        for name in actions:
            if name != "delete_selected":
                monkeypatch.setattr(type(ADMINS[label]), name, watched(getattr(type(ADMINS[label]), name), label))
    if role != "nobody":
        web.force_login(cast.hanako if role == "customer" else staff_in(role))
    for label, (*_pages, actions) in TABLE.items():
        for name in actions:
            with transaction.atomic():
                address = reverse(f"admin:{label.replace('.', '_')}_changelist")
                page = web.post(address, {"action": name, "_selected_action": [rows[label].pk]})
                transaction.set_rollback(True)
            if name == "delete_selected" and page.status_code == 200 and '"delete_selected"' in page.content.decode():
                ran.append((label, name))
    assert sorted(ran) == sorted(
        (label, name) for label, (*_p, actions) in TABLE.items() for name, roles in actions.items() if role in roles
    )


def addresses():
    return {
        "index": "/admin/",
        "app_list": "/admin/billing/",
        "autocomplete": "/admin/autocomplete/",
        "jsi18n": "/admin/jsi18n/",
        "view_on_site": "/admin/r/1/1/",
        "logout": "/admin/logout/",
        "login": "/admin/login/",
        "password_change": "/admin/password_change/",
        "password_change_done": "/admin/password_change/done/",
        None: "/admin/no-such-page/",
    }


def it_answers_addresses_of_no_model_to_staff_only(web, cast, rows):
    for who in (None, cast.hanako):
        if who:
            web.force_login(who)
        answers = {name: outcome(web.get(address)) for name, address in addresses().items()}
        assert {name for name, answer in answers.items() if answer == 200} <= {"jsi18n"}, who
    web.force_login(staff_in("V"))
    answers = {name: web.get(address).status_code for name, address in addresses().items()}
    assert answers == PLAIN


def it_lets_whoever_may_see_a_row_search(web, cast):
    """What each of them finds follows the rows that they may see: test_search.py."""
    rights.set_up_roles()
    people = {
        "nobody": None,
        "customer": cast.hanako,
        "nothing": staff_in("nothing"),
        **{each: staff_in(each) for each in EVERYBODY},
    }
    answers = {}
    for who, person in people.items():
        if person:
            web.force_login(person)
        answers[who] = outcome(web.get("/admin/search/", {"q": "会社"}))
    assert answers == {"nobody": SIGN_IN, "customer": SIGN_IN, "nothing": REFUSED} | dict.fromkeys(EVERYBODY, 200)


def it_lets_whoever_may_see_invoices_read_the_check_of_a_month_and_ask_for_one(web, cast):
    rights.set_up_roles()
    people = {None: None, "customer": cast.hanako, **{each: staff_in(each) for each in ("nothing", *EVERYBODY)}}
    answers = {}
    with time_machine.travel(NOW):
        for who, person in people.items():
            if person:
                web.force_login(person)
            answers[who] = [try_out(web, method, "/admin/check/2026-04/") for method in ("get", "post", "put")]
    assert answers == {
        None: [SIGN_IN] * 3,
        "customer": [SIGN_IN] * 3,
        "nothing": [REFUSED, REFUSED, 405],
        **{role: [200, 302, 405] for role in EVERYBODY},
    }


ODD = ["abc", "-1", "99999999999999999999", "a/b", "_2F", "１"]
QUESTIONS = [
    "p=abc", "p=99999999999999999999", "p=-1", "o=abc", "o=99.-99", "q=%27", "q=" + "x" * 3000, "all=", "e=1", "_popup=1",
    "_to_field=password", "_to_field=id", "id__exact=1", "pk=abc", "month__gte=abc", "month__gte=9999-99-99",
    "is_active__exact=9", "service__id__exact=99999999999999999999", "service__id__exact=abc", "handled_at__isempty=x",
    "_changelist_filters=%27", "_facets=True", "state__exact=%00",
]  # fmt: skip


@pytest.mark.parametrize("app", APPS)
def it_answers_odd_ids_and_questions_with_a_page(app, rows, web, cast):
    web.force_login(cast.staff)
    for place, label in enumerate(models_of(app)):
        ask_oddly(web, label, rows, odd=share(ODD, place), questions=share(QUESTIONS, place))


def share(values, place):
    """All for an app's first model; a third for each of the others, whose pages are made by the same base class."""
    return values if place == 0 else values[place % 3 :: 3]


def ask_oddly(web, label, rows, *, odd, questions):
    home = reverse(f"admin:{label.replace('.', '_')}_changelist")
    for typed in odd:
        for method, page in [
            ("get", ""),
            ("get", "change/"),
            ("post", "change/"),
            ("get", "history/"),
            ("post", "delete/"),
        ]:
            assert try_out(web, method, f"{home}{typed}/{page}", {}) in (200, 301, 302, 403, 404), (typed, page)
        for action in TABLE[label][4]:
            given = {"action": action, "_selected_action": [typed, rows[label].pk]}
            assert try_out(web, "post", home, given) in (200, 302), (action, typed)
        given = {"form-TOTAL_FORMS": "1", "form-INITIAL_FORMS": "1", "form-0-id": typed, "_save": "1"}
        assert try_out(web, "post", home, given) in (200, 302, 400), typed
    for question in questions:
        assert try_out(web, "get", f"{home}?{question}") in (200, 302, 400), question


def models_of(app):
    return [label for label in TABLE if label.startswith(f"{app}.")]


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


@pytest.mark.parametrize("app", APPS)
def it_answers_an_odd_value_in_any_field_with_a_page(app, rows, web, cast):
    web.force_login(cast.staff)
    for _typed in (cast.a, cast.b):  # their numbers, which didn't come from the counter
        numbers.next_number(numbers.CUSTOMER)
    for label in models_of(app):
        home = reverse(f"admin:{label.replace('.', '_')}_changelist")
        for address in (f"{home}add/", f"{home}{rows[label].pk}/change/"):
            for sent in odd_forms(web, address):
                assert try_out(web, "post", address, sent) in (200, 302, 403), (label, sent)


@pytest.mark.parametrize("app", APPS)
def it_answers_a_filters_odd_value_with_a_page(app, rows, web, cast):
    web.force_login(cast.staff)
    for label in models_of(app):
        here = reverse(f"admin:{label.replace('.', '_')}_changelist")
        for lookup, odd in product(ADMINS[label].filter_lookups(), ("x", "-1", "9" * 20, "", "1,2")):
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
