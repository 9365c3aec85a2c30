"""The web process: connects as the web's role from its first query on, and doesn't start as anybody else."""

import os
import sys

import django
from django.core.exceptions import ImproperlyConfigured
from django.core.wsgi import get_wsgi_application
from django.db import connections

from portal import environment


def begin():
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "portal.settings")
    try:
        django.setup()
    except ImproperlyConfigured as reason:
        sys.stderr.write(f"{reason}\n")
        sys.exit(3)
    from portal import installation
    from portal.db import ready, web
    from portal.db.embedded import Unavailable
    from portal.middleware import readable_content_type

    for slip in environment.slips():
        sys.stderr.write(f"{slip}\n")
    web.connect()
    try:
        trouble = web.apart() or ready.without_tables() or web.unfit()
    except Unavailable as reason:
        trouble = str(reason)
    if trouble:
        sys.stderr.write(f"{trouble}\n")
        sys.exit(3)
    installation.watch()
    connections.close_all()
    return readable_content_type(get_wsgi_application())


application = begin()
