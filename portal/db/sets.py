"""Rows on their way into one statement: as arrays, one a column, and as one query of several querysets."""

from collections.abc import Sequence
from typing import Any

from django.db.models import QuerySet


def arrays(rows: Sequence[Sequence[Any]], *names: str) -> dict[str, list[Any]]:
    """Rows as one array a column, each under its name, to be given to `unnest`; of no rows they are empty."""
    return dict(zip(names, map(list, zip(*rows, strict=True)), strict=True)) if rows else {name: [] for name in names}


def united(parts: Sequence[QuerySet]) -> QuerySet:
    """The rows of all of these, at least one, which have the same columns; rows that are alike stay apart."""
    first, *others = parts
    return first.union(*others, all=True) if others else first
