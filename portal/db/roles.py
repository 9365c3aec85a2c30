"""Who may do what in the database: the roles of customers' pages and of staff's, table by table. Every `migrate` makes it so.

`portal_web` reads its customer's rows and writes what customers may. `portal_desk` reads all rows and writes what the services
behind sign-in and staff's pages write. Neither owns anything, so neither changes a table, nor switches a trigger off; what is
fixed is kept from both by triggers. What isn't named here, nobody but the owner may do: a new table needs its line.
"""

import re
from contextlib import contextmanager

from django.conf import settings
from django.core.management.base import CommandError
from django.db import ProgrammingError

from portal.db import web
from portal.db.schema import CREATE_ROLE, DESK, ONLOOKER, ROLE

ALL = "SELECT, INSERT, UPDATE, DELETE"
# Locking a row (FOR UPDATE, FOR SHARE) needs the right to change some column of it; a trigger refuses the change itself.
LOCK = "UPDATE (id)"

# What customers' pages do.
WEB = {
    "accounts_customer": "SELECT, UPDATE (updated_at)",  # to lock it
    "accounts_session": "SELECT (session_key, user_id, expire_date, signed_in_at, address, browser), DELETE",
    "accounts_throttle": ALL,
    "accounts_user": "SELECT, INSERT, UPDATE (account_pending, bounced, department, email, is_active, is_manager, is_recipient, kana,"
    " language, last_login, must_change_password, name, password, password_expires_at, phone, position, version)",
    "billing_correction": "SELECT",
    "billing_credit": "SELECT",
    "billing_download": "SELECT, INSERT",
    "billing_invoice": "SELECT",
    "billing_invoiceline": "SELECT",
    "billing_invoicepdf": "SELECT",
    "billing_invoicexml": "SELECT",
    "billing_review": "SELECT, INSERT",
    "billing_taxtotal": "SELECT",
    "contracts_contract": "SELECT",
    "contracts_contractline": "SELECT",
    "contracts_meter": "SELECT",
    "contracts_meterprice": "SELECT",
    "contracts_metertier": "SELECT",
    "contracts_service": "SELECT",
    "contracts_term": "SELECT",
    "orders_order": "SELECT",
    "orders_orderline": "SELECT",
    "orders_usage": "SELECT",
    "orders_usagecharge": "SELECT",
    "otp_static_staticdevice": ALL,
    "otp_static_statictoken": ALL,
    "otp_totp_totpdevice": ALL,
    "portal_calendarday": "SELECT",
    "portal_columnchoice": ALL,
    "portal_counter": "SELECT, INSERT, UPDATE",
    "portal_faqentry": "SELECT",
    "portal_historyevent": "SELECT, INSERT",
    "portal_inquiry": "SELECT, INSERT, UPDATE (asked_at, handled_at, state)",
    "portal_mail": "SELECT, INSERT, UPDATE (error, state)",
    "portal_message": "SELECT, INSERT",
    "portal_notice": "SELECT",
    "portal_sentform": ALL,
    "portal_taxclass": "SELECT",
    "portal_vendor": "SELECT",
    "portal_vendorregistration": "SELECT",
    "procrastinate_events": "INSERT",
    "procrastinate_jobs": "SELECT (id), INSERT",
    "procrastinate_events_id_seq": "USAGE",
    "procrastinate_jobs_id_seq": "USAGE",
}

