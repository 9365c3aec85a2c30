"""Runs docs/install.md in an empty Debian: every block in its order, until a month is closed behind nginx with TLS.

As root: `.venv/bin/python bench/install_guide.py bookworm /tmp/bare12` makes a bare root by debootstrap in a folder that doesn't exist yet, changes into
it, and does what the guide says, as a reader would. A chroot has no systemd: the units' ExecStart are started by hand as their
units say, PostgreSQL by pg_ctlcluster. Ports 80, 443, 5432 and 8000 must be free. `text` blocks that are orders have their counterpart in `BY_HAND`, so the
guide can't gain one unnoticed. Settings of this machine by which apt and pip reach their registries are lent to the root.
"""

import argparse
import base64
import hashlib
import hmac
import http.client
import os
import pty
import re
import shlex
import shutil
import socket
import ssl
import struct
import subprocess
import sys
import tempfile
import threading
import time
from datetime import UTC, datetime, timedelta
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import urlencode

HERE = Path(__file__).resolve().parent.parent
HOST = "portal.example.test"
PERSON, PASSWORD = "first@example.test", "Desk-2026!"
PORTS = (80, 443, 5432, 8000)
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
# Before anything is set up; on the root's first day nobody has a backup either, but that's only a warning.
EXPECTED_FIRST = {"vendor", "tax_classes", "daily_run"}
SYSTEMCTL = """#!/bin/sh
echo "$*" >>/var/log/systemctl.said
"""
REPOSITORY = "/srv/repository.git"
LAST_MONTH = (datetime.now(UTC).date().replace(day=1) - timedelta(1)).strftime("%Y-%m")


MORE = """from django.db import migrations

class Migration(migrations.Migration):
    dependencies = [("portal", "{before}")]
    operations = [migrations.RunSQL("CREATE TABLE of_the_trial (id integer)")]
"""


class Wrong(Exception):
    """The guide didn't lead where it says; the text says at what."""


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


class Form(HTMLParser):
    """The fields of the form that has a `csrfmiddlewaretoken` and most of them, as a browser would send them untouched."""

    def __init__(self, html):
        super().__init__()
        self.fields, self.select, self.area = {}, None, None
        self.feed(html)

    def handle_starttag(self, tag, attributes):
        given = dict(attributes)
        name = given.get("name")
        if tag == "input" and name and given.get("type") not in ("submit", "file", "button"):
            if given.get("type") not in ("checkbox", "radio") or "checked" in given:
                self.fields[name] = given.get("value") or ("on" if given.get("type") == "checkbox" else "")
        elif tag == "select":
            self.select = name
        elif tag == "option" and self.select and ("selected" in given or self.select not in self.fields):
            self.fields[self.select] = given.get("value") or ""
        elif tag == "textarea":
            self.area = name
            self.fields[name] = ""

    def handle_endtag(self, tag):
        if tag == "select":
            self.select = None
        elif tag == "textarea":
            self.area = None

    def handle_data(self, data):
        if self.area:
            self.fields[self.area] += data.removeprefix("\n")


