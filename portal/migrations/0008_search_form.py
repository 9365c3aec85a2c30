"""The database's twin of `reading.fold`: a text as searching compares it, kept beside what the history's filters search."""

from django.db import migrations, models

import portal.models


def run(first, last):
    return "".join(map(chr, range(ord(first), ord(last) + 1)))


UPPER = run("A", "Z") + run("À", "Ö") + run("Ø", "Þ") + run("Α", "Ρ") + run("Σ", "Ω") + run("А", "Я") + "Ё"
LOWER = run("a", "z") + run("à", "ö") + run("ø", "þ") + run("α", "ρ") + run("σ", "ω") + run("а", "я") + "ё"
HIRAGANA, KATAKANA = run("ぁ", "ゖ") + "ゝゞ", run("ァ", "ヶ") + "ヽヾ"
DASHES = "\u2010\u2011\u2012\u2013\u2014\u2015\u2212\ufe58\ufe63"
# Last in the list of what is replaced and without a replacement: blanks, line ends and what nobody sees go.
GONE = (
    "\t\n\v\f\r \u0085\u1680\u2028\u2029\u00ad\u034f\u061c\u180e\u200b\u200c\u200d\u200e\u200f\u202a\u202b\u202c\u202d\u202e"
    "\u2060\u2061\u2062\u2063\u2064\u2066\u2067\u2068\u2069\ufeff"
)
VARIATION_SELECTORS = "[\ufe00-\ufe0f\U000e0100-\U000e01ef]"

FUNCTION = f"""
    CREATE FUNCTION search_form(value text) RETURNS text LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
    SET search_path = pg_catalog, public, pg_temp AS $$
        SELECT translate(
            regexp_replace(normalize(value, NFKC), '{VARIATION_SELECTORS}', '', 'g'),
            '{UPPER}{HIRAGANA}{DASHES}〜{GONE}',
            '{LOWER}{KATAKANA}{"-" * len(DASHES)}~'
        )
    $$;
"""


class Migration(migrations.Migration):
    dependencies = [("portal", "0007_inquiry_numbers_and_sent_forms")]
    operations = [
        migrations.RunSQL(FUNCTION, "DROP FUNCTION search_form(text)"),
        migrations.AddField(
            model_name="historyevent",
            name="actor_search",
            field=models.GeneratedField(
                db_persist=True, expression=portal.models.SearchForm("actor_name"), output_field=models.TextField()
            ),
        ),
        migrations.AddField(
            model_name="historyevent",
            name="subject_search",
            field=models.GeneratedField(
                db_persist=True, expression=portal.models.SearchForm("subject"), output_field=models.TextField()
            ),
        ),
    ]
