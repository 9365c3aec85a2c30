"""How the portal's log is written: one clock, one line an event, as text or as JSON, and nothing in it that is somebody's own.

People are numbers. Addresses of pages are told by their pattern, for a reset's holds a key; of an error's text only what is about
the code or the database's rules is told, for the rest may repeat what somebody typed.
"""

import json
import logging
import os
import time
import traceback
from datetime import datetime
from zoneinfo import ZoneInfo

import psycopg
from django.core.exceptions import ImproperlyConfigured
from django.db import Error as DatabaseError
from django.template import TemplateDoesNotExist, TemplateSyntaxError

from portal import trace

CLOCK = ZoneInfo("Asia/Tokyo")
# Their texts are about the code.
OF_CODE = (
    ArithmeticError, AttributeError, ImportError, ImproperlyConfigured, NameError, NotImplementedError, RecursionError,
    TemplateDoesNotExist, TemplateSyntaxError, TypeError,
)  # fmt: skip
# What a worker tells of a job that ended: the word for it, by the library's action.
ENDED = {
    "job_success": "done",
    "job_error_retry": "failed, tries again",
    "job_error": "failed",
    "job_aborted": "aborted",
    "job_aborted_retry": "aborted, tries again",
}
# From where on is told what isn't the library's; the first is the default.
LEVELS: tuple[str, ...] = ("INFO", "WARNING", "ERROR")
requests = logging.getLogger("portal.request")


def settings(*, as_json, level):
    """Django's LOGGING, and gunicorn's (gunicorn.conf.py). Requests have lines of their own only where a program reads them."""
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"line": {"()": "portal.logs.AsJson" if as_json else "portal.logs.AsText"}},
        "filters": {
            "refusals": {"()": "django.utils.log.CallbackFilter", "callback": refusals_in_one_line},
            "private": {"()": "django.utils.log.CallbackFilter", "callback": without_addresses},
            "jobs": {"()": "django.utils.log.CallbackFilter", "callback": one_line_a_job},
        },
        "handlers": {
            "console": {
                "class": "logging.StreamHandler", "formatter": "line", "filters": ["jobs", "refusals", "private"],
            },
        },
        "root": {"handlers": ["console"], "level": "WARNING"},
        "loggers": {
            "portal": {"level": level},
            "portal.request": {"level": level if as_json else "WARNING"},
            "procrastinate.worker": {"level": level},
            "psycopg": {"level": "ERROR"},  # it tells of every try, and of what it was at, while the database is away
            "gunicorn.error": {"propagate": True},  # its own handler goes
        },
    }  # fmt: skip


def refusals_in_one_line(record):
    """A filter of log records, which lets all of them through: of a request that was refused it makes one line, for the fault
    is the sender's.

    Django notes a foreign host or a form that can't be read as an error, and with its traceback: whoever sends such
    requests would fill the log, and wake up who watches it for errors.
    """
    refused = record.name == "django.request" and record.levelno < logging.ERROR
    if refused or record.name.startswith("django.security."):
        record.levelno, record.levelname = logging.WARNING, "WARNING"
        record.msg, record.args = " ".join(record.getMessage().split()), ()
        record.exc_info = record.exc_text = None
    return True


def without_addresses(record):
    """Tells of a request by its page's pattern instead of its address. Lets all records through."""
    asked = getattr(record, "request", None)
    if record.name.startswith("django.") and asked is not None:
        record.msg, record.args = f"{record.getMessage().partition(':')[0]}: {asked.method} {route(asked)}", ()
    elif record.name == "gunicorn.error" and record.msg.startswith("Error handling request"):
        record.msg, record.args = "Error handling request", ()
    return True


def route(asked):
    """The page's pattern, as password/reset/<uidb64>/<token>/; of an address that leads nowhere nothing is told."""
    found = getattr(asked, "resolver_match", None)
    return f"/{found.route}" if found else "(no page)"


