"""お客様の画面を見る: staff look at the portal as a customer has it, and can change nothing there (docs/adr/0013-see-as.md).

What is going on stands in the session of the member of the staff; a cookie only tells the middleware to look there.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import transaction
from django.http import HttpRequest
from django.utils import timezone
from django.utils.timezone import localtime
from django.utils.translation import gettext as _

from accounts.models import Customer, User
from portal import history, rights
from portal.models import Action

LASTS = timedelta(minutes=30)
KEY = "see_as"


@dataclass(frozen=True)
class Look:
    """Who looks at whose pages, why, and until when (aware)."""

    staff: User
    customer: Customer
    reason: str
    until: datetime


@transaction.atomic
def begin(request: HttpRequest, customer: Customer, *, reason: str) -> Look:
    """Begin to look at the customer's pages, for 30 minutes or as long as the session lasts.

    Who asked for password or code before is the view. Raises PermissionDenied; ValidationError while another look goes on.
    """
    staff: Any = request.user
    rights.need(staff, rights.SEE_AS)
    if other := current(request):
        told = _("%(name)s の画面を見ています。先に「閲覧を終える」を押してください。")
        raise ValidationError(told % {"name": other.customer})
    now = timezone.now()
    ends = [now + LASTS]
    if began := request.session.get("began"):
        ends.append(datetime.fromtimestamp(began["at"] + settings.SESSION_LONGEST, UTC))
    until = min(ends)
    request.session[KEY] = {"customer": customer.pk, "reason": reason, "until": until.timestamp()}
    told = _("閲覧のみ、%(until)sまで") % {"until": f"{localtime(until):%H:%M}"}
    note(Action.SEE_AS_BEGUN, customer, by=staff, detail=told, reason=reason)
    return Look(staff, customer, reason, until)


def current(request: HttpRequest) -> Look | None:
    """The look that goes on in this session. One whose time is over, or whose person lost the right, ends here."""
    kept, staff = request.session.get(KEY), request.user
    if not kept or not staff.is_authenticated:
        return None
    customer = Customer.objects.filter(pk=kept["customer"]).first()
    until = datetime.fromtimestamp(kept["until"], UTC)
    if customer and timezone.now() < until and rights.may(staff, rights.SEE_AS):
        return Look(staff, customer, kept["reason"], until)
    end(request)
    return None


def end(request: HttpRequest) -> Customer | None:
    """End the look of this session, by its button, by sign-out or by time. Returns whose pages it was; None without one."""
    kept = request.session.pop(KEY, None)
    customer = kept and Customer.objects.filter(pk=kept["customer"]).first()
    if customer:
        note(Action.SEE_AS_ENDED, customer, by=request.user if request.user.is_authenticated else None)
    return customer


def note_page(look: Look, method: str, path: str) -> None:
    """Keep in staff's log which page is asked for, or what was tried there."""
    note(Action.SEE_AS_PAGE, look.customer, by=look.staff, detail=f"{method} {path}")


def note(action: Action, customer: Customer, *, by: Any, detail: str = "", **data: str) -> None:
    history.record(action, customer.name, by=by, customer=customer, detail=detail, **data)


def onlooker(customer: Customer) -> User:
    """Who stands in for the company's people on their pages: of the company, and none of them.

    No row has its key, so nothing that a person keeps for oneself is found: columns, sessions, sign-ins, second factor.
    """
    person = User(pk=0, customer=customer, name=_("ご担当者"), email="")
    person.is_onlooker = True
    person.has_second_factor = True  # or it would be asked to set one up
    return person
