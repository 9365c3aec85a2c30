"""Staff's lists answer to their own filters only: an address can't ask about columns that the page doesn't show."""

import pytest
from django.contrib import admin

from portal.desk import Desk
from tests.make import make_user
from tests.sampling import sampled, share

ADMINS = {model._meta.label: site for model, site in admin.site._registry.items()}
SECRET = [
    ("accounts.User", "password__regex", "^a"),
    ("accounts.User", "password__startswith", "argon2"),
    ("accounts.User", "session__session_key__regex", "^a"),
    ("accounts.User", "session__session_data__contains", "a"),
    ("accounts.User", "totpdevice__key__startswith", "a"),
    ("accounts.User", "staticdevice__token_set__token__startswith", "a"),
    ("accounts.Customer", "users__password__regex", "^a"),
    ("portal.Inquiry", "user__password__regex", "^a"),
    ("portal.Mail", "user__session__session_key__regex", "^a"),
    ("portal.Mail", "data__contains", "a"),
    ("portal.HistoryEvent", "actor__password__regex", "^a"),
]


def lookups(model, depth=2):
    """Every column of a model and of what it points at or is pointed at from, as an address would ask for it."""
    for field in model._meta.get_fields():
        if field.is_relation and field.related_model and depth:
            for deeper in lookups(field.related_model, depth - 1):
                yield f"{field.name}__{deeper}"
        elif not field.is_relation:
            yield f"{field.name}__regex"


@pytest.fixture
def staff(cast, web):
    web.force_login(cast.staff)
    return web


def address(label):
    return f"/admin/{label.lower().replace('.', '/')}/"


@pytest.mark.parametrize("label", ADMINS)
def it_builds_every_page_for_staff_on_the_desks_own_base(label):
    assert isinstance(ADMINS[label], Desk)


@pytest.mark.parametrize("label", ADMINS)
def it_refuses_every_question_about_a_column_or_a_related_one(label, rf):
    site, asked = ADMINS[label], set(lookups(ADMINS[label].model))
    assert asked
    assert [lookup for lookup in asked if site.lookup_allowed(lookup, "^a", rf.get("/"))] == []


@pytest.mark.parametrize(("label", "lookup", "value"), SECRET)
def it_says_no_to_whoever_probes_secrets(label, lookup, value, staff):
    assert staff.get(address(label), {lookup: value}).status_code == 400


@sampled(2)
@pytest.mark.parametrize("label", ADMINS)
def it_answers_each_choice_that_its_filters_offer(label, step, staff, cast):
    """Each run takes every second choice."""
    make_user(None, "second@example.net", is_staff=True)
    page = staff.get(address(label))
    changelist = page.context["cl"]
    links = [choice["query_string"] for spec in changelist.filter_specs for choice in spec.choices(changelist)]
    for link in share(links, step, list(ADMINS).index(label)):
        assert staff.get(address(label) + link).status_code == 200, link
