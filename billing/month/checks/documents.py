"""The lines of documents beside what they were made from: order lines, usage charges, quantity and price of adjustments.

Order lines and charges of fixed documents are frozen, so later changes of contracts never make a finding here.
"""

from django.utils.translation import gettext_lazy

from billing.month.checks.findings import BROKEN, WARNING, Question

CODE, TITLE = "recount", gettext_lazy("数え直しと合わない注文と請求")

# What a line is, beside its amount; `l` is the line or what it was made from.
FACTS = """l.item, l.product_code, l.specification, l.starts_on, l.ends_on, l.quantity, l.unit, l.unit_price, l.price_basis,
    l.tax_kind, l.tax_rate"""
CHARGE_FACTS = FACTS.replace("l.product_code", "''")
WRITTEN = """{l}.quantity || '×' || {l}.unit_price || ' ' || {l}.item || ' ' || {l}.tax_kind || ' ' || {l}.tax_rate || ' ' ||
    {l}.price_basis || ' ' || to_char({l}.starts_on, 'YYYY/MM/DD') || '-' || to_char({l}.ends_on, 'YYYY/MM/DD')"""
OWNED = "JOIN accounts_customer c ON c.id = i.customer_id"
BLANK = "btrim({}, E' \\t\\u3000') = ''"
OWN = "i.month = %(month)s AND i.kind <> 'imported'"
FIXED = "i.month = %(month)s AND i.kind = 'invoice' AND i.state <> 'draft'"


def question(sql: str) -> Question:
    return Question(CODE, BROKEN, TITLE, sql)


