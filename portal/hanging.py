"""What hangs on a row: rows of other tables that name it, and for whose sake it can't be deleted."""

from typing import Any

from django.db import connection, models
from django.utils.translation import gettext as _

MOST = 1000  # rows of a kind that are counted; more are said to be more


def hanging(row: models.Model) -> list[tuple[str, int]]:
    """[(what the other rows are called, how many, `MOST` + 1 for more)], in one statement; empty where nothing names the row."""
    kept: list[Any] = [each for each in row._meta.related_objects if each.on_delete is models.PROTECT]
    if not kept:
        return []
    quote = connection.ops.quote_name
    count = "(SELECT count(*) FROM (SELECT FROM {} WHERE {} = %s LIMIT {}) x)"
    counts = [
        count.format(quote(each.related_model._meta.db_table), quote(each.field.column), MOST + 1) for each in kept
    ]
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {', '.join(counts)}", [row.pk] * len(kept))
        found = cursor.fetchone()
    return [
        (str(each.related_model._meta.verbose_name), number) for each, number in zip(kept, found, strict=True) if number
    ]


def in_words(found: list[tuple[str, int]]) -> str:
    """ユーザ 2件、契約 1,000件以上."""
    more, exactly = _("%(name)s %(n)s件以上"), _("%(name)s %(n)s件")
    return _("、").join(
        (more if number > MOST else exactly) % {"name": name, "n": f"{min(number, MOST):,}"} for name, number in found
    )
