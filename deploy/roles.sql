-- The portal's roles on a PostgreSQL server of your own (15 or later), for one of its superusers, once the database is there:
--   psql -d portal -f deploy/roles.sql
-- It may be run again. Other names: -v owner=… -v web=… ; passwords from the environment: PORTAL_OWNER_PASSWORD, PORTAL_WEB_PASSWORD.
-- `migrate` does the same where the owner has CREATEROLE; what each role may do with the tables is in portal/db/roles.py.
\set ON_ERROR_STOP on
SET client_min_messages = warning;
\if :{?owner}
\else
    \set owner portal
\endif
\if :{?web}
\else
    \set web portal_login
\endif

-- Owns the database and its tables; runs migrate, the commands and the workers; verify_backup makes a database that goes again.
SELECT format('CREATE ROLE %I LOGIN', :'owner') WHERE to_regrole(quote_ident(:'owner')) IS NULL \gexec
ALTER ROLE :"owner" CREATEDB;
ALTER DATABASE :"DBNAME" OWNER TO :"owner";

-- What the web is at work: customers' pages, and sign-in with staff's pages. Nobody logs in as one of these.
SELECT 'CREATE ROLE portal_web' WHERE to_regrole('portal_web') IS NULL \gexec
SELECT 'CREATE ROLE portal_desk' WHERE to_regrole('portal_desk') IS NULL \gexec
ALTER ROLE portal_web NOLOGIN NOSUPERUSER NOBYPASSRLS NOCREATEROLE NOCREATEDB;
ALTER ROLE portal_desk NOLOGIN NOSUPERUSER NOBYPASSRLS NOCREATEROLE NOCREATEDB;
GRANT portal_web, portal_desk TO :"owner";

-- As whom the web logs in (WEB_DATABASE_URL): it may become these two, and nothing else.
SELECT format('CREATE ROLE %I NOINHERIT', :'web') WHERE to_regrole(quote_ident(:'web')) IS NULL \gexec
ALTER ROLE :"web" LOGIN NOINHERIT NOSUPERUSER NOBYPASSRLS NOCREATEROLE NOCREATEDB;
GRANT portal_web, portal_desk TO :"web";
ALTER ROLE :"web" IN DATABASE :"DBNAME" SET role TO 'portal_web';
ALTER ROLE :"web" IN DATABASE :"DBNAME" SET search_path TO 'public', 'pg_temp';
ALTER ROLE :"web" IN DATABASE :"DBNAME" SET lock_timeout TO '3s';
ALTER ROLE :"web" IN DATABASE :"DBNAME" SET statement_timeout TO '4s';

\getenv owner_password PORTAL_OWNER_PASSWORD
\getenv web_password PORTAL_WEB_PASSWORD
\if :{?owner_password}
    ALTER ROLE :"owner" PASSWORD :'owner_password';
\endif
\if :{?web_password}
    ALTER ROLE :"web" PASSWORD :'web_password';
\endif
