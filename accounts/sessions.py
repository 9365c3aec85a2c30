"""Sessions in PostgreSQL that know whose they are, so that they can be listed and ended."""

from datetime import UTC, datetime
from typing import Any

from django.contrib.auth import SESSION_KEY
from django.contrib.sessions.backends.db import SessionStore as DatabaseStore

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

    def create_model_instance(self, data):
        row: Any = super().create_model_instance(data)
        row.user_id = data.get(SESSION_KEY)
        began = data.get("began", {})
        row.signed_in_at = datetime.fromtimestamp(began["at"], UTC) if began else None
        row.address, row.browser = began.get("address", ""), began.get("browser", "")
        return row


def begin(session, *, now, address, agent):
    """Note in a new session where and when it began; `now` is aware, `agent` the browser's own words."""
    session["began"] = {"at": now.timestamp(), "address": address, "browser": in_words(agent)}
    session["seen"] = now.timestamp()


def in_words(agent):
    """Browser and system, as in Chrome (Windows): enough to recognise one's own device by."""
    browser = next((name for mark, name in BROWSERS if mark in agent), "")
    system = next((name for mark, name in SYSTEMS if mark in agent), "")
    return f"{browser} ({system})" if browser and system else browser or system
