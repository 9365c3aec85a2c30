"""The web process: connects as the web's role from its first query on."""

import os
import sys

import django
from django.core.exceptions import ImproperlyConfigured
from django.core.wsgi import get_wsgi_application

from portal import environment


def web():
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "portal.settings")
    try:
        django.setup()
    except ImproperlyConfigured as reason:
        sys.stderr.write(f"{reason}\n")
        sys.exit(3)
    from portal.db import ready, rls
    from portal.db.embedded import Unavailable
    from portal.middleware import readable_content_type

    for slip in environment.slips():
        sys.stderr.write(f"{slip}\n")
    try:
        missing = ready.without_tables()
    except Unavailable as reason:
        missing = str(reason)
    if missing:
        sys.stderr.write(f"{missing}\n")
        sys.exit(3)
    from django.db import connection

    from portal import installation

    installation.watch()
    connection.close()
    rls.connect_as_web()
    return readable_content_type(get_wsgi_application())


application = web()
