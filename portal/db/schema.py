"""SQL that the migrations of every app need: the web's roles, policies, grants, keys that carry the customer, closed gaps."""

ROLE = "portal_web"  # customers' pages
DESK = "portal_desk"  # sign-in, where nobody is known yet, and staff's pages
ONLOOKER = "portal.onlooker"  # the setting that is on while staff look at a customer's pages

# Roles belong to the whole server: two databases migrated at once meet here. PostgreSQL 15 has no SET option yet.
CREATE_ROLE = "".join(
    f"""
DO $$ BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = '{role}') THEN
        CREATE ROLE {role} NOLOGIN;
    END IF;
EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL;
END $$;
DO $$ BEGIN
    IF current_setting('server_version_num')::int < 160000 THEN
        IF NOT pg_has_role(current_user, '{role}', 'MEMBER') THEN
            EXECUTE format('GRANT {role} TO %I', current_user);
        END IF;
    ELSIF NOT pg_has_role(current_user, '{role}', 'SET') THEN
        EXECUTE format('GRANT {role} TO %I WITH INHERIT FALSE, SET TRUE', current_user);
    END IF;
EXCEPTION WHEN unique_violation THEN NULL;
END $$;
"""
    for role in (ROLE, DESK)
)

# What a database may not leave open, mended by every `migrate`. With `pg_temp` searched first, as it is by default, whoever
# can make temporary tables puts an own one in the place of a guard's, or code in the place of a function's.
SEARCH_PATH = "pg_catalog, public, pg_temp"
CLOSE_GAPS = f"""
DO $$ DECLARE found regprocedure; BEGIN
    FOR found IN SELECT p.oid FROM pg_proc p WHERE p.pronamespace = 'public'::regnamespace AND p.prokind IN ('f', 'p')
        AND pg_has_role(p.proowner, 'USAGE')
        AND NOT coalesce('search_path={SEARCH_PATH}' = ANY (p.proconfig), false)
    LOOP
        EXECUTE format('ALTER ROUTINE %s SET search_path = {SEARCH_PATH}', found);
    END LOOP;
    IF has_database_privilege('public', current_database(), 'TEMPORARY') THEN
        EXECUTE format('GRANT TEMPORARY ON DATABASE %I TO %I', current_database(), current_user);
        EXECUTE format('REVOKE TEMPORARY ON DATABASE %I FROM PUBLIC', current_database());
    END IF;
    IF has_schema_privilege('public', 'public', 'CREATE') THEN
        REVOKE CREATE ON SCHEMA public FROM PUBLIC;
    END IF;
END $$;
"""


def close_gaps(connection):
    """Give every function a search path of its own, and take from everybody the right to make temporary tables."""
    with connection.cursor() as cursor:
        cursor.execute(CLOSE_GAPS)


def policy(table, column="customer_id"):
    """Close `table` to the web but for the rows of the customer in the setting, and let the web read those.

    A missing setting is an error (an empty string is no bigint), never an empty answer.
    """
    rule = f"{column} = current_setting('portal.customer')::bigint"
    return f"""
        ALTER TABLE {table} ENABLE ROW LEVEL SECURITY;
        CREATE POLICY own_customer ON {table} TO {ROLE} USING ({rule}) WITH CHECK ({rule});
        GRANT SELECT ON {table} TO {ROLE};
    """


def own_business(table, but="false"):
    """Hide the rows of `table` from staff who look at the customer's pages; those of the condition `but` they see."""
    return f"""
        CREATE POLICY not_for_onlookers ON {table} AS RESTRICTIVE TO {ROLE}
        USING (coalesce(current_setting('{ONLOOKER}', true), '') <> 'on' OR {but});
    """


def grant(rights, table):
    return f"GRANT {rights} ON {table} TO {ROLE};"


def same_customer(table, column, parent):
    """A foreign key that carries the customer: a child can't hang on another customer's parent.

    Checked at the end of a transaction, as Django's own keys are.
    """
    return f"""
        ALTER TABLE {table} ADD CONSTRAINT {table}_{column}_own FOREIGN KEY (customer_id, {column})
        REFERENCES {parent} (customer_id, id) DEFERRABLE INITIALLY DEFERRED;
    """
