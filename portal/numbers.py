"""Numbers of customers, contracts, orders and invoices (D20): unique, never reused, gaps allowed."""

from django.db import connection

CUSTOMER, CONTRACT = "C", "K"


def order_series(month):
    return f"O{month:%Y%m}-"


def invoice_series(month):
    return f"B{month:%Y%m}-"


def reserve(series, count=1):
    """Take `count` numbers of a series and return the first, as int. The series stays locked until the commit."""
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO portal_counter (series, value) VALUES (%s, %s)"
            " ON CONFLICT (series) DO UPDATE SET value = portal_counter.value + excluded.value RETURNING value",
            [series, count],
        )
        return cursor.fetchone()[0] - count + 1


def next_number(series):
    """One new number, written as it is shown: C0000001, K0000001, O202404-000001, B202404-000001."""
    width = 7 if series in (CUSTOMER, CONTRACT) else 6
    return f"{series}{reserve(series):0{width}}"
