"""A person at a page in Chromium, who finds everything by the words on it; what they fill in, choose and click is counted."""

import re
from collections import Counter
from contextlib import contextmanager
from urllib.parse import urljoin

from playwright.sync_api import expect


class Hands:
    """`within` (a part of the page, by CSS) is where the words are looked for that stand on the page more than once."""

    def __init__(self, page, address):
        self.page, self.address = page, address
        self.company = ""
        self.done, self.task = Counter(), None

    @contextmanager
    def doing(self, task):
        """What is done inside counts for this task."""
        self.task = task
        yield
        self.task = None

    def at(self, within):
        return self.page.locator(within).first if within else self.page

    def acted(self):
        if self.task:
            self.done[self.task] += 1

    def go(self, path):
        """As by a bookmark; no action."""
        self.page.goto(urljoin(self.address, path))

    def press(self, name, within=None):
        """A link or a button that leads to another page, or to this one anew."""
        at = self.at(within)
        found = at.get_by_role("link", name=name, exact=True).or_(at.get_by_role("button", name=name, exact=True))
        with self.page.expect_navigation():
            found.first.click()
        self.acted()
        expect(self.page.locator(".errornote")).to_have_count(0)

    def open(self, words, within=None):
        self.at(within).locator("summary", has_text=words).first.click()
        self.acted()

    def field(self, label, within=None):
        return self.at(within).get_by_label(re.compile(rf"^\s*{re.escape(label)}\s*[:：*]*\s*$")).first

    def fill(self, label, text, within=None):
        self.field(label, within).fill(text)
        self.acted()

    def choose(self, label, option, within=None):
        self.field(label, within).select_option(label=option)
        self.acted()

    def tick(self, words, within=None):
        self.at(within).get_by_label(words).first.check()
        self.acted()

    def send_file(self, label, name, content):
        given = {"name": name, "mimeType": "text/csv", "buffer": content.encode()}
        self.field(label).set_input_files(given)
        self.acted()

    def search(self, words):
        """In the box on top of every page of staff's."""
        self.page.get_by_role("searchbox", name="すべてから探す").fill(words)
        self.acted()
        with self.page.expect_navigation():
            self.page.keyboard.press("Enter")
        self.acted()

    def download(self, name, within=None):
        with self.page.expect_download() as coming:
            self.at(within).get_by_role("link", name=name, exact=True).first.click()
        self.acted()
        with open(coming.value.path(), "rb") as file:
            return file.read()

    def sees(self, *words, within="body"):
        for each in words:
            expect(self.page.locator(within).first).to_contain_text(each)

    def sign_in(self, email, password):
        self.go("/login/")
        self.fill("ユーザ名", email)
        self.fill("パスワード", password)
        self.press("ログイン", "main")
