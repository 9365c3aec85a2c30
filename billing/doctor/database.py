"""PostgreSQL: version, settings, roles, what guards the tables, migrations, and where this database belongs."""

import psycopg
from django.conf import settings
from django.db import connection

from billing.doctor.findings import odd, well, wrong
from portal import installation
from portal.db import catalogue, ready, roles, web
from portal.db.schema import DESK, ROLE

# Without these a crash loses what was committed.
DURABLE = {"fsync": "on", "full_page_writes": "on", "synchronous_commit": "on"}
FEWEST_CONNECTIONS = 40
TOO_MUCH = """
    SELECT rolsuper OR rolbypassrls OR rolcreaterole,
        EXISTS (SELECT FROM pg_class WHERE relnamespace = 'public'::regnamespace AND pg_has_role(u.oid, relowner, 'MEMBER'))
    FROM pg_roles u WHERE rolname = %s
"""
MOST_SHOWN = 6


def ask(sql, *given):
    with connection.cursor() as cursor:
        cursor.execute(sql, given)
        return cursor.fetchone()


def postgres_version():
    number, name = ask("SELECT current_setting('server_version_num')::int, current_setting('server_version')")
    if number < 150000:
        return wrong(f"PostgreSQL {name} は古すぎます", "PostgreSQL 15 以降に移します。")
    return well(f"PostgreSQL {name}")


def postgres_settings():
    lost = [name for name, value in DURABLE.items() if not set_well(setting(name), value)]
    if lost:
        return wrong(
            f"停電で確定済みのデータを失う設定です: {', '.join(lost)}",
            "postgresql.conf で on にし、PostgreSQLを再起動します。",
        )
    if (most := int(setting("max_connections"))) < FEWEST_CONNECTIONS:
        return odd(
            f"max_connections が {most} です", f"{FEWEST_CONNECTIONS} 以上にします（Web 16、ワーカー各3、コマンド）。"
        )
    return well("PostgreSQLの設定は安全です")


def setting(name):
    return ask("SELECT current_setting(%s)", name)[0]


def set_well(found, wanted):
    # The others are values of synchronous_commit: safe on this server.
    return found == wanted or found in ("local", "remote_write", "remote_apply")


def encoding():
    found = ask("SELECT pg_encoding_to_char(encoding) FROM pg_database WHERE datname = current_database()")[0]
    if found != "UTF8":
        return wrong(
            f"データベースの文字コードが {found} です",
            "UTF8 のデータベースを作り、移します（createdb -E UTF8 -T template0）。",
        )
    return well("文字コードは UTF8 です")


def database_role():
    superuser, name = ask("SELECT rolsuper, rolname FROM pg_roles WHERE rolname = current_user")
    if superuser and settings.DATABASE_URL:
        return odd(
            f"ロール {name} はスーパーユーザです", f"ALTER ROLE {name} NOSUPERUSER CREATEROLE（スーパーユーザで実行）"
        )
    return well(f"ロール {name} で接続しています")


def web_role():
    for role in (ROLE, DESK):
        found = ask(
            "SELECT rolsuper OR rolbypassrls OR rolcanlogin, pg_has_role(current_user, oid, 'MEMBER') FROM pg_roles WHERE rolname = %s",
            role,
        )
        if found is None:
            return wrong(f"ロール {role} がありません", "manage.py migrate を実行します。")
        too_much, member = found
        if too_much:
            return wrong(
                f"ロール {role} の権限が強すぎます",
                f"ALTER ROLE {role} NOSUPERUSER NOBYPASSRLS NOLOGIN（スーパーユーザで実行）",
            )
        if not member:
            return wrong(f"このロールは {role} になれません", f"GRANT {role} TO 所有者のロール（スーパーユーザで実行）")
    return well(f"Webのロール {ROLE} と {DESK} があります")


def web_login():
    """The web itself looks at each of its connections; this is what the owner can see of it beforehand."""
    if not settings.WEB_DATABASE:
        return odd(
            "Webも表の所有者としてログインします",
            "WEB_DATABASE_URL にWeb専用のロールを書き、manage.py migrate を実行します。",
        )
    if reason := web.apart():
        return wrong(reason, "/etc/portal.env の2つのURLを揃え、Webとワーカーを再起動します。")
    name = settings.WEB_DATABASE["USER"]
    if any(ask(TOO_MUCH, name) or ()):
        return wrong(
            f"Webのロール {name} の権限が強すぎます",
            f"ALTER ROLE {name} NOSUPERUSER NOBYPASSRLS NOCREATEROLE（スーパーユーザで実行）。表や所有者の権限を持たせません。",
        )
    with connection.cursor() as cursor:
        if list(roles.logging_in(connection, cursor)):
            return wrong(f"Webのロール {name} が決まったものと違います", "manage.py migrate を実行します。")
    if not reachable(settings.WEB_DATABASE_URL):
        return odd(
            f"ここからは {name} としてデータベースにつながりません",
            "Webも同じマシンで動いているなら、WEB_DATABASE_URL のパスワード、ホスト、ポートを確認します。",
        )
    return well(f"Webは {name} としてログインします")


def reachable(url):
    try:
        return not url or bool(web.which(url))
    except psycopg.Error:
        return False


def pooler():
    """Whoever stands between gives connections a number of its own."""
    connection.ensure_connection()
    if ask("SELECT pg_backend_pid()")[0] != connection.connection.info.backend_pid:
        return wrong(
            "PgBouncerなどを通して接続しています。コマンドとワーカーのロックが効きません",
            "DATABASE_URL をPostgreSQLへ直接向けます。",
        )
    return well("PostgreSQLに直接接続しています")


def policies():
    return guarded(roles.closed, "行ごとのアクセス制限（ポリシー）")


def grants():
    return guarded(roles.granted, "Webのロールの権限")


def guarded(look, name):
    with connection.cursor() as cursor:
        changed = sorted({table or "データベース" for table, _statement in look(cursor)})
    if changed:
        return wrong(f"{name}が決まったものと違います: {shortened(changed)}", "manage.py migrate を実行します。")
    return well(f"{name}は決まったとおりです")


def triggers():
    if changed := catalogue.changed_triggers(connection):
        return wrong(
            f"確定した行を守るトリガが migrate の作ったものと違います: {shortened(changed)}",
            "人が変えたのでなければ、復元が途中で失敗しています。もう一度復元します（docs/operations.md）。",
        )
    return well("確定した行を守るトリガは migrate の作ったとおりです")


def shortened(names):
    return ", ".join(names[:MOST_SHOWN]) + (f" ほか {len(names) - MOST_SHOWN}" if len(names) > MOST_SHOWN else "")


def migrations():
    if not ready.migrated():
        return wrong(
            "まだ適用していない移行（マイグレーション）があります",
            "manage.py migrate を実行し、Webとワーカーを再起動します。",
        )
    return well("移行はすべて適用されています")


def instance():
    if not installation.at_home():
        return wrong(
            "このデータベースは、ほかの場所から復元または複製されたものです。メールも、PDFの作成などの処理も止まっています",
            "ここを本番にするなら manage.py release_instance を実行します。",
        )
    return well("このデータベースはこの場所のものです")


CHECKS = (
    postgres_version, postgres_settings, encoding, database_role, web_role, web_login, pooler, policies, grants, triggers, migrations,
    instance,
)  # fmt: skip
