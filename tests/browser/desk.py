"""Every page of staff's and every state in which it can be open, taken from the admin's own register."""

import re

from django.contrib import admin
from django.urls import reverse

from billing.models import Upload
from portal import months
from portal.models import Vendor
from tests.browser.pages import pages
from tests.browser.world import STAFF, Person


def staff_pages(request):
    """[(what, what is open, path, click)] of all that answers staff with a page; `request(path)` answers a GET as their browser would."""
    return own_pages(request) + pages(Person(STAFF, ""), request)


def own_pages(request, wanted=lambda what: True):
    """The same of the desk's own pages, of those only that are `wanted`.

    Of each model: its list, its forms, and deleting and the history of two rows. Raises LookupError for a model without a row.
    """
    found = [("index", reverse("admin:index"))]
    for model in admin.site._registry:
        found += of_model(model)
    for upload in Upload.objects.light().filter(kind="customers")[:2]:
        found.append((f"import of {upload.pk}", reverse("admin_upload", args=["customers", upload.pk])))
    found.append(("import", reverse("admin_import", args=["customers"])))
    found.append(("check", reverse("admin_check", args=[months.format_month(Vendor.objects.settings().first_month)])))
    found += [("search", f"{reverse('admin_search')}{asked}") for asked in ("", "?q=example", "?q=Z9Z9")]
    answers = [(what, path, request(path)) for what, path in sorted(found) if wanted(what)]
    opened = [(what, path, answer.text()) for what, path, answer in answers if answer.status == 200]
    return [state for what, path, text in opened for state in states(what, path, text)]


def of_model(model):
    label, named = model._meta.label, f"admin:{model._meta.app_label}_{model._meta.model_name}"
    yield from ((f"{label} {page}", reverse(f"{named}_{page}")) for page in ("changelist", "add"))
    for which, row in examples(model):
        for page in ("change", "delete", "history"):
            yield f"{label} {page} of {which}", reverse(f"{named}_{page}", args=[row.pk])


def examples(model):
    """The first row, and the one with the longest name: of equal ones the newest, so a draft of the invoices."""
    rows = list(model._default_manager.order_by("-pk"))
    if not rows:
        raise LookupError(f"make_desk in tests/browser/world.py makes no row of {model._meta.label}")
    return [("the first", rows[-1]), ("the longest", max(rows, key=lambda row: len(str(row))))]


def states(what, path, text):
    yield what, "", path, None
    if what.endswith(" add"):
        yield what, "with errors", path, send_empty
    if what.endswith(" changelist"):
        if 'id="searchbar"' in text:
            yield what, "without rows", f"{path}?q=Z9Z9", None
        offered = re.search(r'(?s)<select name="action".*?</select>', text)
        for action in re.findall(r'value="(\w+)"', offered[0] if offered else ""):
            yield what, f"asking for {action}", path, asking(action)


def send_empty(page):
    page.evaluate("""() => {
        for (const field of document.querySelectorAll('#content-main form :is(input[type=text], textarea)')) field.value = '';
    }""")
    page.locator("#content-main [name=_save]").click()
    page.locator(".errornote").wait_for()


def asking(action):
    def choose(page):
        page.locator("[name=_selected_action]").first.check()
        page.locator("select[name=action]").first.select_option(action)
        with page.expect_navigation():
            page.locator("button[name=index]").first.click()
        assert not page.locator("select[name=action]").count(), f"{action} asks nothing"

    return choose
