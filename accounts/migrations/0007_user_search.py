"""What the filter of users searches: name and reading."""

from django.db import migrations, models
from django.db.models.functions import Concat

from portal.models import SearchForm


class Migration(migrations.Migration):
    dependencies = [("accounts", "0006_staff_right"), ("portal", "0008_search_form")]
    operations = [
        migrations.AddField(
            model_name="user",
            name="search",
            field=models.GeneratedField(
                db_persist=True,
                expression=Concat(
                    SearchForm("name"), models.Value("\n"), SearchForm("kana"), output_field=models.TextField()
                ),
                output_field=models.TextField(),
            ),
        ),
    ]
