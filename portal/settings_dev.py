"""Settings of the developer's server (bin/dev): Django's pages for errors, static files as they lie in the tree, templates read anew."""

import base64
import hashlib
import re

from django.core.exceptions import ImproperlyConfigured

from portal.middleware import CSP
from portal.settings import *
from portal.settings import MIDDLEWARE, STORAGES, TEMPLATES, portal_host

if portal_host not in ("localhost", "127.0.0.1"):
    raise ImproperlyConfigured(
        "portal.settings_dev shows its insides to whoever asks: PORTAL_URL must be on this machine"
    )

DEBUG = True
STORAGES["staticfiles"] = {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}
# Django caches templates unless loaders are named; a change must show without a restart.
TEMPLATES[0]["APP_DIRS"] = False
TEMPLATES[0]["OPTIONS"]["loaders"] = [
    "django.template.loaders.filesystem.Loader",
    "django.template.loaders.app_directories.Loader",
]
# Inside the one that compresses: a hash is taken of what the page says.
MIDDLEWARE.insert(MIDDLEWARE.index("portal.middleware.compressed_pages") + 1, "portal.settings_dev.debug_pages")


def debug_pages(get_response):
    """The strict policy holds for Django's error pages too, widened by the hash of the very style sheet that is in them.

    Their script stays off: it only hides what one wants to read.
    """

    def answer(request):
        response = get_response(request)
        if response.status_code in (404, 500) and not response.streaming:
            styles = re.findall(rb"<style>(.*?)</style>", response.content, re.DOTALL)
            hashes = "".join(
                f" 'sha256-{base64.b64encode(hashlib.sha256(style).digest()).decode()}'" for style in styles
            )
            response.headers["Content-Security-Policy"] = CSP.replace("style-src 'self'", f"style-src 'self'{hashes}")
        return response

    return answer
