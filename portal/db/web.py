"""How web processes log in: never as whoever owns the tables, impatient, and only if PostgreSQL says that all of this is so.

`WEB_DATABASE_URL` names a role of the web's own. Its settings in the database (made by `migrate`) are what start-up options
would be, for a pooler in transaction mode passes none on. Without it the web logs in as the owner and steps down at once.
"""

import psycopg
from django.conf import settings
from django.db import OperationalError, connection, connections

from portal.db.schema import DESK, ROLE

# What somebody at a screen waits for, in seconds: a row that a run holds, a statement, a connection, and a server that
# doesn't even say that time is up. Batch commands have no such limit.
LOCK, STATEMENT, CONNECT, SILENCE = 3, 4, 2, 6
# How a connection of the web's begins. Staff's requests make temporary tables: searched last, none stands in for a table.
BEGINS = {
    "role": ROLE, "search_path": "public,pg_temp", "lock_timeout": f"{LOCK}s", "statement_timeout": f"{STATEMENT}s",
}  # fmt: skip
BEGUN = f"""
    SELECT {", ".join(f"current_setting('{name}')" for name in BEGINS)}, session_user,
        u.rolsuper OR u.rolbypassrls OR u.rolcreaterole,
        EXISTS (SELECT FROM pg_class WHERE relnamespace = 'public'::regnamespace AND pg_has_role(u.oid, relowner, 'MEMBER')),
        EXISTS (SELECT FROM pg_roles WHERE rolname = '{DESK}' AND pg_has_role(u.oid, oid, 'MEMBER'))
    FROM pg_roles u WHERE u.rolname = session_user
"""
# Which database this is, whatever name a pooler has for it: the server's own number, and the database's in it.
WHICH = """
    SELECT (SELECT system_identifier FROM pg_control_system())::text || '/' || oid, datname
    FROM pg_database WHERE datname = current_database()
"""
NOT_THROUGH_POOLER = "Webの接続に役割と制限時間を設定できません。PgBouncerなどを通すときは、WEB_DATABASE_URL にWeb専用のロールを指定してください。"


class Unfit(OperationalError):
    """The web can't work with such a connection; the text is one line that says what to do."""


def connect():
    """Make every connection of this process one of the web's; it calls this before its first query."""
    database = connections.settings["default"]
    if settings.WEB_DATABASE:
        database.update(settings.WEB_DATABASE)
        database["OPTIONS"] = {"connect_timeout": CONNECT, **database["OPTIONS"]}
    else:
        options = database["OPTIONS"]
        begins = (f"-c {name}={value}" for name, value in BEGINS.items())
        given = " ".join([options.get("options", ""), *begins]).strip()
        database["OPTIONS"] = {"connect_timeout": CONNECT, **options, "options": given}
    database["PATIENCE"] = SILENCE


def check(begun):
    """Raises Unfit if a connection doesn't begin as the web's must: a pooler or a superuser may have it otherwise."""
    with begun.cursor() as cursor:
        *found, name, above, owns, may_be_desk = cursor.execute(BEGUN).fetchone()
    begun.rollback()  # of the transaction that psycopg began
    if settings.WEB_DATABASE and (above or owns):
        raise Unfit(
            f"WEB_DATABASE_URL のロール {name} は強すぎます。表の所有者でも管理者でもない、Web専用のロールにしてください。"
        )
    if not may_be_desk:
        raise Unfit(f"ロール {name} は {DESK} になれません。manage.py migrate を実行してください。")
    if lost := [key for (key, value), now in zip(BEGINS.items(), found, strict=True) if now.replace(" ", "") != value]:
        if settings.WEB_DATABASE:
            raise Unfit(
                f"ロール {name} に {', '.join(lost)} の設定がありません。manage.py migrate を実行してください。"
            )
        raise Unfit(NOT_THROUGH_POOLER)


def which(url):
    """(what no other database has, its name and place for people). Raises psycopg.Error if nobody answers there."""
    with psycopg.connect(url, connect_timeout=CONNECT, autocommit=True) as asked:
        [(number, name)] = asked.execute(WHICH).fetchall()
        return number, f"{name}（{asked.info.host}:{asked.info.port}）"


def apart():
    """Why the web would serve another database than commands and workers use, in one line; empty if both URLs lead to the same,
    or if one can't be asked from here (a web of its own may be given no more than its own URL): `doctor` asks too."""
    owners, webs = settings.DATABASE_URL, settings.WEB_DATABASE_URL
    if not webs or owners == webs:
        return ""
    try:
        (number, here), (webs_number, there) = which(owners), which(webs)
    except psycopg.Error:
        return ""
    if number == webs_number:
        return ""
    return f"WEB_DATABASE_URL は {there}、DATABASE_URL は {here} と、別のデータベースです。両方に同じデータベースを書いてください。"


def unfit():
    """Why the web may not start, in one line; empty if it may, and from now on each new connection is looked at.

    A database that is away tells nothing yet.
    """
    connection.settings_dict["CHECK"] = check
    try:
        connection.ensure_connection()
    except Unfit as reason:
        return str(reason)
    except OperationalError as error:
        if "unsupported startup parameter" in str(error):
            return NOT_THROUGH_POOLER
        return (
            f"ロール {ROLE} がありません。manage.py migrate を実行してください。" if f'"{ROLE}"' in str(error) else ""
        )
    finally:
        connection.close()
    return ""
