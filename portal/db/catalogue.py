"""What guards the tables (policies, grants, triggers), as `migrate` left it, and what has become of it since.

A backup says what there was, and a restore compares. Policies and grants are made by each `migrate` anew (roles.py); triggers by
migrations only, so what there was of them is kept as a comment on a table, which a dump brings along. Names, states and sources
are compared, not expressions: each major version of PostgreSQL prints those in its own way.
"""

import json

from portal.db.schema import ROLE

KEPT_ON = "portal_installation"
GUARDS = f"""
    SELECT 'policies', c.relname, md5(concat_ws('|', c.relrowsecurity, string_agg(
        concat_ws(' ', p.polname, p.polcmd, p.polroles @> ARRAY[r.oid]), '|' ORDER BY p.polname)))
    FROM pg_class c JOIN pg_roles r ON r.rolname = '{ROLE}' LEFT JOIN pg_policy p ON p.polrelid = c.oid
    WHERE c.relnamespace = 'public'::regnamespace AND c.relkind = 'r'
    GROUP BY c.relname, c.relrowsecurity HAVING c.relrowsecurity OR count(p.oid) > 0
    UNION ALL
    SELECT 'grants', relname, md5(string_agg(granted, '|' ORDER BY granted)) FROM (
        SELECT c.relname, a.privilege_type AS granted FROM pg_class c, aclexplode(c.relacl) a JOIN pg_roles r ON r.oid = a.grantee
        WHERE c.relnamespace = 'public'::regnamespace AND r.rolname = '{ROLE}'
        UNION ALL
        SELECT c.relname, t.attname || ' ' || a.privilege_type FROM pg_class c JOIN pg_attribute t ON t.attrelid = c.oid,
            aclexplode(t.attacl) a JOIN pg_roles r ON r.oid = a.grantee
        WHERE c.relnamespace = 'public'::regnamespace AND r.rolname = '{ROLE}'
    ) AS rights GROUP BY relname
    UNION ALL
    SELECT 'triggers', c.relname, md5(string_agg(concat_ws(' ', t.tgname, t.tgenabled, p.proname, p.prosrc), '|' ORDER BY t.tgname))
    FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid JOIN pg_proc p ON p.oid = t.tgfoid
    WHERE NOT t.tgisinternal AND c.relnamespace = 'public'::regnamespace GROUP BY c.relname
"""


def found(connection):
    """{policies, grants, triggers: {table: a hash of them}}"""
    guards: dict[str, dict[str, str]] = {"policies": {}, "grants": {}, "triggers": {}}
    with connection.cursor() as cursor:
        cursor.execute(GUARDS)
        for kind, table, digest in cursor.fetchall():
            guards[kind][table] = digest
    return guards


def kept(connection):
    """The same, as the last `migrate` that changed something left it; None in a database from before there was this."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT obj_description(to_regclass(%s), 'pg_class')", [KEPT_ON])
        text = cursor.fetchone()[0]
    return json.loads(text) if text else None


def keep(connection):
    with connection.cursor() as cursor:
        cursor.execute("SELECT format('COMMENT ON TABLE %%I IS %%L', %s, %s)", [KEPT_ON, json.dumps(found(connection))])
        cursor.execute(cursor.fetchone()[0])


def changed_triggers(connection):
    """Names of the tables whose triggers are no longer as they were kept."""
    before, now = (kept(connection) or {}).get("triggers"), found(connection)["triggers"]
    if before is None:
        return []
    return sorted(table for table in {*now, *before} if now.get(table) != before.get(table))
