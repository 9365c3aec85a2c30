"""Staff's desk for services and contracts; terms are read here."""

from copy import copy

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied, ValidationError
from django.db import IntegrityError, connection
from django.db.models import Exists, OuterRef
from django.shortcuts import get_object_or_404, redirect
from django.template.response import TemplateResponse
from django.urls import path, reverse
from django.utils.html import format_html
from django.utils.translation import gettext as _

from billing import desk
from billing.gathered import Part, gather
from billing.month.open_months import redraft
from billing.proposals import in_words, summed
from billing.services import defer_catch_up
from contracts.admin.forms import CANCEL_AT, PREVIEW, REFUSED, ContractForm, Lines, following_term
from contracts.admin.inlines import LineInline, MeterInline, TermInline
from contracts.admin.preview import TooSlow, preview
from contracts.models import ENDS_WITHIN, Contract, ContractLine, Service, State, Term
from orders.changes import KEPT
from orders.desk import Answers, codes
from orders.services import (
    cancel_booked,
    check_booked,
    check_withdrawal,
    start_contract,
    store_contract,
    withdraw_contract,
)
from portal import history, rights
from portal.admin.vendor import Kept
from portal.desk import Completed, Locked, typed
from portal.lists.columns import ChoiceColumn
from portal.models import Action, HistoryEvent, Vendor
from portal.months import month_of, today
from portal.once import once
from portal.shown import cell, flag, to_be_read
from portal.templatetags.figures import yen, ymd

ADD_METER = "_meter"  # the button that saves, and goes on with a metered item
MOST_CHOICES = 200  # of a field that isn't completed while one types


@admin.register(Service)
class ServiceAdmin(Kept):
    instead = _("新しい契約に使わないときは、名前で区別して残してください。")
    list_display = ["code", "name", cell("prorate", flag, _("日割")), "position", cell("published", flag, _("公開"))]
    search_fields = ["code", "name"]


def has_begun(contract):
    """Whether the contract ever had a term; the page has read so with it."""
    of_customer = contract.terms.filter(customer=contract.customer_id)  # by whom the index of all terms begins
    return contract.begun if hasattr(contract, "begun") else of_customer.exists()


def booked(lines):
    """The lines that have yet to begin, each with what it changes of the one that it continues (D23)."""
    stored = {line.pk: line for line in lines}
    continued = {line.continues_id for line in lines}
    found = []
    for line in sorted(lines, key=lambda line: (line.charge_from or line.contract.start_on, line.position)):
        former = stored.get(line.continues_id)
        if line.charge_from and line.charge_from > max(today(), line.contract.start_on):
            differing = history.differing(history.facts(former, *KEPT), history.facts(line, *KEPT)) if former else {}
            changes = [(label, before, after) for label, (before, after) in differing.items()]
            found.append({"line": line, "changes": changes, "may_go": line.pk not in continued})
    return found


def parts_of(contract):
    """What the page shows beside the form, and the newest event about the contract, read before what is sent along with the form."""
    changes = HistoryEvent.objects.filter(
        customer=contract.customer_id, subject=contract.number, action=Action.CONTRACT_CHANGED
    )
    yield Part("changes", changes.order_by("-pk"), ["id", "at", "actor_name", "detail", "data"], 20)
    yield Part("newest", HistoryEvent.objects.about(contract), ["id"], 1)
    yield Part("vendor", Vendor.objects.order_by("pk"), ["credit_method"], 1)


class StateFilter(admin.SimpleListFilter):
    """What was taken back is listed only when asked for (D26)."""

    title, parameter_name = _("契約状態"), "state"

    def lookups(self, request, model_admin):
        return State.choices

    def queryset(self, request, contracts):
        """Wherever a contract is opened or chosen by its number, that isn't asked."""
        return contracts.in_state(self.value(), today()) if self.value() else contracts.filter(withdrawn_on=None)

    def choices(self, changelist):
        first, *others = super().choices(changelist)
        return [{**first, "display": _("取消以外")}, *others]


class EndFilter(admin.SimpleListFilter):
    """Contracts that run out soon because nobody renews them."""

    title, parameter_name = _("更新なしの終了"), "ends"

    def lookups(self, request, model_admin):
        return [(str(ENDS_WITHIN.days), _("%d日以内") % ENDS_WITHIN.days)]

    def queryset(self, request, contracts):
        return contracts.ending_without_renewal(today()) if self.value() == str(ENDS_WITHIN.days) else contracts