QUESTIONS = [
    question(
        f"""
        SELECT i.number AS document, c.number AS customer, l.amount AS expected, b.amount AS found,
            '請求明細の金額 ' || o.number || ' ' || l.item AS text
        FROM billing_invoiceline b JOIN billing_invoice i ON i.id = b.invoice_id {OWNED}
        JOIN orders_orderline l ON l.id = b.order_line_id JOIN orders_order o ON o.id = l.order_id
        WHERE i.month = %(month)s AND b.origin = 'order' AND b.amount <> l.amount
        """
    ),
    question(
        f"""
        SELECT i.number AS document, c.number AS customer, {WRITTEN.format(l="l")} AS expected, {WRITTEN.format(l="b")} AS found,
            '請求明細の内容 ' || o.number AS text
        FROM billing_invoiceline b JOIN billing_invoice i ON i.id = b.invoice_id {OWNED}
        JOIN orders_orderline l ON l.id = b.order_line_id JOIN orders_order o ON o.id = l.order_id
        JOIN contracts_contract k ON k.id = o.contract_id
        WHERE i.month = %(month)s AND b.origin = 'order'
            AND ({FACTS.replace("l.", "b.")}, b.order_id, b.contract_id, b.service_id)
                IS DISTINCT FROM ({FACTS}, l.order_id, o.contract_id, k.service_id)
        """
    ),
    question(
        f"""
        SELECT i.number AS document, c.number AS customer, l.amount AS expected, b.amount AS found,
            '従量の請求明細 ' || k.number || ' ' || {WRITTEN.format(l="b")} AS text
        FROM billing_invoiceline b JOIN billing_invoice i ON i.id = b.invoice_id {OWNED}
        JOIN orders_usagecharge l ON l.id = b.usage_charge_id JOIN orders_usage u ON u.id = l.usage_id
        JOIN contracts_meter m ON m.id = u.meter_id JOIN contracts_contract k ON k.id = m.contract_id
        WHERE i.month = %(month)s AND b.origin = 'usage' AND (b.amount, {FACTS.replace("l.", "b.")}, b.contract_id)
            IS DISTINCT FROM (l.amount, {CHARGE_FACTS}, m.contract_id)
        """
    ),
    question(
        f"""
        SELECT i.number AS document, c.number AS customer, o.number AS found, '取消になった注文の請求' AS text
        FROM billing_invoiceline b JOIN billing_invoice i ON i.id = b.invoice_id {OWNED} JOIN orders_order o ON o.id = b.order_id
        WHERE i.month = %(month)s AND b.origin = 'order' AND b.is_order_head AND o.reversed_on IS NOT NULL AND i.state <> 'void'
        """
    ),
    question(
        f"""
        SELECT i.number AS document, c.number AS customer, trunc(b.quantity * b.unit_price)::bigint AS expected, b.amount AS found,
            '調整の金額 ' || b.item AS text
        FROM billing_invoiceline b JOIN billing_invoice i ON i.id = b.invoice_id {OWNED}
        WHERE i.month = %(month)s AND b.origin = 'adjustment' AND b.amount > 0 AND b.amount <> trunc(b.quantity * b.unit_price)
        """
    ),
    # What a line of a contract charges already, charged once more by hand.
    question(
        f"""
        SELECT i.number AS document, c.number AS customer, 0 AS expected, b.amount AS found,
            b.item || ' は ' || j.number || ' で請求しています' AS text
        FROM billing_invoiceline b JOIN billing_invoice i ON i.id = b.invoice_id {OWNED}
        JOIN billing_invoiceline d ON d.customer_id = b.customer_id AND d.origin IN ('order', 'usage', 'rebill', 'correction')
            AND d.item = b.item AND d.amount = b.amount AND d.starts_on = b.starts_on AND d.ends_on = b.ends_on
        JOIN billing_invoice j ON j.id = d.invoice_id AND j.state IN ('draft', 'fixed')
        WHERE i.month = %(month)s AND i.state IN ('draft', 'fixed') AND b.origin = 'adjustment' AND b.amount > 0
        """
    ),
    # Documents of the month, and those whose number says so (D20).
    question(
        f"""
        SELECT i.number AS document, c.number AS customer, substr(i.number, 2, 4) || '/' || substr(i.number, 6, 2) AS expected,
            to_char(i.month, 'YYYY/MM') AS found, '請求対象年月' AS text
        FROM billing_invoice i {OWNED}
        WHERE i.kind <> 'imported' AND (i.month = %(month)s AND i.number NOT LIKE %(numbers)s
            OR i.number LIKE %(numbers)s AND i.month <> %(month)s)
        """
    ),
    # Parties must be whole; what an unchanged customer has was empty on no document.
    question(
        f"""
        SELECT i.number AS document, c.number AS customer, has.value AS expected, i.addressee ->> has.key AS found,
            '宛先 ' || has.key AS text
        FROM billing_invoice i {OWNED}
        CROSS JOIN LATERAL (SELECT c.updated_at AT TIME ZONE 'Asia/Tokyo' < i.fixed_on AS still) same
        CROSS JOIN LATERAL (VALUES ('number', c.number, true), ('name', coalesce(nullif(c.billing_name, ''), c.name), true),
            ('address', coalesce(nullif(c.billing_address, ''), c.address), same.still),
            ('postal_code', CASE WHEN c.billing_address = '' THEN c.postal_code ELSE c.billing_postal_code END, same.still),
            ('department', c.billing_department, same.still),
            ('person', c.billing_person, same.still)) AS has (key, value, certain)
        WHERE {OWN} AND i.state <> 'draft' AND has.certain AND has.value <> ''
            AND (coalesce(i.addressee ->> has.key, '') = '' OR has.key = 'number' AND i.addressee ->> has.key <> has.value)
        """
    ),
    # The 登録番号 of the latest time that holds on each day of some line, by what the document kept of the vendor's registrations.
    question(
        f"""
        SELECT i.number AS document, c.number AS customer, due.number AS expected, i.issuer ->> 'registration_number' AS found,
            '登録番号' AS text
        FROM billing_invoice i {OWNED} CROSS JOIN LATERAL (SELECT coalesce((
            SELECT r.number FROM jsonb_to_recordset(i.issuer -> 'registrations') AS r (number text, "from" date, "to" date)
            WHERE EXISTS (SELECT FROM billing_invoiceline b WHERE b.customer_id = i.customer_id AND b.invoice_id = i.id
                AND b.starts_on >= greatest(r."from", '2023-10-01') AND b.ends_on <= coalesce(r."to", 'infinity'))
            ORDER BY r."from" DESC LIMIT 1), '') AS number) due
        WHERE i.month = %(month)s AND i.state <> 'draft' AND i.issuer -> 'registrations' IS NOT NULL
            AND i.issuer ->> 'registration_number' IS DISTINCT FROM due.number
        """
    ),
    # What would stop the close: a document under a 登録番号 that lacks what a 適格請求書 must say (消費税法57条の4①).
    Question(
        "incomplete",
        WARNING,
        gettext_lazy("適格請求書に足りない記載"),
        f"""
        SELECT i.number AS document, c.number AS customer, concat_ws('、',
            CASE WHEN {BLANK.format("v.name")} THEN '発行者の名称' END,
            CASE WHEN bool_or(r.number !~ '^T[0-9]{{13}}$') THEN '正しい登録番号' END,
            CASE WHEN bool_or({BLANK.format("b.item")}) THEN '取引の内容（品目）' END,
            CASE WHEN bool_or(t.id IS NULL) THEN '税率ごとの対価の額と消費税額' END,
            CASE WHEN {BLANK.format("c.billing_name || c.name")} OR c.billing_name <> '' AND {BLANK.format("c.billing_name")}
                THEN '宛名' END) AS text
        FROM billing_invoice i {OWNED} JOIN billing_invoiceline b ON b.customer_id = i.customer_id AND b.invoice_id = i.id
        CROSS JOIN portal_vendor v
        JOIN portal_vendorregistration r ON r.valid_from <= b.starts_on AND coalesce(r.valid_to, 'infinity') >= b.ends_on
        LEFT JOIN billing_taxtotal t ON t.customer_id = i.customer_id AND t.invoice_id = i.id
            AND t.kind = b.tax_kind AND t.rate = b.tax_rate
        WHERE i.month = %(month)s AND i.state = 'draft'
        GROUP BY i.id, c.id, v.id
        HAVING {BLANK.format("v.name")} OR bool_or(r.number !~ '^T[0-9]{{13}}$' OR {BLANK.format("b.item")} OR t.id IS NULL)
            OR {BLANK.format("c.billing_name || c.name")} OR c.billing_name <> '' AND {BLANK.format("c.billing_name")}
        """,
    ),
]
