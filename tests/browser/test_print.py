"""What comes out of the printer: every list and detail on A4, with all columns and rows, a head line, and no controls."""

import io
import re
import unicodedata

import pytest
from pypdf import PdfReader

from tests import make
from tests.browser.pages import pages
from tests.browser.world import DEMO, LONG
from tests.sampling import sampled, share

pytestmark = pytest.mark.django_db  # the world is stored before the test's own transaction begins

CONTROLS = ["絞り込", "列の設定", "CSV", "並べ替え", "1ページ", "メニュー", "ログアウト", "English"]


# What the tables say on the screen; words for screen readers alone aren't printed.
CELLS = """() => [...document.querySelectorAll("main table :is(th, td)")].map((cell) => {
  const copy = cell.cloneNode(true);
  for (const unseen of copy.querySelectorAll(".visually-hidden")) unseen.remove();
  return copy.textContent;
})"""
# The colours of the squares beside the services, as `r g b` from 0 to 255.
SWATCHES = """() => [...document.querySelectorAll("main .swatch")].map((each) =>
  getComputedStyle(each).backgroundColor.match(/\\d+/g).slice(0, 3).join(" "))"""
ALIKE = str.maketrans("〜～‧⻑", "~~・長")
PIECE = 4  # characters that stay together where a cell is broken into lines


def squeezed(text):
    """Without blanks and in one spelling: glyphs that look alike come back from the sheet as one of them."""
    return re.sub(r"\s", "", unicodedata.normalize("NFKC", text)).translate(ALIKE)


def on_paper(word, text):
    """Whether the word is there, whole or line by line: the lines of neighbouring cells stand between its own."""
    while word:
        length = next((n for n in range(len(word), min(PIECE, len(word)) - 1, -1) if word[:n] in text), 0)
        if not length:
            return False
        word = word[length:]
    return True


def printed(page, *, backgrounds=True):
    """(the sheets, their text) of the page that is open."""
    sheets = PdfReader(io.BytesIO(page.pdf(prefer_css_page_size=True, print_background=backgrounds))).pages
    return sheets, squeezed("".join(sheet.extract_text() for sheet in sheets))


def near(colour, fill):
    """Whether a colour of the page is one of the sheet, whose parts go from 0 to 1."""
    return all(
        abs(int(one) / 255 - float(other)) < 0.01 for one, other in zip(colour.split(), fill.split(), strict=True)
    )


@pytest.fixture
def browser_of(chromium, server):
    contexts = []

    def as_person(email):
        contexts.append(chromium.new_context(viewport={"width": 1280, "height": 900}, locale="ja-JP"))
        page = contexts[-1].new_page()
        page.goto(f"{server}/login/")
        page.fill("[name=username]", email)
        page.fill("[name=password]", make.PASSWORD)
        page.click("main .btn-primary")
        page.wait_for_url(f"{server}/")
        return page

    yield as_person
    for context in contexts:
        context.close()


@sampled(2)
@pytest.mark.parametrize("email", [DEMO, pytest.param(LONG, marks=pytest.mark.nightly)])
def it_prints_every_table_whole(world, server, browser_of, email, step):
    """Each run prints every second page."""
    page = browser_of(email)
    found = []
    plain = [each for each in pages(world[email], lambda path: page.request.get(server + path)) if not each[1]]
    for name, _what, path, _click in share(plain, step):
        page.goto(server + path)
        if not page.locator("main table").count():
            continue
        words = {word for cell in page.evaluate(CELLS) for word in map(squeezed, cell.split())}
        sheets, text = printed(page)
        width, height = (float(each) for each in sheets[0].mediabox.upper_right)
        if (round(width), round(height)) != (842, 595):
            found.append(f"{name}: {width:.0f} × {height:.0f} pt is not A4 across")
        found += [f"{name}: {word} is not on paper" for word in sorted(words) if not on_paper(word, text)]
        found += [f"{name}: {word} is on paper" for word in CONTROLS if squeezed(word) in text]
        if not on_paper(squeezed(world[email].customer), text) or not re.search(
            r"お客様番号C\d{7}20\d\d/\d\d/\d\d", text
        ):
            found.append(f"{name}: the head line is missing")
    assert not found, "\n" + "\n".join(found)


def it_prints_no_form_below_a_record(world, server, browser_of):
    page = browser_of(DEMO)
    for path, form, record in [
        (f"/invoices/{world[DEMO].invoice}/", "メモ（任意）", "社内確認"),
        (f"/inquiry/{world[DEMO].inquiry}/", "続けて書く", "やりとり"),
    ]:
        page.goto(server + path)
        text = printed(page)[1]
        assert (page.get_by_text(form).count(), squeezed(form) in text, record in text) == (1, False, True), path


def it_prints_the_colours_that_the_bars_are_read_by(world, server, browser_of):
    """Browsers leave backgrounds out unless asked; a bar's service is known by nothing but its colour."""
    page = browser_of(DEMO)
    page.goto(f"{server}/invoices/analysis/")
    (sheets, _text), fills = printed(page, backgrounds=False), set()
    for sheet in sheets:
        fills |= set(re.findall(rb"([\d.]+ [\d.]+ [\d.]+) rg", sheet.get_contents().get_data()))
    shown = page.evaluate(SWATCHES)
    assert shown
    assert {colour for colour in shown if not any(near(colour, fill) for fill in fills)} == set()


def it_prints_a_list_with_every_column_shown(world, server, browser_of):
    page = browser_of(DEMO)
    page.goto(f"{server}/contracts/?panel=columns")
    for box in page.locator(".chooser [type=checkbox]:not(:disabled)").all():
        box.check()
    page.locator(".chooser .btn-primary").click()
    page.wait_for_load_state()
    labels = page.locator("main thead th").all_inner_texts()
    assert len(labels) == 17
    _sheets, text = printed(page)
    assert [label for label in map(squeezed, labels) if label not in text] == []
    page.goto(f"{server}/contracts/?panel=columns")
    page.locator(".chooser [name=reset]").click()


def it_numbers_the_sheets_and_repeats_the_heads(world, server, browser_of):
    page = browser_of(DEMO)
    page.goto(f"{server}/orders/?per_page=100")
    sheets, _text = printed(page)
    assert len(sheets) > 1
    for number, sheet in enumerate(sheets, start=1):
        text = squeezed(sheet.extract_text())
        assert f"{number}/{len(sheets)}" in text
        assert "注文番号" in text
