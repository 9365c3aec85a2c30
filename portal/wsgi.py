"""The web process: connects as the web's role from its first query on."""

import os
import sys

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "portal.settings")
application = get_wsgi_application()

from django.conf import settings

from portal import scope

if settings.DATABASE_URL and not settings.SECRET_KEY_GIVEN:
    print("SECRET_KEY が設定されていません。DATABASE_URL を使うときは SECRET_KEY も設定してください。", file=sys.stderr)
    sys.exit(3)
scope.connect_as_web()
