"""What the month's documents would print as empty boxes, because no face has the character (portal/fonts.py)."""

from django.utils.translation import gettext as _

from billing.models import DRAFT_SQL, LIVE_SQL
from billing.month.checks.findings import WARNING, Asked, Finding, found, select
from portal import fonts

# Of drafts what the fix would take over; of fixed documents what it took.
TEXTS = f"""
    SELECT i.number AS document, c.number AS customer, printed.said
    FROM billing_invoice i JOIN accounts_customer c ON c.id = i.customer_id CROSS JOIN LATERAL (
        SELECT unnest(ARRAY[coalesce(nullif(c.billing_name, ''), c.name), c.billing_department, c.billing_person,
            coalesce(nullif(c.billing_address, ''), c.address)]) AS said WHERE {DRAFT_SQL}
        UNION ALL SELECT kept.value FROM jsonb_each_text(i.addressee) kept WHERE NOT ({DRAFT_SQL})
        UNION ALL SELECT kept.value FROM jsonb_each_text(i.issuer) kept WHERE NOT ({DRAFT_SQL})
        UNION ALL SELECT unnest(ARRAY[l.item, l.specification, l.unit, l.purchase_order]) FROM billing_invoiceline l WHERE l.invoice_id = i.id
    ) printed WHERE i.month = %(month)s AND {LIVE_SQL}
    UNION ALL
    SELECT '' AS document, '' AS customer, unnest(ARRAY[name, address, phone, bank_account, invoice_note, credit_method]) AS said
    FROM portal_vendor WHERE %(open)s
"""


def characters(asked: Asked) -> Finding:
    """Texts with characters that no face has, each with these; and the vendor's font files that can't be read."""
    rows = [
        {"what": name, "text": _("フォントとして読み取れないファイルです（PORTAL_FONT_DIR）")}
        for name in fonts.kept().unreadable
    ]
    all_said = select(f"SELECT coalesce(string_agg(said, ''), '') AS said FROM ({TEXTS}) t", asked.values())[0]["said"]
    if lacking := fonts.missing(all_said):
        texts = f"SELECT DISTINCT * FROM ({TEXTS}) t WHERE translate(said, %(lacking)s, '') <> said"
        rows += [
            {
                "what": text["document"] or _("ベンダー設定"),
                "document": text["document"],
                "customer": text["customer"],
                "text": f"{text['said']}（{_('印刷できない文字')}: {fonts.missing(text['said'])}）",
            }
            for text in select(texts, asked.values() | {"lacking": lacking})
        ]
    return found("characters", WARNING, _("書類に印刷できない文字"), rows)
