from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("contracts", "0010_searching"), ("portal", "0028_deletions")]

    operations = [
        migrations.RunSQL(
            "CREATE TRIGGER number_stays BEFORE DELETE ON contracts_contract FOR EACH ROW EXECUTE FUNCTION keep_number();",
            migrations.RunSQL.noop,
        )
    ]
