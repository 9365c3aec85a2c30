"""What changes contracts: saving them with their lines, and adding the terms that should exist."""

from collections.abc import Callable, Collection, Iterable, Sequence
from datetime import date
from decimal import Decimal
from typing import Any, NamedTuple

from django.core.exceptions import ValidationError
from django.db import connection, transaction
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from accounts.models import Customer, User
from contracts.models import Contract, ContractLine, Meter, MeterPrice, MeterTier, Term
from portal import history, money, months, numbers, rights
from portal.db.ids import Ids
from portal.db.sets import arrays
from portal.models import Action, PriceBasis, TaxClass, Vendor
from portal.templatetags.figures import plain

# Of a line; what it comes to follows from these.
LINE_FACTS = (
    "product_code", "item", "specification", "quantity", "unit", "unit_price", "price_basis", "tax_kind", "charge_from",
    "charge_to",
)  # fmt: skip
NO_FIRST_PRICE = gettext_lazy("適用開始年月が空欄の料金（当初から適用）を1つだけ登録してください。")
START_STAYS = gettext_lazy("契約期間が作られた後は契約開始日を変更できません。")
METERED = gettext_lazy(
    "使用量が登録されているため、削除できません。使用量が届かない月は請求されません。やめるときは、契約に解約日を入力してください。"
)
BILLED_PRICE = gettext_lazy("%(month)s の使用量は請求済みです。請求済みの月の料金は変えられません。")


def rate_of(kind: str, day: date) -> Decimal:
    """The tax rate (Decimal) of a kind of tax on a day. Raises ValidationError if none is registered for it."""
    found = TaxClass.objects.valid_on(day).filter(kind=kind).first()
    if found is None:
        raise ValidationError(_("%(day)s の税率が税区分に登録されていません。") % {"day": f"{day:%Y/%m/%d}"})
    return found.rate


def amount_of(quantity: Decimal, unit_price: Decimal) -> int:
    """Yen of a line, rounded down. Raises ValidationError for one that is too large."""
    amount = money.line_amount(quantity, unit_price)
    if abs(amount) > money.MOST_YEN:
        raise ValidationError({"unit_price": _("金額が大きすぎます。")})
    return amount


def price(
    line: ContractLine, *, today: date, rate_of: Callable[[str, date], Decimal] = rate_of, mode: str | None = None
) -> None:
    """Fill in a contract line's `amount` (rounded down) and `net` (yen without tax).

    The tax rate is that of `today`, or of the nearest day on which the line is charged: it may begin under a rate that
    doesn't hold yet. Who prices many lines passes `rate_of` and the vendor's rounding `mode`, looked up once. Raises
    ValidationError for an amount that is too large, or a tax kind without a rate.
    """
    line.amount = line.net = amount_of(line.quantity, line.unit_price)
    if line.price_basis == PriceBasis.INCLUSIVE:
        first = max(filter(None, [line.charge_from, line.contract.start_on]), default=today)
        last = min(filter(None, [line.charge_to, line.contract.cancel_on]), default=today)
        day = max(first, min(today, last))
        rate, mode = rate_of(line.tax_kind, day), mode or Vendor.objects.settings().rounding
        line.net = money.tax_total(0, line.amount, rate, mode).base


@transaction.atomic
def save_contract(
    contract: Contract,
    lines: Sequence[ContractLine] = (),
    removed: Sequence[ContractLine] = (),
    *,
    today: date,
    by: User | None = None,
    reason: str = "",
) -> Contract:
    """Store a contract with its new and changed lines, without the removed ones; the history keeps before, after and reason (D40).

    A new contract that no person made leaves no event. Terms and orders follow in `orders.services.start_contract`. Raises
    ValidationError if the start would move under terms that exist, or for a line that can't be priced; PermissionDenied.
    """
    Customer.objects.lock([contract.customer_id])
    stored = Contract.objects.filter(pk=contract.pk).first()
    rights.need(by, "contracts.change_contract" if stored else "contracts.add_contract")
    before = facts(stored) if stored else {}
    first = contract.terms.standing().order_by("sequence").first() if stored else None
    if first and first.starts_on != contract.start_on and first.sequence == 1:
        raise ValidationError({"start_on": START_STAYS})
    if not contract.number:
        contract.number = numbers.next_number(numbers.CONTRACT)
    contract.save()
    for line in removed:
        line.delete()
    for line in lines:
        line.contract, line.customer_id = contract, contract.customer_id
        price(line, today=today)
        line.save()
    if stored or by:
        action = Action.CONTRACT_CHANGED if stored else Action.CONTRACT_CREATED
        history.record_change(
            action, contract.number, before, facts(contract), by=by, customer=contract.customer, reason=reason
        )
    return contract


