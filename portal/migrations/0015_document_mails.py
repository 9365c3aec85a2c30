"""What a vendor may have mails do: bring the document, and remind of payments."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("portal", "0014_correction_mails"),
    ]

    operations = [
        migrations.AddField(
            model_name="vendor",
            name="attach_pdf",
            field=models.BooleanField(
                default=False,
                help_text="請求のお知らせのメールに書類のPDFを添付します（3MBまで）",
                verbose_name="PDFの添付",
            ),
        ),
        migrations.AddField(
            model_name="vendor",
            name="remind",
            field=models.BooleanField(
                default=False,
                help_text="銀行振込のお客様に、支払期日の3日前のメールを1回送ります",
                verbose_name="支払期日のお知らせ",
            ),
        ),
        migrations.AlterField(
            model_name="mail",
            name="kind",
            field=models.CharField(
                choices=[
                    ("invoice_fixed", "請求金額確定"),
                    ("invoice_corrected", "請求書の差替え"),
                    ("invoice_returned", "返還請求書の発行"),
                    ("invoice_void", "請求の取消"),
                    ("invoice_reminder", "支払期日"),
                    ("account_created", "アカウント情報（パスワード）"),
                    ("account_link", "アカウント情報（URL）"),
                    ("account_typed", "アカウント情報（パスワードは入力者に確認）"),
                    ("reset_confirm", "パスワードリセット確認"),
                    ("reset_password", "パスワード更新"),
                    ("reset_unknown", "宛先なし"),
                    ("password_changed", "パスワード変更"),
                    ("password_set", "パスワード変更（ほかのユーザによる）"),
                    ("address_changed", "Eメール変更"),
                    ("recipient_changed", "メール送信先変更"),
                    ("second_factor_on", "2段階認証の設定"),
                    ("second_factor_off", "2段階認証の解除"),
                    ("inquiry", "お問い合わせ"),
                    ("inquiry_copy", "お問い合わせの控え"),
                ],
                max_length=30,
                verbose_name="種類",
            ),
        ),
    ]
