"""パスワードリセットの案内 that staff send is an action of its own in the history."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("portal", "0032_list_indexes"),
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
                    ("reset_sent", "パスワードリセットの案内"),
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
                    ("archive_downloaded", "請求書一括ダウンロード"),
                    ("inquiry_sent", "お問い合わせ送信"),
                    ("contract_created", "契約登録"),
                    ("contract_changed", "契約変更"),
                    ("prices_changed", "従量料金変更"),
                    ("invoice_corrected", "請求の訂正"),
                    ("invoice_adjusted", "請求調整"),
                    ("refund_decided", "返金の決定"),
                    ("credit_given", "調整残高の登録"),
                    ("credit_taken_back", "調整残高の取消"),
                    ("customer_changed", "お客様情報変更"),
                    ("customer_deleted", "お客様の削除"),
                    ("setting_changed", "設定変更"),
                    ("inquiry_handled", "お問い合わせの対応"),
                    ("file_imported", "ファイルの取込"),
                    ("data_exported", "データの書き出し"),
                    ("see_as_begun", "担当者の画面閲覧（開始）"),
                    ("see_as_page", "担当者の画面閲覧"),
                    ("see_as_ended", "担当者の画面閲覧（終了）"),
                ],
                max_length=40,
                verbose_name="操作",
            ),
        ),
    ]
