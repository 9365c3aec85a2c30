"""Staff's pages of inquiries: the list, the thread with answer and memo, and what comes by telephone."""

from copy import copy
from datetime import timedelta

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.utils import unquote
from django.core.exceptions import PermissionDenied, ValidationError
from django.shortcuts import redirect
from django.urls import path
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from accounts import wishes
from accounts.models import Customer, User
from billing.services import defer_catch_up
from portal import reading, rights, services, threads
from portal.desk import Desk, is_key
from portal.forms import AnswerForm, PassageField, WordsForm
from portal.models import Inquiry
from portal.once import key_of_content, once

MOST_PEOPLE = 200  # of one company, to choose from


class EnteredForm(forms.ModelForm):
    """What a customer said by telephone or mail, and what was answered at once."""

    answer = PassageField(
        label=_("その場での回答"), max_length=4000, required=False, widget=forms.Textarea(attrs={"class": "vLargeTextField", "rows": 6}),
        help_text=_("伝えた回答があれば入力してください。お客様の画面にも残ります"),
    )  # fmt: skip
    done = forms.BooleanField(label=_("完了として登録する"), required=False)
    copy = forms.BooleanField(label=_("控え（回答も）をお客様にメールで送る"), required=False)

    class Meta:
        help_texts = {"about": _("契約番号、注文番号、請求番号のいずれか。なければ空のままにしてください")}

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.fields["via"].choices = [each for each in Inquiry.Via.choices if each[0] != Inquiry.Via.PORTAL]
        self.fields["via"].initial = Inquiry.Via.PHONE

    def clean(self):
        data = super().clean() or {}
        customer, user = data.get("customer"), data.get("user")
        if customer and user and user.customer_id != customer.pk:
            self.add_error("user", _("このお客様のユーザを選んでください。"))
        if data.get("copy") and not user and "user" not in self.errors:
            self.add_error("user", _("控えを送るには、ユーザを選んでください。"))
        number = reading.code(data.get("about") or "")
        if customer and number and services.find_record(customer, number) is None:
            self.add_error("about", _("この番号の契約、注文、請求は見つかりません。番号を確認してください。"))
        return data | {"about": number}


class AssigneeFilter(admin.SimpleListFilter):
    title, parameter_name = _("担当"), "assignee"

    def lookups(self, request, model_admin):
        return [("me", _("自分")), ("none", _("未定")), ("others", _("ほかの担当者"))]

    def queryset(self, request, rows):
        match self.value():
            case "me":
                return rows.filter(assignee=request.user)
            case "none":
                return rows.filter(assignee=None)
            case "others":
                return rows.exclude(assignee=None).exclude(assignee=request.user)
        return rows