@admin.register(Contract)
class ContractAdmin(Locked):
    large = True
    csv_more = (ChoiceColumn(_("契約状態"), "state", State),)
    form = ContractForm
    stays = _(
        "契約は番号とともに残るため、削除できません。やめるときは「解約日」を入力し、登録の間違いは「契約を取り消す」で取り消してください。"
    )
    imports = "contracts"
    list_display = [
        "number",
        "name",
        "customer",
        "service",
        "form",
        "state",
        cell("start_on", ymd, _("契約開始日")),
        cell("cancel_on", ymd, _("解約日")),
    ]
    list_filter = [StateFilter, EndFilter, "form", "service"]
    list_select_related = ["customer", "service"]
    search_fields = ["number", "name", "customer__number", "customer__name"]
    autocomplete_fields = ["customer"]
    readonly_fields = ["updated_at"]
    inlines = [LineInline, MeterInline, TermInline]

    @admin.display(description=_("契約状態"))
    def state(self, contract):
        return State(contract.state).label

    def get_fieldsets(self, request, obj=None):
        last = ("updated_at", *(["withdrawn_on"] if obj.withdrawn_on else [])) if obj else ()
        rows = [
            ("customer", "service", "name", "plan"),
            ("form", "start_on", "cancel_on", "auto_renew"),
            ("bill_from", "purchase_order", "note", *last),
        ]
        found = [(None, {"fields": rows, "classes": ["contract-head"]})]
        return found if obj is None or self.has_change_permission(request, obj) else to_be_read(self, found)

    def get_inlines(self, request, obj):
        """What isn't stored yet has neither metered items nor terms."""
        return self.inlines if obj else [LineInline]

    def get_changeform_initial_data(self, request):
        """Of this month on, unless the address says otherwise; the customer's page names the customer in it."""
        return {"start_on": month_of(today())} | super().get_changeform_initial_data(request)

    def formfield_for_foreignkey(self, db_field, request, **kwargs):
        """Services are chosen from a list, as long as they are few enough for one."""
        if db_field.name != "service":
            return super().formfield_for_foreignkey(db_field, request, **kwargs)
        few = list(Service.objects.all()[: MOST_CHOICES + 1])
        if len(few) > MOST_CHOICES:
            kwargs["widget"] = Completed(db_field, self.admin_site, using=kwargs.get("using"))
        found = super().formfield_for_foreignkey(db_field, request, **kwargs)
        if len(few) <= MOST_CHOICES:
            found.choices = [("", found.empty_label), *((each.pk, str(each)) for each in few)]
        return found

    def get_queryset(self, request):
        rows = super().get_queryset(request).with_state(today()).select_related("customer", "service")
        if request.resolver_match.url_name != "contracts_contract_change":
            return rows
        return rows.annotate(begun=Exists(Term.objects.filter(contract=OuterRef("pk"), customer=OuterRef("customer"))))

    def has_change_permission(self, request, obj=None):
        """One that was taken back is only read; whoever was typing meanwhile is told so by the save (D26)."""
        closed = obj is not None and obj.withdrawn_on and request.method != "POST"
        return not closed and super().has_change_permission(request, obj)

    def get_urls(self):
        view = self.admin_site.admin_view
        decide = "<int:contract>/decide/<int:line>/<int:term>/<slug:choice>/"
        return [
            path(decide, view(desk.decide_page), name="contracts_contract_decide"),
            path("<int:contract>/decide/<slug:choice>/", view(desk.decide_page), name="contracts_contract_decide_all"),
            path("<int:pk>/booked/<int:line>/", view(once(self.take_back)), name="contracts_contract_booked"),
            path("<int:pk>/withdraw/", view(once(self.withdraw)), name="contracts_contract_withdraw"),
            *super().get_urls(),
        ]

    def take_back(self, request, pk, line):
        """予約を取り消す: asked first, with what follows; refused in words (D23)."""
        found = ContractLine.objects.select_related("contract__customer", "contract__service", "continues")
        line = get_object_or_404(found, pk=line, contract=pk)
        contract = line.contract
        if not self.has_change_permission(request, contract):
            raise PermissionDenied
        try:
            check_booked(line, today=today())
            if request.method != "POST":
                asked = {"title": _("予約を取り消す"), "contract": contract, "line": line, "opts": self.opts}
                asked |= self.asked_about(contract, lambda: cancel_booked(line, today=today()))
                page = {**self.admin_site.each_context(request), **asked}
                return TemplateResponse(request, "admin/contracts/contract/booked_back.html", page)
            stored = cancel_booked(line, today=today(), by=request.user)
        except ValidationError as refused:
            self.message_user(request, " ".join(refused.messages), messages.ERROR)
        else:
            redraft(contract.customer, today=today())
            defer_catch_up(contract.customer)
            self.message_user(request, _("%sからの変更を取り消しました。") % ymd(line.charge_from))
            self.tell_changes(request, stored.changes)
        return redirect("admin:contracts_contract_change", pk)

    def withdraw(self, request, pk):
        """契約を取り消す: asked first, refused in words (D26)."""
        contract = get_object_or_404(Contract.objects.select_related("customer", "service"), pk=pk)
        if not super().has_change_permission(request, contract):
            raise PermissionDenied
        try:
            check_withdrawal(contract)
            if request.method != "POST":
                asked = {"title": _("契約を取り消す"), "contract": contract, "opts": self.opts}
                asked["orders"] = contract.orders.filter(reversed_on=None).order_by("number")
                asked |= self.asked_about(contract, lambda: withdraw_contract(copy(contract), today=today()))
                return TemplateResponse(
                    request,
                    "admin/contracts/contract/withdraw.html",
                    {**self.admin_site.each_context(request), **asked},
                )
            withdraw_contract(contract, today=today(), by=request.user)
        except ValidationError as refused:
            self.message_user(request, " ".join(refused.messages), messages.ERROR)
        else:
            redraft(contract.customer, today=today())
            defer_catch_up(contract.customer)
            self.message_user(request, _("契約 %s を取り消しました。") % contract.number)
            self.tell_changes(request, contract.changes)
        return redirect("admin:contracts_contract_change", pk)

    def asked_about(self, contract, act):
        """What the page shows of what follows once `act` is done. Raises ValidationError where it can't be."""
        try:
            return {"preview": preview(contract.customer, contract, act, today=today())}
        except TooSlow as slow:
            return {"unforeseen": " ".join(slow.messages)}

    def render_change_form(self, request, context, add=False, change=False, form_url="", obj=None):
        formsets = [each.formset for each in context["inline_admin_formsets"]]
        lines = next((each for each in formsets if isinstance(each, Lines)), None)
        context["question"] = lines and lines.question
        context["may_preview"] = lines is not None
        if PREVIEW in request.POST and lines and lines.drawn and not context["adminform"].form.errors:
            context |= self.foreseen(context["adminform"].form.instance, lines, Answers.of(request.POST))
        is_open = obj is None or not obj.withdrawn_on
        context["may_meter"] = is_open and rights.may(request.user, "contracts.add_meter")
        if obj is not None and obj.pk:
            context |= self.beside(request, obj, lines and [form.instance for form in lines.initial_forms])
        return super().render_change_form(request, context, add, change, form_url, obj)

    def beside(self, request, contract, lines):
        """What stands beside the form of a stored contract: how it may change, what is booked, its history, what is to be decided.

        `lines` are those of the form; None where it has none.
        """
        may_change = self.has_change_permission(request, contract)
        found = {name: part.rows for name, part in gather(list(parts_of(contract))).items()}
        contract.newest_event = found["newest"][0].pk if found["newest"] else 0
        told = self.ways(contract, request) if may_change else {}
        told |= {"may_withdraw": may_change and not contract.withdrawn_on, "history": found["changes"]}
        if told["may_withdraw"] and lines is not None:
            told["booked"] = booked(lines)
        if contract.cancel_on or lines is None or any(line.charge_to for line in lines):  # nothing else makes any (D27)
            carries = any(vendor.carries_credits for vendor in found["vendor"])
            told |= desk.proposals_of(contract, request.user, carries=carries)
        return told

    def ways(self, contract, request):
        """The choices of how a stored contract changes: 適用, and the ends of terms with which it may end."""
        following = following_term(contract, contract.term_starts_on)
        ends = [contract.term_ends_on, following and following.ends_on]
        return {
            "ways": True,
            "following": following,
            "apply": request.POST.get("apply"),
            "ends": sorted({each for each in ends if each and each >= today() and each != contract.cancel_on}),
            "cancel_at": request.POST.get(CANCEL_AT, ""),
        }

    def foreseen(self, contract, lines, answers):
        """What the page shows of what a save would do: done and taken back; as if ticked, where the tick is all that is missing."""
        ticks = bool(lines.question and lines.question.past) and not lines.question.ticked

        def act():
            rows, removed = ([copy(row) for row in each] for each in lines.drawn)
            return start_contract(
                copy(contract),
                rows,
                removed,
                today=today(),
                apply=answers.apply,
                charge_past=answers.charge_past or ticks,
            )

        try:
            return {"preview": preview(contract.customer, contract, act, today=today(), ticks=ticks)}
        except ValidationError as refused:
            return {"unforeseen": " ".join(refused.messages)}

    def get_readonly_fields(self, request, obj=None):
        """A contract stays with its customer; its form, and its start, stay as its terms began."""
        fixed = ["customer", "form", "start_on"] if obj and has_begun(obj) else []
        return [*self.readonly_fields, *fixed, *(["withdrawn_on"] if obj and obj.withdrawn_on else [])]

    def save_model(self, request, obj, form, change):
        """The contract is stored together with its lines, in save_related."""

    def save_related(self, request, form, formsets, change):
        """What was typed is kept even if an order can't be made of it; the next run parks the customer for the same reason."""
        lines, removed = typed(formsets, ContractLine)
        contract, answers = form.instance, Answers.of(request.POST)
        how = {"today": today(), "by": request.user, "apply": answers.apply, "reason": form.cleaned_data["reason"]}
        try:
            start_contract(contract, lines, removed, charge_past=answers.charge_past, **how)
        except ValidationError as error:
            if REFUSED & codes(error):
                raise IntegrityError("refused since the form was looked at") from error
            if not change:  # what was stored, and is taken back
                contract.pk, contract.number, contract._state.adding = None, "", True
            store_contract(contract, lines, removed, **how)
            reason = " ".join(error.messages)
            self.message_user(request, _("契約は保存しましたが、注文を作れません: %s") % reason, level="warning")
        else:
            redraft(contract.customer, today=today())
            self.tell_changes(request, contract.changes)
            self.tell_proposals(request, contract)
        if ADD_METER not in request.POST and not contract.lines.exists() and not contract.meters.exists():
            self.message_user(
                request, _("契約明細がありません。契約明細か従量料金を登録するまで請求されません。"), level="warning"
            )
        defer_catch_up(contract.customer)

    def response_add(self, request, obj, post_url_continue=None):
        return self.to_meter(request, obj) or super().response_add(request, obj, post_url_continue)

    def response_change(self, request, obj):
        return self.to_meter(request, obj) or super().response_change(request, obj)

    def response_post_save_add(self, request, obj):
        """To the customer's file, where the bill that follows and what is to be decided now stand."""
        if not rights.may(request.user, "accounts.view_customer"):
            return super().response_post_save_add(request, obj)
        return redirect("admin:accounts_customer_change", obj.customer_id)

    def response_post_save_change(self, request, obj):
        return self.response_post_save_add(request, obj)

    def to_meter(self, request, contract):
        """「保存して従量料金を追加」 leads on to a metered item of this contract."""
        if ADD_METER not in request.POST:
            return None
        connection.check_constraints()
        return redirect(f"{reverse('admin:contracts_meter_add')}?contract={contract.pk}")

    def tell_changes(self, request, changes):
        """Which orders follow, from how much to how much (D23)."""
        for change in changes:
            given = {"number": change.number, "before": yen(change.before), "after": yen(change.after)}
            if not change.before:
                text = _("注文 %(number)s を作りました（税抜%(after)s円）。")
            elif not change.after:
                text = _("注文 %(number)s は取消になりました（税抜%(before)s円）。")
            else:
                text = _("注文 %(number)s の金額（税抜）が変わりました: %(before)s円 → %(after)s円")
            self.message_user(request, text % given)

    def tell_proposals(self, request, contract):
        """What is billed beyond the contract's dates waits for a decision on its page, which the save leaves (D27)."""
        found = desk.open_ones(contract)
        if found:
            page = reverse("admin:contracts_contract_change", args=[contract.pk])
            text = _(
                '請求済みの料金のうち {} は返すべき額です。<a href="{}#proposals">契約の画面</a>で決めてください。'
            )
            owed = in_words(summed(found))
            self.message_user(request, format_html(text, owed, page), level="warning")
