"""The vendor's settings, tax classes, registrations and calendar: what fixed invoices stand on stays, and each change is kept."""

from datetime import date

from django.core.exceptions import ValidationError
from django.db import models, transaction
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from accounts.models import User
from billing.models import Invoice, InvoiceLine, Kind, MonthRun, State
from contracts.models import Term
from orders.models import Pending
from portal import history, months, rights
from portal.models import Action, CalendarDay, TaxClass, VendorRegistration
from portal.templatetags.figures import ymd


def first_month_stands() -> bool:
    """Whether 運用開始年月 can't move any more: contracts have terms, of which none ended before it, or this portal fixed an invoice."""
    return Term.objects.exists() or Invoice.objects.exclude(state=State.DRAFT).exclude(kind=Kind.IMPORTED).exists()


def last_day_of_tax_class(row: TaxClass) -> date | None:
    """The day before which a class can't end that taxed a fixed invoice: the last one of the last closed month (D34).

    Lines whose period goes on longer keep their rate. None if it taxed none.
    """
    lines = InvoiceLine.objects.exclude(invoice__state=State.DRAFT)
    lines = lines.filter(tax_kind=row.kind, tax_rate=row.rate, ends_on__gte=row.valid_from)
    if row.valid_to:
        lines = lines.filter(starts_on__lte=row.valid_to)
    return min(last_closed_day(), row.valid_to or date.max) if lines.exists() else None


def last_closed_day() -> date:
    """The last day of the last month that a close has finished."""
    return months.last_day(MonthRun.objects.last_closed())


def last_day_of_registration(row: VendorRegistration) -> date | None:
    """The last day of this time of the number in a month whose fixed invoices carry it, or that they bill late; None if none does."""
    fixed = Invoice.objects.exclude(state=State.DRAFT).filter(issuer__registration_number=row.number)
    newest = fixed.filter(month__gte=months.month_of(row.valid_from)).order_by("-month", "-number")
    last = newest.values_list("month", flat=True).first()
    return last and min(months.last_day(last), row.valid_to or date.max)


def uses_calendar_day(row: CalendarDay) -> bool:
    """Whether a fixed invoice's 支払期日 or 確定予定日 was found with this day: it lies between its 請求日 and the due month's end."""
    fixed = Invoice.objects.exclude(state=State.DRAFT).exclude(kind=Kind.IMPORTED)
    return fixed.filter(issued_on__lt=row.day, due_on__gte=months.month_of(row.day)).exists()


# What may still change of a row that fixed invoices stand on.
MOVABLE = {TaxClass: "valid_to", VendorRegistration: "valid_to", CalendarDay: "note"}
USED = {
    TaxClass: gettext_lazy(
        "%(day)s までの利用の確定した請求で使われているため、削除できません。使い終わる日は「終了日」に入力してください。"
    ),
    VendorRegistration: gettext_lazy(
        "%(day)s までの確定した請求書に記載されているため、削除できません。使い終わる日は「終了日」に入力してください。"
    ),
    CalendarDay: gettext_lazy(
        "確定した請求の支払期日か確定予定日の計算に使われているため、削除できません。説明は「メモ」に書けます。"
    ),
}
FIXED = gettext_lazy("確定した請求で使われているため、変更できません。")


def last_used_day(row: models.Model) -> date | None:
    """The last day on which fixed invoices stand on this tax class or registration as it is stored; None if none does."""
    if isinstance(row, TaxClass):
        return last_day_of_tax_class(row)
    return last_day_of_registration(row) if isinstance(row, VendorRegistration) else None


def is_used(row: models.Model) -> bool:
    """Whether fixed invoices stand on this setting as it is stored, whatever a form made of it (D34)."""
    stored = type(row)._default_manager.filter(pk=row.pk).first() if type(row) in MOVABLE else None
    if stored is None:
        return False
    return uses_calendar_day(stored) if isinstance(stored, CalendarDay) else last_used_day(stored) is not None


def why_kept(row: models.Model) -> str:
    """In words, why this stored setting can't be deleted (D34), and what to do instead; empty if it can."""
    return USED[type(row)] % {"day": ymd(last_used_day(row))} if is_used(row) else ""


