"""A bare Debian in a folder, which guides are followed in: its files, commands, questions at a terminal, and units, with systemd or without."""

import contextlib
import os
import pty
import re
import shutil
import socket
import subprocess
import sys
import time
from datetime import datetime
from pathlib import Path

BOOT_SECONDS = 120
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


class Wrong(Exception):
    """Something didn't lead where it should; the text says what."""


def say(text):
    print(f"{datetime.now():%H:%M:%S} {text}", flush=True)


class Root:
    """A Debian in a folder."""

    def __init__(self, folder):
        self.folder = Path(folder)
        self.running = []
        lent = ("PIP_", "SSL_CERT", "REQUESTS_CA", "http_proxy", "https_proxy", "no_proxy")
        self.environment = {name: value for name, value in os.environ.items() if name.startswith(lent)}
        self.environment |= {"PATH": PATH, "HOME": "/root", "LANG": "C.UTF-8"}

    def path(self, inside):
        return self.folder / inside.lstrip("/")

    def set_up(self, suite):
        """The bare system, with what a machine has and a folder hasn't."""
        self.make(suite)
        for what in ("proc", "sys", "dev"):
            subprocess.run(["mount", "--rbind", f"/{what}", self.path(what)], check=True)
        # A package's own start would look for systemd, or take a port of this machine.
        self.write("/usr/sbin/policy-rc.d", "#!/bin/sh\nexit 101\n", 0o755)
        self.write("/usr/local/bin/systemctl", "#!/bin/sh\n", 0o755)

    def make(self, suite):
        """The folder, which reaches the registries as this machine does."""
        if not self.folder.exists():
            say(f"debootstrap {suite}")
            command = ["debootstrap", "--variant=minbase", suite, self.folder]
            subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        for kept in (*Path("/etc/apt/apt.conf.d").glob("99*"), "/etc/resolv.conf", "/etc/pip.conf"):
            if Path(kept).exists():
                shutil.copy(kept, self.path(str(kept)))
        if (bundle := os.environ.get("SSL_CERT_FILE")) and Path(bundle).exists():
            self.path("/etc/ssl/lent").mkdir(parents=True, exist_ok=True)
            shutil.copy(bundle, self.path("/etc/ssl/lent/bundle.crt"))
            for name in ("SSL_CERT_FILE", "PIP_CERT", "REQUESTS_CA_BUNDLE"):
                self.environment[name] = "/etc/ssl/lent/bundle.crt"
        links = self.environment.get("PIP_FIND_LINKS", "")
        if links.startswith("/") and Path(links).exists():
            self.path(links).mkdir(parents=True, exist_ok=True)
            subprocess.run(["mount", "--bind", links, self.path(links)], check=True)

    def write(self, inside, text, mode=0o644):
        self.path(inside).write_text(text)
        self.path(inside).chmod(mode)

    def command(self, script):
        return ["chroot", str(self.folder), "/bin/sh", "-eu", "-c", script]

    def run(self, script, well=(0,), **environment):
        """What it prints. Raises Wrong."""
        done = subprocess.run(
            self.command(script), env=self.environment | environment, cwd="/", capture_output=True, text=True, stdin=subprocess.DEVNULL, check=False
        )  # fmt: skip
        if done.returncode not in well:
            raise Wrong(f"{script.strip()}\n= {done.returncode}\n{done.stdout[-3000:]}{done.stderr[-3000:]}")
        return done.stdout + done.stderr

    def answer(self, script, answers):
        """Run it at a terminal, and type each answer after its question."""
        pid, terminal = pty.fork()
        if pid == 0:
            os.execvpe((command := self.command(script))[0], command, self.environment)
        seen = ""
        for question, typed in answers:
            while question not in seen:
                seen += self.read(terminal, seen)
            seen = ""
            os.write(terminal, f"{typed}\n".encode())
        try:
            while more := os.read(terminal, 1000).decode(errors="replace"):
                seen += more
        except OSError:
            pass  # its end
        code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        if code:
            raise Wrong(f"{script}\n= {code}\n{seen}")
        return seen

    def read(self, terminal, seen):
        try:
            return os.read(terminal, 1000).decode(errors="replace")
        except OSError:
            raise Wrong(f"ended instead of asking: {seen}") from None

    def start_database(self):
        self.run("pg_ctlcluster $(pg_lsclusters -h | cut -d' ' -f1,2) start")

    def start_proxy(self):
        self.run("nginx -t && nginx")

    def unit(self, name, wait=False):
        """Start a unit's ExecStart as it says; `wait` for a oneshot, whose codes of success are 0 and those it names."""
        instance = name.partition("@")[2].removesuffix(".service")
        file = self.path(f"/etc/systemd/system/{re.sub('@.*', '@.service', name)}")
        lines = [line.partition("=") for line in file.read_text().splitlines() if "=" in line and line[0] != "#"]
        said = {key: value.replace("%i", instance).replace("%%", "%") for key, _equals, value in lines}
        given = dict(
            line.split("=", 1)
            for line in self.path(said["EnvironmentFile"]).read_text().splitlines()
            if line and line[0] != "#"
        )
        script = (
            f"cd {said['WorkingDirectory']}; umask {said['UMask']};"
            f" exec setpriv --reuid={said['User']} --regid={said['User']} --init-groups --no-new-privs {said['ExecStart']}"
        )
        environment = {"PATH": PATH, "LANG": "C.UTF-8", "HOME": "/srv/portal", **given}
        with self.path(f"/var/log/{name}.log").open("ab") as log:
            started = subprocess.Popen(self.command(script), env=environment, cwd="/", stdout=log, stderr=log)
        if not wait:
            self.running.append((name, started))
            return
        if started.wait() not in {0, *map(int, said.get("SuccessExitStatus", "0").split())}:
            raise Wrong(f"{name} = {started.returncode}\n{self.path(f'/var/log/{name}.log').read_text()[-3000:]}")

    def stop(self):
        for _name, process in self.running:
            process.terminate()
        for _name, process in self.running:
            process.wait()
        self.running = []

    @contextlib.contextmanager
    def by_hand(self, block):
        """What `systemctl stop`, before the other lines of this block, and `systemctl start`, after them, would do."""
        names = [name for name, _process in self.running]
        if "systemctl stop" in block:
            self.stop()
        yield
        if "systemctl start" in block:
            for name in names:
                self.unit(name)

    def check_units(self):
        for name, process in self.running:
            if process.poll() is not None:
                raise Wrong(f"{name} ended\n{self.path(f'/var/log/{name}.log').read_text()[-3000:]}")


