"""What each day at the desk shares: the rows it types into, the bill it looks at, the workers, the letters."""

from django.core import mail
from django.db import connection
from procrastinate.contrib.django import app
from procrastinate.contrib.django.models import ProcrastinateJob


def line(item):
    """The row of the contract's line that is called so."""
    return f'#lines-group tr.has_original:has(input[value="{item}"])'


def draft_is(desk, total):
    """The company's page shows this much, in yen with tax, as the running month's bill."""
    work()
    desk.go(desk.company)
    desk.sees(f"{total}円", within=".strip")


def work():
    """What the workers do: mails, drafts, files that were sent, PDFs."""
    while jobs := list(ProcrastinateJob.objects.filter(status="todo").order_by("-priority", "id")):
        for job in jobs:
            app.tasks[job.task_name].func(**job.args)
        with connection.cursor() as cursor:
            cursor.execute("DELETE FROM procrastinate_jobs WHERE id = ANY(%s)", [[job.pk for job in jobs]])


def letter(to, words):
    """Subject and text of the newest mail to this address whose subject has the words."""
    found = [each for each in mail.outbox if to in each.to and words in each.subject]
    assert found, f"no mail {words} to {to}: {[(each.to, each.subject) for each in mail.outbox]}"
    return f"{found[-1].subject}\n{found[-1].body}"
