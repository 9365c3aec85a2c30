"""Whether time tells who exists: sign-in, reset and user form for known and unknown addresses, sampled in turn.

Uses the test database's server and the shipped password hasher: `.venv/bin/python bench/enumeration.py`.
"""

import os
import statistics
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.settings")

import django

django.setup()

from django.contrib.auth.hashers import make_password
from django.test.utils import override_settings, setup_databases, setup_test_environment, teardown_databases

from accounts import throttle
from accounts.models import User
from portal.settings import PASSWORD_HASHERS
from tests import make
from tests.conftest import WebClient

SAMPLES = 300
KNOWN, UNKNOWN = "jiro@example.org", "nobody@example.org"


def sign_in(browser, email):
    return browser.post("/login/", {"username": email, "password": "Falsch-99"})


def reset(browser, email):
    return browser.post("/password/reset/", {"email": email})


def user_form(browser, email):
    """Another mistake in the form, so that nothing is created: the answer must not depend on the address."""
    return browser.post("/account/users/new/", {"name": "", "email": email})


def sample(browser, act, email):
    with throttle.apart() as cursor:
        cursor.execute("DELETE FROM accounts_throttle")
    start = time.perf_counter()
    answer = act(browser, email)
    took = time.perf_counter() - start
    assert answer.status_code in (200, 302), answer.status_code
    return took


def main():
    setup_test_environment()
    databases = setup_databases(0, interactive=False)
    try:
        with override_settings(PASSWORD_HASHERS=PASSWORD_HASHERS):
            cast = make.cast()
            User.objects.update(password=make_password(make.PASSWORD))
            browser = WebClient()
            browser.force_login(User.objects.get(pk=cast.hanako.pk))
            worst = 1.0
            for act in (sign_in, reset, user_form):
                visitor = browser if act is user_form else WebClient()
                times = {KNOWN: [], UNKNOWN: []}
                for turn in range(SAMPLES):
                    for email in (KNOWN, UNKNOWN) if turn % 2 else (UNKNOWN, KNOWN):
                        times[email].append(sample(visitor, act, email))
                known, unknown = (statistics.median(times[email]) * 1000 for email in (KNOWN, UNKNOWN))
                ratio = max(known, unknown) / min(known, unknown)
                worst = max(worst, ratio)
                print(f"{act.__name__:10} known {known:6.2f} ms, unknown {unknown:6.2f} ms, difference {ratio - 1:.1%}")
    finally:
        teardown_databases(databases, 0)
    print(f"enumeration ratio: {worst:.3f}")


if __name__ == "__main__":
    main()
