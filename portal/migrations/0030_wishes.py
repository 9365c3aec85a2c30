"""A 変更申込 carries what is wished, field by field, and when the desk took it over; what was wished stays."""

from django.db import migrations, models

RULES = """
    CREATE TRIGGER wishes_stay BEFORE UPDATE ON portal_inquiry FOR EACH ROW
        WHEN (OLD.wished IS DISTINCT FROM NEW.wished
            OR OLD.taken_at IS NOT NULL AND OLD.taken_at IS DISTINCT FROM NEW.taken_at)
        EXECUTE FUNCTION refuse_change();
"""


class Migration(migrations.Migration):
    dependencies = [
        ("portal", "0029_installation"),
    ]

    operations = [
        migrations.AddField(
            model_name="inquiry",
            name="taken_at",
            field=models.DateTimeField(editable=False, null=True, verbose_name="取込日時"),
        ),
        migrations.AddField(
            model_name="inquiry",
            name="wished",
            field=models.JSONField(db_default=models.Value({}, models.JSONField()), default=dict, editable=False),
        ),
        migrations.AddConstraint(
            model_name="inquiry",
            constraint=models.CheckConstraint(
                condition=models.Q(("wished", {}), ("kind", "change"), _connector="OR"),
                name="inquiry_wishes_are_changes",
            ),
        ),
        migrations.AddConstraint(
            model_name="inquiry",
            constraint=models.CheckConstraint(
                condition=models.Q(("taken_at", None), models.Q(("wished", {}), _negated=True), _connector="OR"),
                name="inquiry_takes_what_is_wished",
            ),
        ),
        migrations.RunSQL(RULES, migrations.RunSQL.noop),
    ]
