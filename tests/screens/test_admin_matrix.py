"""Who may do what at staff's desk: every address, method and action as nobody, a customer, each role and a superuser.

The rows follow `admin.site` and its addresses: a new page, address or action without a row fails.
"""

import functools

import pytest
import time_machine
from django.contrib import admin
from django.contrib.auth.models import Group
from django.db import transaction
from django.template.response import SimpleTemplateResponse
from django.urls import URLPattern, reverse

from accounts.models import User
from portal import rights
from tests import make
from tests.sampling import sampled, share
from tests.screens.desk import ADMINS, NOW, SIGN_IN, outcome, try_out

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
        {"send_account_data": "RMS", "send_reset": "RMS", "remove_second_factor": "RMS", "delete_users": "RMS"},
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
OF_A_MODEL = ["csv", "changelist", "add", "history", "delete", "change", None]
# Pages of a model's own; test_decisions.py, test_withdrawal.py, test_threads.py and test_notices.py say who may open them.
OWN = {
    "portal.notice": ["portal_notice_preview"],
    "portal.inquiry": ["portal_inquiry_answer", "portal_inquiry_memo", "portal_inquiry_take"],
    "contracts.contract": [
        "contracts_contract_decide",
        "contracts_contract_decide_all",
        "contracts_contract_booked",
        "contracts_contract_withdraw",
    ],
    "billing.invoice": [
        "billing_invoice_credit",
        "billing_invoice_correct",
        "billing_invoice_pdf",
        "billing_invoice_xml",
    ],
}
REFUSED = 403


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


def walk(web, every_row, step=1, place=0):
    """{(model, what): outcome} of every page and of what it takes; with a `step`, of each model every step-th of them."""
    found = {}
    for number, (label, row) in enumerate(every_row.items(), start=place):
        name = f"admin:{label.replace('.', '_')}"
        here = f"{name}_changelist", []
        questions = [
            ("see the list", here, "get", None),
            ("take the list away", (f"{name}_csv", []), "get", None),
            ("see", (f"{name}_change", [row.pk]), "get", None),
            ("see the history", (f"{name}_history", [row.pk]), "get", None),
            ("open add", (f"{name}_add", []), "get", None),
            ("add", (f"{name}_add", []), "post", {}),
            ("change", (f"{name}_change", [row.pk]), "post", {}),
            ("open delete", (f"{name}_delete", [row.pk]), "get", None),
            ("delete", (f"{name}_delete", [row.pk]), "post", {"post": "yes"}),
        ]
        for what, (route, keys), method, data in share(questions, step, number % step):
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


@pytest.mark.parametrize(
    ("role", "drawn", "step"),
    [
        *((role, role in "VS", 3) for role in EVERYBODY),
        *(pytest.param(role, True, 1, marks=pytest.mark.nightly) for role in EVERYBODY),
    ],
)
def it_lets_each_role_see_and_write_what_the_table_says(role, drawn, step, every_row, web, monkeypatch):
    """Each run asks every role every third question about each model, and draws the pages of those who may only look and who
    may do all; nightly everybody is asked and shown everything.
    """
    if not drawn:
        monkeypatch.setattr(SimpleTemplateResponse, "rendered_content", "")
    web.force_login(staff_in(role))
    found = walk(web, every_row, step, EVERYBODY.index(role))
    assert set(found.values()) <= {200, 302, REFUSED}
    may, table = {key: answer != REFUSED for key, answer in found.items()}, expected(role)
    assert {key: may[key] for key in may if may[key] != table[key]} == {}


@sampled(3)
@pytest.mark.parametrize("who", ["nobody", "customer", "staff without a role"])
def it_lets_nobody_else_in(who, step, every_row, web, desk_world):
    if who != "nobody":
        web.force_login(desk_world["hanako"] if who == "customer" else staff_in("nothing"))
    assert set(walk(web, every_row, step).values()) == {REFUSED if who == "staff without a role" else SIGN_IN}


@pytest.mark.parametrize("role", ["nobody", "customer", "nothing", *EVERYBODY])
def it_runs_each_action_for_whom_the_table_says(role, every_row, web, desk_world, monkeypatch):
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
        web.force_login(desk_world["hanako"] if role == "customer" else staff_in(role))
    for label, (*_pages, actions) in TABLE.items():
        for name in actions:
            with transaction.atomic():
                address = reverse(f"admin:{label.replace('.', '_')}_changelist")
                page = web.post(address, {"action": name, "_selected_action": [every_row[label].pk]})
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


def it_answers_addresses_of_no_model_to_staff_only(web, every_row, desk_world):
    for who in (None, desk_world["hanako"]):
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