def one_line_a_job(record):
    """Makes a line of a worker's about a job that ended into ours, and lets no other line of a job's life through.

    Nor what the worker was at as the database went, which asyncio tells of tasks that nobody waits for any more.
    """
    away = is_away(record.exc_info and record.exc_info[1])
    if record.name == "asyncio":
        return not away
    if not record.name.startswith("procrastinate."):
        return True
    action = getattr(record, "action", "")
    if action in ENDED:
        job = record.job
        record.name, record.job_id, record.task = "portal.jobs", job["id"], job["task_name"]
        record.ms = int(1000 * (record.end_timestamp - record.start_timestamp))
        record.about = job["task_kwargs"].get("request", "")
        record.msg, record.args = f"{record.task} {record.job_id} {ENDED[action]}", ()
        if away:
            record.exc_info = None
        return True
    return record.levelno > logging.INFO and not away  # which the worker tells in a line of its own


def is_away(error):
    """Whether this is the database's absence, whoever wrapped it."""
    seen = []  # errors may name each other
    while error and error not in seen:
        seen.append(error)
        if isinstance(error, psycopg.OperationalError | psycopg.InterfaceError) and error.sqlstate in (None, *GOING):
            return True
        error = error.__cause__ or error.__context__
    return False


GOING = ("57P01", "57P02", "57P03")  # admin_shutdown, crash_shutdown, cannot_connect_now


def facts(record):
    """What a line says beside its text; what isn't known is left out."""
    asked, person = getattr(getattr(record, "request", None), "traced", ("", None))
    found = {
        "request": getattr(record, "about", "") or trace.current() or asked,
        "person": trace.person.get() or person,
        **{name: getattr(record, name, None) for name in ("method", "route", "status", "job_id", "task", "ms")},
    }
    return {name: value for name, value in found.items() if value not in (None, "")}


def moment(record):
    return datetime.fromtimestamp(record.created, CLOCK).isoformat(timespec="milliseconds")


class Private(logging.Formatter):
    """Errors by where they came from, with as much of their texts as is about the code."""

    def formatException(self, found):
        return traced(found[1])


class AsText(Private):
    def format(self, record):
        said = record.getMessage().replace("\n", " ")
        beside = " ".join(f"{name}={value}" for name, value in facts(record).items())
        lines = [f"{moment(record)} {record.levelname} {record.name}: {said}{beside and f' ({beside})'}"]
        if record.exc_info:
            lines.append(self.formatException(record.exc_info))
        return "\n".join(lines)


class AsJson(Private):
    def format(self, record):
        line = {
            "time": moment(record),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
        }
        line |= facts(record)
        if record.exc_info:
            line["error"] = self.formatException(record.exc_info)
        return json.dumps(line, ensure_ascii=False)


def traced(error, told=()):
    """As Python prints an error, with the text of each only where it can't be anybody's; those before it that aren't `told` yet."""
    earlier = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    told = (*told, error)
    before = [traced(earlier, told), ""] if earlier and earlier not in told else []
    said = text_of(error)
    name = f"{type(error).__module__}.{type(error).__qualname__}".removeprefix("builtins.")
    frames = ["Traceback (most recent call last):", *"".join(traceback.format_tb(error.__traceback__)).splitlines()]
    return "\n".join([*before, *frames, f"{name}: {said}" if said else name])


def text_of(error):
    """What of an error's text is told: of the database's the state and the rule that was met, of a system's call its reason."""
    if isinstance(error, DatabaseError) and isinstance(error.__cause__, psycopg.Error):
        return text_of(error.__cause__)
    if isinstance(error, psycopg.Error):
        if not error.sqlstate:
            return first_line(error)
        told = (error.sqlstate, type(error).__name__, error.diag.table_name, error.diag.constraint_name)
        return " ".join(part for part in told if part)
    if isinstance(error, OF_CODE):
        return first_line(error)
    return error.strerror or "" if isinstance(error, OSError) else ""


def first_line(error):
    return str(error).strip().partition("\n")[0]


def each_request(get_response):
    """A line for every request that was answered, with how long it took."""

    def answer(asked):
        begun = time.monotonic()
        response = get_response(asked)
        said = {
            "method": asked.method,
            "route": route(asked),
            "status": response.status_code,
            "ms": int(1000 * (time.monotonic() - begun)),
        }
        requests.info("answered", extra=said)
        return response

    return answer


def from_environment():
    """The same by LOG_FORMAT and LOG_LEVEL, for gunicorn's own process, which reads no settings of Django's."""
    level = os.environ.get("LOG_LEVEL", "").strip()
    return settings(
        as_json=os.environ.get("LOG_FORMAT", "").strip() == "json", level=level if level in LEVELS else LEVELS[0]
    )
