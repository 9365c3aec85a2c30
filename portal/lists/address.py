"""URLs of a list: filter, sort and page are its state (D16), and every link changes a part of it."""

from typing import Any
from urllib.parse import urlencode

from django.http import HttpRequest

ONCE = {"export", "encoding", "panel"}  # what a link asks for, but no link takes along


def address(request: HttpRequest, drop: Any = ("page",), **changes: Any) -> str:
    """This list's URL with some parameters changed (None: without it); every change begins at the first page."""
    return request.path + query(request, drop, **changes)


def query(request: HttpRequest, drop: Any = ("page",), **changes: Any) -> str:
    """The part of that URL from its question mark on, empty without parameters: another screen takes the filter over by it."""
    gone = {*drop, *ONCE, *changes}
    sent = {name: values for name, values in request.GET.lists() if name not in gone}
    sent |= {name: value for name, value in changes.items() if value is not None}
    return f"?{urlencode(sent, doseq=True)}" if sent else ""


def kept(request: HttpRequest, *without: str) -> list[tuple[str, str]]:
    """(name, value) of the parameters that a form on this list sends along."""
    gone = {"page", *ONCE, *without}
    return [(name, value) for name, values in request.GET.lists() if name not in gone for value in values]