def check_use(row: models.Model) -> None:
    """Raise ValidationError, at its field, where a change would leave fixed invoices without what they stand on (D34)."""
    stored = type(row)._default_manager.filter(pk=row.pk).first()
    if stored is None or not is_used(stored):
        return
    names = [field.name for field in row._meta.fields if field.name != MOVABLE[type(row)]]
    if changed := [name for name in names if getattr(stored, name) != getattr(row, name)]:
        raise ValidationError(dict.fromkeys(changed, FIXED))
    if not isinstance(row, TaxClass | VendorRegistration) or row.valid_to is None:
        return
    last = last_used_day(stored)
    if last and row.valid_to < last:
        told = _("%(day)s までの請求で確定に使われています。終了日はその日以降にしてください。") % {"day": ymd(last)}
        raise ValidationError({"valid_to": told})


@transaction.atomic
def introduce_rate(row: TaxClass, *, by: User | None = None) -> TaxClass:
    """Store a new tax class; the one of its kind that holds on its first day ends the day before (「新しい税率」, D34).

    It ends where the former one did, or before the next one begins. Raises ValidationError where a month that is closed
    would have another rate, and for a rate that holds already; PermissionDenied.
    """
    rights.need(by, "portal.add_taxclass")
    former = check_rate(row, TaxClass.objects.select_for_update())
    if former:
        row.valid_to, former.valid_to = former.valid_to, row.valid_from - months.ONE_DAY
        store(former, by=by)
    else:
        later = TaxClass.objects.filter(kind=row.kind, valid_from__gt=row.valid_from).order_by("valid_from").first()
        row.valid_to = later and later.valid_from - months.ONE_DAY
    store(row, by=by)
    return row


def check_rate(row: TaxClass, classes: "models.QuerySet[TaxClass]") -> TaxClass | None:
    """The class that the new one takes over from, if any. Raises ValidationError, at its field, as `introduce_rate` does."""
    if row.kind in TaxClass.UNTAXED and row.rate:
        raise ValidationError({"rate": _("非課税・免税・不課税の税率は0です。")})
    former = classes.filter(kind=row.kind, valid_from__lte=row.valid_from).exclude(valid_to__lt=row.valid_from).first()
    if former is None:
        return None
    if former.valid_from == row.valid_from:
        raise ValidationError({"valid_from": _("この日から始まる税率がすでに登録されています。")})
    if row.valid_from <= last_closed_day():
        told = _("%(day)s までは締め済みです。開始日はその翌日以降にしてください。")
        raise ValidationError({"valid_from": told % {"day": ymd(last_closed_day())}})
    if former.rate == row.rate:
        raise ValidationError({"rate": _("この日の税率と同じです。")})
    return former


@transaction.atomic
def store(row: models.Model, *, by: User | None = None) -> None:
    """Store a setting of the vendor's (any row of this module); the history keeps before and after (D40).

    Raises ValidationError where fixed invoices stand on what would change, PermissionDenied.
    """
    stored = type(row)._default_manager.filter(pk=row.pk).first()
    need(row, "change" if stored else "add", by)
    check_use(row)
    row.save()
    follow_later(row)
    record(row, facts(stored) if stored else {}, facts(row), by)


@transaction.atomic
def remove(row: models.Model, *, by: User | None = None) -> None:
    """Delete a setting; the history keeps what it was. Raises ValidationError where fixed invoices stand on it, PermissionDenied."""
    need(row, "delete", by)
    if why := why_kept(row):
        raise ValidationError(why)
    record(row, facts(row), {}, by)
    row.delete()
    follow_later(row)


def follow_later(row: models.Model) -> None:
    """Have all drafts follow a changed calendar, which dates them; of what makes orders the database's triggers know (D34)."""
    if isinstance(row, CalendarDay):
        drafted = Invoice.objects.drafts().order_by("customer").values_list("customer", flat=True).distinct()
        waiting = (Pending(customer_id=customer, since=timezone.now()) for customer in drafted)
        Pending.objects.bulk_create(waiting, ignore_conflicts=True)


def need(row: models.Model, what: str, by: User | None) -> None:
    """Raises PermissionDenied unless `by` may add, change or delete (`what`) such a setting."""
    rights.need(by, f"{row._meta.app_label}.{what}_{row._meta.model_name}")


def facts(row: models.Model) -> dict[str, str]:
    """Everything that people may change of it."""
    return history.facts(row, *[field.name for field in row._meta.fields if not field.primary_key])


def record(row: models.Model, before: dict[str, str], after: dict[str, str], by: User | None) -> None:
    subject = f"{row._meta.verbose_name} {row}"
    history.record_change(Action.SETTING_CHANGED, subject, before, after, of=row, by=by)
