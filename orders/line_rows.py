"""Lines of a file of contracts: each new or changed one as its row wants it, priced, with the line that it goes on from (D23)."""

from collections.abc import Sequence
from copy import copy
from datetime import date
from functools import cache
from typing import Any

from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from contracts.models import Contract, ContractLine, Meter
from contracts.services import price, rate_of
from orders.meter_rows import MeterDrawn, draw_meters
from orders.rows import METER_ONLY, NO_LINE, Said, Telling
from portal.imports.faults import Code
from portal.models import TaxClass, Vendor

LINK_STAYS = gettext_lazy("登録済みの明細の「変更前の行」は変更できません。")
WITH_LINE = gettext_lazy("「行」が (空) の行には、明細の内容を入力できません。")
ONLY_METERED = gettext_lazy("従量の行（「従量」が ○ の行）だけに入力できます。")


class LineRows:
    """Draws the rows of one file, with the tax rates and the rounding that it looks up once."""

    def __init__(self, telling: Telling, today: date) -> None:
        self.telling, self.today = telling, today
        self.rate_of, self.mode = cache(rate_of), Vendor.objects.settings().rounding
        self.taxed = set(TaxClass.objects.values_list("kind", flat=True))

    def draw(
        self, said: Said, contract: Contract, kept: list[ContractLine], meters: list[Meter]
    ) -> tuple[list[tuple[int, ContractLine, ContractLine | None]], list[MeterDrawn]]:
        """The lines and meters that are new or change."""
        by_place = {line.position: line for line in kept}
        seen: dict[int, int] = {}
        links: list[tuple[int, int, int]] = []
        lines, metered, count = [], [], 0
        for row, values in said.of_lines():
            if values.pop("meter", False):
                metered.append((row, values))
                continue
            if values.get("line") is NO_LINE:
                if set(values) != {"line"}:
                    self.telling.at(row, "line", values["line"], Code.REFUSED, str(WITH_LINE))
                said.has_no_line = True
                continue
            for name in METER_ONLY:
                if name in values:
                    self.telling.at(row, name, values.pop(name), Code.REFUSED, str(ONLY_METERED))
            count += 1
            if "line" not in values and kept and contract.number in self.telling.report.spoiled:
                continue  # which line it is can't be told without the rows that are wrong
            place = values.pop("line", count)
            if place in seen:
                told = _("%(line)d行目と同じ%(label)sです。") % {"line": seen[place], "label": _("行")}
                self.telling.at(row, "line", place, Code.TWICE, told)
            seen[place] = row
            former = by_place.get(place)
            if "continues" in values:
                links.append((row, place, values.pop("continues")))
            if values and (line := self.draw_line(row, values, contract, place, former)):
                lines.append((row, line, former))
        self.link(links, by_place | {line.position: line for _row, line, _former in lines}, seen)
        return lines, draw_meters(metered, contract, meters, self.telling)

    def link(self, links: Sequence[tuple[int, int, int]], lines: dict[int, ContractLine], seen: dict[int, int]) -> None:
        """A new line goes on from the one that it names (D23); a stored one as it did."""
        for row, place, wanted in links:
            line = lines.get(place)
            if line is None:
                continue  # what is wrong with it is told
            if line.pk:
                if line.continues is None or line.continues.position != wanted:
                    self.telling.at(row, "continues", wanted, Code.REFUSED, str(LINK_STAYS))
            elif wanted in lines and not goes_on_from(lines[wanted], line):
                line.continues = lines[wanted]
            elif wanted in lines or wanted not in seen:
                told = _("この契約に、この明細より前の行「%d」がありません。") % wanted
                self.telling.at(row, "continues", wanted, Code.UNKNOWN, told)

    def draw_line(
        self, row: int, values: dict[str, Any], contract: Contract, place: int, former: ContractLine | None
    ) -> ContractLine | None:
        """The line if it is new or changes, priced; None also where it can't be."""
        if former is None:
            missing = [name for name in ("item", "unit_price") if name not in values]
            for name in missing:
                self.telling.needed(row, name)
            if missing:
                return None
            line = ContractLine(contract=contract, customer_id=contract.customer_id, position=place, **values)
        else:
            changed = {name: value for name, value in values.items() if getattr(former, name) != value}
            if not changed:
                return None
            line = copy(former)
            line.contract = contract
            for name, value in changed.items():
                setattr(line, name, value)
        try:
            line.clean()
            if line.tax_kind not in self.taxed:
                told = _("この税区分の税率がありません。先に管理画面の「税区分」で登録してください。")
                raise ValidationError({"tax_kind": told})
            price(line, today=self.today, rate_of=self.rate_of, mode=self.mode)
        except ValidationError as refused:
            self.telling.refused(row, values, refused)
            return None
        return line


def goes_on_from(line: ContractLine, former: ContractLine) -> bool:
    """Whether the line is the other, or continues it, however many stand between them."""
    found: ContractLine | None = line
    while found is not None and found is not former:
        found = found.continues
    return found is not None
