"""The real Chromium. It draws with the project's own fonts: widths are those of Japanese text, the same on every machine."""

import os
import shutil
from contextlib import contextmanager

from django.conf import settings
from django.db import connections
from playwright.sync_api import sync_playwright

FONTS = """<?xml version="1.0"?><!DOCTYPE fontconfig SYSTEM "fonts.dtd">
<fontconfig><dir>{fonts}</dir><cachedir>{cache}</cachedir></fontconfig>"""


@contextmanager
def started(folder):
    """A running browser; `folder` takes what it knows of fonts."""
    (folder / "fonts.conf").write_text(FONTS.format(fonts=settings.FONTS, cache=folder / "cache"))
    environment = {**os.environ, "FONTCONFIG_FILE": str(folder / "fonts.conf")}
    os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "true"  # Playwright's loop runs in this thread; the tests' queries don't
    with sync_playwright() as playwright:
        arguments = ["--no-sandbox"] if os.geteuid() == 0 else []
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=arguments, env=environment)
        yield browser
        browser.close()
        connections.close_all()  # of what was asked beside Playwright's loop: Django keeps connections of its own for that
    del os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"]
