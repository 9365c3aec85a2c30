"""Heads of documents and rates of their lines, counted from the settings that the run kept which fixed them.

Few ways to make a head stand on very many documents: each way is judged once, and the documents are named that have it.
"""

import json
from collections import defaultdict
from collections.abc import Callable, Iterator
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

from django.core.serializers.json import DjangoJSONEncoder

from billing.models import MonthRun
from billing.month.checks.documents import CODE, FIXED, OWNED, TITLE
from billing.month.checks.findings import BROKEN, Asked, Finding, found, select
from portal import months
from portal.models import TaxClass

OF_LINES = ("registration_number",)  # of the issuer: judged by the lines of each document
LEAST_DAYS = 10  # from the fix to the due date (D36)

HEAD = """i.fixed_on, i.rounding, i.issued_on, i.due_on, i.issuer::text AS issuer, i.addressee ->> 'payment_months' AS later,
    i.addressee ->> 'due_shift' AS shift"""
CLASS = "i.state = 'draft' AS is_draft, i.fixed_on, b.tax_kind AS kind, b.tax_rate AS rate, b.ends_on"
# Adjustments and discounts have the class of what they change, and corrections that of what they replace.
LINES = "billing_invoiceline b JOIN billing_invoice i ON i.id = b.invoice_id"
# Provisional ones of customers whose orders have yet to follow a change are told as such (`follow_pending`).
TAXED = """i.month = %(month)s AND i.kind = 'invoice' AND b.origin IN ('order', 'usage')
    AND (i.state <> 'draft' OR NOT EXISTS (SELECT FROM orders_pending n WHERE n.customer_id = i.customer_id))"""

Settings = dict[str, Any]
Wrong = Iterator[tuple[Any, Any, str]]  # (expected, found, text)


def heads(asked: Asked) -> Finding:
    """請求日, 支払期日, 端数処理, 発行者 and 確定日 of the month's fixed invoices."""
    runs = kept(asked.month)
    ways = select(f"SELECT DISTINCT {HEAD} FROM billing_invoice i WHERE {FIXED}", asked.values())
    wrong = [
        dict(zip(("expected", "found", "text"), told, strict=True)) | way
        for way in ways
        for told in odd_head(way, asked, runs)
    ]
    fields = "fixed_on date, rounding text, issued_on date, due_on date, issuer text, later text, shift text"
    documents = f"""
        SELECT i.number AS document, c.number AS customer, w.expected, w.found, w.text
        FROM jsonb_to_recordset(%(wrong)s) AS w ({fields}, expected text, found text, text text)
        JOIN (SELECT i.id, i.number, i.customer_id, {HEAD} FROM billing_invoice i WHERE {FIXED}) i
            ON (i.fixed_on, i.rounding, i.issued_on, i.due_on, i.issuer) = (w.fixed_on, w.rounding, w.issued_on, w.due_on, w.issuer)
            AND (i.later, i.shift) IS NOT DISTINCT FROM (w.later, w.shift)
        {OWNED}"""
    return found(CODE, BROKEN, TITLE, named(documents, wrong, asked))


def rates(asked: Asked) -> Finding:
    """The rate of every line by the tax classes as of the fix (D2, D34), on a provisional document by those of today."""
    runs, today = kept(asked.month), list(TaxClass.objects.values_list("kind", "rate", "valid_from", "valid_to"))
    ways = select(f"SELECT DISTINCT {CLASS} FROM {LINES} WHERE {TAXED}", asked.values())
    wrong = []
    for way in ways:
        # Runs of before settings were kept: classes that lines have can't be changed, so today's say what held.
        kept_then = [] if way["is_draft"] else [classes(run) for run in runs[way["fixed_on"]] if run]
        known = kept_then or [today]
        right = {rate_in(each, way["kind"], way["ends_on"]) for each in known}
        if right and way["rate"] not in right:
            wrong.append(way | {"expected": ", ".join(map(str, right)), "found": str(way["rate"])})
    documents = f"""
        SELECT i.number AS document, c.number AS customer, w.expected, w.found, '税率 ' || i.item AS text
        FROM jsonb_to_recordset(%(wrong)s) AS w (is_draft bool, fixed_on date, kind text, rate numeric, ends_on date, expected text,
            found text)
        JOIN (SELECT i.number, i.customer_id, b.item, {CLASS} FROM {LINES} WHERE {TAXED}) i
            ON (i.is_draft, i.kind, i.rate, i.ends_on) = (w.is_draft, w.kind, w.rate, w.ends_on)
            AND i.fixed_on IS NOT DISTINCT FROM w.fixed_on
        {OWNED}"""
    return found(CODE, BROKEN, TITLE, named(documents, wrong, asked))


