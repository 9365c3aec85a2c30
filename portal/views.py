"""Home, よくある質問, お問い合わせ, health, and what every page's frame shows."""

import sys
from contextlib import nullcontext
from hmac import compare_digest
from urllib.parse import urlsplit

from django.conf import settings
from django.contrib.auth.decorators import login_not_required
from django.core.exceptions import ValidationError
from django.db import InterfaceError, OperationalError, connection
from django.http import Http404, HttpResponse, JsonResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils.functional import SimpleLazyObject
from django.utils.translation import get_language
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_safe

from billing import gauges
from billing.home import overview
from portal import installation, languages, threads
from portal.db import ready
from portal.forms import InquiryForm, WordsForm
from portal.models import MOST_NOTICES, FaqEntry, Inquiry, Notice, Vendor
from portal.months import today
from portal.once import once
from portal.services import find_record, send_inquiry, suggested_subject, write_on


def frame(request):
    """The vendor (asked for when a template needs it), the signed-in user's company, and whether staff look at its pages."""
    user = getattr(request, "user", None)
    return {
        "vendor": SimpleLazyObject(vendor),
        "customer": getattr(user, "customer", None),
        "at_home": installation.told_home,
        "see_as": getattr(request, "see_as", None),
    }


def vendor():
    return Vendor.objects.for_user(None).first() or Vendor(name=_("契約マイポータル"))


@login_not_required
@require_safe
def healthz(request):
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
    return HttpResponse("ok\n", content_type="text/plain")


@login_not_required
@require_safe
def readyz(request):
    """Whether requests may be sent here: a program asks, from inside. The database's absence is answered by `server_error`."""
    failed = [
        name for name, well in (("migrations", ready.migrated()), ("static", ready.has_static_files())) if not well
    ]
    return readiness(failed)


def readiness(failed):
    return JsonResponse({"ok": not failed, "failed": failed}, status=503 if failed else 200)


@login_not_required
@require_safe
def metrics(request):
    """Gauges for Prometheus, for whoever has METRICS_TOKEN; for others there is no such page."""
    given = request.headers.get("Authorization", "").encode()
    if not settings.METRICS_TOKEN or not compare_digest(given, f"Bearer {settings.METRICS_TOKEN}".encode()):
        raise Http404
    return HttpResponse(gauges.exposition(), content_type="text/plain; version=0.0.4; charset=utf-8")


def server_error(request):
    """The page of a fault; while the database doesn't answer it is 503, so that proxies and people try again."""
    away = isinstance(sys.exc_info()[1], OperationalError | InterfaceError)
    if request.path_info == reverse("readyz"):
        return readiness(["database"])
    return HttpResponse(render_to_string("500.html"), status=503 if away else 500)


def bad_request(request, exception):
    with nullcontext() if hasattr(request, "user") else languages.of_nobody(request):
        return HttpResponse(render_to_string("400.html"), status=400)


def forbidden(request, exception):
    return render(request, "403.html", status=403)


def not_found(request, exception):
    """As `forbidden` and `bad_request`, not Django's own page: that one reads the form sent, which may be what is wrong."""
    return render(request, "404.html", status=404)


def csrf_failure(request, reason=""):
    """The page for a form that came without its token, with the way back to where the form is."""
    return render(request, "403_csrf.html", {"back": page_before(request)}, status=403)


def page_before(request):
    """The page of this portal that the request came from, else home; sign-in isn't a place for who is signed in."""
    try:
        came_from = urlsplit(request.META.get("HTTP_REFERER", ""))
    except ValueError:  # as http://[
        return reverse("home")
    known = came_from.netloc == request.get_host() and came_from.path
    if not known or (came_from.path == reverse("login") and request.user.is_authenticated):
        return reverse("home")
    return came_from._replace(scheme="", netloc="", fragment="").geturl()


@require_safe
def home(request):
    notices = Notice.objects.for_user(request.user).showing()[:MOST_NOTICES]
    return render(request, "portal/home.html", overview(request.user, today()) | {"notices": notices})


@require_safe
def faq(request):
    sought = request.GET.get("q", "").strip()[:100]
    found = FaqEntry.objects.for_user(request.user).matching(sought.split()[:10])
    entries = [entry.in_language(get_language()) for entry in found]
    return render(request, "portal/faq.html", {"entries": entries, "sought": sought})


@require_http_methods(["GET", "HEAD", "POST"])
@once
def inquiry(request):
    customer = request.user.customer
    form = InquiryForm(customer, request.POST or None, initial=prefilled(request.GET, customer))
    if form.is_valid():
        try:
            stored = send_inquiry(form.save(commit=False), by=request.user)
        except ValidationError as refused:
            form.add_error(None, refused)
        else:
            return redirect(reverse("inquiry_detail", args=[stored.number]) + "?sent=1")
    earlier = Inquiry.objects.for_user(request.user).filter(user=request.user)[:20]
    return render(request, "portal/inquiry.html", {"form": form, "earlier": earlier})


def prefilled(given, customer):
    """What the link to the form says: kind, subject, and the record it is about, if it is the customer's own."""
    kind = given.get("kind", "")
    record = find_record(customer, given.get("about", "")[:20])
    return {
        "kind": kind if kind in Inquiry.Kind.values else Inquiry.Kind.QUESTION,
        "subject": given.get("subject", "")[:100] or suggested_subject(kind, record),
        "about": record.number if record else "",
    }


@require_http_methods(["GET", "HEAD", "POST"])
@once
def inquiry_detail(request, number):
    """What was asked and answered, under its number; any colleague may see it, and write on."""
    found = get_object_or_404(Inquiry.objects.for_user(request.user).select_related("user", "customer"), number=number)
    form = WordsForm(request.POST or None)
    if form.is_valid():
        try:
            write_on(found, form.cleaned_data["body"], by=request.user)
        except ValidationError as refused:
            form.add_error(None, refused)
        else:
            return redirect(reverse("inquiry_detail", args=[found.number]) + "?sent=2")
    context = {
        "inquiry": found,
        "form": form,
        "thread": threads.of_customer(found),
        "about_url": threads.url_of_record(found),
        "sent": found.via == Inquiry.Via.PORTAL and found.user == request.user and request.GET.get("sent") == "1",
        "written": request.GET.get("sent") == "2",
    }
    return render(request, "portal/inquiry_detail.html", context)
