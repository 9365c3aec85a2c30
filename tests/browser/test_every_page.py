"""Every page and open state fits every screen, covers nothing, and can be used by keyboard, finger and screen reader.

`bin/test` looks at the narrowest usual phone and a usual PC. All widths, both colour schemes and the long texts:
`bin/test -m nightly tests/browser/test_every_page.py`.
"""

from pathlib import Path

import pytest

from tests import make
from tests.browser.pages import open_state, pages
from tests.browser.world import DEMO, FUTURE, LONG

pytestmark = pytest.mark.django_db  # the world is stored before the test's own transaction begins

HERE = Path(__file__).parent
MEASURE = (HERE / "measure.js").read_text()
FOCUS = (HERE / "focus.js").read_text()
AXE = (HERE.parent / "vendor" / "axe.min.js").read_text()
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
WIDTHS = (320, 360, 768, 1024, 1100, 1280, 1920)
TALL = 4000  # the whole page is on the screen: what is covered is found without scrolling


@pytest.fixture
def sign_in(chromium, server):
    contexts = []

    def as_person(email, **options):
        context = chromium.new_context(
            viewport={"width": 1280, "height": TALL}, locale="ja-JP", reduced_motion="reduce", **options
        )
        contexts.append(context)
        page = context.new_page()
        page.goto(f"{server}/login/")
        page.fill("[name=username]", email)
        page.fill("[name=password]", make.PASSWORD)
        page.click("main .btn-primary")
        page.wait_for_url(lambda url: "/login/" not in url)
        return page

    yield as_person
    for context in contexts:
        context.close()


def every_page(page, server, person):
    return pages(person, lambda path: page.request.get(server + path))


def usual(states):
    """Each page as it is first met, and what can be opened on one list; the lists are drawn by one code."""
    return [state for state in states if not state[1] or state[0] in ("home", "invoice_list", "inquiry", "user_create")]


def faults_at(page, widths):
    found = []
    for width in widths:
        page.set_viewport_size({"width": width, "height": TALL})
        found += [f"{width} px: {fault}" for fault in page.evaluate(MEASURE)]
    return found


def axe_faults(page, rules=RULES):
    page.evaluate(AXE)
    answer = page.evaluate("rules => axe.run({ runOnly: rules, resultTypes: ['violations'] })", rules)
    return [f"axe: {each['id']}: {node['html'][:160]}" for each in answer["violations"] for node in each["nodes"]]


def ring_faults(page):
    """Go through the page by Tab, as long as that leads to something new."""
    found, stops = [], 0
    page.evaluate("document.activeElement.blur()")
    while True:
        page.keyboard.press("Tab")
        fault = page.evaluate(FOCUS)
        if fault is None:
            break
        stops += 1
        if fault:
            found.append(fault)
    return found if stops else ["Tab leads nowhere"]


def look(page, server, states, checks):
    """Open each state and run the checks on it; all faults of all pages in one message, not only the first."""
    found = []
    for name, what, path, click in states:
        page.set_viewport_size({"width": 1280, "height": TALL})
        open_state(page, server, path, click)
        found += [f"{name} {what} ({path}) {fault}" for check in checks for fault in check(page)]
    assert not found, "\n" + "\n".join(found)


def usual_widths(page):
    return faults_at(page, (360, 1280))


def it_fits_a_phone_and_a_pc_rings_the_focus_and_gives_axe_nothing_to_find(world, server, sign_in):
    page = sign_in(DEMO)
    states = usual(every_page(page, server, world[DEMO]))
    look(page, server, states, [usual_widths, ring_faults, axe_faults])


def it_fits_the_longest_texts_on_a_phone_and_a_pc(world, server, sign_in):
    page = sign_in(LONG)
    states = [state for state in every_page(page, server, world[LONG]) if not state[1]]
    look(page, server, states, [usual_widths])


@pytest.mark.nightly
@pytest.mark.parametrize("email", [DEMO, LONG, FUTURE])
def it_fits_every_width(world, server, sign_in, email):
    page = sign_in(email)
    look(page, server, every_page(page, server, world[email]), [lambda page: faults_at(page, WIDTHS)])


@pytest.mark.nightly
@pytest.mark.parametrize("scheme", ["light", "dark"])
def it_rings_what_has_the_focus_in_any_light(world, server, sign_in, scheme):
    page = sign_in(DEMO, color_scheme=scheme)
    look(page, server, every_page(page, server, world[DEMO]), [ring_faults])


@pytest.mark.nightly
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [360, 1280])
@pytest.mark.parametrize("email", [DEMO, LONG, FUTURE])
def it_gives_axe_nothing_to_find_in_any_light(world, server, sign_in, email, width, scheme):
    page = sign_in(email, color_scheme=scheme)

    def narrowed(page):
        page.set_viewport_size({"width": width, "height": TALL})
        return axe_faults(page)

    look(page, server, every_page(page, server, world[email]), [narrowed])
