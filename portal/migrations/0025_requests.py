"""Mails and events name the request, job or command that caused them, as the log does."""

from django.db import migrations, models

import portal.trace


def field():
    return models.CharField("受付番号", blank=True, db_default="", default=portal.trace.current, max_length=64)


class Migration(migrations.Migration):
    dependencies = [("portal", "0024_threads")]
    operations = [migrations.AddField(model, "request", field()) for model in ("mail", "historyevent")]
