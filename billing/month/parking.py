"""Parking (保留): customers whose month waits, for mended data or for a person's decision, while all others go on."""

from collections.abc import Collection, Sequence
from datetime import date

from django.db import connection
from django.db.models import F
from django.utils.translation import gettext as _

from billing.models import FIXED_SQL, Parked
from portal import months
from portal.db.ids import Ids

# A customer's month that needs no parking any more, or never did.
DONE = f"""
    EXISTS (SELECT FROM billing_invoice i WHERE i.customer_id = p.customer_id AND i.month = %(month)s AND {FIXED_SQL})
"""


def park(customers: list[int], month: date, reason: str, *, by_person: bool = False) -> None:
    """Set these customers' month aside with the reason; parked again, the tries are counted on.

    `by_person`: only a person's decision helps (D9), so changed data alone don't make anybody try again.
    """
    for customer in customers:
        Parked.objects.update_or_create(
            customer_id=customer,
            month=month,
            defaults={"reason": reason[:2000], "by_person": by_person, "tries": F("tries") + 1},
            create_defaults={"reason": reason[:2000], "by_person": by_person},
        )


def unpark(customers: Sequence[int], month: date, but: Collection[int] = ()) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "DELETE FROM billing_parked WHERE month = %s AND customer_id = ANY(%s) AND customer_id <> ALL(%s)",
            [month, Ids(customers), list(but)],
        )


def carry_over(month: date) -> None:
    """Who is parked in an earlier month is parked in this one too, for the earlier comes first; unless this one is done."""
    earliest = (
        "SELECT customer_id, min(month) AS month FROM billing_parked WHERE month < %(month)s GROUP BY customer_id"
    )
    with connection.cursor() as cursor:
        cursor.execute(f"DELETE FROM billing_parked p WHERE p.month = %(month)s AND {DONE}", {"month": month})
        cursor.execute(
            f"SELECT p.customer_id, p.month FROM ({earliest}) p WHERE NOT {DONE} AND NOT EXISTS"
            " (SELECT FROM billing_parked q WHERE q.customer_id = p.customer_id AND q.month = %(month)s)",
            {"month": month},
        )
        for customer, first in cursor.fetchall():
            park([customer], month, _("%(month)s の保留が解決していません。") % {"month": months.format_month(first)})
