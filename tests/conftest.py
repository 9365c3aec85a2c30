"""The cast (hanako and taro at company A, jiro at B, staff), and clients that meet the database as the web does."""

import pytest
from django.conf import settings
from django.db import connection
from django.test import Client

from accounts import throttle
from portal.db import rls
from portal.db.embedded import Unavailable
from portal.db.schema import ROLE
from tests import make, processes


def pytest_sessionstart(session):
    if settings.EMBEDDED:
        try:
            settings.EMBEDDED.ensure()
        except Unavailable as reason:
            pytest.exit(str(reason), returncode=3)


def pytest_sessionfinish(session, exitstatus):
    if settings.EMBEDDED:
        connection.close()
        settings.EMBEDDED.release()


class WebClient(Client):
    """A browser: its requests begin as `portal_web` without a customer, as the web's connections do."""

    def request(self, **request):
        if not connection.in_atomic_block:
            return super().request(**request)
        with rls.scope(ROLE):
            return super().request(**request)


@pytest.fixture
def web(db):
    yield WebClient()
    with throttle.apart() as cursor:  # its counts outlive the rollback at a test's end, by design
        cursor.execute("DELETE FROM accounts_throttle")


@pytest.fixture
def sign_in(web):
    """Sign somebody in and return the browser."""

    def as_user(user):
        web.force_login(user)
        return web

    return as_user


@pytest.fixture
def transactional_db(transactional_db):
    """Jobs that a test commits would be found by the next one: emptying the tables knows the models of this project only."""
    yield
    processes.empty_queue()


@pytest.fixture
def cast(db):
    return make.cast()


@pytest.fixture
def hanako(cast):
    return cast.hanako


@pytest.fixture
def jiro(cast):
    return cast.jiro
