"""All that is stored: a digest of each table, so that a test can say that nothing changed."""

from django.db import connection


def digests():
    found = {}
    with connection.cursor() as cursor:
        cursor.execute("SELECT relname FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace")
        for (table,) in cursor.fetchall():
            cursor.execute(f'SELECT md5(string_agg(t::text, chr(10) ORDER BY t::text)) FROM "{table}" t')
            found[table] = cursor.fetchone()[0]
    return found


def differing(before, after):
    """The names of the tables that aren't as they were."""
    return {table for table in before if before[table] != after[table]}
