"""お知らせ with dates, a kind and an audience; what stood on the sign-in page becomes one of them."""

import django.db.models.deletion
import django.utils.timezone
from django.db import migrations, models

from portal.db.schema import grant

EARLIER = """
    INSERT INTO portal_notice (kind, title, body, title_en, body_en, starts_at, on_sign_in)
        SELECT 'news', 'お知らせ', notice, '', '', now(), true FROM portal_vendor WHERE notice <> '';
    SET CONSTRAINTS ALL IMMEDIATE;
"""


class Migration(migrations.Migration):
    dependencies = [
        ("contracts", "0010_searching"),
        ("portal", "0026_failed_mails"),
    ]

    operations = [
        migrations.CreateModel(
            name="Notice",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                (
                    "kind",
                    models.CharField(
                        choices=[
                            ("news", "お知らせ"),
                            ("maintenance", "メンテナンス"),
                            ("trouble", "障害"),
                            ("important", "重要"),
                        ],
                        default="news",
                        max_length=12,
                        verbose_name="種別",
                    ),
                ),
                ("title", models.CharField(max_length=100, verbose_name="件名")),
                (
                    "body",
                    models.TextField(help_text="改行とURLはそのまま表示されます", max_length=2000, verbose_name="本文"),
                ),
                ("title_en", models.CharField(blank=True, max_length=100, verbose_name="件名（英語）")),
                ("body_en", models.TextField(blank=True, max_length=2000, verbose_name="本文（英語）")),
                ("starts_at", models.DateTimeField(default=django.utils.timezone.now, verbose_name="掲載開始")),
                (
                    "ends_at",
                    models.DateTimeField(
                        blank=True, help_text="空なら掲載を続けます", null=True, verbose_name="掲載終了"
                    ),
                ),
                (
                    "on_sign_in",
                    models.BooleanField(
                        default=False, help_text="ログイン前の誰にでも見えます", verbose_name="ログイン画面にも表示する"
                    ),
                ),
                (
                    "service",
                    models.ForeignKey(
                        blank=True,
                        help_text="選ぶと、このサービスをご契約中のお客様にだけ表示します",
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="contracts.service",
                        verbose_name="対象サービス",
                    ),
                ),
            ],
            options={
                "verbose_name": "お知らせ",
                "verbose_name_plural": "お知らせ",
                "ordering": ["-starts_at", "-pk"],
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(("kind__in", ["news", "maintenance", "trouble", "important"])),
                        name="notice_kind_known",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("ends_at", None), ("ends_at__gt", models.F("starts_at")), _connector="OR"),
                        name="notice_ends_later",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("on_sign_in", False), ("service", None), _connector="OR"),
                        name="notice_before_signing_in_is_for_everybody",
                    ),
                ],
            },
        ),
        migrations.RunSQL(grant("SELECT", "portal_notice"), migrations.RunSQL.noop),
        migrations.RunSQL(EARLIER, migrations.RunSQL.noop),
        migrations.RemoveField(
            model_name="vendor",
            name="notice",
        ),
    ]
