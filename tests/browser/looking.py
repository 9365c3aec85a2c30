"""What is looked for on a page that is open: how it stands at each width, the rings, and what axe finds."""

from pathlib import Path

from tests.browser.pages import open_state

HERE = Path(__file__).parent
MEASURE = (HERE / "measure.js").read_text()
FOCUS = (HERE / "focus.js").read_text()
AXE = (HERE.parent / "vendor" / "axe.min.js").read_text()
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
WIDTHS = (320, 360, 768, 1024, 1100, 1280, 1920)
TALL = 4000  # the whole page is on the screen: what is covered is found without scrolling


def faults_at(page, widths):
    found = []
    for width in widths:
        page.set_viewport_size({"width": width, "height": TALL})
        found += [f"{width} px: {fault}" for fault in page.evaluate(MEASURE)]
    return found


def axe_faults(page, without=(), only=()):
    """`without` names rules that aren't asked for, `only` those that alone are."""
    if not page.evaluate("'axe' in window"):
        page.evaluate(AXE)
    options = {
        "runOnly": {"type": "rule", "values": only} if only else RULES,
        "resultTypes": ["violations"],
        "rules": {rule: {"enabled": False} for rule in without},
    }
    answer = page.evaluate("options => axe.run(options)", options)
    return [f"axe: {each['id']}: {node['html'][:160]}" for each in answer["violations"] for node in each["nodes"]]


def ring_faults(page):
    """Go through the page by Tab, as long as that leads to something new."""
    page.evaluate("document.activeElement.blur()")
    return rings_from_here(page)


def ring_faults_of_content(page):
    """The same from its heading on: menus and bars around it are the same on every page."""
    page.evaluate("""() => {
        const content = document.querySelector("#content, main");
        content.tabIndex = -1;
        content.focus();
    }""")
    return rings_from_here(page)


def rings_from_here(page):
    found, stops = [], 0
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
