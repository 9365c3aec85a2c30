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
    way: Way | None  # None: no document is corrected, something else is done
    why: "StrOrPromise"


WRONG = _(
    "記載の誤りは、正しい内容の修正請求書を交付します（消費税法57条の4第4項）。元の請求書は差替済として残ります。"
)
PRICED = _(
    "単価や数量の誤りは、正しい内容の修正請求書を交付します（消費税法57条の4第4項）。契約の内容も違うときは、契約も直してください。請求済みの月の分は契約を直しても変わりません。"
)
NOT_ALL = _(
    "請求の一部だけが誤りのときは、請求全体を取り消さずに、その明細の数量を0にした修正請求書を交付します（消費税法57条の4第4項）。契約が残っていると翌月も請求されるため、契約も直してください。"
)
MISSING = _(
    "請求もれは、交付した請求書を直さず、次の請求に加えます。契約に明細を追加し、課金開始日を本来の日にすると、過ぎた分も次の未確定の請求に入ります。契約によらない料金は、未確定の請求に調整として加えます。"
)
CHEAPER = _("正しく請求した後の値引きや解約は、対価の返還です。返還請求書を交付します（消費税法57条の4第3項）。")
ENDED = _(
    "解約は、先に契約に解約日を入れてください。返すべき額が計算され、契約の画面で返還か翌月調整に決められます。対価の返還として返還請求書を交付します（消費税法57条の4第3項）。"
)
NEVER = _(
    "取引がなかった請求は、書類そのものを取り消します。注文は請求されないまま残ります。契約が残っていると翌月も請求されるため、契約も直してください。"
)
AGAIN = _("取引はあり、請求のしかただけが違う場合は、取り消して同じ明細を次の月に請求し直します。")

CAUSES = {
    "addressee": Cause(_("宛先（会社名、部署、住所）の誤り"), Way.REISSUE, WRONG),
    "issuer": Cause(_("登録番号や発行者の記載もれ・誤り"), Way.REISSUE, WRONG),
    "item": Cause(_("品目、仕様、利用期間の誤り"), Way.REISSUE, WRONG),
    "price": Cause(_("単価、数量の誤り"), Way.REISSUE, PRICED),
    "tax": Cause(_("税率、税区分の誤り"), Way.REISSUE, WRONG),
    "differs": Cause(_("注文と請求の内容が違う"), Way.REISSUE, WRONG),
    "line": Cause(_("一部の明細が余分（二重、契約や利用がない、別のお客様の分）"), Way.REISSUE, NOT_ALL),
    "missing": Cause(_("明細が足りない（請求もれ）"), None, MISSING),
    "discount": Cause(_("後から決まった値下げ、値引き"), Way.RETURN, CHEAPER),
    "cancelled": Cause(_("解約の連絡が遅れた、途中で解約した"), Way.RETURN, ENDED),
    "fewer": Cause(_("数量が後から減った"), Way.RETURN, CHEAPER),
    "outage": Cause(_("障害などのお詫び"), Way.RETURN, CHEAPER),
    "fee": Cause(_("振込手数料を差し引かれた（値引きとする）"), Way.RETURN, CHEAPER),
    "double": Cause(_("請求全体が二重"), Way.VOID, NEVER),
    "unused": Cause(_("契約も利用もないのに請求した（請求全体）"), Way.VOID, NEVER),
    "stranger": Cause(_("別のお客様に請求した（請求全体）"), Way.VOID, NEVER),
    "later": Cause(_("請求する月を遅らせる"), Way.REBILL, AGAIN),
}  # fmt: skip


def causes_of(invoice: Invoice, ways: list[Way]) -> dict[str, Cause]:
    """Those that can be meant: each leads to what can be done, and an imported document differs from no order."""
    meant = {key: cause for key, cause in CAUSES.items() if cause.way is None or cause.way in ways}
    if invoice.kind == Kind.IMPORTED:
        del meant["differs"]
    return meant


def ways_of(invoice: Invoice) -> list[Way]:
    """What can be done to the document as it is; none of one that is provisional or replaced."""
    if invoice.state == State.FIXED and invoice.gives_back:
        return [Way.VOID]
    if invoice.state == State.FIXED and invoice.kind == Kind.IMPORTED:
        return [Way.REISSUE, Way.RETURN, Way.VOID]  # there are no orders that could be billed again
    if invoice.state == State.FIXED and invoice.kind in OF_MONTH:
        return list(Way)
    rebilled = Correction.objects.filter(invoice=invoice, what=Correction.What.REBILL, customer=invoice.customer_id)
    if invoice.state == State.VOID and invoice.kind in OF_MONTH and not rebilled.exists():
        return [Way.REBILL]
    return []
