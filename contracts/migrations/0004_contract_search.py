"""What the filter of contracts searches: the name."""

from django.db import migrations, models

from portal.models import SearchForm


class Migration(migrations.Migration):
    dependencies = [("contracts", "0003_usage"), ("portal", "0008_search_form")]
    operations = [
        migrations.AddField(
            model_name="contract",
            name="search",
            field=models.GeneratedField(
                db_persist=True, expression=SearchForm("name"), output_field=models.TextField()
            ),
        ),
    ]