class Browser:
    """Talks HTTPS with nginx on this machine, and believes the certificate that was made for the trial."""

    def __init__(self):
        self.cookies = {}

    def ask(self, path, typed=None):
        """(status, headers, text)"""
        trust = ssl._create_unverified_context()
        connection = http.client.HTTPSConnection("127.0.0.1", 443, context=trust, timeout=60)
        headers = {"Host": HOST, "Referer": f"https://{HOST}{path}"}
        if self.cookies:
            headers["Cookie"] = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        if typed is not None:
            headers["Content-Type"] = "application/x-www-form-urlencoded"
        body = None if typed is None else urlencode(typed)
        connection.request("GET" if typed is None else "POST", path, body, headers)
        answer = connection.getresponse()
        for cookie in answer.headers.get_all("Set-Cookie") or []:
            name, _equals, value = cookie.partition(";")[0].partition("=")
            self.cookies[name] = value
        content = answer.read()
        connection.close()
        return answer.status, answer.headers, content.decode(errors="replace")

    def page(self, path):
        status, headers, text = self.ask(path)
        if status in (301, 302):
            return self.page(headers["Location"])
        if status != 200:
            raise Wrong(f"{path}: {status}")
        return text

    def save(self, path, **typed):
        """Fill in the form of a page; the answer has to lead on to another."""
        fields = Form(self.page(path)).fields | typed
        status, headers, text = self.ask(path, fields)
        if status != 302:
            told = re.findall(r'class="errorlist[^>]*>(.*?)</ul>', text, re.S)
            raise Wrong(f"{path}: {status} {[re.sub('<[^>]+>', ' ', each).strip() for each in told]}")
        if not headers["Location"].startswith(path.rsplit("/", 2)[0].removesuffix("/add")) and "login" not in path:
            raise Wrong(f"{path} leads to {headers['Location']}")


def blocks():
    """(language, text) of each of the guide's blocks, in their order."""
    return re.findall(r"^```(\w+)\n(.*?)^```$", (HERE / "docs/install.md").read_text(), re.M | re.S)


