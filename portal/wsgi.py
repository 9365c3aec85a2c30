"""The web process: connects as the web's role from its first query on."""

import os
import sys

import django
from django.core.wsgi import get_wsgi_application


def web():
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "portal.settings")
    django.setup()
    from django.conf import settings

    from portal.db import ready, rls
    from portal.db.embedded import Unavailable
    from portal.middleware import readable_content_type

    if settings.DATABASE_URL and not settings.SECRET_KEY_GIVEN:
        sys.stderr.write("DATABASE_URL を使うときは SECRET_KEY も設定してください。\n")
        sys.exit(3)
    try:
        missing = ready.without_tables()
    except Unavailable as reason:
        missing = str(reason)
    if missing:
        sys.stderr.write(f"{missing}\n")
        sys.exit(3)
    rls.connect_as_web()
    return readable_content_type(get_wsgi_application())


application = web()
