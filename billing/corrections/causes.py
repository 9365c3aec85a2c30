"""Why a fixed document is to be corrected, and which form is the lawful one for it (消費税法57条の4③④, D6)."""

from typing import TYPE_CHECKING, NamedTuple

from django.db import models
from django.utils.translation import gettext_lazy as _

from billing.models import OF_MONTH, Correction, Invoice, Kind, State

if TYPE_CHECKING:
    from django_stubs_ext import StrOrPromise


class Way(models.TextChoices):
    """What can be done to a document; staff may choose another one than what is proposed."""

    REISSUE = "reissue", _("修正（修正請求書に差し替える）")
    RETURN = "return", _("返還（返還請求書を発行する）")
    VOID = "void", _("取消（請求しない）")
    REBILL = "rebill", _("取消して再請求")


class Cause(NamedTuple):
    label: "StrOrPromise"
    way: Way
    why: "StrOrPromise"


WRONG = _(
    "記載の誤りは、正しい内容の修正請求書を交付します（消費税法57条の4第4項）。元の請求書は差替済として残ります。"
)
CHEAPER = _(
    "正しく請求した後の値引きや解約は、対価の返還です。返還請求書を交付します（消費税法57条の4第3項）。次の請求で引く場合は、明細の「翌月調整」を使えます。"
)
NEVER = _("取引がなかった請求は、書類そのものを取り消します。注文は請求されないまま残ります。")
AGAIN = _("取引はあり、請求のしかただけが違う場合は、取り消して同じ明細を次の月に請求し直します。")

CAUSES = {
    "addressee": Cause(_("宛先（会社名、部署、住所）の誤り"), Way.REISSUE, WRONG),
    "issuer": Cause(_("登録番号や発行者の記載もれ・誤り"), Way.REISSUE, WRONG),
    "item": Cause(_("品目、仕様、利用期間の誤り"), Way.REISSUE, WRONG),
    "price": Cause(_("単価、数量の入力の誤り（契約は正しい）"), Way.REISSUE, WRONG),
    "tax": Cause(_("税率、税区分の誤り"), Way.REISSUE, WRONG),
    "differs": Cause(_("注文と請求の内容が違う"), Way.REISSUE, WRONG),
    "discount": Cause(_("後から決まった値下げ、値引き"), Way.RETURN, CHEAPER),
    "cancelled": Cause(_("解約の連絡が遅れた、途中で解約した"), Way.RETURN, CHEAPER),
    "fewer": Cause(_("数量が後から減った"), Way.RETURN, CHEAPER),
    "outage": Cause(_("障害などのお詫び"), Way.RETURN, CHEAPER),
    "fee": Cause(_("振込手数料を差し引かれた（値引きとする）"), Way.RETURN, CHEAPER),
    "double": Cause(_("二重に請求した"), Way.VOID, NEVER),
    "unused": Cause(_("契約がない、利用がないのに請求した"), Way.VOID, NEVER),
    "stranger": Cause(_("別のお客様に請求した"), Way.VOID, NEVER),
    "later": Cause(_("請求する月を遅らせる"), Way.REBILL, AGAIN),
}  # fmt: skip


def ways_of(invoice: Invoice) -> list[Way]:
    """What can be done to the document as it is; none of one that is provisional, replaced or imported."""
    if invoice.state == State.FIXED and invoice.kind == Kind.RETURN:
        return [Way.VOID]
    if invoice.state == State.FIXED and invoice.kind in OF_MONTH:
        return list(Way)
    rebilled = Correction.objects.filter(invoice=invoice, what=Correction.What.REBILL, customer=invoice.customer_id)
    if invoice.state == State.VOID and invoice.kind in OF_MONTH and not rebilled.exists():
        return [Way.REBILL]
    return []
