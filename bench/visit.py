"""Opens the pages of a portal as its people do: signs in by password, follows the links, prints a line of JSON with what came.

Runs on the code of the folder it is started in, whatever its version, and on the database of PORTAL_DATA_DIR or DATABASE_URL:
`cd CHECKOUT && .venv/bin/python bench/visit.py hanako@example.com --pages 40`. `bench/upgrade.py` has an old version and this one visit the same
database.
"""

import argparse
import hashlib
import json
import os
import re
import sys

# Its own folder first would put this folder's names before everybody's.
sys.path[0] = os.getcwd()

from portal import wsgi  # isort: skip  # as the web: its role, its limits
from django.conf import settings
from django.test import Client

PASSWORD = "Portal-2024!"  # the demo's, public
NOT_FOLLOWED = re.compile(
    r"^/(static|logout|password|account/second|admin/(logout|jsi18n|import|password))|\.(csv|zip)$|csv=|/delete/"
)


def visit(person, most):
    """{"pages": {path: status}, "files": {path: SHA-256}} of at most that many pages."""
    assert wsgi.application
    browser = Client(raise_request_exception=False, HTTP_HOST=settings.ALLOWED_HOSTS[0])
    answer = browser.post("/login/", {"username": person, "password": PASSWORD})
    if answer.status_code != 302:
        return {"pages": {"/login/": answer.status_code, "signed in": False}, "files": {}}
    pages, files = {}, {}
    waiting = ["/"]
    while waiting and len(pages) < most:
        path = waiting.pop(0)
        if path in pages or path in files:
            continue
        answer = browser.get(path)
        if answer.status_code in (301, 302):
            pages[path] = answer.status_code
            waiting.insert(0, answer["Location"])
            continue
        content = b"".join(answer.streaming_content) if answer.streaming else answer.content
        kind = answer["Content-Type"].partition(";")[0]
        if kind == "application/pdf":
            files[path] = hashlib.sha256(content).hexdigest()
            continue
        pages[path] = answer.status_code
        if kind == "text/html":
            found = re.findall(r'href="(/[^"#]*)"', content.decode())
            waiting += [link.replace("&amp;", "&") for link in found if not NOT_FOLLOWED.search(link)]
    return {"pages": pages, "files": files}


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("person")
    parser.add_argument("--pages", type=int, default=40)
    given = parser.parse_args()
    print(json.dumps(visit(given.person, given.pages)))
