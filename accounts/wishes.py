"""変更申込: what a company wishes to have changed in its 基本情報, and how the desk takes it over (A9)."""

from dataclasses import dataclass
from typing import Any

from django.core.exceptions import ValidationError
from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from accounts.models import Customer, User
from accounts.services import save_customer
from portal import history, languages, rights
from portal.models import NOTHING, Action, Inquiry
from portal.services import lock_inquiry, send_inquiry

COMPANY = [
    "name", "kana", "representative", "corporate_number", "registration_number", "postal_code", "address", "phone", "fax",
]  # fmt: skip
CONTACT = ["contact_department", "contact_name"]
BILLING = ["billing_name", "billing_department", "billing_person", "billing_postal_code", "billing_address"]
FIELDS = [*COMPANY, *CONTACT, *BILLING]
LABELS = {field.name: str(field.verbose_name) for field in Customer._meta.fields if field.name in FIELDS}


@dataclass(frozen=True)
class Wish:
    """One field: what stood there when the company asked, what it wishes, and what stands there now."""

    name: str
    label: str
    was: str
    wished: str
    now: str

    @property
    def stale(self) -> bool:
        """Whether somebody stored another value since the company asked."""
        return self.now not in (self.was, self.wished)

    @property
    def done(self) -> bool:
        return self.now == self.wished


def wishes(inquiry: Inquiry, customer: Customer) -> list[Wish]:
    """What the inquiry wishes, beside what the customer's row says."""
    asked = [(name, *inquiry.wished[name]) for name in FIELDS if name in inquiry.wished]
    return [Wish(name, LABELS[name], was, wished, getattr(customer, name)) for name, was, wished in asked]


def ask_for_changes(wished: dict[str, list[str]], note: str, *, by: User) -> Inquiry:
    """Send what is wished ({field: [present, wished]}) as an inquiry. Raises ValidationError for nothing, and as `send_inquiry`."""
    if not wished:
        raise ValidationError(_("変更する項目がありません。新しい内容に書き換えてください。"))
    told = [f"{LABELS[name]}\n  {old or NOTHING} → {new or NOTHING}" for name, (old, new) in wished.items()]
    with languages.house():  # it is the desk that reads them
        subject, lead = _("お客様情報の変更の申し込み"), _("次のとおり変更を申し込みます。")
    body = "\n".join([lead, "", *told, *(["", note] if note else [])])
    return send_inquiry(Inquiry(kind=Inquiry.Kind.CHANGE, subject=subject, body=body, wished=wished), by=by)


@transaction.atomic
def take_over(inquiry: Inquiry, *, seen: dict[str, str], over: bool = False, by: Any) -> Customer:
    """Store what is wished as the customer's 基本情報, once; histories of both keep before, after and who.

    `seen` are the present values that the person had on the screen. Raises ValidationError where they changed since, where
    one changed since the company asked (unless `over`), and for what the rules refuse; PermissionDenied.
    """
    rights.need(by, "portal.change_inquiry")
    Customer.objects.lock([inquiry.customer_id])
    customer = Customer.objects.get(pk=inquiry.customer_id)
    inquiry = lock_inquiry(inquiry)
    if inquiry.taken_at or not inquiry.wished:
        raise ValidationError(_("この申し込みは取込済みです。"))
    asked = wishes(inquiry, customer)
    if seen != {wish.name: wish.now for wish in asked}:
        raise ValidationError(_("ほかの人がお客様の情報を変えました。いまの値を確かめて、もう一度押してください。"))
    if not over and (stale := [wish.label for wish in asked if wish.stale]):
        told = _("申し込みの後に変わった項目があります（%s）。申し込みの値にしてよければ、確認の欄を選んでください。")
        raise ValidationError(told % "、".join(stale))
    for wish in asked:
        setattr(customer, wish.name, wish.wished)
    check_place(customer)
    customer.full_clean()
    save_customer(customer, by=by)
    inquiry.taken_at = timezone.now()
    inquiry.save(update_fields=["taken_at"])
    before, after = {wish.label: wish.now for wish in asked}, {wish.label: wish.wished for wish in asked}
    history.record_change(Action.INQUIRY_HANDLED, inquiry.number, before, after, of=inquiry, by=by)
    return customer


def check_place(customer: Customer) -> None:
    """Raises ValidationError: documents print the 請求先's address with its own 〒, or else the company's with the company's."""
    if customer.billing_postal_code and not customer.billing_address:
        raise ValidationError({"billing_address": _("請求先郵便番号の住所を入力してください。")})


def prepared_answer(inquiry: Inquiry) -> str:
    """What the desk may send once the wishes are taken over; '' before."""
    if not inquiry.taken_at:
        return ""
    told = [f"・{LABELS[name]}: {inquiry.wished[name][1] or NOTHING}" for name in FIELDS if name in inquiry.wished]
    return "\n".join([_("お申し込みのとおり、次の内容に変更しました。"), "", *told])
