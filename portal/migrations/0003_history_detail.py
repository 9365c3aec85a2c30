from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("accounts", "0003_sessions_and_throttle"),
        ("portal", "0002_rules"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.AddField(
            model_name="historyevent",
            name="detail",
            field=models.CharField(blank=True, max_length=200, verbose_name="内容"),
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
                ],
                max_length=40,
                verbose_name="操作",
            ),
        ),
        migrations.AlterField(
            model_name="historyevent",
            name="data",
            field=models.JSONField(default=dict, verbose_name="記録"),
        ),
        migrations.AddIndex(
            model_name="historyevent",
            index=models.Index(
                condition=models.Q(("action", "signed_in")), fields=["actor", "-at"], name="sign_ins_of_user"
            ),
        ),
    ]