# What sign-in and staff's pages write; they read all tables. Where rows are kept (docs/architecture.md, The freeze) triggers leave
# of UPDATE and DELETE what they leave to everybody: the provisional ones, and a state that moves on.
DESK_WRITES = {
    "accounts_customer": "INSERT, UPDATE, DELETE",
    "accounts_session": "INSERT, UPDATE, DELETE",
    "accounts_throttle": "INSERT, UPDATE, DELETE",
    "accounts_user": "INSERT, UPDATE, DELETE",
    "accounts_user_groups": "INSERT, DELETE",
    "accounts_user_user_permissions": "DELETE",  # goes with its user, as the next but one
    "billing_correction": "INSERT",
    "billing_credit": f"INSERT, {LOCK}",
    "billing_decision": f"INSERT, {LOCK}",
    "billing_discount": "INSERT, UPDATE, DELETE",
    "billing_invoice": "INSERT, UPDATE, DELETE",
    "billing_invoiceline": "INSERT, UPDATE, DELETE",
    "billing_monthrun": "INSERT, UPDATE",
    "billing_monthtally": "INSERT, UPDATE",
    "billing_numbergone": "INSERT",
    "billing_parked": "INSERT, UPDATE, DELETE",
    "billing_rendering": "UPDATE (parked_at, tries)",
    "billing_taxtotal": "INSERT, UPDATE, DELETE",
    "billing_upload": "INSERT, UPDATE",
    "contracts_contract": "INSERT, UPDATE",
    "contracts_contractline": "INSERT, UPDATE, DELETE",
    "contracts_meter": "INSERT, UPDATE, DELETE",
    "contracts_meterprice": "INSERT, UPDATE, DELETE",
    "contracts_metertier": "INSERT, UPDATE, DELETE",
    "contracts_service": "INSERT, UPDATE, DELETE",
    "contracts_term": "INSERT, UPDATE",
    "django_admin_log": "INSERT, DELETE",
    "orders_order": "INSERT, UPDATE",
    "orders_orderline": "INSERT, UPDATE, DELETE",
    "orders_pending": "INSERT, DELETE",
    "orders_usagecharge": "INSERT, UPDATE, DELETE",
    "otp_static_staticdevice": "INSERT, UPDATE, DELETE",
    "otp_static_statictoken": "INSERT, UPDATE, DELETE",
    "otp_totp_totpdevice": "INSERT, UPDATE, DELETE",
    "portal_calendarday": "INSERT, UPDATE, DELETE",
    "portal_columnchoice": "DELETE",
    "portal_counter": "INSERT, UPDATE",
    "portal_faqentry": "INSERT, UPDATE, DELETE",
    "portal_historyevent": "INSERT",
    "portal_inquiry": "INSERT, UPDATE",
    "portal_installation": "INSERT",
    "portal_mail": "INSERT, UPDATE",
    "portal_message": "INSERT",
    "portal_notice": "INSERT, UPDATE, DELETE",
    "portal_seal": "INSERT",
    "portal_sentform": "INSERT, UPDATE, DELETE",
    "portal_taxclass": "INSERT, UPDATE, DELETE",
    "portal_vendor": "INSERT, UPDATE",
    "portal_vendorregistration": "INSERT, UPDATE, DELETE",
    "procrastinate_events": "INSERT",
    "procrastinate_jobs": "INSERT",
}

OWN = "customer_id = current_setting('portal.customer')::bigint"  # an error without a customer, never an empty answer
OWN_USER = "user_id IN (SELECT id FROM accounts_user)"  # which shows the web one customer's users only
OWN_DEVICE = f"device_id IN (SELECT id FROM otp_static_staticdevice WHERE {OWN_USER})"
ALONE = f"coalesce(current_setting('{ONLOOKER}', true), '') <> 'on'"
OWN_MAIL = "EXISTS (SELECT FROM portal_mail WHERE id = (args ->> 'mail_id')::bigint)"
# Tables whose rows carry their customer, in those that the web may read at all.
OF_CUSTOMERS = (
    "accounts_user", "billing_correction", "billing_credit", "billing_download", "billing_invoice", "billing_invoiceline",
    "billing_invoicepdf", "billing_invoicexml", "billing_review", "billing_taxtotal", "contracts_contract",
    "contracts_contractline", "contracts_meter", "contracts_meterprice", "contracts_metertier", "contracts_term", "orders_order",
    "orders_orderline", "orders_usage", "orders_usagecharge", "portal_columnchoice", "portal_historyevent", "portal_inquiry",
    "portal_mail", "portal_message", "portal_sentform",
)  # fmt: skip
# (table, policy): what the web sees and, where that is less, what it may write.
WEB_POLICIES = {
    **{(table, "own_customer"): f"USING ({OWN}) WITH CHECK ({OWN})" for table in OF_CUSTOMERS},
    ("accounts_customer", "own_customer"): "USING ({0}) WITH CHECK ({0})".format(OWN.replace("customer_id", "id")),
    ("accounts_session", "own_customer"): f"USING ({OWN_USER})",
    ("otp_static_staticdevice", "own_customer"): f"USING ({OWN_USER}) WITH CHECK ({OWN_USER})",
    ("otp_static_statictoken", "own_customer"): f"USING ({OWN_DEVICE}) WITH CHECK ({OWN_DEVICE})",
    ("otp_totp_totpdevice", "own_customer"): f"USING ({OWN_USER}) WITH CHECK ({OWN_USER})",
    ("portal_counter", "inquiries"): "USING (series LIKE 'Q%') WITH CHECK (series LIKE 'Q%')",
    (
        "procrastinate_jobs",
        "own_deliveries",
    ): "USING (task_name = 'portal.deliver') WITH CHECK (task_name = 'portal.deliver'"
    f" AND queue_name = 'mail' AND status = 'todo' AND {OWN_MAIL})",
}
# What is taken from that again.
WEB_RESTRICTIONS = {
    ("billing_review", "not_for_onlookers"): f"USING ({ALONE})",
    ("portal_mail", "not_for_onlookers"): f"USING ({ALONE} OR kind <> 'invoice_reminder')",
    ("portal_message", "no_memos"): "USING (kind <> 'memo') WITH CHECK (kind = 'customer')",
}
# Closed to the web whatever is granted one day.
CLOSED = (
    "billing_decision",
    "billing_discount",
    "billing_numbergone",
    "billing_parked",
    "billing_rendering",
    "orders_pending",
)
BEHIND_POLICIES = sorted({table for table, _name in WEB_POLICIES} | set(CLOSED))

