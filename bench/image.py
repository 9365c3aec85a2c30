"""Follows deploy/Dockerfile in an empty Debian, without Docker: its RUN and COPY in their order, then the image's command and health check.

As root: `.venv/bin/python bench/image.py /tmp/bareimage` (a folder that doesn't exist yet, or a bare root; see `bench/debian.py`).
The root is read-only for the image's user, as `read_only` in compose.yaml has it, but for /tmp and the data folder. Port 8000 must be free.
"""

import argparse
import json
import re
import shlex
import subprocess
import sys
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(HERE))

from bench.debian import PATH, Root, Wrong, apart, free, say

SUITES = {"12": "bookworm", "13": "trixie"}


def instructions():
    """(word, rest) of each instruction of the Dockerfile."""
    text = re.sub(r"(?m)^#.*\n", "", (HERE / "deploy/Dockerfile").read_text()).replace("\\\n", " ")
    return [tuple(line.split(None, 1)) for line in text.splitlines() if line.strip()]


class Image:
    def __init__(self, root, commit):
        self.root, self.commit = root, commit
        self.folder, self.person, self.environment, self.entry, self.command, self.health = "/", "root", {}, [], [], []

    def build(self):
        # Of a root that was used before, the packages stay.
        self.root.run("rm -rf /srv/portal /srv/data; ! id portal >/dev/null 2>&1 || userdel portal")
        for word, rest in instructions():
            say(f"{word} {rest.strip()[:90]}")
            getattr(self, {"FROM": "from_"}.get(word, word.lower()))(rest.strip())

    def from_(self, rest):
        """debootstrap's root stands for it."""

    def run(self, rest):
        self.root.run(f"cd {self.folder}; {rest}")

    def workdir(self, rest):
        self.folder = rest
        self.root.path(rest).mkdir(parents=True, exist_ok=True)

    def copy(self, rest):
        what, _to = rest.split()
        tar = subprocess.run(["git", "archive", self.commit, what], cwd=HERE, capture_output=True, check=True).stdout
        subprocess.run(["tar", "-x", "-C", self.root.path(self.folder)], input=tar, check=True)

    def env(self, rest):
        self.environment |= dict(each.split("=", 1) for each in rest.split())

    def entrypoint(self, rest):
        self.entry = json.loads(rest)

    def cmd(self, rest):
        self.command = json.loads(rest)

    def healthcheck(self, rest):
        self.health = json.loads(rest.partition("CMD")[2])

    def user(self, rest):
        self.person = rest

    def expose(self, rest):
        """Ports are the machine's."""

    def start(self, words):
        """A process of the image's: its user, its variables, none of the machine's, and no way to write but where it may."""
        root = self.root.folder
        script = (
            f"mount --rbind {root} {root}; mount -o remount,bind,ro {root}; mount -t tmpfs tmpfs {root}/tmp;"
            f" mount --bind {root}/srv/data {root}/srv/data; mount -o remount,bind,rw {root}/srv/data;"
            f" exec chroot --userspec={self.person} {root} sh -c {shlex.quote(f'cd {self.folder}; exec {shlex.join(words)}')}"
        )
        return subprocess.Popen(
            ["unshare", "--mount", "sh", "-ec", script], env={"PATH": PATH, **self.environment}, cwd="/"
        )

    def try_out(self):
        """Migrate as a container of its own does, then the web until it is healthy. Without DATABASE_URL it keeps its own database."""
        if code := self.start([*self.entry, "manage.py", "migrate", "-v0"]).wait():
            raise Wrong(f"migrate = {code}")
        web = self.start([*self.entry, *self.command])
        try:
            for _try in range(60):
                if self.start(self.health).wait() == 0:
                    return
                if web.poll() is not None:
                    raise Wrong(f"the web ended with {web.returncode}")
                time.sleep(1)
            raise Wrong("the health check fails")
        finally:
            web.terminate()
            web.wait()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--commit", default="HEAD")
    given = parser.parse_args()
    apart()
    if not free(8000):
        sys.exit("in use: 8000")
    try:
        root = Root(given.folder)
        root.set_up(SUITES[instructions()[0][1].removeprefix("debian:").partition("-")[0]])
        image = Image(root, given.commit)
        image.build()
        image.try_out()
    except Wrong as what:
        sys.exit(str(what))
    say("well")
