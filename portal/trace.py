"""What this thread works on: the id that its log lines, mails, jobs and events carry, and the number of the person it works for."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from uuid import uuid4

from django.conf import settings

KNOWN_FORM = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{7,63}", re.ASCII)

request: ContextVar[str] = ContextVar("request", default="")
person: ContextVar[int | None] = ContextVar("person", default=None)


def current() -> str:
    """The id of the request, job or command that this thread works on; empty outside of them."""
    return request.get()


def new() -> str:
    return uuid4().hex[:16]


def for_job() -> dict[str, str]:
    """What a deferred job is given beside its arguments, so that a worker goes on under the same id."""
    return {"request": current()} if current() else {}


@contextmanager
def working(on: str) -> Iterator[None]:
    """While it lasts, what is logged and written is for `on`; whose work it is isn't known yet."""
    former = request.set(on), person.set(None)
    try:
        yield
    finally:
        request.reset(former[0])
        person.reset(former[1])


def numbered(get_response):
    """Gives each request an id, or takes that of the operator's own proxies, and answers with it in X-Request-ID.

    A visitor's own id is no use: it might be another's, or a forged line of the log.
    """

    def answer(asked):
        given = asked.headers.get("X-Request-ID", "") if settings.TRUSTED_PROXIES else ""
        with working(given if KNOWN_FORM.fullmatch(given) else new()):
            response = get_response(asked)
            response.headers["X-Request-ID"] = current()
            asked.traced = current(), person.get()  # Django logs what was refused after all middleware
            return response

    return answer


def of_job(call_next, context, worker):
    """Around every task of a worker: it goes on under the id of what deferred it."""
    with working(context.job.task_kwargs.get("request") or new()):
        return call_next()
