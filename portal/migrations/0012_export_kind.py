"""The tax class of exports (免税), and events of what staff change of settings and customers."""

import django.contrib.postgres.constraints
from django.db import migrations, models

import portal.models.functions


class Migration(migrations.Migration):
    dependencies = [
        ("portal", "0011_credits"),
    ]

    operations = [
        migrations.RemoveConstraint(
            model_name="taxclass",
            name="tax_kind_known",
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
                    ("customer_changed", "お客様情報変更"),
                    ("setting_changed", "設定変更"),
                ],
                max_length=40,
                verbose_name="操作",
            ),
        ),
        migrations.AlterField(
            model_name="taxclass",
            name="kind",
            field=models.CharField(
                choices=[
                    ("standard", "標準税率"),
                    ("reduced", "軽減税率"),
                    ("exempt", "非課税"),
                    ("export", "免税"),
                    ("outside", "不課税"),
                ],
                max_length=10,
                verbose_name="区分",
            ),
        ),
        migrations.AddConstraint(
            model_name="taxclass",
            constraint=models.CheckConstraint(
                condition=models.Q(("kind__in", ["standard", "reduced", "exempt", "export", "outside"])),
                name="tax_kind_known",
            ),
        ),
        migrations.AddConstraint(
            model_name="taxclass",
            constraint=django.contrib.postgres.constraints.ExclusionConstraint(
                condition=models.Q(("kind", "export")),
                expressions=[(portal.models.functions.DateRange("valid_from", "valid_to"), "&&")],
                name="one_export_rate_a_day",
            ),
        ),
    ]
