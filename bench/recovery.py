"""Follows the restore of docs/operations.md: beside the old database, and on a server that never knew the portal; nothing is sent before the release."""

import re
import time
from datetime import datetime
from zoneinfo import ZoneInfo

from bench.debian import Wrong, say
from bench.pages import blocks

COPY = "復元または複製されたものです"
PARTS = ("## 1. ", "## 2. ", "## 3. ")  # of the guide, which a new machine begins with
LATER = ("## 5. ", "## 6. ")
SWEEP_SECONDS = 65  # every minute the workers look for what is left
KEPT = "/var/tmp/kept.tar"
LOSE = """
    version=$(ls /etc/postgresql)
    pg_dropcluster --stop "$version" main
    pg_createcluster "$version" main
    rm -rf /etc/portal.env /srv/portal/var /var/backups/portal /etc/systemd/system/portal* /etc/nginx/sites-enabled/portal
"""
PERSON = "customer,email,name\nA-1,{}@example.test,大阪太郎\n"


class Recovery:
    """Of the portal that the guide made and closed a month with."""

    def __init__(self, guide, month):
        self.guide, self.root, self.month = guide, guide.root, month

    def follow(self):
        self.beside()
        self.elsewhere()

    def beside(self):
        """Into a second database of the same server."""
        newest = self.backup("taro")
        self.root.run("runuser -u postgres -- dropdb --if-exists portal2")
        begin, *after = self.blocks("### Beside the old database")
        with self.root.by_hand(begin):
            self.root.run(begin.replace("FILE", newest))
        self.go_on(after)
        say(f"restored beside the old database from {newest}: nothing sent before the release")

    def elsewhere(self):
        """On a machine that has the packages, and one file of the old one."""
        newest = self.backup("jiro")
        self.root.run(f"cp {newest} {KEPT}")
        env = self.root.path("/etc/portal.env").read_text()
        secret = re.search(r"(?m)^SECRET_KEY=.*", env)[0]
        self.root.stop()
        self.root.run(LOSE)
        self.parts(PARTS)
        made = self.root.path("/etc/portal.env")
        made.write_text(re.sub(r"(?m)^SECRET_KEY=.*", secret, made.read_text()))
        self.root.run(f"install -o portal -g portal -m 600 {KEPT} /var/backups/portal/kept.tar")
        [begin] = self.blocks("### On another machine")
        self.root.run(begin.replace("FILE", "/var/backups/portal/kept.tar"))
        self.parts(LATER)
        self.root.run("nginx -t && nginx -s reload")
        self.go_on(self.blocks("### Beside the old database")[1:])
        say("restored on a server without the roles: nothing sent before the release")

    def blocks(self, heading):
        return [block for _language, block in blocks("operations.md", heading)]

    def parts(self, headings):
        for heading in headings:
            for language, block in blocks("install.md", heading):
                if language == "sh":
                    self.root.run(block)
                    self.guide.after(block)

    def backup(self, name):
        """A file with a mail in it that is still to be sent, to this new person; the old portal sends it afterwards."""
        units = [unit for unit, _process in self.root.running]
        self.root.stop()
        self.root.write("/var/tmp/users.csv", PERSON.format(name))
        self.root.run("portal-manage import_users /var/tmp/users.csv; portal-manage send_account_data")
        self.root.unit("portal-backup.service", wait=True)
        for unit in units:
            self.root.unit(unit)
        self.guide.answers()
        return self.root.run("ls -t /var/backups/portal/*.tar").split()[0]

    def go_on(self, after):
        """From a restored database that works and is held back, to one that belongs where it is."""
        again, release = after
        self.guide.answers()
        self.root.run("rm -rf /srv/portal/var/mail")
        if COPY not in self.guide.sign_in():
            raise Wrong("staff's start page doesn't say that this is a copy")
        self.root.run("portal-manage send_mail", well=(3,))
        self.root.run(again.replace("2026-04", self.month))
        self.root.check_units()
        time.sleep(SWEEP_SECONDS)
        if self.mails():
            raise Wrong(f"{self.mails()} mails sent from a restored database")
        self.guide.doctor(expected={"instance", "workers"})
        told = self.root.run(
            release.replace("2026-05-08T10:00", f"{datetime.now(ZoneInfo('Asia/Tokyo')):%Y-%m-%dT%H:%M}")
        )
        if "×" in told or COPY in self.guide.sign_in():
            raise Wrong(f"not released\n{told}")
        for _try in range(SWEEP_SECONDS):
            if self.mails():
                break
            time.sleep(1)
        else:
            raise Wrong("the workers don't send what waited")
        self.guide.doctor(expected=set())

    def mails(self):
        return len(list(self.root.path("/srv/portal/var/mail").glob("*")))
