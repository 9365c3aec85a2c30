"""How credits are named on documents, and what staff do with them, in the history."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("portal", "0010_narrow_web"),
    ]

    operations = [
        migrations.AddField(
            model_name="vendor",
            name="credit_method",
            field=models.CharField(
                default="翌月の請求で調整（継続適用）",
                help_text="調整残高を差し引いた請求書に印刷します",
                max_length=100,
                verbose_name="調整方法",
            ),
        ),
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
                    ("refund_decided", "返金の決定"),
                    ("credit_given", "調整残高の登録"),
                    ("credit_taken_back", "調整残高の取消"),
                ],
                max_length=40,
                verbose_name="操作",
            ),
        ),
    ]
