"""For words that many rows have: rows in the order they are shown in, and whole texts.

A text's first and last character are kept as pairs with what lies beyond, by which a whole text is found. Their cost is about the
true one now: words that most rows have aren't looked for by their grams any more.
"""

from django.db import migrations, models

from portal.db.indexes import AddIndexBeside

BODY = """
    SELECT array_remove(each, chr(31)) || array(
        SELECT one || two FROM unnest(each, each[2:]) AS pair (one, two) WHERE two IS NOT NULL{apart}
    ) FROM string_to_array(value, NULL) AS characters (each)
"""
GRAMS = """
    CREATE OR REPLACE FUNCTION search_grams(value text) RETURNS text[] LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE COST {cost}
    RETURN ({body})
"""
INDEXES = ("customers_sought", "users_sought", "contracts_sought", "inquiries_sought")


class Migration(migrations.Migration):
    atomic = False  # an index is made again beside the old one, so that everybody goes on meanwhile
    dependencies = [
        ("portal", "0034_refund_note"),
        ("accounts", "0014_bounced"),
        ("contracts", "0012_running_out"),
    ]
    operations = [
        migrations.RunSQL(
            GRAMS.format(cost=1000, body=BODY.format(apart="")),
            GRAMS.format(cost=100000, body=BODY.format(apart=" AND one <> chr(31) AND two <> chr(31)")),
        ),
        # Broken off, each leaves a half one under this name.
        *(
            migrations.RunSQL(
                [f"DROP INDEX CONCURRENTLY IF EXISTS {name}_ccnew", f"REINDEX INDEX CONCURRENTLY {name}"],
                migrations.RunSQL.noop,
            )
            for name in INDEXES
        ),
        AddIndexBeside(
            model_name="inquiry",
            index=models.Index(models.F("created_at").desc(), models.F("id").desc(), name="inquiries_by_day"),
        ),
    ]
