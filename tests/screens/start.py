"""What staff's start page shows, taken from its HTML."""

import html
import re

NOW = "2026-05-08T12:00+09:00"


def home(browser):
    answer = browser.get("/admin/")
    assert answer.status_code == 200
    return answer


def board(page):
    """{month: [what each step says]}."""
    rows = re.findall(r'(?s)<tr(?: class="current")?>\s*<th scope="row">(.*?)</th>(.*?)</tr>', page.content.decode())

    def words(cell):
        return " ".join(re.sub(r"(?s)<[^>]*>", " ", html.unescape(cell)).replace("✓", "").split())

    return {words(head)[:7]: [words(cell) for cell in re.findall(r"(?s)<td.*?</td>", row)] for head, row in rows}
