"""Whether a vendor has invoices of 0 yen announced."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("portal", "0016_history_of_rows")]

    operations = [
        migrations.AddField(
            model_name="vendor",
            name="mail_free",
            field=models.BooleanField(
                default=True,
                help_text="合計が0円の請求書についても、確定をメールで知らせます",
                verbose_name="0円の請求のお知らせ",
            ),
        ),
    ]
