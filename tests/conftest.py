"""The cast (hanako and taro at company A, jiro at B, staff), and clients that meet the database as the web does."""

import gc
import os
from contextlib import contextmanager

import pytest
from django.conf import settings
from django.contrib.staticfiles.handlers import StaticFilesHandler
from django.db import connection
from django.test import Client, TransactionTestCase
from django.utils import timezone
from django.utils.cache import patch_cache_control

from accounts import throttle
from accounts.models import Throttle
from contracts.admin import preview
from portal import fresh, listing
from portal.db import rls
from portal.db.embedded import Unavailable
from portal.db.schema import ROLE
from tests import databases, make, once

TransactionTestCase._fixture_teardown = lambda case: databases.empty()


def pytest_sessionstart(session):
    if settings.EMBEDDED:
        try:
            settings.EMBEDDED.ensure()
        except Unavailable as reason:
            pytest.exit(str(reason), returncode=3)


def pytest_collection_finish(session):
    """What is imported by now stays: the garbage collector needn't look through it, nor for the rest as often as it does by itself."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 50)


def pytest_sessionfinish(session, exitstatus):
    if settings.EMBEDDED:
        connection.close()
        settings.EMBEDDED.release()


@pytest.fixture(scope="session")
def django_db_setup(request, django_test_environment, django_db_keepdb, django_db_blocker):
    """Without xdist, or when databases are kept (--reuse-db), pytest-django's own way."""
    worker = getattr(request.config, "workerinput", None)
    if django_db_keepdb or not worker:
        request.getfixturevalue("django_db_setup")
        yield
        return
    former = connection.settings_dict["NAME"]
    with django_db_blocker.unblock():
        databases.copy(worker["testrunuid"], worker["workerid"])
    yield
    with django_db_blocker.unblock():
        connection.creation.destroy_test_db(former, verbosity=0)
        databases.drop_migrated()


@pytest.fixture(autouse=True, scope="session")
def folder_of_the_run(tmp_path_factory):
    """The one that the processes of a run share."""
    folder = tmp_path_factory.getbasetemp()
    once.folder = folder.parent if "PYTEST_XDIST_WORKER" in os.environ else folder


@pytest.fixture(autouse=True, scope="session")
def unhurried():
    """A busy machine finds what an idle one finds; tests of these limits set their own."""
    preview.PATIENCE = listing.PATIENCE = 60


@pytest.fixture(autouse=True, scope="session")
def kept_files():
    """Browsers keep static files, as WhiteNoise tells them to; they asked for fifteen of them with every page."""
    serve = StaticFilesHandler.serve

    def kept(handler, request):
        response = serve(handler, request)
        patch_cache_control(response, max_age=10 * 365 * 86400)  # the clock of tests may stand years from the browser's
        return response

    StaticFilesHandler.serve = kept
    yield
    StaticFilesHandler.serve = serve


class WebClient(Client):
    """A browser: its requests begin as `portal_web` without a customer, as the web's connections do."""

    def request(self, **request):
        if not connection.in_atomic_block:
            return super().request(**request)
        with rls.scope(ROLE), own_temporary_tables():
            return super().request(**request)

    def force_login(self, user, backend=None):
        """As whoever has just given the password."""
        super().force_login(user, backend)
        session = self.session
        session[fresh.KEY] = timezone.now().timestamp()
        session.save()


@contextmanager
def own_temporary_tables():
    """A test's transaction outlives its requests; temporary tables of theirs and of the test's own can't stand in each other's way."""
    connection.connection.execute("DISCARD TEMP")
    yield
    if not connection.needs_rollback:
        connection.connection.execute("DISCARD TEMP")


@pytest.fixture
def web(db):
    yield WebClient()
    if connection.needs_rollback or Throttle.objects.exists():
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
def cast(db):
    return make.cast()


@pytest.fixture
def hanako(cast):
    return cast.hanako


@pytest.fixture
def jiro(cast):
    return cast.jiro
