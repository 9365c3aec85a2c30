"""Sessions in PostgreSQL that know whose they are, so that they can be listed and ended.

The browser's cookie holds the key, the table only its hash: whoever reads the table can't go on with anybody's session.
The web's role can't write sessions at all; what a request changes about its own is stored as staff's.
"""

import hashlib
from datetime import UTC, datetime
from typing import Any

from django.contrib.auth import SESSION_KEY
from django.contrib.sessions.backends.db import SessionStore as DatabaseStore
from django.utils import timezone

from portal.db import rls

BROWSERS = [("Edg", "Edge"), ("OPR", "Opera"), ("Firefox", "Firefox"), ("Chrome", "Chrome"), ("Safari", "Safari")]
SYSTEMS = [
    ("iPhone", "iPhone"), ("iPad", "iPad"), ("Android", "Android"), ("Windows", "Windows"), ("Mac OS", "Mac"),
    ("Linux", "Linux"),
]  # fmt: skip


class SessionStore(DatabaseStore):
    @classmethod
    def get_model_class(cls):
        from accounts.models import Session

        return Session

    def _get_session_from_db(self):
        row = self.model.objects.filter(session_key=stored(self.session_key), expire_date__gt=timezone.now()).first()
        if row is None:
            self._session_key = None
        return row

    def exists(self, session_key):
        with rls.scope(rls.DESK):
            return super().exists(stored(session_key))

    def save(self, must_create=False):
        with rls.scope(rls.DESK):
            super().save(must_create)

    def delete(self, session_key=None):
        if key := session_key or self.session_key:
            with rls.scope(rls.DESK):
                self.model.objects.filter(session_key=stored(key)).delete()

    def create_model_instance(self, data):
        row: Any = super().create_model_instance(data)
        row.session_key = stored(row.session_key)
        row.user_id = data.get(SESSION_KEY)
        began = data.get("began", {})
        row.signed_in_at = datetime.fromtimestamp(began["at"], UTC) if began else None
        row.address, row.browser = began.get("address", ""), began.get("browser", "")
        return row


def stored(key):
    """What the table holds of a browser's session key (SHA-256, hex)."""
    return hashlib.sha256((key or "").encode()).hexdigest()


def begin(session, *, now, address, agent):
    """Note in a new session where and when it began; `now` is aware, `agent` the browser's own words."""
    session["began"] = {"at": now.timestamp(), "address": address, "browser": in_words(agent)}
    session["seen"] = now.timestamp()


def in_words(agent):
    """Browser and system, as in Chrome (Windows): enough to recognise one's own device by."""
    browser = next((name for mark, name in BROWSERS if mark in agent), "")
    system = next((name for mark, name in SYSTEMS if mark in agent), "")
    return f"{browser} ({system})" if browser and system else browser or system
