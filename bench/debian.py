"""A bare Debian in a folder, which guides are followed in: its files, commands, questions at a terminal, and units without systemd."""

import os
import pty
import re
import shutil
import socket
import subprocess
import sys
from datetime import datetime
from pathlib import Path

PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
SYSTEMCTL = """#!/bin/sh
echo "$*" >>/var/log/systemctl.said
"""


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
        if not self.folder.exists():
            say(f"debootstrap {suite}")
            command = ["debootstrap", "--variant=minbase", suite, self.folder]
            subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        for what in ("proc", "sys", "dev"):
            subprocess.run(["mount", "--rbind", f"/{what}", self.path(what)], check=True)
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
        # A package's own start would look for systemd, or take a port of this machine.
        self.write("/usr/sbin/policy-rc.d", "#!/bin/sh\nexit 101\n", 0o755)
        self.write("/usr/local/bin/systemctl", SYSTEMCTL, 0o755)

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
            os.execvpe("chroot", self.command(script), self.environment)
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

    def check_units(self):
        for name, process in self.running:
            if process.poll() is not None:
                raise Wrong(f"{name} ended\n{self.path(f'/var/log/{name}.log').read_text()[-3000:]}")


def apart():
    """Begin again where mounts and processes end with this program."""
    if "GUIDE_APART" not in os.environ:
        command = ["unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc", sys.executable, *sys.argv]
        os.execvpe("unshare", command, {**os.environ, "GUIDE_APART": "1"})


def free(port):
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) != 0
