"""The real Chromium, started once a module; and one world of data with a server, for tests that only look at pages."""

import pytest
from pytest_django.live_server_helper import LiveServer

from tests import databases, make
from tests.browser.chromium import started
from tests.browser.looking import TALL
from tests.browser.world import make_world


@pytest.fixture(scope="module")
def chromium(tmp_path_factory):
    with started(tmp_path_factory.mktemp("fonts")) as browser:
        yield browser


@pytest.fixture(scope="module")
def world(chromium, django_db_setup, django_db_blocker):
    """The demo's data and a company whose every text is as long as it may be, stored for a whole module.

    Only for tests that change nothing: each test of the module meets the same rows.
    """
    with django_db_blocker.unblock():
        yield make_world()
        databases.empty()


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
