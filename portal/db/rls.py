"""The second lock: every web request runs in one transaction as the role `portal_web`, tied to one customer by PostgreSQL.

Staff's requests run as `portal_desk`, which sees all customers' rows (portal/db/roles.py); no request runs as the owner.

Web processes connect as `portal_web` from the start, so whatever escapes a request's scope (a streamed body, an
`on_commit` hook) fails loudly instead of seeing everybody's rows: the policies compare with a setting that isn't there.
"""

from contextlib import contextmanager

from django.db import connection, transaction

from portal import trace
from portal.db.schema import DESK, ONLOOKER, ROLE
from portal.db.web import SILENCE

# Paths that look at the database before anybody is known, or that staff work in: they run as `portal_desk`.
DESK_PATHS = ("/login/", "/password/reset/", "/healthz", "/readyz", "/metrics", "/admin/")


def take(role, customer_id=None):
    """Be `role`, for this customer, until the transaction ends."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT set_config('role', %s, true), set_config('portal.customer', %s, true)",
            [role, "" if customer_id is None else str(customer_id)],
        )


@contextmanager
def scope(role, customer_id=None):
    """One transaction as `role`; in an outer transaction the former role comes back at the end."""
    nested = connection.in_atomic_block
    with transaction.atomic():
        if nested:
            with connection.cursor() as cursor:
                cursor.execute("SELECT current_setting('role'), coalesce(current_setting('portal.customer', true), '')")
                former = cursor.fetchone()
        take(role, customer_id)
        yield
        # A rolled-back savepoint restores role and setting by itself; a released one would keep ours.
        if nested and not connection.needs_rollback:
            take(*former)


@contextmanager
def looking_on(customer_id):
    """One READ ONLY transaction as the web's role for this customer, in which what the company keeps to itself is hidden."""
    nested = connection.in_atomic_block
    with scope(ROLE, customer_id):
        set_onlooker("on")
        with connection.cursor() as cursor:
            cursor.execute("SET TRANSACTION READ ONLY")
        yield
        # The end of a savepoint gives back whether one may write, but not this.
        if nested and not connection.needs_rollback:
            set_onlooker("")


def set_onlooker(text):
    with connection.cursor() as cursor:
        cursor.execute("SELECT set_config(%s, %s, true)", [ONLOOKER, text])


@contextmanager
def patient(seconds):
    """A savepoint in which one statement may take so long, instead of what somebody at a screen waits for."""
    driver, silence = connection.connection, getattr(connection.connection, "silence", None)
    with transaction.atomic():  # whose rollback restores the limit
        former = set_limit(f"{seconds}s")
        driver.silence = silence and seconds + SILENCE
        try:
            yield
        finally:
            driver.silence = silence
        set_limit(former)


def set_limit(text):
    """Set the statements' limit until the transaction ends; returns the former one."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT current_setting('statement_timeout'), set_config('statement_timeout', %s, true)", [text])
        return cursor.fetchone()[0]


class ScopeMiddleware:
    """Runs view and rendering in one transaction; the answer of a failed request (status 500 and above) rolls it back."""

    def __init__(self, get_response):
        self.get_response = get_response

    def __call__(self, request):
        with scope(DESK):  # session and user are loaded before anybody is known
            user = request.user
            customer_id = getattr(user, "customer_id", None)
            trace.person.set(user.pk)
            staff = user.is_authenticated and customer_id is None
            if not staff and not request.path_info.startswith(DESK_PATHS):
                take(ROLE, customer_id)
            response = self.get_response(request)
            if response.status_code >= 500 or getattr(request, "view_raised", False):
                transaction.set_rollback(True)
        return response

    def process_exception(self, request, exception):
        """What a view wrote before it raised (Http404 too) is undone, once the page that tells about it is made."""
        request.view_raised = True
