"""What changes contracts: saving them with their lines, and adding the terms that should exist."""

from django.core.exceptions import ValidationError
from django.db import connection, transaction
from django.utils.translation import gettext as _

from portal import money, months, numbers
from portal.models import PriceBasis, TaxClass, Vendor


def rate_of(kind, day):
    """The tax rate (Decimal) of a kind of tax on a day. Raises ValidationError if none is registered for it."""
    found = TaxClass.objects.valid_on(day).filter(kind=kind).first()
    if found is None:
        raise ValidationError(_("%(day)s の税率が税区分に登録されていません。") % {"day": f"{day:%Y/%m/%d}"})
    return found.rate


def price(line, *, today):
    """Fill in a contract line's `amount` (rounded down) and `net` (yen without tax, by the rate of `today`).

    Raises ValidationError for an amount that is too large, or a tax kind without a rate.
    """
    line.amount = line.net = money.line_amount(line.quantity, line.unit_price)
    if abs(line.amount) > money.MOST_YEN:
        raise ValidationError(_("金額が大きすぎます。"))
    if line.price_basis == PriceBasis.INCLUSIVE:
        mode = Vendor.objects.settings().rounding
        line.net = money.tax_total(0, line.amount, rate_of(line.tax_kind, today), mode).base


@transaction.atomic
def save_contract(contract, lines=(), *, today):
    """Store a contract and its lines. Raises ValidationError if the start would move under terms that exist.

    Terms and orders follow in `orders.services.start_contract`, which callers use.
    """
    if contract.pk:
        first = contract.terms.standing().order_by("sequence").first()
        if first and first.starts_on != contract.start_on and first.sequence == 1:
            raise ValidationError({"start_on": _("契約期間が作られた後は契約開始日を変更できません。")})
    if not contract.number:
        contract.number = numbers.next_number(numbers.CONTRACT)
    contract.save()
    for line in lines:
        line.contract, line.customer_id = contract, contract.customer_id
        price(line, today=today)
        line.save()
    return contract


# Contracts whose terms may not reach as far as they should, each with the end of its last term.
UNFINISHED = """
    SELECT c.id, c.customer_id, c.form, c.start_on, c.auto_renew, c.cancel_on, t.last
    FROM contracts_contract c
    LEFT JOIN LATERAL (
        SELECT max(ends_on) AS last FROM contracts_term WHERE contract_id = c.id AND dropped_on IS NULL
    ) t ON true
    WHERE c.customer_id = ANY(%(customers)s) AND c.start_on <= %(until)s AND (t.last IS NULL OR t.last < %(until)s)
        AND (c.cancel_on IS NULL OR t.last IS NULL OR t.last < c.cancel_on)
"""


def add_terms(customer_ids, *, until):
    """Add every missing term that starts on or before the date `until` for these customers; returns how many.

    The caller has locked the customers. No term is made that ended before the vendor's 運用開始年月 (D22). Contracts with
    the same dates have the same terms: the calendar is asked once for all of them.
    """
    since = Vendor.objects.settings().first_month
    given = {"customers": customer_ids, "until": until}
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT DISTINCT form, start_on, auto_renew, cancel_on, last FROM ({UNFINISHED}) u", given)
        missing = [
            (form, start_on, auto_renew, cancel_on, last, term.sequence, term.starts_on, term.ends_on)
            for form, start_on, auto_renew, cancel_on, last in cursor.fetchall()
            for term in months.terms(
                form,
                start_on,
                auto_renew=auto_renew,
                end_on=cancel_on,
                since=since if last is None else max(since, last + months.ONE_DAY),
                until=until,
            )
            if last is None or term.starts_on > last
        ]
        if not missing:
            return 0
        names = ("forms", "starts", "renewals", "cancellations", "lasts", "sequences", "firsts", "ends")
        columns = [list(column) for column in zip(*missing, strict=True)]
        cursor.execute(
            f"""
            INSERT INTO contracts_term (contract_id, customer_id, sequence, starts_on, ends_on)
            SELECT u.id, u.customer_id, m.sequence, m.starts_on, m.ends_on
            FROM ({UNFINISHED}) u JOIN unnest(%(forms)s::text[], %(starts)s::date[], %(renewals)s::bool[],
                %(cancellations)s::date[], %(lasts)s::date[], %(sequences)s::int[], %(firsts)s::date[], %(ends)s::date[])
                AS m (form, start_on, auto_renew, cancel_on, last, sequence, starts_on, ends_on)
                ON (m.form, m.start_on, m.auto_renew) = (u.form, u.start_on, u.auto_renew)
                AND (m.cancel_on, m.last) IS NOT DISTINCT FROM (u.cancel_on, u.last)
            ORDER BY u.id, m.sequence
            """,
            given | dict(zip(names, columns, strict=True)),
        )
        return cursor.rowcount
