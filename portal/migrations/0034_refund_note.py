"""The vendor may say how a company gets back what a 返還 says."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("portal", "0033_choices_asked_when_needed"),
    ]

    operations = [
        migrations.AddField(
            model_name="vendor",
            name="refund_note",
            field=models.CharField(
                blank=True,
                db_default="",
                default="",
                help_text="返還のお知らせのメールと画面に表示します。空なら「返金方法は担当よりご案内いたします。」",
                max_length=200,
                verbose_name="返金の案内",
            ),
        ),
    ]