# Constant, so that the planner drops it: behind any other policy an operator that isn't leakproof is served by no index.
EVERYTHING = "USING (true) WITH CHECK (true)"
POLICIES = {
    **{key: f"TO {ROLE} {rule}" for key, rule in WEB_POLICIES.items()},
    **{key: f"AS RESTRICTIVE TO {ROLE} {rule}" for key, rule in WEB_RESTRICTIONS.items()},
    **{(table, "staff"): f"TO {DESK} {EVERYTHING}" for table in BEHIND_POLICIES},
}

PART = re.compile(r"(\w+)(?: \(([^)]+)\))?")
GRANTED = """
    SELECT r.rolname, c.relname, '', a.privilege_type FROM pg_class c, aclexplode(c.relacl) a JOIN pg_roles r ON r.oid = a.grantee
    WHERE c.relnamespace = 'public'::regnamespace AND r.rolname = ANY(%(roles)s)
    UNION ALL
    SELECT r.rolname, c.relname, t.attname, a.privilege_type FROM pg_class c JOIN pg_attribute t ON t.attrelid = c.oid,
        aclexplode(t.attacl) a JOIN pg_roles r ON r.oid = a.grantee
    WHERE c.relnamespace = 'public'::regnamespace AND r.rolname = ANY(%(roles)s)
"""
TABLES = "SELECT relname FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace"
SEQUENCES = """
    SELECT t.relname, s.relname FROM pg_class s JOIN pg_depend d ON d.objid = s.oid AND d.classid = 'pg_class'::regclass
        AND d.refclassid = 'pg_class'::regclass AND d.deptype IN ('a', 'i') JOIN pg_class t ON t.oid = d.refobjid
    WHERE s.relkind = 'S' AND s.relnamespace = 'public'::regnamespace
"""
# As this file would write it, but for the expressions: each major version of PostgreSQL prints those in its own way.
POLICED = """
    SELECT tablename, policyname, format('%sTO %s%s%s', CASE permissive WHEN 'RESTRICTIVE' THEN 'AS RESTRICTIVE ' ELSE '' END,
        array_to_string(roles, ', '), CASE cmd WHEN 'ALL' THEN '' ELSE ' FOR ' || cmd END,
        CASE WHEN with_check IS NULL THEN '' ELSE ' checked' END)
    FROM pg_policies WHERE schemaname = 'public'
"""
OPEN = f"{TABLES} AND NOT relrowsecurity AND relname = ANY(%s)"
# By itself: what a new database gives to everybody is taken back (schema.CLOSE_GAPS).
MAKES_TEMPORARY = """
    SELECT EXISTS (
        SELECT FROM pg_database d, aclexplode(d.datacl) a JOIN pg_roles r ON r.oid = a.grantee
        WHERE d.datname = current_database() AND r.rolname = %s AND a.privilege_type = 'TEMPORARY'
    )
"""
MEMBER_OF = """
    SELECT g.rolname FROM pg_auth_members m JOIN pg_roles g ON g.oid = m.roleid JOIN pg_roles u ON u.oid = m.member
    WHERE u.rolname = %s
"""
SET_FOR = """
    SELECT unnest(s.setconfig) FROM pg_db_role_setting s JOIN pg_roles u ON u.oid = s.setrole
    JOIN pg_database d ON d.oid = s.setdatabase WHERE u.rolname = %s AND d.datname = current_database()
"""
NOT_ALLOWED = "42501"  # PostgreSQL's code


def make(connection):
    """Both roles, and the right of whoever is logged in to become them. Raises ProgrammingError if that isn't allowed here."""
    with connection.cursor() as cursor:
        cursor.execute(CREATE_ROLE)


@contextmanager
def allowed(connection, again):
    """Raises CommandError with what to run first, and then `again`, where this role may not make or change roles."""
    try:
        yield
    except ProgrammingError as error:
        if getattr(error.__cause__, "sqlstate", None) != NOT_ALLOWED:
            raise
        raise CommandError(
            "データベースのロールを作る権限がありません。PostgreSQLのスーパーユーザで"
            f" psql -d {connection.settings_dict['NAME']} -f deploy/roles.sql を実行してから、もう一度 {again} を実行してください。",
            returncode=3,
        ) from None


