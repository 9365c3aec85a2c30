"""The real Chromium, started once a module; and one world of data with a server, for tests that only look at pages."""

import os
import shutil

import pytest
from django.conf import settings
from django.db import connections
from playwright.sync_api import sync_playwright
from pytest_django.live_server_helper import LiveServer

from tests import databases, make
from tests.browser.looking import TALL
from tests.browser.world import make_world

FONTS = """<?xml version="1.0"?><!DOCTYPE fontconfig SYSTEM "fonts.dtd">
<fontconfig><dir>{fonts}</dir><cachedir>{cache}</cachedir></fontconfig>"""


@pytest.fixture(scope="module")
def chromium(tmp_path_factory):
    """Draws with the project's own fonts: widths are those of Japanese text, the same on every machine."""
    folder = tmp_path_factory.mktemp("fonts")
    (folder / "fonts.conf").write_text(FONTS.format(fonts=settings.FONTS, cache=folder / "cache"))
    environment = {**os.environ, "FONTCONFIG_FILE": str(folder / "fonts.conf")}
    os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "true"  # Playwright's loop runs in this thread; the tests' queries don't
    with sync_playwright() as playwright:
        arguments = ["--no-sandbox"] if os.geteuid() == 0 else []
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=arguments, env=environment)
        yield browser
        browser.close()
    del os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"]


@pytest.fixture(scope="module")
def world(chromium, django_db_setup, django_db_blocker):
    """The demo's data and a company whose every text is as long as it may be, stored for a whole module.

    Only for tests that change nothing: each test of the module meets the same rows.
    """
    with django_db_blocker.unblock():
        yield make_world()
        databases.empty()
        connections.close_all()  # beside Playwright's loop Django keeps connections of its own


@pytest.fixture(scope="module")
def server(world):
    """The address of a web server on that world. (pytest-django's own live_server empties the tables after each test.)"""
    running = LiveServer("127.0.0.1")
    yield running.url
    running.stop()


@pytest.fixture
def browse(chromium, server):
    """Sign somebody in to that server; returns the page, as tall as what is looked at."""
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
