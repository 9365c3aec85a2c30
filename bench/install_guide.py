"""Runs docs/install.md in an empty Debian: every block in its order, until a month is closed behind nginx with TLS.

As root: `.venv/bin/python bench/install_guide.py bookworm /tmp/bare12` makes a bare root by debootstrap in a folder that doesn't exist yet, changes into
it, and does what the guide says, as a reader would; then it brings the last backup back as docs/operations.md says, beside the old
database and on a new server. A chroot has no systemd: the
units' ExecStart are started by hand as their units say, PostgreSQL by pg_ctlcluster. With `--booted` systemd is the first process there
(package systemd-container), runs the units, and starts again what is killed. Ports 80, 443, 5432 and 8000 must be free. `text` blocks that are orders have their counterpart in `BY_HAND`, so the
guide can't gain one unnoticed. Settings of this machine by which apt and pip reach their registries are lent to the root.
"""

import argparse
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

HERE = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(HERE))

from bench.debian import Booted, Root, Wrong, apart, free, say
from bench.pages import blocks
from bench.recovery import Recovery
from bench.visitor import HOST, Browser, Form, totp

PERSON, PASSWORD = "first@example.test", "Desk-2026!"
PORTS = (80, 443, 5432, 8000)
# Before anything is set up; on the root's first day nobody has a backup either, but that's only a warning.
EXPECTED_FIRST = {"vendor", "tax_classes", "daily_run"}
REPOSITORY = "/srv/repository.git"
LAST_MONTH = (datetime.now(UTC).date().replace(day=1) - timedelta(1)).strftime("%Y-%m")


MORE = """from django.db import migrations

class Migration(migrations.Migration):
    dependencies = [("portal", "{before}")]
    operations = [migrations.RunSQL("CREATE TABLE of_the_trial (id integer)")]
"""


class Guide:
    def __init__(self, root, commit):
        self.root, self.commit = root, commit
        self.browser = Browser()

    def follow(self):
        for language, block in blocks("install.md"):
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
        Recovery(self, LAST_MONTH).follow()
        if isinstance(self.root, Booted):
            self.root.survive()
            self.root.end()

    def after(self, block):
        """What a reader does between the blocks, and what a machine does by itself."""
        if "apt-get install" in block:
            self.root.start_database()
            # Of a root that was used before, the packages stay.
            self.root.run("runuser -u postgres -- dropdb --if-exists portal; rm -rf /etc/portal.env /srv/portal/var")
        if "/etc/portal.env" in block and "SECRET_KEY" in block:
            env = self.root.path("/etc/portal.env")
            text = re.sub(r"(?m)^PORTAL_URL=.*", f"PORTAL_URL=https://{HOST}", env.read_text())
            text = re.sub(r"(?m)^EMAIL_URL=.*", "EMAIL_URL=file:", text)
            env.write_text(re.sub(r"(?m)^MAIL_FROM=.*", f"MAIL_FROM=noreply@{HOST}", text))
        if "systemctl enable --now" in block:
            for name in shlex.split(block.partition("systemctl enable --now ")[2]):
                if not name.endswith((".timer", ".socket")):
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
        )
        self.root.start_proxy()
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
        self.key = text[1].replace(" ", "")
        code = self.used = totp(self.key)
        if "リカバリーコード" not in self.browser.ask(setup, fields | {"code": code, "own_password": PASSWORD})[2]:
            raise Wrong("the second factor isn't taken")
        if "担当者ホーム" not in self.browser.page("/admin/"):
            raise Wrong("/admin/ isn't the start page")
        say("signed in behind nginx, with a second factor")

    def sign_in(self):
        """In a browser that knows nothing yet; staff's start page."""
        self.browser = Browser()
        self.browser.save("/login/", username=PERSON, password=PASSWORD)
        while (code := totp(self.key)) == self.used:
            time.sleep(1)  # none is taken twice
        self.used = code
        self.browser.save("/login/code/", code=code)
        page = self.browser.page("/admin/")
        if "担当者ホーム" not in page:
            raise Wrong("no start page after signing in")
        return page

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
            self.root.write(f"/var/tmp/{kind}.csv", rows)
            self.root.run(f"portal-manage import_{kind} /var/tmp/{kind}.csv")
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
        self.answers()

    def answers(self):
        """Wait until the web does."""
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


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("suite", choices=["bookworm", "trixie"])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--commit", default="HEAD")
    parser.add_argument("--booted", action="store_true", help="with systemd, by systemd-nspawn")
    given = parser.parse_args()
    apart()
    if busy := [port for port in PORTS if not free(port)]:
        sys.exit(f"in use: {busy}")
    root = (Booted if given.booted else Root)(given.folder)
    try:
        root.set_up(given.suite)
        Guide(root, given.commit).follow()
    except Wrong as what:
        sys.exit(str(what))
    say("well")