def named(sql: str, wrong: list[dict[str, Any]], asked: Asked) -> list[dict[str, Any]]:
    """The documents that have a wrong way of being made; nothing is asked if none is wrong."""
    if not wrong:
        return []
    return select(sql, asked.values() | {"wrong": json.dumps(wrong, cls=DjangoJSONEncoder)})


def kept(month: date) -> dict[date | None, list[Settings]]:
    """The settings of the month's closes by their day; two of a day may differ, and what agrees with one of them is right."""
    found = defaultdict(list)
    for run in MonthRun.objects.filter(kind=MonthRun.Kind.CLOSE, month=month).order_by("started_at"):
        found[run.as_of].append(run.settings)
    return found


def odd_head(way: dict[str, Any], asked: Asked, runs: dict[date | None, list[Settings]]) -> Wrong:
    """What is wrong with a head, as (expected, found, text)."""
    if way["issued_on"] != asked.last:
        yield written(asked.last), written(way["issued_on"]), "請求日"
    if way["fixed_on"] not in runs:
        yield None, written(way["fixed_on"]), "この確定日の締めがありません"
        return
    if not (settings := [each for each in runs[way["fixed_on"]] if each]):
        return  # a close of before settings were kept
    yield from differing(settings, lambda one: one["rounding"], way["rounding"], "消費税の端数処理")
    issuer = json.loads(way["issuer"])
    differs = [
        [name for name in one["issuer"] if name not in OF_LINES and issuer.get(name) != one["issuer"][name]]
        for one in settings
    ]
    if all(differs):
        for name in differs[-1]:
            yield told(settings[-1]["issuer"][name]), told(issuer.get(name, "")), f"発行者 {name}"
    if way["later"]:
        day = written(way["due_on"])
        yield from differing(settings, lambda one: written(due_on(way, asked.month, one["calendar"])), day, "支払期日")


def differing(settings: list[Settings], right: Callable[[Settings], str], now: str, text: str) -> Wrong:
    if now not in (expected := [right(one) for one in settings]):
        yield expected[-1], now, text


def due_on(way: dict[str, Any], month: date, calendar: dict[str, list[str]]) -> date:
    """支払期日: D4's, or the first later month's end that leaves ten days from the fix (D36)."""
    off, on = ({date.fromisoformat(day) for day in calendar[name]} for name in ("off", "on"))
    later, shift = int(way["later"]), way["shift"]
    least = way["fixed_on"] + timedelta(LEAST_DAYS)
    while (day := months.due_on(month, months_later=later, shift=shift, off=off, on=on)) < least:
        later += 1
    return day


def classes(run: Settings) -> list[tuple[Any, ...]]:
    return [
        (one["kind"], one["rate"], date.fromisoformat(one["from"]), one["to"] and date.fromisoformat(one["to"]))
        for one in run["tax_classes"]
    ]


def rate_in(known: list[tuple[Any, ...]], kind: str, day: date) -> Any:
    """The rate of a kind on a day, None without a class."""
    return next(
        (Decimal(rate) for its, rate, since, until in known if its == kind and since <= day <= (until or day)), None
    )


def told(value: Any) -> str:
    """Of what the issuer is told by, a text, or figures."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def written(day: date) -> str:
    return f"{day:%Y/%m/%d}"
