"""Staff's pages on which a file is sent, looked at, taken in or given up."""

import hashlib
from uuid import UUID, uuid5

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import ValidationError
from django.core.paginator import Paginator
from django.http import Http404, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.csrf import csrf_exempt, csrf_protect
from django.views.decorators.http import require_GET

from billing.models import Upload
from billing.uploads import services, sheets
from billing.uploads.kinds import SORTS, may_export, may_import, need_import
from portal import fresh, rights
from portal.imports.faults import Fault, together
from portal.middleware import LARGEST_FILE
from portal.once import given_key, once
from portal.uploads import Whole

LATEST = 10  # uploads of a kind that its page names
FAULTS_A_PAGE = 100
SEPARATORS = {
    ",": gettext_lazy("カンマ"),
    "\t": gettext_lazy("タブ"),
    ";": gettext_lazy("セミコロン"),
    "|": gettext_lazy("縦線"),
}


class FileForm(forms.Form):
    file = forms.FileField(
        label=gettext_lazy("ファイル"),
        help_text=gettext_lazy(
            "CSV（カンマ、タブなどの区切り）。文字コードは UTF-8、UTF-16、CP932（Shift_JIS）を自動で見分けます。"
        ),
        error_messages={
            "required": gettext_lazy("ファイルを選んでください。"),
            "empty": gettext_lazy("ファイルに何も書かれていません。"),
            "missing": gettext_lazy("ファイルを選んでください。"),
        },
        widget=forms.FileInput(attrs={"accept": ".csv,.txt,.tsv,text/csv,text/plain"}),
    )

    def clean_file(self):
        file = self.cleaned_data["file"]
        if file.size > LARGEST_FILE:
            told = _("取り込めるファイルは1つ %dMB までです。行を分けて、複数のファイルにしてから取り込んでください。")
            raise ValidationError(told % (LARGEST_FILE // 1024**2))
        return file


def staff(view):
    """For staff only, and for kinds that there are."""

    def answer(request, kind, **parts):
        if kind not in SORTS:
            raise Http404
        return view(request, kind, **parts)

    vars(answer)["csrf_exempt"] = getattr(view, "csrf_exempt", False)
    return admin.site.admin_view(answer)


def key_of_file(request):
    """Of a form with a file: with another file it is another form."""
    key, file = given_key(request), request.FILES.get("file")
    return key and uuid5(UUID(key), hashlib.sha256(file.read() if file else b"").hexdigest()).hex


@staff
@csrf_exempt
def import_page(request, kind):
    """The form of a kind, and what was last sent in; a file that is sent leads to its own page."""
    if not may_import(request.user, kind):
        rights.refuse()
    request.upload_handlers = [Whole(request)]  # only now: whoever may not import sends nothing that is held
    return csrf_protect(once(take_file, key_of_file))(request, kind)


def take_file(request, kind):
    form = FileForm(request.POST or None, request.FILES or None)
    if request.method == "POST" and form.is_valid():
        file = form.cleaned_data["file"]
        file.seek(0)  # its hash was taken
        upload = services.keep(kind, file.name, file.read(), by=request.user)
        return redirect("admin_upload", kind, upload.pk)
    latest = Upload.objects.light().filter(kind=kind).select_related("by")[:LATEST]
    given = {"form": form, "latest": latest, "columns": SORTS[kind].kind.columns, "megabytes": LARGEST_FILE // 1024**2}
    return page(request, kind, "admin/billing/import.html", **given)


@staff
@once
def upload_page(request, kind, upload):
    """What a file would do, does or did; confirmed, tried again or given up from here."""
    need_import(request.user, kind)
    found = get_object_or_404(Upload.objects.light().select_related("by", "confirmed_by"), pk=upload, kind=kind)
    if request.method == "POST":
        acts = {"confirm": services.confirm, "again": services.check_again, "drop": services.drop}
        act = next((acts[name] for name in acts if name in request.POST), None)
        try:
            if act:
                act(found, by=request.user)
        except ValidationError as refused:
            messages.error(request, " ".join(refused.messages))
        return redirect("admin_upload", kind, upload)
    report = found.report
    told = list(together(Fault(*(each.get(name, "") for name in Fault._fields)) for each in report.get("errors", [])))
    faults = Paginator(told, FAULTS_A_PAGE).get_page(request.GET.get("p"))
    given = {
        "upload": found,
        "report": report,
        "separator": SEPARATORS.get(report.get("separator"), report.get("separator")),
        "faults": faults,
        "more_faults": report.get("fault_count", 0) - len(report.get("errors", [])),
        "has_errors_csv": Upload.objects.filter(pk=upload, errors_csv__isnull=False).exists(),
    }
    return page(request, kind, "admin/billing/upload.html", **given)


@staff
@require_GET
def errors_file(request, kind, upload):
    """The bad rows as they were sent, with what is wrong with each."""
    need_import(request.user, kind)
    found = get_object_or_404(Upload.objects.defer("content"), pk=upload, kind=kind, errors_csv__isnull=False)
    answer = HttpResponse(bytes(found.errors_csv), content_type="text/csv")
    answer.headers["Content-Disposition"] = f'attachment; filename="{kind}-{found.pk}.errors.csv"'
    return answer


@staff
@require_GET
def template_file(request, kind):
    if not may_import(request.user, kind) and not rights.may(request.user, SORTS[kind].seeing):
        rights.refuse()
    return sheets.template(SORTS[kind])


@staff
@require_GET
def export_file(request, kind):
    if not may_export(request.user, kind):
        rights.refuse()
    if asked := fresh.asked_again(request):
        return asked
    return sheets.export(SORTS[kind], by=request.user)


def page(request, kind, template, **given):
    label = SORTS[kind].kind.label
    given |= {
        "kind": kind,
        "label": label,
        "title": _("%sの取込") % label,
        "kinds": [(name, sort.kind.label) for name, sort in SORTS.items() if may_import(request.user, name)],
        "may_export": may_export(request.user, kind),
    }
    return render(request, template, admin.site.each_context(request) | given)
