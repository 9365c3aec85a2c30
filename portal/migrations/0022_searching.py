"""What staff's search looks a word up in: the key of a text, and its grams."""

from django.conf import settings
from django.contrib.postgres.indexes import GinIndex
from django.db import migrations, models
from django.db.models.functions import Concat

from portal.models.functions import SearchGrams, SearchKey

APART = models.Value("\x1f")
HIRAGANA = "".join(map(chr, [*range(0x3041, 0x3097), 0x309D, 0x309E]))
KATAKANA = "".join(map(chr, [*range(0x30A1, 0x30F7), 0x30FD, 0x30FE]))
# Texts of anything else go through `search_form`, which replaces four hundred characters and takes ten times as long.
OTHERS = f"[^ -~\x1f\u30a0-\u30ff\u3400-\u4dbf\u4e00-\u9fff\u3005{HIRAGANA}]"

KEY = f"""
    CREATE FUNCTION search_key(value text) RETURNS text LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
    RETURN (
        SELECT replace(
            CASE
                WHEN form ~ '{OTHERS}' THEN search_form(form)
                WHEN form ~ '[{HIRAGANA}]' THEN translate(lower(form COLLATE "C"), '{HIRAGANA} ', '{KATAKANA}')
                ELSE replace(lower(form COLLATE "C"), ' ', '')
            END, '-', ''
        ) FROM (SELECT normalize(value, NFKC)) AS normalized (form)
    )
"""
# A pair across what keeps two texts apart is none. The cost makes the planner use the index, not compute this for every row.
GRAMS = """
    CREATE FUNCTION search_grams(value text) RETURNS text[] LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE COST 100000
    RETURN (
        SELECT array_remove(each, chr(31)) || array(
            SELECT one || two FROM unnest(each, each[2:]) AS pair (one, two)
            WHERE two IS NOT NULL AND one <> chr(31) AND two <> chr(31)
        ) FROM string_to_array(value, NULL) AS characters (each)
    )
"""


class Migration(migrations.Migration):
    dependencies = [("portal", "0021_imported_and_exported"), migrations.swappable_dependency(settings.AUTH_USER_MODEL)]
    operations = [
        migrations.RunSQL(KEY, "DROP FUNCTION search_key(text)"),
        migrations.RunSQL(GRAMS, "DROP FUNCTION search_grams(text)"),
        migrations.AddField(
            model_name="inquiry",
            name="sought",
            field=models.GeneratedField(
                db_persist=True,
                expression=SearchKey(Concat(APART, models.F("subject"), APART, output_field=models.TextField())),
                output_field=models.TextField(),
            ),
        ),
        migrations.AddIndex(model_name="inquiry", index=GinIndex(SearchGrams("sought"), name="inquiries_sought")),
        migrations.AddIndex(
            model_name="mail",
            index=models.Index(
                condition=~models.Q(sent_to=""),
                fields=["sent_to"],
                name="mail_sent_to",
                opclasses=["varchar_pattern_ops"],
            ),
        ),
    ]
