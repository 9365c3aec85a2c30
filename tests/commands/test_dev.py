"""The developer's server: the pages of bin/demo from the tree as it lies, and errors that show their insides under the policy."""

import gzip
import os
import re
import subprocess
import sys
import urllib.parse
import urllib.request
from urllib.error import HTTPError

import pytest
from django.contrib.auth.hashers import make_password

from accounts.hashers import Argon2
from accounts.models import User
from tests import make
from tests.commands.test_demo import ROOT, free_port
from tests.processes import here, wait_until


@pytest.fixture
def served(transactional_db, tmp_path):
    """Asks the web process that bin/dev starts: (status, headers, text) of a path."""
    make.cast()
    User.objects.update(password=make_password(make.PASSWORD, hasher=Argon2()))  # the real web knows no other hash
    port = free_port()
    web = subprocess.Popen(
        [sys.executable, "-m", "gunicorn", "portal.wsgi", "--bind", f"127.0.0.1:{port}", "--log-level", "warning"],
        cwd=ROOT,
        env={
            "PATH": os.environ["PATH"],
            "DJANGO_SETTINGS_MODULE": "portal.settings_dev",
            "PORT": str(port),
            **here(tmp_path),
        },
    )
    opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor())

    def ask(path, data=None):
        request = urllib.request.Request(
            f"http://127.0.0.1:{port}{path}",
            data=data,
            headers={"Referer": f"http://127.0.0.1:{port}/", "Accept-Encoding": "gzip"},  # as every browser says
        )
        try:
            answer = opener.open(request, timeout=20)
        except HTTPError as error:
            answer = error
        with answer:
            body = answer.read()
            text = gzip.decompress(body) if answer.headers["Content-Encoding"] == "gzip" else body
            return answer.status, answer.headers, text.decode()

    def answers():
        try:
            return ask("/healthz")[0] == 200
        except OSError:
            assert web.poll() is None
            return False

    wait_until(answers)
    yield ask
    web.terminate()
    web.wait(20)


def sign_in(ask):
    page = ask("/login/")[2]
    token = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', page).group(1)
    given = {"csrfmiddlewaretoken": token, "username": "hanako@example.com", "password": make.PASSWORD}
    return ask("/login/", urllib.parse.urlencode(given).encode())


def it_serves_every_page_with_its_styles_and_scripts_as_they_lie_in_the_tree(served):
    assert "C0000001" in sign_in(served)[2]
    for path in ("/", "/contracts/", "/orders/", "/invoices/", "/invoices/analysis/", "/account/", "/account/users/"):
        status, _headers, page = served(path)
        assert status == 200, path
        for file in re.findall(r'(?:href|src)="(/static/[^"]+)"', page):
            assert served(file)[0] == 200, file


def it_shows_djangos_error_page_under_the_strict_policy(served):
    sign_in(served)
    status, headers, page = served("/no-such-page/")
    assert status == 404
    assert "DEBUG = True" in page
    policy = headers["Content-Security-Policy"]
    assert "'unsafe-inline'" not in policy
    assert "style-src 'self' 'sha256-" in policy
    assert "script-src 'self';" in policy