def facts(contract: Contract, lines: Iterable[ContractLine] | None = None) -> dict[str, str]:
    """What people may change of a contract, its `lines` (None: as they are stored) and all, for the history."""
    names = (
        "name",
        "service",
        "plan",
        "form",
        "start_on",
        "cancel_on",
        "auto_renew",
        "bill_from",
        "purchase_order",
        "note",
    )
    found = history.facts(contract, *names)
    for line in contract.lines.order_by("position") if lines is None else lines:
        found |= {f"明細{line.position} {label}": text for label, text in history.facts(line, *LINE_FACTS).items()}
    return found


class PriceTyped(NamedTuple):
    """A meter's price, new or changed, with all its tiers as (above, unit price)."""

    price: MeterPrice
    tiers: Sequence[tuple[Decimal, Decimal]] = ()


@transaction.atomic
def save_meter(
    meter: Meter, prices: Sequence[PriceTyped] = (), removed: Sequence[MeterPrice] = (), *, by: User | None = None
) -> Meter:
    """Store a metered item with its new and changed prices, without the removed ones; the history keeps both (D40).

    What was used and isn't billed yet follows in `orders.usage.reprice`. Raises ValidationError unless exactly one price
    holds from always, if the contract was taken back (D26), and if a month whose usage is billed would have another price
    (D32); PermissionDenied.
    """
    meter.customer_id = meter.contract.customer_id
    Customer.objects.lock([meter.customer_id])
    meter.check_contract()
    stored = Meter.objects.filter(pk=meter.pk).first()
    rights.need(by, "contracts.change_meter" if stored else "contracts.add_meter")
    before = meter_facts(stored) if stored else {}
    if stored:
        keep_billed(stored, prices, removed, billed_months(stored))
    meter.save()
    for price in removed:
        price.delete()
    for price, tiers in prices:
        price.meter, price.customer_id = meter, meter.customer_id
        price.save()
        if list(price.tiers.values_list("above", "unit_price")) != sorted(tiers):  # else they may be billed, and stay
            price.tiers.all().delete()
            MeterTier.objects.bulk_create(
                MeterTier(customer_id=meter.customer_id, price=price, above=above, unit_price=unit_price)
                for above, unit_price in tiers
            )
    meter.refresh_from_db()  # its prices too, where somebody had them fetched beforehand
    if meter.prices.filter(since=None).count() != 1:
        raise ValidationError(NO_FIRST_PRICE)
    record_prices(meter, before, meter_facts(meter), by)
    return meter


def keep_billed(
    meter: Meter, prices: Sequence[PriceTyped], removed: Sequence[MeterPrice], billed: Iterable[date]
) -> None:
    """Raise ValidationError if, with these prices, a month whose usage is `billed` would have another one (D32)."""
    typed = {price.pk for price, _tiers in prices}
    gone = {price.pk for price in removed}
    later = [(each.since, price_key(each)) for each in meter.prices.all() if each.pk not in typed | gone]
    later += [
        (each.since, (each.pk, each.free_quantity, [(0, each.unit_price), *sorted(tiers)])) for each, tiers in prices
    ]
    for month in billed:
        begun = [(since or date.min, key) for since, key in later if since is None or since <= month]
        if not begun or max(begun, key=lambda each: each[0])[1] != price_key(meter.price_of(month)):
            raise ValidationError(BILLED_PRICE % {"month": f"{month:%Y-%m}"})


def billed_months(meter: Meter) -> list[date]:
    """The months of which a fixed document shows this meter's usage; it may be set aside."""
    return sorted(set(meter.usages.billed().values_list("month", flat=True)))


def price_key(price: MeterPrice) -> tuple:
    return price.pk, price.free_quantity, price.ladder


@transaction.atomic
def delete_meter(meter: Meter, *, by: User | None = None) -> None:
    """Take away a metered item of which nothing was ever used.

    Raises ValidationError otherwise, or where the contract was taken back (D26), and PermissionDenied.
    """
    rights.need(by, "contracts.delete_meter")
    Customer.objects.lock([meter.customer_id])
    meter.check_contract()
    if meter.usages.exists():
        raise ValidationError(METERED)
    record_prices(meter, meter_facts(meter), {}, by)
    meter.delete()


def record_prices(meter: Meter, before: dict[str, str], after: dict[str, str], by: User | None) -> None:
    customer = meter.contract.customer
    history.record_change(
        Action.PRICES_CHANGED, meter.contract.number, before, after, of=meter, by=by, customer=customer
    )