class Guide:
    def __init__(self, root, commit):
        self.root, self.commit = root, commit
        self.browser = Browser()

    def follow(self):
        for language, block in blocks():
            say(f"{language}: {block.strip().splitlines()[0]}")
            if language == "sh":
                self.root.run(block)
                self.after(block)
            else:
                act = next((act for begins, act in self.BY_HAND.items() if block.startswith(begins)), None)
                if act is None:
                    raise Wrong(f"what is to be done here? {block}")
                act(self)
        self.root.check_units()

    def after(self, block):
        """What a reader does between the blocks, and what a machine does by itself."""
        if "apt-get install" in block:
            self.root.run("pg_ctlcluster $(pg_lsclusters -h | cut -d' ' -f1,2) start")
            # Of a root that was used before, the packages stay.
            self.root.run("runuser -u postgres -- dropdb --if-exists portal; rm -rf /etc/portal.env /srv/portal/var")
        if "/etc/portal.env" in block and "SECRET_KEY" in block:
            env = self.root.path("/etc/portal.env")
            text = re.sub(r"(?m)^PORTAL_URL=.*", f"PORTAL_URL=https://{HOST}", env.read_text())
            text = re.sub(r"(?m)^EMAIL_URL=.*", "EMAIL_URL=file:", text)
            env.write_text(re.sub(r"(?m)^MAIL_FROM=.*", f"MAIL_FROM=noreply@{HOST}", text))
        if "systemctl enable --now" in block:
            self.started = shlex.split(self.root.path("/var/log/systemctl.said").read_text().splitlines()[-1])[2:]
            for name in self.started:
                if not name.endswith(".timer"):
                    self.root.unit(name if "." in name else f"{name}.service")

    def clone(self):
        """From a repository of its own, which gets a newer version later; in a root that was used before, the folder at this commit."""
        kept = self.root.path(REPOSITORY)
        shutil.rmtree(kept, ignore_errors=True)
        kept.parent.mkdir(exist_ok=True)
        subprocess.run(["git", "clone", "-q", "--bare", HERE, kept], check=True)
        subprocess.run(["git", "-C", kept, "update-ref", "refs/heads/main", self.commit], check=True)
        subprocess.run(["chown", "-R", "root:root", kept], check=True)
        if not self.root.path("/srv/portal/.git").exists():
            self.root.run(f"git clone -q {REPOSITORY} /srv/portal")
        self.root.run(
            f"cd /srv/portal; git remote set-url origin {REPOSITORY}; ! git tag | grep -x v1.2 || git tag -d v1.2;"
            " git fetch -q; git checkout -q --detach origin/main"
        )

    def first_person(self):
        self.root.answer(
            "portal-manage createsuperuser",
            [("Eメール", PERSON), ("名前", "最初の担当者"), ("パスワード: ", PASSWORD), ("確認", PASSWORD)],
        )

    def serve(self):
        made = "/etc/ssl/portal"
        self.root.run(
            f"openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN={HOST} -keyout {made}/privkey.pem -out {made}/fullchain.pem"
            " && nginx -t && nginx"
        )
        for _try in range(60):
            try:
                status = self.browser.ask("/login/")[0]
            except OSError:
                status = 0
            if status == 200:
                break
            self.root.check_units()
            time.sleep(1)
        else:
            raise Wrong(f"https://{HOST}/login/: {status}")
        if self.browser.ask("/readyz")[0] != 404:
            raise Wrong("/readyz answers outside")
        self.browser.save("/login/", username=PERSON, password=PASSWORD)
        # The example's STAFF_SECOND_FACTOR=1 asks for it before anything else.
        setup = "/account/security/factor/"
        fields, text = Form(page := self.browser.page(setup)).fields, re.search(r"<code>([A-Z2-7 ]+)</code>", page)
        code = totp(text[1].replace(" ", ""))
        if "リカバリーコード" not in self.browser.ask(setup, fields | {"code": code, "own_password": PASSWORD})[2]:
            raise Wrong("the second factor isn't taken")
        if "担当者ホーム" not in self.browser.page("/admin/"):
            raise Wrong("/admin/ isn't the start page")
        say("signed in behind nginx, with a second factor")

    def doctor(self, expected=EXPECTED_FIRST):
        told = self.root.run("portal-manage doctor", well=(0, 1))
        failing = set(re.findall(r"^×\s+(\w+):", told, re.M))
        say(f"doctor: {told.strip().splitlines()[-1]} {sorted(failing)}")
        if failing != expected:
            raise Wrong(told)

    def daily(self):
        self.settings()
        for name in ("portal-renew", "portal-daily", "portal-check"):
            self.root.unit(f"{name}.service", wait=True)

    def settings(self):
        """The six things of part 9, at the desk and by the imports of the manual's part 1."""
        first = f"{LAST_MONTH.replace('-', '/')}/01"
        desk = {"desk_name": "請求窓口", "desk_phone": "03-0000-0001", "desk_email": f"desk@{HOST}"}
        self.browser.save(
            "/admin/portal/vendor/add/", name="試験通信株式会社", postal_code="100-0001", address="東京都千代田区1-1", phone="03-0000-0000",
            bank_account="試験銀行 本店 普通 1234567", first_month=first, **desk,
        )  # fmt: skip
        self.browser.save("/admin/portal/vendorregistration/add/", number="T1180301018771", valid_from="2023/10/01")
        for kind, rate in (("standard", "10"), ("reduced", "8")):
            self.browser.save("/admin/portal/taxclass/add/", kind=kind, rate=rate, valid_from="2019/10/01")
        self.browser.save("/admin/contracts/service/add/", code="net", name="インターネット接続")
        for kind, rows in {
            "customers": "number,name,postal_code,address\nA-1,株式会社一番,530-0001,大阪市北区1-1\n",
            "users": "customer,email,name\nA-1,hanako@example.test,大阪花子\n",
            "contracts": "契約番号,お客様番号,契約名,サービス,契約形態,契約開始日,更新区分,品目,数量,単価,税抜・税込,税区分\n"
            f"K-1,A-1,本社の回線,net,月額,{first},自動更新,固定IP回線,1,12000,税抜,標準税率\n",
        }.items():
            self.root.write(f"/tmp/{kind}.csv", rows)
            self.root.run(f"portal-manage import_{kind} /tmp/{kind}.csv")
        self.root.run("portal-manage send_account_data")

    def close(self):
        for command in ("check_month", "close_month"):
            self.root.run(f"portal-manage {command} {LAST_MONTH}", well=(0, 1) if command == "check_month" else (0,))
        for _try in range(120):
            if list(self.root.path("/srv/portal/var/mail").glob("*")):
                break
            self.root.check_units()
            time.sleep(1)
        said = self.root.run(f"portal-manage check_month {LAST_MONTH}")
        if "×" in said:
            raise Wrong(said)
        self.root.unit("portal-backup.service", wait=True)
        self.doctor(expected=set())

    def upgrade(self):
        """To a version with one more migration and another lock, while people ask for pages; and back."""
        with tempfile.TemporaryDirectory() as folder:
            subprocess.run(["git", "clone", "-q", self.root.path(REPOSITORY), folder], check=True)
            self.newer(Path(folder))
        end, answers = threading.Event(), []

        def ask():
            while not end.wait(0.2):
                answers.append(Browser().ask("/login/")[0])

        asking = threading.Thread(target=ask)
        asking.start()
        try:
            told = self.root.run("/srv/portal/bin/upgrade v1.2")
        finally:
            end.set()
            asking.join()
        say(f"upgraded; {len(answers)} pages asked for meanwhile: {sorted(set(answers))}")
        if set(answers) != {200} or "切り替えました" not in told:
            raise Wrong(f"{set(answers)}\n{told}")
        self.restart()
        self.root.run("/srv/portal/bin/upgrade v1.2")
        self.root.run("/srv/portal/bin/upgrade --back")
        self.restart()
        self.doctor(expected=set())

    def newer(self, folder):
        """Version v1.2 of the portal in that clone."""
        migrations = folder / "portal" / "migrations"
        before = sorted(migrations.glob("[0-9]*.py"))[-1].stem
        (migrations / "9999_of_the_trial.py").write_text(MORE.format(before=before))
        with (folder / "requirements.txt").open("a") as lock:
            lock.write("# another lock\n")
        git = ["git", "-C", folder, "-c", "user.name=trial", "-c", f"user.email=trial@{HOST}"]
        for words in (["add", "-A"], ["commit", "-qm", "v1.2"], ["tag", "v1.2"], ["push", "-q", "origin", "v1.2"]):
            subprocess.run([*git, *words], check=True)

    def restart(self):
        """As systemd would: the web that runs ends, another begins."""
        names = [name for name, _process in self.root.running]
        self.root.stop()
        for name in names:
            self.root.unit(name)
        for _try in range(60):
            try:
                if self.browser.ask("/login/")[0] in (200, 302):
                    return
            except OSError:
                pass
            time.sleep(1)
        raise Wrong("no web after a restart")

    def nothing(self):
        """Told to the reader; nothing to do in a root without it."""

    BY_HAND = {
        "git clone": clone,
        "portal-manage createsuperuser": first_person,
        "nginx -t": serve,
        "example.com. ": nothing,  # DNS
        "portal-manage doctor": doctor,
        "portal-manage renew_contracts": daily,
        "portal-manage check_month": close,
        "/srv/portal/bin/upgrade": upgrade,
    }


def totp(key):
    """The six digits that an app shows now for this key (RFC 6238)."""
    counter = struct.pack(">Q", int(time.time()) // 30)
    digest = hmac.new(base64.b32decode(key + "=" * (-len(key) % 8)), counter, hashlib.sha1).digest()
    (number,) = struct.unpack(">I", digest[digest[-1] & 15 :][:4])
    return f"{(number & 0x7FFFFFFF) % 1_000_000:06}"


def apart():
    """Begin again where mounts and processes end with this program."""
    if "GUIDE_APART" not in os.environ:
        command = ["unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc", sys.executable, *sys.argv]
        os.execvpe("unshare", command, {**os.environ, "GUIDE_APART": "1"})


def free(port):
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) != 0


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("suite", choices=["bookworm", "trixie"])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--commit", default="HEAD")
    given = parser.parse_args()
    apart()
    if busy := [port for port in PORTS if not free(port)]:
        sys.exit(f"in use: {busy}")
    root = Root(given.folder)
    try:
        root.set_up(given.suite)
        Guide(root, given.commit).follow()
    except Wrong as what:
        sys.exit(str(what))
    say("well")
