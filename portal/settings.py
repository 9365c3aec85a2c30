"""Settings: everything an operator may change comes from the environment; an empty variable counts as not set."""

from email.utils import parseaddr
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from django.core.exceptions import ImproperlyConfigured

from portal import environment, logs, secret, trace
from portal.db import embedded
from portal.environment import env, folder, one_of, whole

environment.need_all_with_database()

BASE_DIR = Path(__file__).resolve().parent.parent
DATA = Path(env("PORTAL_DATA_DIR", str(BASE_DIR / "var"))).absolute()
WEB_DATABASE_URL = env("WEB_DATABASE_URL")
DATABASE_URL = env("DATABASE_URL", WEB_DATABASE_URL)  # whoever is given the web's only can be the web, and nothing else
PORT = whole("PORT", 8000)
PORTAL_URL = environment.address(f"http://127.0.0.1:{PORT}")
HTTPS = PORTAL_URL.startswith("https://")

# Kept in the data folder when nobody gave one.
SECRET_KEY = env("SECRET_KEY") or secret.kept_in(DATA / "secret.key")
DEBUG = False

portal_host = urlsplit(PORTAL_URL).hostname or ""
ALLOWED_HOSTS = [portal_host] if HTTPS else [portal_host, "localhost", "127.0.0.1"]
CSRF_TRUSTED_ORIGINS = [PORTAL_URL]

INSTALLED_APPS = [
    "django_otp",  # before accounts, whose admin takes their pages away
    "django_otp.plugins.otp_totp",
    "django_otp.plugins.otp_static",
    "portal",
    "accounts",
    "contracts",
    "orders",
    "billing",
    "portal.apps.Desk",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django.contrib.postgres",
    "django_filters",
    "django_tables2",
    "procrastinate.contrib.django",
]

MIDDLEWARE = [
    "portal.trace.numbered",
    "portal.logs.each_request",
    "portal.middleware.any_host_for_health",
    "django.middleware.security.SecurityMiddleware",
    "portal.middleware.security_headers",
    "portal.middleware.small_bodies",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "portal.middleware.compressed_pages",
    "portal.middleware.plain_input",
    "accounts.middleware.Sessions",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "accounts.middleware.SeeAs",
    "portal.db.rls.ScopeMiddleware",
    "portal.languages.spoken",
    "accounts.middleware.SignedIn",
    "accounts.middleware.session_limit",
    "accounts.middleware.own_place",
    "portal.middleware.page_for_refused_method",
]

ROOT_URLCONF = "portal.urls"
WSGI_APPLICATION = "portal.wsgi.application"
TEMPLATES: list[dict[str, Any]] = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.template.context_processors.i18n",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "portal.views.frame",
            ],
        },
    },
]
FORM_RENDERER = "django.forms.renderers.DjangoTemplates"

EMBEDDED = None if DATABASE_URL else embedded.Server(DATA / "pg")
if DATABASE_URL:
    database = environment.database("DATABASE_URL" if env("DATABASE_URL") else "WEB_DATABASE_URL")
else:
    database = {"ENGINE": "portal.db", "NAME": "portal", "USER": "portal", "OPTIONS": {}}
DATABASES = {"default": {**database, "CONN_MAX_AGE": 60, "CONN_HEALTH_CHECKS": True}}
# How the web logs in (portal/db/web.py); None if it is as the commands do.
WEB_DATABASE: dict[str, Any] | None = {"USER": embedded.WEB} if EMBEDDED else None
if WEB_DATABASE_URL:
    WEB_DATABASE = environment.database("WEB_DATABASE_URL")
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

AUTH_USER_MODEL = "accounts.User"
AUTHENTICATION_BACKENDS = ["accounts.backends.ByEmail"]
# Argon2 with OWASP's minimum of memory and passes: 21 ms a sign-in, where Django's own parameters cost 141 ms.
PASSWORD_HASHERS = ["accounts.hashers.Argon2"]
PASSWORD_RULE = one_of("PASSWORD_RULE", "guide", "strict")
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": {"guide": "accounts.passwords.GuideRule", "strict": "accounts.passwords.StrictRule"}[PASSWORD_RULE]},
    {"NAME": "accounts.passwords.NotGuessable"},
]
# What a mail about credentials carries: the guide's generated password, or a URL to set one (D11).
CREDENTIAL_MAILS = one_of("CREDENTIAL_MAILS", "password", "link")
# How many proxies of the operator's own stand before the web: so many X-Forwarded-For entries, from the right, count.
TRUSTED_PROXIES = whole("TRUSTED_PROXIES", 0)
STAFF_SECOND_FACTOR = env("STAFF_SECOND_FACTOR", "0") == "1"
OTP_TOTP_ISSUER = "契約マイポータル"
OTP_TOTP_THROTTLE_FACTOR = OTP_STATIC_THROTTLE_FACTOR = 0  # accounts/throttle.py counts, one typing error is free
LOGIN_URL = "login"
LOGIN_REDIRECT_URL = "home"
LOGOUT_REDIRECT_URL = "/login/?left=out"

SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = HTTPS
SESSION_COOKIE_NAME = "__Host-sessionid" if HTTPS else "sessionid"
CSRF_COOKIE_NAME = "__Host-csrftoken" if HTTPS else "csrftoken"
SEE_AS_COOKIE_NAME = "__Host-see-as" if HTTPS else "see-as"
CSRF_COOKIE_HTTPONLY = True
CSRF_FAILURE_VIEW = "portal.views.csrf_failure"
SESSION_ENGINE = "accounts.sessions"
SESSION_COOKIE_AGE = 60 * whole("SESSION_IDLE_MINUTES", 60)
SESSION_LONGEST = 60 * 60 * whole("SESSION_HOURS", 12)
SECURE_HSTS_SECONDS = 365 * 24 * 60 * 60 if HTTPS else 0
SECURE_SSL_REDIRECT = HTTPS
SECURE_REDIRECT_EXEMPT = [r"^healthz$", r"^readyz$", r"^metrics$"]  # asked for from inside, past the proxy
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if HTTPS else None
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
DATA_UPLOAD_MAX_NUMBER_FIELDS = 2000
FILE_UPLOAD_HANDLERS = ["portal.uploads.Small"]  # for small ones; a page that takes a large file names its own
MESSAGE_STORAGE = "django.contrib.messages.storage.session.SessionStorage"

LANGUAGE_CODE = "ja"
FORMAT_MODULE_PATH = ["portal.formats"]
DATE_INPUT_FORMATS = ["%Y/%m/%d"]  # how forms show a day; what is typed is read by portal/reading.py
LANGUAGES = [("ja", "日本語"), ("en", "English")]
LANGUAGE_COOKIE_NAME = "__Host-language" if HTTPS else "language"
LANGUAGE_COOKIE_AGE = 365 * 24 * 60 * 60
LANGUAGE_COOKIE_SECURE, LANGUAGE_COOKIE_HTTPONLY, LANGUAGE_COOKIE_SAMESITE = HTTPS, True, "Lax"
LOCALE_PATHS = [BASE_DIR / "locale"]
TIME_ZONE = "Asia/Tokyo"
USE_TZ = True

STATIC_URL = "/static/"
STATIC_ROOT = DATA / "static"
WHITENOISE_ALLOW_ALL_ORIGINS = False
STATICFILES_DIRS = [BASE_DIR / "static"]
FONTS = BASE_DIR / "static" / "fonts"
FONT_DIR = folder("PORTAL_FONT_DIR")
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "portal.storage.Storage"},
}

globals().update(environment.mail())
EMAIL_TIMEOUT = 20
EMAIL_FILES = DATA / "mail"
DEFAULT_FROM_EMAIL = env("MAIL_FROM", f"noreply@{portal_host if not portal_host[0].isdigit() else 'localhost'}")
if "@" not in parseaddr(DEFAULT_FROM_EMAIL)[1]:
    raise ImproperlyConfigured("MAIL_FROM にはメールアドレスを書いてください。")
MAIL_PER_MINUTE = whole("MAIL_PER_MINUTE", 0)

PROCRASTINATE_WORKER_DEFAULTS = {
    "delete_jobs": "successful", "concurrency": 1, "task_middleware": [trace.of_job],
}  # fmt: skip

SILENCED_SYSTEM_CHECKS = ["security.W004", "security.W012", "security.W016", "security.W021"]
LOGGING = logs.settings(as_json=one_of("LOG_FORMAT", "text", "json") == "json", level=one_of("LOG_LEVEL", *logs.LEVELS))
# Who may read /metrics; without it there is no such page.
METRICS_TOKEN = env("METRICS_TOKEN")
