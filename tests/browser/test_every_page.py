"""Every page and open state fits every screen, covers nothing, and can be used by keyboard, finger and screen reader.

`bin/test` looks at the narrowest usual phone and a usual PC, and goes by keys and by axe through every second page. All of
them, all widths, both colour schemes and the long texts:
`bin/test -m nightly tests/browser/test_every_page.py`.
"""

import pytest

from tests.browser.looking import (
    TALL,
    WIDTHS,
    axe_faults,
    faults_at,
    look,
    ring_faults,
    ring_faults_of_content,
    usual_widths,
)
from tests.browser.pages import pages
from tests.browser.world import DEMO, FUTURE, LONG

pytestmark = pytest.mark.django_db  # the world is stored before the test's own transaction begins


def every_page(page, server, person):
    return pages(person, lambda path: page.request.get(server + path))


def usual(states):
    """Each page as it is first met, and what can be opened on one list; the lists are drawn by one code."""
    return [state for state in states if not state[1] or state[0] in ("home", "invoice_list", "inquiry", "user_create")]


def it_fits_a_phone_and_a_pc_rings_the_focus_and_gives_axe_nothing_to_find(world, server, browse):
    """The frame is gone through by the keys on the first page only; the others have the same."""
    page = browse(DEMO)
    states = usual(every_page(page, server, world[DEMO]))
    look(page, server, states[:1], [usual_widths, ring_faults, axe_faults])
    look(page, server, states[1::2], [usual_widths])
    look(page, server, states[2::2], [usual_widths, ring_faults_of_content, axe_faults])


def it_fits_the_longest_texts_on_a_phone_and_a_pc(world, server, browse):
    page = browse(LONG)
    states = [state for state in every_page(page, server, world[LONG]) if not state[1]]
    look(page, server, states, [usual_widths])


def it_shows_all_that_the_lists_show_at_first_on_a_pc_without_scrolling_sideways(world, server, browse):
    page = browse(DEMO)
    lists = [state[2] for state in every_page(page, server, world[DEMO]) if state[0].endswith("_list") and not state[1]]
    assert len(lists) == 5
    for path in lists:
        page.goto(server + path)
        assert page.locator(".wide").evaluate("box => box.scrollWidth - box.clientWidth") == 0, path


@pytest.mark.nightly
@pytest.mark.parametrize("email", [DEMO, LONG, FUTURE])
def it_fits_every_width(world, server, browse, email):
    page = browse(email)
    look(page, server, every_page(page, server, world[email]), [lambda page: faults_at(page, WIDTHS)])


@pytest.mark.nightly
@pytest.mark.parametrize("scheme", ["light", "dark"])
def it_rings_what_has_the_focus_in_any_light(world, server, browse, scheme):
    page = browse(DEMO, color_scheme=scheme)
    look(page, server, every_page(page, server, world[DEMO]), [ring_faults])


@pytest.mark.nightly
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [360, 1280])
@pytest.mark.parametrize("email", [DEMO, LONG, FUTURE])
def it_gives_axe_nothing_to_find_in_any_light(world, server, browse, email, width, scheme):
    page = browse(email, color_scheme=scheme)

    def narrowed(page):
        page.set_viewport_size({"width": width, "height": TALL})
        return axe_faults(page)

    look(page, server, every_page(page, server, world[email]), [narrowed])
