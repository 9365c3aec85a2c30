"""The web process: connects as the web's role from its first query on."""

import os
import sys

from django.core.wsgi import get_wsgi_application


def web():
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "portal.settings")
    made = get_wsgi_application()
    from django.conf import settings

    from portal.db import rls

    if settings.DATABASE_URL and not settings.SECRET_KEY_GIVEN:
        sys.stderr.write("DATABASE_URL を使うときは SECRET_KEY も設定してください。\n")
        sys.exit(3)
    rls.connect_as_web()
    return made


application = web()
