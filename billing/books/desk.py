"""Staff's page of the vendor's books: the search, and what is taken away of it."""

from django.contrib import admin
from django.http import StreamingHttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe

from billing.books.filters import BooksFilter
from billing.books.records import COLUMNS, by_tax_class
from billing.documents import archive
from billing.models import Invoice
from portal import fresh, history, rights
from portal.lists.address import query
from portal.lists.export import LIMIT, TooLong, counted_csv
from portal.lists.screen import conditions
from portal.models import Action
from portal.templatetags.figures import yen

SEE, EXPORT = "billing.view_invoice", "billing.export_books"
PER_PAGE = 50
LAST_PAGE = 200  # behind it the search is made narrower
MANY = archive.MOST_DOCUMENTS


@require_safe
def books(request):
    """The documents found, the newest first, page by page; the table is never counted."""
    rights.need(request.user, SEE)
    return page(request, searched(request))


def searched(request):
    return BooksFilter(request.GET, queryset=Invoice.objects.fixed(), request=request)


def page(request, search, refused="", status=200):
    given = request.GET.get("page", "")
    number = max(1, min(int(given), LAST_PAGE)) if given.isascii() and given.isdecimal() and len(given) < 5 else 1
    valid = search.is_valid()
    found = search.qs if valid else Invoice.objects.none()
    first = PER_PAGE * (number - 1)
    rows = list(found.select_related("customer").order_by("-issued_on", "-number")[first : first + PER_PAGE + 1])
    many = found[: MANY + 1].count()
    context = {
        **admin.site.each_context(request),
        "title": _("請求の帳簿"),
        "form": search.form,
        "told": search.told,
        "refused": refused,
        "rows": rows[:PER_PAGE],
        "first": first + 1,
        "many": yen(MANY) if many > MANY else "",
        "count": many,
        "most": yen(MANY),
        "may_export": rights.may(request.user, EXPORT),
        "archive_url": reverse("admin_books_archive") + query(request, drop=("page",)),
        "csv_url": reverse("admin_books_csv") + query(request, drop=("page",)),
        "newer": query(request, page=number - 1) if number > 1 else "",
        "older": query(request, page=number + 1) if len(rows) > PER_PAGE and number < LAST_PAGE else "",
    }
    return render(request, "admin/billing/books.html", context, status=400 if not valid else status)


@require_safe
def books_archive(request):
    """The documents found as ZIP with 索引簿, each file named by its customer; 400 with the page where they are too many."""
    rights.need(request.user, EXPORT)
    if asked := fresh.asked_again(request):
        return asked
    search = searched(request)
    if not search.is_valid():
        return page(request, search)
    try:
        packed = archive.gather(search.qs, archive.ADDRESSEE)
    except archive.TooMuch:
        reason = _("一度にまとめられるのは%(most)s件、2GBまでです。請求日などで絞り込み、何回かに分けてください。")
        return page(request, search, reason % {"most": yen(MANY)}, status=400)
    taken = request.method == "GET"
    if taken:
        note(request, search, _("請求の帳簿（ZIP）"), len(packed.documents))
    name = f"books-{timezone.localdate():%Y%m%d}.zip"
    headers = {"Content-Disposition": f'attachment; filename="{name}"', "Content-Length": str(packed.size)}
    body = archive.stream(packed, request.user) if taken else ()
    return StreamingHttpResponse(body, content_type="application/zip", headers=headers)


@require_safe
def books_csv(request):
    """The documents found as CSV for the vendor's bookkeeping, a row for each document and tax class."""
    rights.need(request.user, EXPORT)
    if asked := fresh.asked_again(request):
        return asked
    search = searched(request)
    if not search.is_valid():
        return page(request, search)
    try:
        response, rows = counted_csv(
            by_tax_class(search.qs), COLUMNS, name="books", encoding=request.GET.get("encoding")
        )
    except TooLong:
        reason = _("%(seconds)s秒以内に作成できませんでした。請求日などで絞り込み、何回かに分けてください。")
        return page(request, search, reason % {"seconds": LIMIT}, status=400)
    if request.method == "GET":
        note(request, search, _("請求の帳簿（CSV）"), rows)
    return response


def note(request, search, what, count):
    """Who took what away, by which conditions, and how much."""
    told = _("・").join(f"{label} {words}" for _name, label, words in conditions(search)) or _("すべて")
    detail = _("%(n)s行 %(filter)s") % {"n": yen(count), "filter": told}
    history.record(Action.DATA_EXPORTED, what, by=request.user, detail=detail, rows=count, filter=told)
