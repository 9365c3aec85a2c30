"""What a 適格請求書 must say (消費税法57条の4①): no document under a 登録番号 is fixed that lacks any of it."""

import json
import re
from typing import Any

from django.utils.translation import gettext as _

from billing.month.kept import NAME, NUMBER

BLANKS = "E' \\t\\u3000'"
NUMBER_FORM = re.compile(r"T[0-9]{13}")

# The day of the supply is no part of it: no line is stored without its period.
LACKING = f"""
    SELECT i.customer_id, {NUMBER} AS number, i.nameless, i.itemless, i.unsummed FROM (
        SELECT i.id, i.customer_id, bool_or(btrim({NAME}, {BLANKS}) = '') AS nameless,
            bool_or(btrim(l.item, {BLANKS}) = '') AS itemless, bool_or(t.id IS NULL) AS unsummed
        FROM billing_invoice i JOIN accounts_customer c ON c.id = i.customer_id
        JOIN billing_invoiceline l ON l.customer_id = i.customer_id AND l.invoice_id = i.id
        LEFT JOIN billing_taxtotal t ON t.customer_id = i.customer_id AND t.invoice_id = i.id
            AND (t.kind, t.rate) = (l.tax_kind, l.tax_rate)
        WHERE {{which}} GROUP BY i.id, i.customer_id
    ) i WHERE %(all)s OR i.nameless OR i.itemless OR i.unsummed
"""


def refused(missing: str) -> str:
    """Why a document isn't fixed."""
    return _("適格請求書に必要な記載がありません: %(missing)s") % {"missing": missing}


def lacking(cursor: Any, which: str, given: dict[str, Any]) -> dict[int, str]:
    """{customer: what is missing, in words} of the documents `which` (SQL over `i`) that will carry a 登録番号; `given` are its
    parameters and those of the fix."""
    issuer = json.loads(given["issuer"])
    unnamed = not issuer["name"].strip()
    every = unnamed or not all(NUMBER_FORM.fullmatch(row["number"]) for row in issuer["registrations"])
    cursor.execute(LACKING.format(which=which), given | {"all": every})
    found = {}
    for customer, number, nameless, itemless, unsummed in cursor.fetchall():
        parts = [
            (unnamed, _("発行者の名称")),
            (not NUMBER_FORM.fullmatch(number), _("正しい登録番号")),
            (itemless, _("取引の内容（品目）")),
            (unsummed, _("税率ごとの対価の額と消費税額")),
            (nameless, _("宛名")),
        ]
        missing = "、".join(words for lacks, words in parts if lacks)
        if number and missing:
            found[customer] = missing
    return found
