"""The questions that every installation answers from the start (A11); one that has entries keeps them."""

from django.db import migrations

from portal.faq import add_first_questions


class Migration(migrations.Migration):
    dependencies = [
        ("portal", "0018_document_settings"),
    ]

    operations = [
        migrations.RunPython(
            lambda apps, _editor: add_first_questions(apps.get_model("portal", "FaqEntry")), migrations.RunPython.noop
        ),
    ]
