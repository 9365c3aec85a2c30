"""Staff's pages, taken from the admin's own register, fit every screen, cover nothing, and can be used by keyboard and reader.

`bin/test` looks at a phone and a PC. All widths and both colour schemes: `bin/test -m nightly tests/browser/test_staff_pages.py`.
"""

import pytest
from django.contrib import admin
from django.urls import reverse

from billing.models import Parked
from contracts.models import Contract
from portal.models import Inquiry
from tests.browser import desk
from tests.browser.looking import (
    WIDTHS,
    axe_faults,
    faults_at,
    look,
    ring_faults,
    ring_faults_of_content,
    usual_widths,
)
from tests.browser.world import STAFF

pytestmark = pytest.mark.django_db  # the world is stored before the test's own transaction begins

# One of each kind of page: the lists and forms are drawn by one code.
KINDS = {
    ("index", ""),
    ("accounts.Customer change of the longest", ""),
    ("accounts.User changelist", ""),
    ("accounts.User changelist", "asking for delete_users"),
    ("billing.Invoice change of the longest", ""),
    ("contracts.Contract add", "with errors"),
    ("portal.FaqEntry changelist", ""),
    ("portal.FaqEntry delete of the longest", ""),
}


def standard_axe(page):
    """Without one rule: Django's tables have heads without words over the columns of check boxes and of deleting."""
    return axe_faults(page, without=["empty-table-header"])


def dark_axe(page):
    """What axe finds in the colours alone: all else is the same in the dark."""
    page.emulate_media(color_scheme="dark")
    page.evaluate("Promise.all(document.getAnimations().map(each => each.finished))")  # links fade to their new colour
    found = [f"dark: {fault}" for fault in axe_faults(page, only=["color-contrast", "link-in-text-block"])]
    page.emulate_media(color_scheme="light")
    return found


def is_list(what):
    return what.endswith(("index", "changelist")) or what.startswith("import")


def it_fits_a_phone_and_a_pc_rings_the_focus_and_gives_axe_nothing_to_find(world, server, browse):
    """Every second list at both widths; of each kind of page one by the keys and by axe, its frame on the first only."""
    page = browse(STAFF)
    wanted = {what for what, _open in KINDS}
    states = desk.own_pages(lambda path: page.request.get(server + path), lambda what: is_list(what) or what in wanted)
    kinds = [each for each in states if each[:2] in KINDS]
    assert len(kinds) == len(KINDS)
    lists = [each for each in states if is_list(each[0]) and not each[1] and each not in kinds]
    look(page, server, lists[::2], [usual_widths])
    look(page, server, kinds[:1], [usual_widths, ring_faults, standard_axe, dark_axe])
    look(page, server, kinds[1:], [usual_widths, ring_faults_of_content, standard_axe, dark_axe])


def it_shows_all_columns_of_the_months_runs_on_a_pc(world, server, browse):
    page = browse(STAFF)
    page.goto(server + reverse("admin:billing_monthrun_changelist"))
    assert page.locator(".results").evaluate("box => box.scrollWidth - box.clientWidth") == 0


def it_shows_a_contracts_line_whole_on_a_tablet_each_field_under_its_name(world, server, browse):
    page = browse(STAFF)
    page.set_viewport_size({"width": 768, "height": 900})
    page.goto(server + reverse("admin:contracts_contract_change", args=[Contract.objects.earliest("pk").pk]))
    assert page.locator(".contract-lines").evaluate("box => box.scrollWidth - box.clientWidth") == 0
    line = page.locator("#lines-0")
    for name in ("品目", "単価", "課金終了日"):
        label, field = line.locator("label", has_text=name).bounding_box(), line.get_by_label(name).bounding_box()
        assert label["height"] > 10
        assert label["y"] < field["y"]


@pytest.mark.nightly
@pytest.mark.parametrize("width", [768, 1280])
def it_shows_all_columns_of_every_list(world, server, browse, width):
    page = browse(STAFF)
    page.set_viewport_size({"width": width, "height": 900})
    hidden = {}
    for model in admin.site._registry:
        page.goto(server + reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist"))
        for box in page.locator(".results").all():
            hidden[model._meta.label] = box.evaluate("box => box.scrollWidth - box.clientWidth")
    assert len(hidden) > 20
    assert {label: beyond for label, beyond in hidden.items() if beyond} == {}


def it_leads_by_keys_to_the_search_the_menu_and_the_save(world, server, browse):
    page = browse(STAFF)
    page.goto(server + reverse("admin:index"))
    page.keyboard.press("/")
    assert page.evaluate("document.activeElement.name") == "q"
    page.locator("#nav-sidebar summary").focus()
    page.keyboard.press("Enter")
    page.locator("#nav-sidebar details a").first.wait_for(state="visible")
    page.set_viewport_size({"width": 768, "height": 900})
    assert not page.locator("#nav-sidebar").is_visible()
    page.locator(".menu-button").focus()
    page.keyboard.press("Enter")
    page.locator("#nav-sidebar").wait_for(state="visible")
    page.locator("#nav-sidebar .side-head a").focus()
    page.keyboard.press("Enter")
    page.locator("#nav-sidebar").wait_for(state="hidden")
    page.goto(server + reverse("admin:portal_faqentry_add"))
    assert page.locator("[name=_save]").get_attribute("accesskey") == "s"


def it_asks_before_a_reply_that_was_begun_is_lost(world, server, browse):
    page, asked = browse(STAFF), []
    page.on("dialog", lambda dialog: (asked.append(dialog.type), dialog.dismiss()))
    page.goto(server + reverse("admin:portal_inquiry_change", args=[Inquiry.objects.earliest("pk").pk]))
    reply, home = page.get_by_label("本文（メールで届き"), page.get_by_role("link", name="担当者ホーム").first
    reply.fill("お調べします。")
    for other in (page.locator("[name=_save]"), home):
        other.click()
        page.wait_for_timeout(500)
    assert asked == ["beforeunload", "beforeunload"]
    assert reply.input_value() == "お調べします。"
    reply.fill("")
    home.click()
    page.wait_for_url(server + reverse("admin:index"))
    assert len(asked) == 2


def it_names_a_model_that_has_no_row_to_look_at(world):
    Parked.objects.all().delete()
    with pytest.raises(LookupError, match=r"no row of billing\.Parked"):
        desk.examples(Parked)


@pytest.mark.nightly
@pytest.mark.parametrize("part", ["accounts", "billing", "contracts", "orders", "portal", ""])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def it_fits_every_width_rings_the_focus_and_gives_axe_nothing_to_find(world, server, browse, scheme, part):
    page = browse(STAFF, color_scheme=scheme)
    states = desk.staff_pages(lambda path: page.request.get(server + path))
    mine = [each for each in states if (each[0].partition(".")[0] if "." in each[0] else "") == part]
    assert mine
    look(page, server, mine, [lambda page: faults_at(page, WIDTHS), ring_faults, standard_axe])
