"""When the invoices of a batch of customers fall due, and how they are paid (D4, D5, D36)."""

from datetime import date
from typing import Any

from portal import months
from portal.db.sets import arrays
from portal.models import CalendarDay

DUE = """unnest(%(later)s::int[], %(shifts)s::text[], %(days)s::date[]) AS d (later, shift, due_on)
    ON d.later = c.payment_months AND d.shift = c.due_shift"""


def days_due(cursor: Any, given: dict[str, Any], fixed_on: date | None = None) -> dict[str, Any]:
    """支払期日 by each way to pay that the batch has (D4; D36 for those fixed on that day), and 確定予定日 (D5).

    They are the parameters of `DUE` and %(fix_due)s.
    """
    off_on = CalendarDay.objects.exceptions()
    cursor.execute(
        "SELECT DISTINCT payment_months, due_shift FROM accounts_customer WHERE id = ANY(%(customers)s)", given
    )
    due = [
        (later, shift, months.due_on(given["month"], months_later=later, shift=shift, fixed_on=fixed_on, **off_on))
        for later, shift in cursor.fetchall()
    ]
    fix_due = months.nth_business_day_after(given["month"], **off_on)
    return arrays(due, "later", "shifts", "days") | {"fix_due": fix_due}


def set_terms_of_payment(cursor: Any, given: dict[str, Any]) -> None:
    """支払期日, 確定予定日, 支払方法 and the vendor's rounding; until the fix they follow the settings."""
    cursor.execute(
        f"""
        UPDATE billing_invoice i SET due_on = d.due_on, fix_due_on = %(fix_due)s, payment_method = c.payment_method,
            rounding = v.rounding
        FROM accounts_customer c JOIN {DUE} CROSS JOIN portal_vendor v
        WHERE i.customer_id = c.id AND i.id = ANY(%(kept)s)
            AND (i.due_on, i.fix_due_on, i.payment_method, i.rounding)
                IS DISTINCT FROM (d.due_on, %(fix_due)s::date, c.payment_method, v.rounding)
        """,
        given,
    )