class Booted(Root):
    """A Debian in a folder whose systemd is the first process of a container; the network is this machine's."""

    def set_up(self, suite):
        self.make(suite)
        of_before = self.path("/etc/systemd/system").rglob("portal*")  # in a root that was used before
        for stub in (self.path("/usr/sbin/policy-rc.d"), self.path("/usr/local/bin/systemctl"), *of_before):
            stub.unlink(missing_ok=True)
        container = [
            "systemd-nspawn",
            "-q",
            "-D",
            str(self.folder),
            "--register=no",
            "--keep-unit",
            "--resolv-conf=off",
        ]
        given = [f"--setenv={name}={value}" for name, value in self.environment.items()]
        install = "apt-get update -q && apt-get install -y -q --no-install-recommends systemd systemd-sysv dbus"
        subprocess.run(
            [*container, *given, "--as-pid2", "sh", "-c", install],
            check=True,
            capture_output=True,
            stdin=subprocess.DEVNULL,
        )
        self.container = subprocess.Popen(
            [*container, "--boot", "--console=pipe"], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL
        )
        until = time.monotonic() + BOOT_SECONDS
        while self.first() is None or "running" not in self.run("systemctl is-system-running --wait", well=(0, 1)):
            if time.monotonic() > until:
                raise Wrong("systemd doesn't come up")
            time.sleep(1)

    def first(self):
        """The container's first process, as this machine numbers it."""
        children = Path(f"/proc/{self.container.pid}/task/{self.container.pid}/children").read_text().split()
        return children[0] if children else None

    def command(self, script):
        return ["nsenter", "--target", self.first(), "--all", "/bin/sh", "-eu", "-c", script]

    def start_database(self):
        self.run("systemctl restart postgresql")  # a cluster that is new isn't started by a start of what runs

    def start_proxy(self):
        self.run("nginx -t && systemctl restart nginx")

    def unit(self, name, wait=False):
        self.run(f"systemctl start {name}")
        if not wait and name not in (known for known, _process in self.running):
            self.running.append((name, None))

    def by_hand(self, block):
        return contextlib.nullcontext()

    def stop(self):
        self.run(f"systemctl stop portal-web.socket {' '.join(name for name, _process in self.running)}")
        self.running = []

    def check_units(self):
        self.run("systemctl is-active " + " ".join(name for name, _process in self.running))

    def survive(self):
        """What the units promise: killed, they are started again; a failing one is told of; nobody else reads what they write; a line a job."""
        names = [name for name, _process in self.running]
        for name in names:
            number = f"systemctl show -p MainPID --value {name}"
            before = self.run(number).strip()
            self.run(f"grep '^Umask:.0077' /proc/{before}/status; kill -9 {before}")
            until = time.monotonic() + BOOT_SECONDS
            while (
                self.run(number).strip() in (before, "0")
                or self.run(f"systemctl is-active {name}", well=(0, 3)) != "active\n"
            ):
                if time.monotonic() > until:
                    raise Wrong(f"{name} doesn't come back")
                time.sleep(1)
        # root's mail, which the guide leaves to the reader.
        self.run(
            "DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends bsd-mailx dma; rm -f /var/mail/root"
        )
        self.run(
            "mv /etc/portal.env /etc/portal.env.away; ! systemctl start portal-backup; mv /etc/portal.env.away /etc/portal.env"
        )
        self.run(
            "sleep 5; grep '^Subject: .portal. portal-backup.service failed' /var/mail/root; systemctl reset-failed"
        )
        self.run("journalctl -u 'portal-worker@*' -o cat --no-pager | grep 'billing.render [0-9]* done .*ms='")
        timers = self.run("systemctl list-timers --no-legend --no-pager")
        if not all(name in timers for name in ("portal-daily.timer", "portal-backup.timer")):
            raise Wrong(timers)
        self.run(
            "systemd-analyze verify /etc/systemd/system/portal-*.service /etc/systemd/system/portal-*.socket /etc/systemd/system/portal-*.timer"
        )
        say(f"killed and back: {', '.join(names)}; root has mail of a failing unit; timers wait; a line a job")

    def end(self):
        self.run("systemctl poweroff")
        self.container.wait(BOOT_SECONDS)


def apart():
    """Begin again where mounts and processes end with this program."""
    if "GUIDE_APART" not in os.environ:
        command = ["unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc", sys.executable, *sys.argv]
        os.execvpe("unshare", command, {**os.environ, "GUIDE_APART": "1"})


def free(port):
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) != 0
