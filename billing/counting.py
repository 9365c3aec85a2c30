"""Figures of staff's pages: how many rows a list has, counted together with others in one statement."""

from collections.abc import Sequence
from dataclasses import dataclass

from django.db import connection
from django.db.models import QuerySet


@dataclass
class Figure:
    """How many `rows` there are (or what `aggregate` makes of them), and the address of the list of exactly these."""

    words: str
    rows: QuerySet
    address: str
    aggregate: str = "count(*)"
    count: int = 0


def fill(figures: Sequence[Figure]) -> None:
    """Count all of these, in one statement."""
    if not figures:
        return
    asked = []
    for each in figures:
        rows = each.rows if each.rows.query.is_sliced else each.rows.order_by()
        asked.append(rows.values("total" if "total" in each.aggregate else "pk").query.sql_with_params())
    parts = ", ".join(
        f"(SELECT {each.aggregate} FROM ({sql}) counted)" for each, (sql, _given) in zip(figures, asked, strict=True)
    )
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {parts}", [value for _sql, given in asked for value in given])
        for each, count in zip(figures, cursor.fetchone(), strict=True):
            each.count = count
