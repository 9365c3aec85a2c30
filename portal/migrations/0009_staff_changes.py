"""Events of what staff change: contracts, prices of metered items, adjustments."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("portal", "0008_search_form"),
    ]

    operations = [
        migrations.AlterField(
            model_name="historyevent",
            name="action",
            field=models.CharField(
                choices=[
                    ("signed_in", "ログイン"),
                    ("password_changed", "パスワード変更"),
                    ("password_reset", "パスワードリセット"),
                    ("password_set", "パスワード設定（ほかのユーザによる）"),
                    ("user_created", "ユーザ作成"),
                    ("user_changed", "ユーザ変更"),
                    ("address_changed", "Eメール変更"),
                    ("recipient_changed", "メール送信先変更"),
                    ("user_deleted", "ユーザ削除"),
                    ("account_data_sent", "アカウント情報送信"),
                    ("sessions_ended", "他の端末をログアウト"),
                    ("second_factor_on", "2段階認証の設定"),
                    ("second_factor_off", "2段階認証の解除"),
                    ("invoice_downloaded", "請求書ダウンロード"),
                    ("inquiry_sent", "お問い合わせ送信"),
                    ("contract_created", "契約登録"),
                    ("contract_changed", "契約変更"),
                    ("prices_changed", "従量料金変更"),
                    ("invoice_adjusted", "請求調整"),
                ],
                max_length=40,
                verbose_name="操作",
            ),
        ),
    ]
