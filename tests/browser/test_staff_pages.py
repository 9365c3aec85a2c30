"""Staff's pages, taken from the admin's own register, fit every screen, cover nothing, and can be used by keyboard and reader.

`bin/test` looks at a phone and a PC. All widths and both colour schemes: `bin/test -m nightly tests/browser/test_staff_pages.py`.
"""

import pytest
from django.contrib import admin
from django.urls import reverse

from tests.browser.test_every_page import RULES, WIDTHS, axe_faults, faults_at, look, ring_faults, sign_in, usual_widths

__all__ = ["sign_in"]  # a fixture

pytestmark = pytest.mark.django_db  # the world is stored before the test's own transaction begins

STAFF = "staff@example.net"
# Django's tables have empty heads over their narrow columns, which only axe's "best-practice" minds.
STANDARD = [rule for rule in RULES if rule != "best-practice"]


def axe_by_standard(page):
    return axe_faults(page, STANDARD)


def staff_pages(request):
    """[(what, "", path, None)] of the index, and of each model its list, its forms, its history, as far as they answer.

    The rows are the first one and the one with the longest name. Raises LookupError for a model of which there is none.
    """
    found = [("index", reverse("admin:index")), ("password", reverse("admin:password_change"))]
    for model in sorted(admin.site._registry, key=lambda each: each._meta.label):
        opts = model._meta
        named = f"admin:{opts.app_label}_{opts.model_name}"
        found += [(f"{opts.label} {page}", reverse(f"{named}_{page}")) for page in ("changelist", "add")]
        for row in examples(model):
            found += [
                (f"{opts.label} {page}", reverse(f"{named}_{page}", args=[row.pk]))
                for page in ("change", "delete", "history")
            ]
    answers = [(what, path, request(path).status) for what, path in found]
    return [(what, "", path, None) for what, path, status in answers if status == 200]


def examples(model):
    rows = list(model._default_manager.order_by("pk")[:200])
    return {row.pk: row for row in (rows[0], max(rows, key=lambda row: len(str(row))))}.values() if rows else []


@pytest.fixture
def staff_page(sign_in, server):
    def as_staff(**options):
        page = sign_in(STAFF, **options)
        return page, staff_pages(lambda path: page.request.get(server + path))

    return as_staff


def usual(states):
    """One page of each kind: the lists and forms are drawn by one code."""
    last = {what: (what, *rest) for what, *rest in states}  # of two rows that with the longest name
    return [state for what, state in last.items() if what.endswith(("index", "changelist", " change"))]


def it_fits_a_phone_and_a_pc_and_gives_axe_nothing_to_find(world, server, staff_page):
    page, states = staff_page()
    look(page, server, usual(states), [usual_widths, axe_by_standard])


@pytest.mark.nightly
@pytest.mark.parametrize("scheme", ["light", "dark"])
def it_fits_every_width_rings_the_focus_and_gives_axe_nothing_to_find(world, server, staff_page, scheme):
    page, states = staff_page(color_scheme=scheme)
    look(page, server, states, [lambda page: faults_at(page, WIDTHS), ring_faults, axe_by_standard])