def prepare(connection):
    """All that an administrator may have to do, and nothing that needs tables. Raises as `make` does."""
    make(connection)
    with connection.cursor() as cursor:
        for _table, statement in logging_in(connection, cursor):
            cursor.execute(statement)


def ensure(connection):
    """Grant and close what this file says, and take back what it doesn't say, each by itself: nobody waits for more than one.

    Every migration must be applied. What is as it should be isn't touched, so this waits for nobody then.
    """
    with connection.cursor() as cursor:
        for _table, statement in differences(connection):
            cursor.execute(statement)


def differences(connection):
    """[(table, the statement that mends it)]: where roles, grants and policies aren't as this file says."""
    with connection.cursor() as cursor:
        return [*closed(cursor), *granted(cursor), *logging_in(connection, cursor)]


def logging_in(connection, cursor):
    """The role that WEB_DATABASE_URL names: it has no right but to become the two, and its settings here are how the web begins."""
    if not settings.WEB_DATABASE:
        return
    name = settings.WEB_DATABASE["USER"]
    cursor.execute("SELECT quote_ident(%s), quote_ident(current_database())", [name])
    quoted, database = cursor.fetchone()
    cursor.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", [name])
    if not cursor.fetchone():
        yield (
            "",
            f"CREATE ROLE {quoted} LOGIN NOINHERIT{known_by(connection, name, settings.WEB_DATABASE.get('PASSWORD'))}",
        )
    cursor.execute(MEMBER_OF, [name])
    for role in sorted({ROLE, DESK} - {role for (role,) in cursor.fetchall()}):
        yield "", f"GRANT {role} TO {quoted}"
    cursor.execute(SET_FOR, [name])
    found = dict(line.replace(" ", "").split("=", 1) for (line,) in cursor.fetchall())
    for setting, value in web.BEGINS.items():
        if found.get(setting) != value:
            parts = ", ".join(f"'{part}'" for part in value.split(","))
            yield "", f"ALTER ROLE {quoted} IN DATABASE {database} SET {setting} TO {parts}"


def known_by(connection, name, password):
    """Its password, as PostgreSQL keeps it: a log of statements tells nobody."""
    if not password:
        return ""
    kept = connection.connection.pgconn.encrypt_password(password.encode(), name.encode(), b"scram-sha-256")
    return f" PASSWORD '{kept.decode()}'"


def granted(cursor):
    cursor.execute(TABLES)
    tables = [name for (name,) in cursor.fetchall()]
    cursor.execute(SEQUENCES)
    writes = [
        *DESK_WRITES.items(),
        *((serial, "USAGE") for table, serial in cursor.fetchall() if "INSERT" in DESK_WRITES.get(table, "")),
    ]
    wanted = {
        *(right for table, rights in WEB.items() for right in each(ROLE, table, rights)),
        *((DESK, table, "", "SELECT") for table in tables),
        *(right for table, rights in writes for right in each(DESK, table, rights)),
    }
    cursor.execute(GRANTED, {"roles": [ROLE, DESK]})
    found = set(cursor.fetchall())
    cursor.execute(MAKES_TEMPORARY, [DESK])
    if not cursor.fetchone()[0]:
        cursor.execute("SELECT format('GRANT TEMPORARY ON DATABASE %%I TO %%I', current_database(), %s)", [DESK])
        yield "", cursor.fetchone()[0]
    for words, rights in (("REVOKE {} ON {} FROM {}", found - wanted), ("GRANT {} ON {} TO {}", wanted - found)):
        for role, table, column, right in sorted(rights):
            yield table, words.format(f'{right} ("{column}")' if column else right, f'"{table}"', role)


def each(role, table, rights):
    for right, columns in PART.findall(rights):
        for column in columns.split(", "):
            yield role, table, column, right


def closed(cursor):
    cursor.execute(OPEN, [BEHIND_POLICIES])
    for (table,) in cursor.fetchall():
        yield table, f'ALTER TABLE "{table}" ENABLE ROW LEVEL SECURITY'
    cursor.execute(POLICED)
    found = {(table, name): text for table, name, text in cursor.fetchall()}
    for (table, name), text in found.items():
        if (table, name) not in POLICIES or text != outline(POLICIES[table, name]):
            yield table, f'DROP POLICY "{name}" ON "{table}"'
    for (table, name), rule in POLICIES.items():
        if found.get((table, name)) != outline(rule):
            yield table, f'CREATE POLICY "{name}" ON "{table}" {rule}'


def outline(rule):
    """As POLICED prints a policy: without its expressions, but whether what is written is checked apart."""
    return rule.partition(" USING ")[0] + (" checked" if " WITH CHECK " in rule else "")
