"""Figures of staff's pages: how many rows a list has, counted together with others in one statement."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from django.db import connection
from django.db.models import BooleanField, ExpressionWrapper, F, Q, QuerySet


@dataclass
class Figure:
    """How many of `rows` there are for which `where` holds (or what they come to in the column `sums`), and the address of their list.

    Figures that share one queryset are counted by one reading of it. One that `is_known` isn't counted; one that is the
    `rest_of` others neither: it is the first of them less the others.
    """

    words: str
    rows: QuerySet
    address: str
    where: Q = field(default_factory=Q)
    sums: str = ""
    count: int = 0
    is_known: bool = False
    rest_of: Sequence["Figure"] = ()


def fill(figures: Sequence[Figure]) -> None:
    """Count all of these, in one statement."""
    scans: dict[int, list[Figure]] = {}
    for each in {id(part): part for figure in figures for part in figure.rest_of or [figure]}.values():
        if not each.is_known:
            scans.setdefault(id(each.rows), []).append(each)
    if not scans:
        return
    parts, given = [], list[Any]()
    for scan in scans.values():
        sql, values = read(scan)
        parts.append(sql)
        given += values
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {', '.join(parts)}", given)
        for scan, counts in zip(scans.values(), cursor.fetchone(), strict=True):
            for each, count in zip(scan, json.loads(counts) if isinstance(counts, str) else counts, strict=True):
                each.count = count
    for each in figures:
        if each.rest_of:
            whole, *others = each.rest_of
            each.count = whole.count - sum(other.count for other in others)


def read(scan: Sequence[Figure]) -> tuple[str, Sequence[Any]]:
    """(SQL, its values) of the list of what each of these figures of the same rows comes to."""
    rows = scan[0].rows if scan[0].rows.query.is_sliced else scan[0].rows.order_by()
    columns, told = dict[str, Any](), []
    for place, each in enumerate(scan):
        where = ""
        if each.where:
            columns[f"is_{place}"] = ExpressionWrapper(each.where, BooleanField())
            where = f" FILTER (WHERE is_{place})"
        if each.sums:
            columns[f"of_{place}"] = F(each.sums)
        told.append(f"coalesce(sum(of_{place}){where}, 0)::bigint" if each.sums else f"count(*){where}")
    sql, values = (rows.annotate(**columns).values(*columns) if columns else rows.values("pk")).query.sql_with_params()
    return f"(SELECT json_build_array({', '.join(told)}) FROM ({sql}) counted)", values
