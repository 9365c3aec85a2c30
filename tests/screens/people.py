"""Members of the staff, a newcomer, and what tests of people do over and over: edit somebody, and look at the mails."""

import re

from django.contrib.auth.models import Group
from django.core import mail as outbox

from accounts.models import User
from portal import rights
from portal.tasks import send_due
from tests import make

NEWCOMER = {"name": "新人 一郎", "email": "Ichiro@example.com"}


def staff(email, *roles, **fields):
    rights.set_up_roles()
    person = make.make_user(None, email, is_staff=True, **fields)
    person.groups.set(Group.objects.filter(name__in=roles))
    return User.objects.get(pk=person.pk)


def fields_of(user, **changes):
    given = {
        name: str(getattr(user, name))
        for name in ("name", "kana", "email", "department", "position", "phone", "version")
    }
    given |= {name: "on" for name in ("is_manager", "is_recipient") if getattr(user, name)}
    return {name: value for name, value in (given | changes).items() if value is not None}


def edit(browser, user, **changes):
    user.refresh_from_db()
    return browser.post(f"/account/users/{user.pk}/edit/", fields_of(user, **changes))


def mails():
    """{(to, subject)} of what is sent now."""
    before = len(outbox.outbox)
    while send_due():
        pass
    return {(each.to[0], each.subject) for each in outbox.outbox[before:]}


def word_of(pattern):
    return re.search(pattern, outbox.outbox[-1].body, re.M).group(1)
