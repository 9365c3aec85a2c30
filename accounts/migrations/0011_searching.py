"""What staff's search looks a company and its users up by."""

from django.contrib.postgres.indexes import GinIndex
from django.db import migrations, models
from django.db.models.functions import Concat

from portal.models.functions import SearchGrams, SearchKey

APART = models.Value("\x1f")
OF_CUSTOMER = [
    "number", "name", "kana", "representative", "corporate_number", "registration_number", "postal_code", "phone", "fax",
    "contact_department", "contact_name", "billing_name", "billing_department", "billing_person", "billing_postal_code",
]  # fmt: skip
OF_USER = ["name", "kana", "email", "department", "phone"]


def together(names):
    parts = [part for name in names for part in (APART, models.F(name))]
    return models.GeneratedField(
        db_persist=True,
        expression=SearchKey(Concat(*parts, APART, output_field=models.TextField())),
        output_field=models.TextField(),
    )


class Migration(migrations.Migration):
    dependencies = [("accounts", "0010_document_settings"), ("portal", "0022_searching")]
    operations = [
        migrations.AddField("customer", "sought", together(OF_CUSTOMER)),
        migrations.AddField("user", "sought", together(OF_USER)),
        migrations.AddIndex("customer", GinIndex(SearchGrams("sought"), name="customers_sought")),
        migrations.AddIndex("user", GinIndex(SearchGrams("sought"), name="users_sought")),
    ]
