"""Whether this database is at home. One that was restored or copied sends nothing and does no job until an operator says `release_instance`.

Otherwise a copy made to try something out would write to every customer, and after a restore the old and the new one both; and what
staff left to the workers would be done a second time. Workers wait (the command `procrastinate`), and no mail is delivered.
The mark is the server's own number, the numbers of the database and of a table in it, which a copy gets anew, and PORTAL_URL.
"""

import time

from django.conf import settings
from django.db import Error, connection

from portal.db import rls
from portal.models import Installation

MARK = """
    SELECT (SELECT system_identifier FROM pg_control_system())::text, oid::text, 'portal_installation'::regclass::oid::text
    FROM pg_database WHERE datname = current_database()
"""
WATCH_SECONDS = 60
# What the web's pages know: when this process last asked, and what came out. Nothing as long as no web was started here.
watched: dict[str, float | bool] = {}


def mark_here():
    with connection.cursor() as cursor:
        cursor.execute(MARK)
        system, database, table = cursor.fetchone()
    return {"system": system, "database": database, "table": table, "address": settings.PORTAL_URL}


def at_home():
    """Whether mails and jobs may be done here. A database that nobody has marked yet is new: it belongs here from now on."""
    here = mark_here()
    kept, _made = Installation.objects.get_or_create(pk=1, defaults={"mark": here})
    return kept.mark == here


def release():
    """Say that this database belongs here now. Returns whether it did already."""
    known = at_home()
    if not known:
        Installation.objects.filter(pk=1).update(mark=mark_here())
        Installation.objects.get(pk=1).save(update_fields=["marked_at"])
    return known


def watch():
    """Ask, for the pages of this process; a database that is away tells nothing new."""
    home = watched.get("home", True)
    try:
        with rls.scope(rls.DESK):
            home = at_home()
    except Error:
        pass
    finally:
        watched.update(asked=time.monotonic(), home=home)
    return home


def told_home():
    """What staff's pages show: as `at_home`, at most a minute old, so that no page pays for it."""
    if not watched:
        return True
    return watch() if time.monotonic() - watched["asked"] > WATCH_SECONDS else watched["home"]
