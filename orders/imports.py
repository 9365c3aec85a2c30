"""Files of contracts with their lines and prices: the vendor's own numbers are the keys, and orders follow at once in sets."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from copy import copy
from datetime import date
from typing import Any, NamedTuple

from django.core.exceptions import ValidationError
from django.db import connection
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from accounts.models import Customer
from contracts.models import STAYS_WITHDRAWN, Contract, ContractLine, Meter, Term
from contracts.services import LINE_FACTS, START_STAYS, add_terms, facts
from orders.billed import HELD_LINES
from orders.changes import check_dates, keep_billed
from orders.follow import PastCharge, events_of, follow
from orders.line_rows import LineRows
from orders.meter_rows import MeterDrawn, store_meters
from orders.owed import Proposal, proposed
from orders.rows import COLUMNS, HEAD, Said, Telling, gather
from orders.services import SERVICE_STAYS, move_services, need_decisions
from orders.usage import recharge_moved_months
from portal import history, numbers, rights
from portal.db.copying import copy_in, copy_over
from portal.imports.columns import Row
from portal.imports.faults import Code
from portal.imports.taking import Kind, Report
from portal.models import Action

AT_ONCE = 1000  # contracts
CONTRACT_FIELDS = [column.name for column in HEAD if column.name != "customer"]
NEEDED = ("customer", "name", "service", "start_on")
FORM_STAYS = gettext_lazy("契約期間が作られた後は契約形態を変更できません。")
LINE_STAYS = gettext_lazy("請求済みの明細です。契約の画面で、いつから適用するかを選んで変更してください。")
NOT_WITHDRAWN = gettext_lazy("契約の取り消しは取り込めません。契約の画面で取り消してください。")
WITHDRAWN_LATER = gettext_lazy("取消日には今日までの日付を入力してください。")


class Drawn(NamedTuple):
    """A contract as its rows want it, with its lines that are new or change, each with its row and as it is stored.

    `former` (None: it is new) and `kept` are the contract and its lines as they are stored, `names` what changes of itself.
    """

    said: Said
    contract: Contract
    former: Contract | None
    names: list[str]
    kept: list[ContractLine]
    lines: list[tuple[int, ContractLine, ContractLine | None]]
    meters: list[MeterDrawn]

    @property
    def is_followed(self) -> bool:
        """Whether orders have to follow."""
        return self.former is None or bool(self.names or self.lines)


def take_contracts(rows: Iterable[Row], report: Report, *, today: date, by: Any, charge_past: bool = False) -> None:
    """Register the contracts whose numbers are new, change the others; terms and orders up to `today` follow (D22, D23).

    A line is known by its 行, a price by its service and 適用開始年月; what isn't named stays. What is billed, and what would
    charge closed months, is refused (D23), the latter unless `charge_past` (D25). Each change of what stood before is in the
    history (D40). Raises PermissionDenied.
    """
    for right in ("add_contract", "change_contract", "add_meter", "change_meter"):
        rights.need(by, f"contracts.{right}")
    said = gather(rows, report)
    taking = Taking(report, owners_of(said), today, by)
    names = list(said)
    for begin in range(0, len(names), AT_ONCE):
        taking.store(taking.draw({number: said.pop(number) for number in names[begin : begin + AT_ONCE]}))
    taking.follow(charge_past)


def owners_of(said: dict[str, Said]) -> dict[str, int]:
    """{number of each customer that the rows name: id}; these, and those who have the contracts, are locked, all at once."""
    numbers_given = list({each.head[0] for each in said.values() if isinstance(each.head[0], str)})
    found: dict[str, int] = {}
    locked: set[int] = set()
    for begin in range(0, len(numbers_given), AT_ONCE):
        some = numbers_given[begin : begin + AT_ONCE]
        found |= dict(Customer.objects.filter(number__in=some).values_list("number", "pk"))
    names = list(said)
    for begin in range(0, len(names), AT_ONCE):
        some = names[begin : begin + AT_ONCE]
        locked |= set(Contract.objects.filter(number__in=some).values_list("customer", flat=True))
    Customer.objects.lock({*locked, *found.values()})
    return found


def proposals_of(drawn: Sequence[Drawn]) -> dict[int, list[Proposal]]:
    """What is proposed to be given back of these contracts, by their ids (D27)."""
    owners = sorted({each.contract.customer_id for each in drawn})
    found: dict[int, list[Proposal]] = defaultdict(list)
    for proposal in proposed(owners) if owners else []:
        found[proposal.contract_id].append(proposal)
    return found


class Taking:
    """One file being taken in."""

    def __init__(self, report: Report, companies: dict[str, int], today: date, by: Any) -> None:
        self.report, self.telling = report, Telling(report)
        self.companies, self.today, self.by = companies, today, by
        self.lines = LineRows(self.telling, today)
        self.saved: dict[int, list[int]] = {}  # by customer
        self.rows: dict[int, int] = {}  # of each of these contracts the first row
        self.moved: list[int] = []  # contracts whose used quantities may be charged for other days now

    def draw(self, some: dict[str, Said]) -> list[Drawn]:
        """What the rows make of these contracts; those that can't be stored go to the report."""
        contracts = Contract.objects.filter(number__in=some).select_related("service", "customer")
        stored = {each.number: each for each in contracts}
        of_stored = {"contract__in": [each.pk for each in stored.values()]}
        lines, meters = defaultdict(list), defaultdict(list)
        for line in (
            ContractLine.objects.filter(**of_stored).select_related("continues").order_by("contract", "position")
        ):
            lines[line.contract_id].append(line)
        for meter in Meter.objects.filter(**of_stored).select_related("service").prefetch_related("prices__tiers"):
            meters[meter.contract_id].append(meter)
        drawn = []
        for number, said in some.items():
            faults = len(self.report.errors)
            found = stored.get(number)
            made = self.draw_contract(
                number, said, found, lines[found.pk] if found else [], meters[found.pk] if found else []
            )
            if len(self.report.errors) > faults or number in self.report.spoiled:
                continue
            if made.former or made.lines or made.meters or said.has_no_line:
                drawn.append(made)
            else:
                self.telling.needed(said.line, "item")
        refused = self.keep_billed([each for each in drawn if each.former and each.is_followed])
        for each in drawn:
            if each.contract.pk not in refused and any(line.continues for _row, line, _former in each.lines):
                self.keep_dates(each)
        return [each for each in drawn if each.contract.pk not in refused]

    def draw_contract(
        self, number: str, said: Said, stored: Contract | None, kept: list[ContractLine], meters: list[Meter]
    ) -> Drawn:
        values = said.of_contract()
        owner = self.owner(number, said, values.pop("customer", None), stored)
        self.keep_withdrawal(said, values, stored)
        contract = stored or Contract(number=number, **({"customer_id": owner} if owner else {}))
        if stored is None and number not in self.report.spoiled:
            for name in NEEDED:
                if name != "customer" and name not in values:
                    self.telling.needed(said.line, name)
        names = [name for name, value in values.items() if stored is None or getattr(stored, name) != value]
        former = copy(stored) if stored and names else stored
        for name in names:
            setattr(contract, name, values[name])
        try:
            contract.clean()
        except ValidationError as refused:
            self.telling.refused(said.at, values, refused)
        made = Drawn(said, contract, former, names, kept, *self.lines.draw(said, contract, kept, meters))
        if stored and contract.withdrawn_on and (made.is_followed or made.meters):
            self.telling.at(said.line, "number", number, Code.REFUSED, str(STAYS_WITHDRAWN))
        return made

    def keep_withdrawal(self, said: Said, values: dict[str, Any], stored: Contract | None) -> None:
        """A contract may come in taken back, as it was elsewhere; one that is here is taken back by a person (D26)."""
        given = values.get("withdrawn_on")
        if given and stored and given != stored.withdrawn_on:
            told = NOT_WITHDRAWN
        elif given and given > self.today:
            told = WITHDRAWN_LATER
        else:
            return
        self.telling.at(said.at("withdrawn_on"), "withdrawn_on", values.pop("withdrawn_on"), Code.REFUSED, str(told))

    def owner(self, number: str, said: Said, given: str | None, stored: Contract | None) -> int | None:
        """The id of the customer whose contract it is."""
        if not given:
            if stored is None and number not in self.report.spoiled:
                self.telling.needed(said.line, "customer")
            return None
        found = self.companies.get(given)
        if found is None:
            told = _("お客様番号「%s」がありません。") % given
            self.telling.at(said.at("customer"), "customer", given, Code.UNKNOWN, told)
        elif stored and stored.customer_id != found:
            told = _(
                "この契約はお客様 %s の契約です。登録が間違いなら、その契約を管理画面で取り消し、別の契約番号で取り込んでください。"
            )
            told %= stored.customer.number
            self.telling.at(said.at("customer"), "customer", given, Code.CONTRADICTION, told)
        return found

    def keep_billed(self, drawn: Sequence[Drawn]) -> set[int]:
        """Refuse what may not change of contracts and lines that are stored, as a save by a person does (D21 to D23).

        Returns the ids of the contracts that are refused.
        """
        if not drawn:
            return set()
        owners = sorted({each.contract.customer_id for each in drawn})
        add_terms(owners, until=self.today)
        began = set(
            Term.objects.filter(contract__in=[each.contract.pk for each in drawn]).values_list("contract", flat=True)
        )
        other_service = [each.contract for each in drawn if "service" in each.names]
        keep_service = move_services(other_service) if other_service else set()
        proposals = proposals_of([each for each in drawn if "bill_from" in each.names])
        with connection.cursor() as cursor:
            given = {"customers": owners, "contracts": [each.contract.pk for each in drawn if each.lines]}
            cursor.execute(HELD_LINES, given)
            held = {row[0] for row in cursor.fetchall()}
        refused_ids = set()
        for each in drawn:
            pk, faults = each.contract.pk, len(self.report.errors)
            self.keep_head(each, began=pk in began, keeps_service=pk in keep_service, proposals=proposals.get(pk, []))
            self.keep_lines(each, held)
            if len(self.report.errors) > faults:
                refused_ids.add(pk)
        return refused_ids

    def keep_head(self, drawn: Drawn, *, began: bool, keeps_service: bool, proposals: list[Proposal]) -> None:
        """What of the contract itself may not change: `began`, it has terms; `keeps_service`, a fixed document bills it."""
        said, contract = drawn.said, drawn.contract
        for name, told in (("form", FORM_STAYS), ("start_on", START_STAYS)):
            if began and name in drawn.names:
                self.telling.at(said.at(name), name, getattr(contract, name), Code.REFUSED, str(told))
        if keeps_service:
            self.telling.at(said.at("service"), "service", contract.service, Code.REFUSED, str(SERVICE_STAYS))
        try:
            if drawn.former:
                need_decisions(contract, drawn.former, proposals)
        except ValidationError as refused:
            self.telling.refused(said.at, {"bill_from": contract.bill_from}, refused)

    def keep_lines(self, drawn: Drawn, held: set[int]) -> None:
        for row, line, former in drawn.lines:
            try:
                if former and former.pk in held:
                    keep_billed(line, former, None)
            except ValidationError as refused:
                [(name, errors)] = refused.error_dict.items()
                told = str(LINE_STAYS) if errors[0].code == "apply" else " ".join(errors[0].messages)
                self.telling.at(row, name, getattr(line, name), Code.REFUSED, told)
        self.keep_dates(drawn)

    def keep_dates(self, drawn: Drawn) -> None:
        rows = {line.position: row for row, line, _former in drawn.lines}
        kept = [line for line in drawn.kept if line.position not in rows]
        try:
            check_dates([line for _row, line, _former in drawn.lines], kept)
        except ValidationError as refused:
            [(name, errors)] = refused.error_dict.items()
            row = rows.get((errors[0].params or {}).get("position", 0), drawn.said.line)
            self.telling.at(row, name, None, Code.REFUSED, " ".join(errors[0].messages))

    def store(self, drawn: Sequence[Drawn]) -> None:
        """Store contracts, lines and prices in sets, with the history, and count them."""
        followed = [each for each in drawn if each.is_followed]
        new = [each for each in drawn if each.former is None]
        before = {each.contract.pk: facts(each.former, each.kept) for each in followed if each.former}
        copy_in([each.contract for each in new])
        copy_over([each.contract for each in followed if each.former], [*CONTRACT_FIELDS, "updated_at"])
        lines = [(line, former) for each in followed for _row, line, former in each.lines]
        for line, _former in lines:
            line.contract_id = line.contract.pk
        copy_in([line for line, former in lines if former is None])
        links = [line for line, _former in lines if not line.continues_id and line.continues]
        for line in links:
            line.continues = line.continues  # it is stored by now
        copy_over(links, ["continues"])
        copy_over([line for line, former in lines if former], [*LINE_FACTS, "amount", "net"])
        numbers.pass_over(numbers.CONTRACT, [each.contract.number for each in new])
        self.keep_events(followed, before)
        store_meters([meter for each in drawn for meter in each.meters], self.telling, today=self.today, by=self.by)
        self.report.added += len(new)
        self.report.changed += sum(1 for each in drawn if each.former and (each.is_followed or each.meters))
        self.report.unchanged += sum(1 for each in drawn if not each.is_followed and not each.meters)
        for each in followed:
            self.rows[each.contract.pk] = each.said.line
            self.saved.setdefault(each.contract.customer_id, []).append(each.contract.pk)
            if "cancel_on" in each.names and each.former:
                self.moved.append(each.contract.pk)
        for each in drawn:
            if each.meters:
                self.saved.setdefault(each.contract.customer_id, [])

    def keep_events(self, followed: Sequence[Drawn], before: dict[int, dict[str, str]]) -> None:
        """The history of contracts that stood before, and of those that a person registers (D40)."""
        told = [each for each in followed if each.former or self.by]
        owners = Customer.objects.in_bulk({each.contract.customer_id for each in told})
        events = []
        for each in told:
            changed = {line.pk: line for _row, line, _former in each.lines}
            lines = {line.pk: changed.get(line.pk, line) for line in each.kept} | changed
            after = facts(each.contract, sorted(lines.values(), key=lambda line: line.position))
            action = Action.CONTRACT_CHANGED if each.former else Action.CONTRACT_CREATED
            about = {"by": self.by, "customer": owners[each.contract.customer_id]}
            former = before.get(each.contract.pk, {})
            events.append(history.change(action, each.contract.number, former, after, **about))
        self.report.keep(events)

    def follow(self, charge_past: bool) -> None:
        """Terms and orders of all that was stored; what they may not become goes to the report."""
        owners = sorted(self.saved)
        for begin in range(0, len(owners), AT_ONCE):
            some = [owner for owner in owners[begin : begin + AT_ONCE] if self.saved[owner]]
            contracts = [contract for owner in some for contract in self.saved[owner]]
            if not some:
                continue
            try:
                done = follow(some, today=self.today, until=self.today, saved=contracts, charge_past=charge_past)
            except ValidationError as refused:
                self.tell_unfollowed(refused)
            else:
                self.report.keep(events_of(done.changes, self.by))
        for contract in Contract.objects.filter(pk__in=self.moved, meters__isnull=False).distinct():
            try:
                recharge_moved_months(contract, today=self.today)
            except ValidationError as refused:
                self.telling.refused(self.rows[contract.pk], {}, refused)
        for begin in range(0, len(owners), AT_ONCE):
            found = Customer.objects.filter(pk__in=owners[begin : begin + AT_ONCE])
            self.report.owners += found.order_by("number").values_list("number", flat=True)

    def tell_unfollowed(self, refused: ValidationError) -> None:
        """At the first row of each contract that is refused."""
        told: dict[int, str] = {}
        for error in refused.error_list:
            if isinstance(error, PastCharge):
                told[error.contract] = " ".join(error.messages)
        if not told:
            with connection.cursor() as cursor:
                cursor.execute("SELECT DISTINCT contract_id FROM wanted_line WHERE rate IS NULL ORDER BY 1")
                told = {row[0]: " ".join(refused.messages) for row in cursor.fetchall()}
        for contract in Contract.objects.filter(pk__in=told):
            line = self.rows.get(contract.pk, 1)
            self.telling.at(line, "number", contract.number, Code.REFUSED, told[contract.pk])


CONTRACTS = Kind("contracts", _("契約"), COLUMNS, take_contracts, belong_together=True)
