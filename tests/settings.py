"""Settings of the tests: a fast embedded server of their own, and marked connections (emptying tables is allowed)."""

import os

os.environ.update(SECRET_KEY="only-for-tests", EMAIL_URL="file:", PORTAL_URL="http://127.0.0.1:8000", PORT="")

from portal.db.embedded import Server
from portal.settings import *
from portal.settings import DATA, DATABASE_URL, DATABASES

if not DATABASE_URL:
    EMBEDDED = Server(DATA / "pg-test", fast=True)
DATABASES["default"]["OPTIONS"] = {**DATABASES["default"]["OPTIONS"], "options": "-c portal.test_database=on"}
DATABASES["default"]["CONN_MAX_AGE"] = 0
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
MIDDLEWARE = [name for name in MIDDLEWARE if "whitenoise" not in name]  # it wants collected files
STORAGES["staticfiles"] = {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}
EMAIL_BACKEND = "django.core.mail.backends.locmem.EmailBackend"
