"""What a file of contracts says: its columns, and of each contract what its rows say together, wherever they stand."""

from collections.abc import Callable, Iterable, Iterator
from functools import cache
from types import SimpleNamespace
from typing import Any, NamedTuple

from django.db.models import Prefetch, QuerySet
from django.utils.translation import gettext as _

from contracts.forms import TiersField
from contracts.models import Contract, ContractLine, Meter, MeterPrice, Service
from portal import reading
from portal.imports.columns import CLEARS, Column, Row, cell_of, flag, month, of_model, whole
from portal.imports.faults import Code, Fault
from portal.imports.taking import Report
from portal.templatetags.figures import plain

RENEWAL = {"自動更新": True, "更新なし": False}
NO_LINE: Any = type("NoLine", (), {"__slots__": ()})()  # (空) under 行: the contract has none (yet)
AT_ONCE = 2000  # contracts that an export reads


def renewal(typed: str) -> bool:
    """自動更新 or 更新なし, as the screens have it, or a mark."""
    given = reading.key(typed)
    return RENEWAL[given] if given in RENEWAL else flag(typed)


def written_renewal(renews: bool) -> str:
    return next(words for words, value in RENEWAL.items() if value == renews)


def written_place(place: Any) -> str:
    return CLEARS if place is NO_LINE else str(place)


def written_tiers(tiers: Iterable[tuple[Any, Any]]) -> str:
    return ";".join(f"{plain(above)}:{plain(unit_price)}".replace(",", "") for above, unit_price in tiers)


def code_of(service: Service | str) -> str:
    return service if isinstance(service, str) else service.code


NUMBER = of_model(Contract, "number", reading.code, required=True)
CUSTOMER = Column("customer", "お客様番号", reading.code)
SERVICE = Column("service", "サービス", reading.text, write=code_of)
HEAD = [
    CUSTOMER,
    of_model(Contract, "name"),
    SERVICE,
    of_model(Contract, "plan"),
    of_model(Contract, "form"),
    of_model(Contract, "start_on"),
    of_model(Contract, "auto_renew", renewal, write=written_renewal)._replace(label="更新区分", also=["自動更新"]),
    of_model(Contract, "cancel_on"),
    of_model(Contract, "bill_from", month),
    of_model(Contract, "purchase_order"),
    of_model(Contract, "note"),
    of_model(Contract, "withdrawn_on"),
]
PLACE = of_model(ContractLine, "position", write=written_place, empty=NO_LINE)._replace(name="line")
OF_LINE = [
    of_model(ContractLine, name)
    for name in ("item", "product_code", "specification", "quantity", "unit", "unit_price", "price_basis", "tax_kind")
]
OF_LINE = [each._replace(also=["税込/税抜"]) if each.name == "price_basis" else each for each in OF_LINE]
DAYS = [of_model(ContractLine, "charge_from"), of_model(ContractLine, "charge_to")]
CONTINUES = Column("continues", "変更前の行", whole)
METER = Column("meter", "従量", flag, write=lambda metered: "1" if metered else "")
# Whose usage it is, where that isn't the contract's own service.
METER_SERVICE = Column("meter_service", "従量サービス", reading.text, write=code_of)
OF_PRICE = [
    of_model(MeterPrice, "free_quantity"),
    of_model(MeterPrice, "since", month)._replace(name="prices_from"),
    Column("tiers", "段階料金", TiersField().to_python, write=written_tiers, empty=()),
]
OF_ROW = [PLACE, *OF_LINE, *DAYS, CONTINUES, METER, METER_SERVICE, *OF_PRICE]
EXAMPLES = {
    "number": "10-0001", "customer": "10044", "name": "本社サーバ", "service": "cloud", "plan": "スタンダード",
    "form": "月額", "start_on": "2024/04/01", "auto_renew": "自動更新", "line": "1", "item": "サーバ利用料", "quantity": "2",
    "unit": "台", "unit_price": "12,000", "price_basis": "税抜", "tax_kind": "標準税率",
}  # fmt: skip
COLUMNS = [column._replace(example=EXAMPLES.get(column.name, "")) for column in (NUMBER, *HEAD, *OF_ROW)]
LABELS = {column.name: column for column in COLUMNS}

METER_FACTS = ("item", "unit", "price_basis", "tax_kind")
LINE_ONLY = ("line", "product_code", "specification", "quantity", "charge_from", "charge_to", "continues")
METER_ONLY = ("meter_service", "free_quantity", "prices_from", "tiers")
NOTHING: Any = type("Nothing", (), {"__slots__": ()})()  # what a blank cell says


class Said:
    """What the rows of one contract say: of itself `head`, as `HEAD` has it, and each row of its line, as `OF_ROW` has it.

    `line` is the first of its rows; what a later row says first of the contract is in `later`, by name.
    """

    __slots__ = ("has_no_line", "head", "later", "line", "rows")

    def __init__(self, line: int, head: tuple[Any, ...]) -> None:
        self.line, self.head = line, head
        self.has_no_line = False  # and that is meant
        self.later: dict[str, int] = {}
        self.rows: list[tuple[Any, ...]] = []

    def at(self, name: str) -> int:
        """The row that says this of the contract."""
        return self.later.get(name, self.line)

    def of_contract(self) -> dict[str, Any]:
        return {column.name: value for column, value in zip(HEAD, self.head, strict=True) if value is not NOTHING}

    def of_lines(self) -> Iterable[tuple[int, dict[str, Any]]]:
        """(row, what it says of its line or meter)."""
        for line, *values in self.rows:
            yield line, {each.name: value for each, value in zip(OF_ROW, values, strict=True) if value is not NOTHING}


