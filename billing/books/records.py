"""The rows of the books' CSV: one for each tax class of a document."""

from django.db.models import BigIntegerField, F, OuterRef, Q, Subquery, Sum, Value
from django.db.models.fields.json import KeyTextTransform
from django.db.models.functions import Coalesce
from django.utils.translation import gettext_lazy as _

from accounts.models import PaymentMethod
from billing.models import Invoice, InvoiceLine, Kind, State
from portal.lists.columns import ChoiceColumn, DateColumn, ListColumn, MonthColumn, RateColumn, TextColumn, YenColumn
from portal.models import PriceBasis, TaxKind

COLUMNS: list[ListColumn] = [
    TextColumn(_("請求番号"), "number"),
    ChoiceColumn(_("種類"), "kind", Kind),
    ChoiceColumn(_("請求状態"), "state", State),
    MonthColumn(_("請求対象年月"), "month"),
    DateColumn(_("請求日"), "issued_on"),
    DateColumn(_("確定日"), "fixed_on"),
    DateColumn(_("支払期日"), "payable_on"),
    TextColumn(_("お客様番号"), "customer__number"),
    TextColumn(_("取引先名"), "party"),
    TextColumn(_("取引先登録番号"), "party_registration"),
    ChoiceColumn(_("支払方法"), "payment_method", PaymentMethod),
    ChoiceColumn(_("税区分"), "tax_totals__kind", TaxKind),
    RateColumn(_("税率"), "tax_totals__rate"),
    YenColumn(_("対象額（税抜）"), "class_base"),
    YenColumn(_("消費税額"), "class_tax"),
    YenColumn(_("税込額"), "class_total"),
    YenColumn(_("うち調整残高の充当（税抜）"), "credited_exclusive"),
    YenColumn(_("うち調整残高の充当（税込）"), "credited_inclusive"),
    YenColumn(_("書類の合計（税込）"), "total"),
    TextColumn(_("訂正元"), "corrects__number"),
    TextColumn(_("差替先"), "replaced_by_number"),
]


def by_tax_class(found):
    """Each document once for each of its tax classes; one without (移行 without 内訳, nothing to bill) once, with its own sums.

    What a credit took off is in the sums of its class, and stands apart in the basis of its line, too.
    """
    base, tax = Coalesce("tax_totals__base", "net"), Coalesce("tax_totals__tax", "tax")
    instead = Invoice.objects.filter(corrects=OuterRef("pk"), customer=OuterRef("customer"), kind=Kind.CORRECTION)
    return (
        found.with_due()
        .annotate(
            party=KeyTextTransform("name", "addressee"),
            party_registration=Coalesce(KeyTextTransform("registration_number", "addressee"), Value("")),
            class_base=base,
            class_tax=tax,
            class_total=base + tax,
            credited_exclusive=credited(PriceBasis.EXCLUSIVE),
            credited_inclusive=credited(PriceBasis.INCLUSIVE),
            replaced_by_number=Subquery(instead.order_by("-pk").values("number")[:1]),
        )
        .order_by("issued_on", "number", F("tax_totals__rate").desc(), "tax_totals__kind")
    )


def credited(basis):
    """Yen (negative) that credits took off in the tax class of the outer row, in this price basis; 0 for none."""
    lines = InvoiceLine.objects.filter(
        Q(invoice=OuterRef("pk"), customer=OuterRef("customer")),
        Q(tax_kind=OuterRef("tax_totals__kind"), tax_rate=OuterRef("tax_totals__rate")),
        credit__isnull=False,
        price_basis=basis,
    )
    sums = lines.order_by().values("invoice").annotate(sum=Sum("amount")).values("sum")
    return Coalesce(Subquery(sums), Value(0), output_field=BigIntegerField())