def meter_facts(meter: Meter) -> dict[str, str]:
    """The prices of a metered item, each from its month on, tiers and all, for the history."""
    found = history.facts(meter, "service", "item", "unit", "price_basis", "tax_kind")
    for price in meter.prices.all():
        since = f"{price.since:%Y/%m}から " if price.since else ""
        found |= {
            f"{since}{label}": text for label, text in history.facts(price, "free_quantity", "unit_price").items()
        }
        for tier in price.tiers.all():
            found[f"{since}{plain(tier.above)}を超える分の単価"] = plain(tier.unit_price)
    return found


def term_note(term: Term, kinds: Collection[str], first_month: date | None) -> str:
    """Why a term of its contract gives no order, or why one that covers no day stands; `kinds` are those of its orders (D22).

    `first_month` is the vendor's 運用開始年月.
    """
    contract = term.contract
    if contract.cancel_on and term.starts_on > contract.cancel_on:
        return _("解約日より後（請求済み）") if kinds else ""
    if set(kinds) & {"new", "renewal"}:
        return ""
    if first_month and term.starts_on < first_month:
        return _("請求対象外（ほかで請求済み）")
    if contract.bill_from and term.starts_on < contract.bill_from:
        return _("請求対象外（請求開始年月より前）")
    return ""


# Contracts whose terms may not reach as far as they should, each with the end of its last term. Without 自動更新 a term comes
# again that a 解約日 took away, for it had begun before (`reach`), but no other.
UNFINISHED = """
    SELECT c.id, c.customer_id, c.form, c.start_on, c.auto_renew, c.cancel_on, t.last,
        CASE WHEN NOT c.auto_renew THEN (SELECT max(starts_on) FROM contracts_term WHERE contract_id = c.id) END AS reach
    FROM contracts_contract c
    LEFT JOIN LATERAL (
        SELECT max(ends_on) AS last FROM contracts_term WHERE contract_id = c.id AND dropped_on IS NULL
    ) t ON true
    WHERE c.customer_id = ANY(%(customers)s) AND c.start_on <= %(until)s AND (t.last IS NULL OR t.last < %(until)s)
        AND (c.cancel_on IS NULL OR t.last IS NULL OR t.last < c.cancel_on) AND c.withdrawn_on IS NULL
"""


def add_terms(customer_ids: Sequence[int], *, until: date) -> int:
    """Add every missing term that starts on or before the date `until` for these customers; returns how many.

    The caller has locked the customers. No term is made that ended before the vendor's 運用開始年月 (D22). Contracts with
    the same dates have the same terms: the calendar is asked once for all of them.
    """
    since = Vendor.objects.settings().first_month
    given: dict[str, Any] = {"customers": Ids(customer_ids), "until": until}
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT DISTINCT form, start_on, auto_renew, cancel_on, last, reach FROM ({UNFINISHED}) u", given
        )
        missing = [
            (form, start_on, auto_renew, cancel_on, last, reach, term.sequence, term.starts_on, term.ends_on)
            for form, start_on, auto_renew, cancel_on, last, reach in cursor.fetchall()
            for term in months.terms(
                form,
                start_on,
                auto_renew=auto_renew or reach is not None,
                end_on=cancel_on,
                since=since if last is None else max(since, last + months.ONE_DAY),
                until=min(until, reach or until),
            )
            if last is None or term.starts_on > last
        ]
        if not missing:
            return 0
        names = ("forms", "starts", "renewals", "cancellations", "lasts", "reaches", "sequences", "firsts", "ends")
        cursor.execute(
            f"""
            INSERT INTO contracts_term (contract_id, customer_id, sequence, starts_on, ends_on)
            SELECT u.id, u.customer_id, m.sequence, m.starts_on, m.ends_on
            FROM ({UNFINISHED}) u JOIN unnest(%(forms)s::text[], %(starts)s::date[], %(renewals)s::bool[],
                %(cancellations)s::date[], %(lasts)s::date[], %(reaches)s::date[],
                %(sequences)s::int[], %(firsts)s::date[], %(ends)s::date[])
                AS m (form, start_on, auto_renew, cancel_on, last, reach, sequence, starts_on, ends_on)
                ON (m.form, m.start_on, m.auto_renew) = (u.form, u.start_on, u.auto_renew)
                AND (m.cancel_on, m.last, m.reach) IS NOT DISTINCT FROM (u.cancel_on, u.last, u.reach)
            ORDER BY u.id, m.sequence
            """,
            given | arrays(missing, *names),
        )
        return cursor.rowcount
