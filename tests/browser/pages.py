"""Every page and every state in which it can be open, taken from the URL table: a new page is measured by itself."""

import re
from urllib.parse import urlsplit

from django.urls import get_resolver
from django.urls.resolvers import URLResolver


def send_empty(page):
    """Only for forms that change nothing when they are refused."""
    page.evaluate("""() => {
        const form = document.querySelector('main form[method=post]');
        form.noValidate = true;
        for (const field of form.querySelectorAll('input:not([type=hidden]):not([type=checkbox]), textarea')) field.value = '';
    }""")
    page.locator("main form[method=post] .btn-primary").click()
    page.wait_for_load_state()
    page.locator("[role=alert]").wait_for()


# What has to be opened by hand. A state is (what it is called, the query, what is clicked or done).
LIST_STATES = [
    ("with its filter open", "?panel=filter", None),
    ("with a condition that can't be read", "?panel=filter&month_min=2026/99&start_on_min=x&ordered_on_min=x", None),
    ("with its column chooser open", "?panel=columns", None),
    ("with its CSV menu open", "", "summary:has-text('CSV出力')"),
    ("without rows", "?number=Z9&name=Z9", None),
]  # fmt: skip
STATES = {
    "home": [("with the user menu open", "", ".user > button")],
    "costs": [("with the running month", "?running=1", None)],
    "faq": [("with an answer found", "?q=請求書", ".faq details > summary"), ("without an answer", "?q=Z9", None)],
    "user_create": [("with errors", "", send_empty)],
    "user_edit": [("with errors", "", send_empty)],
    "password_change": [("with errors", "", send_empty)],
    "inquiry": [("with errors", "", send_empty)],
    "account_change": [("with errors", "", send_empty)],
}
MISSING = "/invoices/B000000-000000/"


def pages(person, request):
    """[(name of the URL, what is open, path, click)] that answer this signed-in person with a page.

    `request(path)` answers a GET as the person's browser would. Raises LookupError for a URL with a part for which
    no example is known.
    """
    found = []
    for name, path in addresses(person):
        answer = request(path)
        if answer.status != 200 or not answer.headers["content-type"].startswith("text/html"):
            continue  # a download, a POST, or something this company doesn't have
        if urlsplit(answer.url).path == path:  # else it led elsewhere
            states = LIST_STATES if 'class="pop chooser"' in answer.text() else STATES.get(name, [])
            found += [(name, "", path, None), *((name, what, path + query, click) for what, query, click in states)]
    return [*found, ("not found", "", MISSING, None)]


def addresses(person):
    for name, route in named(get_resolver().url_patterns):
        parts = re.findall(r"<(?:\w+:)?(\w+)>", route)
        if parts == ["uid", "token"]:
            yield name, "/password/reset/MQ/no-such-token/"
        elif not parts:
            yield name, f"/{route}"
        elif len(parts) == 1:
            example = getattr(person, name.split("_")[0], LookupError)
            if example is LookupError:
                raise LookupError(f"Person in tests/browser/world.py has no example for the URL {name}: /{route}")
            if example is not None:
                yield name, "/" + re.sub(r"<[^>]*>", str(example), route)


def named(patterns, before=""):
    for pattern in patterns:
        route = before + str(pattern.pattern)
        if isinstance(pattern, URLResolver):
            if pattern.namespace != "admin":
                yield from named(pattern.url_patterns, route)
        elif pattern.name and not pattern.name.startswith("admin_"):
            yield pattern.name, route


def open_state(page, server, path, click):
    """Go there and open what the state names."""
    page.goto(server + path)
    if callable(click):
        click(page)
    elif click:
        page.locator(click).first.click()
