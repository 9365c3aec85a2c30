"""A long invoice: its first page has one sum an item, its lines follow as 請求明細書."""

from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from billing.models import InvoiceLine
from portal.models import PriceBasis, TaxKind

MOST_LINES = 60  # on the invoice itself; more of them stand in the annex
MOST_ITEMS = 12  # summed up one by one on the first page; the others of a tax class as one
OTHERS = "その他の品目"


@dataclass(frozen=True)
class Sum:
    """What the lines of one item come to, in yen of their price basis; `apart` from what stands under the 登録番号."""

    item: str
    tax_kind: str
    tax_rate: Decimal
    price_basis: str
    apart: bool
    lines: int
    amount: int

    def get_tax_kind_display(self) -> str:
        return str(TaxKind(self.tax_kind).label)

    def get_price_basis_display(self) -> str:
        return str(PriceBasis(self.price_basis).label)


def sums(lines: Sequence[InvoiceLine], apart: Collection[int]) -> list[Sum]:
    """The items of a document with more than `MOST_LINES` in the order in which they come up; none of a shorter one.

    A tax class, price basis and standing under the 登録番号 is never mixed with another, so the sums lead to those of the document.
    """
    if len(lines) <= MOST_LINES:
        return []
    amounts: dict[Any, list[int]] = defaultdict(list)
    for line in lines:
        amounts[line.item, line.tax_kind, line.tax_rate, line.price_basis, line.pk in apart].append(line.amount)
    largest = sorted(amounts, key=lambda key: -abs(sum(amounts[key])))[:MOST_ITEMS]
    told: dict[Any, list[int]] = {key: each for key, each in amounts.items() if key in largest}
    for key, others in amounts.items():
        if key not in told:
            told.setdefault((OTHERS, *key[1:]), []).extend(others)
    found = [
        Sum(item, kind, rate, basis, is_apart, lines=len(each), amount=sum(each))
        for (item, kind, rate, basis, is_apart), each in told.items()
    ]
    return sorted(found, key=lambda each: each.apart)
