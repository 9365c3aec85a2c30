"""The picture of the vendor's seal: stored once under its hash, never changed, and not for the web to read."""

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("portal", "0019_first_questions"),
    ]

    operations = [
        migrations.CreateModel(
            name="Seal",
            fields=[
                ("sha256", models.CharField(max_length=64, primary_key=True, serialize=False, verbose_name="SHA-256")),
                ("content", models.BinaryField()),
            ],
            options={
                "verbose_name": "角印",
                "verbose_name_plural": "角印",
                "default_permissions": (),
            },
        ),
        migrations.RunSQL(
            """
            CREATE TRIGGER frozen BEFORE UPDATE OR DELETE ON portal_seal
                FOR EACH ROW EXECUTE FUNCTION refuse_change();
            CREATE TRIGGER frozen_all BEFORE TRUNCATE ON portal_seal
                FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
            ALTER TABLE portal_seal ADD CONSTRAINT seal_is_its_hash CHECK (sha256 = encode(sha256(content), 'hex'));
            """,
            migrations.RunSQL.noop,
        ),
        migrations.AddField(
            model_name="vendor",
            name="seal",
            field=models.ForeignKey(
                blank=True,
                editable=False,
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                to="portal.seal",
                verbose_name="角印",
            ),
        ),
    ]