def gather(rows: Iterable[Row], report: Report) -> dict[str, Said]:
    """The rows by contract, as bare tuples, for there may be very many; what contradicts an earlier row goes to the report."""
    found: dict[str, Said] = {}
    service_of = finder()
    for line, values in rows:
        for name in ("service", "meter_service"):
            if name in values and isinstance(named := service_of(values[name]), str):
                report.errors.append(Fault(line, LABELS[name].label, values.pop(name), Code.UNKNOWN, named))
                report.spoiled.add(values["number"])
            elif name in values:
                values[name] = named
        get = values.get
        head = tuple([get(column.name, NOTHING) for column in HEAD])
        said = found.get(values["number"])
        if said is None:
            said = found[values["number"]] = Said(line, head)
        elif head != said.head:
            merge(said, line, head, report)
        said.rows.append((line, *[get(column.name, NOTHING) for column in OF_ROW]))
    return found


def merge(said: Said, line: int, head: tuple[Any, ...], report: Report) -> None:
    """Take up what a later row says of the contract."""
    merged = list(said.head)
    for place, (column, value) in enumerate(zip(HEAD, head, strict=True)):
        if value is NOTHING or value == merged[place]:
            continue
        if merged[place] is NOTHING:
            merged[place] = value
            said.later[column.name] = line
        else:
            given = {"line": said.at(column.name), "label": column.label}
            told = (
                _("%(line)d行目と「%(label)s」が違います。同じ契約の行には同じ内容か空欄を入力してください。") % given
            )
            report.errors.append(Fault(line, column.label, cell_of(column, value), Code.CONTRADICTION, told))
    said.head = tuple(merged)


class Telling(NamedTuple):
    """Puts what is wrong with a row into the report, beside the column that it is about."""

    report: Report

    def at(self, line: int, name: str, value: Any, code: Code, text: str) -> None:
        column = LABELS.get(name)
        heading, cell = (column.label, cell_of(column, value)) if column else ("", "")
        self.report.errors.append(Fault(line, heading, cell, code, text))

    def needed(self, line: int, name: str) -> None:
        told = _("「%s」が空です。新しく登録する行では必要です。") % LABELS[name].label
        self.at(line, name, None, Code.NEEDED, told)

    def refused(self, place: Callable[[str], int] | int, values: dict[str, Any], errors: Any) -> None:
        """What a ValidationError tells, each message beside its field."""
        named = errors.message_dict if hasattr(errors, "error_dict") else {"": errors.messages}
        for name, messages in named.items():
            name = {"since": "prices_from", "position": "line"}.get(name, name)
            line = place if isinstance(place, int) else place(name)
            self.at(line, name, values.get(name), Code.REFUSED, " ".join(messages))


def finder() -> Callable[[str], Service | str]:
    """A function that finds the service which is named by its code or name; else it says what is wrong."""
    named: dict[str, list[Service]] = {}
    alike: dict[str, list[Service]] = {}
    by_code = {}
    for each in Service.objects.all():
        by_code[each.code] = each
        alike.setdefault(reading.fold(each.code), []).append(each)
        named.setdefault(reading.fold(each.name), []).append(each)

    @cache
    def find(typed: str) -> Service | str:
        given = reading.fold(typed)
        found = [by_code[typed]] if typed in by_code else alike.get(given) or named.get(given, [])
        if len(found) > 1:
            return _("「%s」という名前のサービスが2つ以上あります。サービスコードで入力してください。") % typed
        return (
            found[0]
            if found
            else _("サービス「%s」がありません。サービスコードかサービス名で入力してください。") % typed
        )

    return find


def rows_of(contracts: QuerySet[Contract]) -> Iterator[SimpleNamespace]:
    """The rows that say all of these contracts, by their columns: first the lines, then each price of what is metered."""
    lines = ContractLine.objects.select_related("continues").order_by("position")
    meters = Meter.objects.select_related("service").prefetch_related("prices__tiers").order_by("service__code")
    fetched = contracts.select_related("customer", "service").order_by("number")
    fetched = fetched.prefetch_related(Prefetch("lines", lines), Prefetch("meters", meters))
    for contract in fetched.iterator(AT_ONCE):
        said = [*map(of_line, contract.lines.all())]
        said += [of_price(meter, price) for meter in contract.meters.all() for price in meter.prices.all()]
        head = {column.name: getattr(contract, column.name) for column in (NUMBER, *HEAD)}
        head["customer"] = contract.customer.number
        for own in said or [{"line": NO_LINE}]:
            yield SimpleNamespace(**(dict.fromkeys(LABELS) | head | own))


def of_line(line: ContractLine) -> dict[str, Any]:
    continued = line.continues.position if line.continues else None
    own = {column.name: getattr(line, column.name) for column in (*OF_LINE, *DAYS)}
    return {"line": line.position, "continues": continued, **own}


def of_price(meter: Meter, price: MeterPrice) -> dict[str, Any]:
    own = {name: getattr(meter, name) for name in METER_FACTS}
    free, since, tiers = price.free_quantity, price.since, price.ladder[1:]
    named = {"free_quantity": free, "unit_price": price.unit_price, "prices_from": since, "tiers": tiers or None}
    return {"meter": True, "meter_service": meter.service, **own, **named}