@admin.register(Inquiry)
class InquiryAdmin(Desk):
    stays = _("お客様とのやりとりは削除できません。済んだら、状態を「完了」にしてください。")
    list_display = ["number", "waits", "state", "customer", "kind", "subject", "about", "assignee", "created_at"]
    list_filter = ["state", AssigneeFilter, "kind"]
    list_select_related = ["customer", "assignee"]
    search_fields = ["number", "subject", "customer__number", "customer__name"]
    fields = ["state", "assignee"]
    change_form_template = "admin/portal/inquiry/change_form.html"
    add_form_template = "admin/change_form.html"

    def get_queryset(self, request):
        return super().get_queryset(request).select_related("customer", "user", "assignee", "entered_by")

    def get_form(self, request, obj=None, change=False, **kwargs):
        return super().get_form(request, obj, change, **(kwargs if obj else {**kwargs, "form": EnteredForm}))

    def get_fields(self, request, obj=None):
        if obj:
            return super().get_fields(request, obj)
        at_once = ["answer", "done"] if self.has_change_permission(request) else []
        return ["customer", "user", "via", "kind", "subject", "about", "body", *at_once, "copy"]

    def get_autocomplete_fields(self, request):
        return ["customer", "user"]

    def formfield_for_foreignkey(self, db_field, request, **kwargs):
        """Whoever of the staff may be given the work; of a customer that is known, its people."""
        users = User.objects.filter(is_active=True).order_by("name", "pk")
        if db_field.name == "assignee":
            kwargs["queryset"] = users.filter(is_staff=True, customer=None)
        known = request.GET.get("customer", "")
        if db_field.name == "user" and is_key(Customer, known):
            people = users.filter(customer=known)
            kwargs |= {"queryset": users.filter(pk__in=people.values("pk")[:MOST_PEOPLE]), "widget": forms.Select}
        return super().formfield_for_foreignkey(db_field, request, **kwargs)

    def save_model(self, request, obj, form, change):
        if change:
            services.handle_inquiry(obj, state=obj.state, assignee=obj.assignee, by=request.user)
        else:
            said = {name: form.cleaned_data[name] for name in ("answer", "done", "copy") if name in form.cleaned_data}
            services.enter_inquiry(obj, **said, by=request.user)

    def response_post_save_add(self, request, obj):
        """On to the thread, where the conversation goes on."""
        return redirect("admin:portal_inquiry_change", obj.pk)

    @admin.display(description=_("待ち時間"), ordering="asked_at")
    def waits(self, inquiry):
        """How long a customer has waited for an answer, in whole days or hours."""
        if inquiry.state not in (Inquiry.State.WAITING, Inquiry.State.HELD):
            return "-"
        waited = timezone.now() - inquiry.asked_at
        hours = waited // timedelta(hours=1)
        return _("%d日") % waited.days if waited.days else _("%d時間") % hours if hours else _("1時間未満")

    def get_urls(self):
        here = "<path:object_id>"
        return [
            path(f"{here}/answer/", self.admin_site.admin_view(self.answer_view), name="portal_inquiry_answer"),
            path(f"{here}/memo/", self.admin_site.admin_view(self.memo_view), name="portal_inquiry_memo"),
            path(f"{here}/take/", self.admin_site.admin_view(self.take_view), name="portal_inquiry_take"),
            *super().get_urls(),
        ]

    def answer_view(self, request, object_id):
        """Once a form, as every save of the desk."""

        def answer(inquiry, form):
            done = "done" in request.POST
            services.answer_inquiry(inquiry, form["body"], seen=form["seen"], done=done, by=request.user)
            return _("返信しました。")

        return once(self.write, key_of_content)(request, object_id, "answer_form", AnswerForm, answer)

    def memo_view(self, request, object_id):
        def note(inquiry, form):
            services.note_inquiry(inquiry, form["body"], by=request.user)
            return _("社内メモを残しました。")

        return once(self.write, key_of_content)(request, object_id, "memo_form", WordsForm, note)

    def take_view(self, request, object_id):
        return once(self.take, key_of_content)(request, object_id)

    def take(self, request, object_id):
        """Take over what the company wishes, as it was shown (A9)."""
        inquiry = self.get_object(request, unquote(object_id))
        if inquiry is None:
            return self._get_obj_does_not_exist_redirect(request, self.opts, object_id)
        if not self.may_take(request, inquiry):
            raise PermissionDenied
        if request.method == "POST":
            seen = {name[4:]: text for name, text in request.POST.items() if name.startswith("now-")}
            try:
                customer = wishes.take_over(inquiry, seen=seen, over="over" in request.POST, by=request.user)
            except ValidationError as refused:
                self.message_user(request, " ".join(refused.messages), messages.ERROR)
            else:
                defer_catch_up(customer)
                told = _("お客様の情報を変更しました。返信の文面を用意しましたので、確かめて送信してください。")
                self.message_user(request, told, messages.SUCCESS)
        return redirect("admin:portal_inquiry_change", inquiry.pk)

    def may_take(self, request, inquiry):
        return self.has_change_permission(request, inquiry) and rights.may(request.user, "accounts.change_customer")

    def write(self, request, object_id, name, form_class, service):
        """What is typed is stored by the service, and the page shown again; where it is refused, with the text still there."""
        inquiry = self.get_object(request, unquote(object_id))
        if inquiry is None:
            return self._get_obj_does_not_exist_redirect(request, self.opts, object_id)
        if not self.has_change_permission(request, inquiry):
            raise PermissionDenied
        page = redirect("admin:portal_inquiry_change", inquiry.pk)
        if request.method != "POST":
            return page
        form = form_class(request.POST, auto_id=f"{name}_%s")
        if form.is_valid():
            try:
                self.message_user(request, service(inquiry, form.cleaned_data), messages.SUCCESS)
            except ValidationError as refused:
                form.add_error(None, refused)
            else:
                return page
        read_again = copy(request)
        read_again.method = "GET"  # of the page's other form nothing was sent
        return self.save_view(read_again, str(inquiry.pk), "", {name: form})

    def render_change_form(self, request, context, add=False, change=False, form_url="", obj=None):
        if change and obj:
            context |= self.thread_of(request, obj, context)
        return super().render_change_form(request, context, add, change, form_url, obj)

    def thread_of(self, request, inquiry, context):
        """All that is shown beside the form; an answer that was refused is sent again having seen what came meanwhile."""
        found = threads.of_desk(inquiry)
        prepared = wishes.prepared_answer(inquiry) if inquiry.state == Inquiry.State.WAITING else ""
        given = {"seen": found["newest"], "body": prepared}
        answer = context.get("answer_form") or AnswerForm(initial=given, auto_id="answer_form_%s")
        if answer.is_bound:
            answer.data = answer.data.copy()
            answer.data["seen"] = found["newest"]
        return found | {
            "title": inquiry.subject,
            "subtitle": None,
            "show_save_and_add_another": False,
            "show_save_and_continue": False,
            "may_write": self.has_change_permission(request, inquiry),
            "about_url": threads.url_of_record(inquiry, desk=True),
            "wishes": (asked := wishes.wishes(inquiry, inquiry.customer)),
            "may_take": not inquiry.taken_at and self.may_take(request, inquiry),
            "stale": any(wish.stale for wish in asked),
            "others": threads.others(inquiry),
            "readers": services.readers(inquiry),
            "answer_form": answer,
            "memo_form": context.get("memo_form") or WordsForm(auto_id="memo_form_%s"),
        }
