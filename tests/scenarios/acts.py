"""What each event of the model's log is in the portal: the call of the service that a form or a command makes."""

from decimal import Decimal

from django.core.exceptions import ValidationError

from accounts.models import User
from billing import credits, proposals
from billing.models import Decision, Discount, Invoice, InvoiceLine
from billing.month.open_months import redraft
from billing.services import adjust_invoice, price_adjustment
from billing.settled import introduce_rate
from contracts.models import Contract, ContractLine, Meter, MeterPrice, Service, Term
from contracts.services import PriceTyped, save_meter
from orders import usage
from orders.services import start_contract, withdraw_contract
from portal import months
from portal.models import TaxClass
from tests.oracle import events as ev
from tests.scenarios import mending


def do(person, event):
    """Do the event for this customer. Raises ValidationError where the portal refuses it."""
    DO[type(event)](person, event)
    if type(event) not in DRAFTING:
        redraft(person.customer, today=event.day)


def register(person, event):
    contract = Contract(
        customer=person.customer,
        name=event.contract,
        service=Service.objects.get(code=event.service),
        form=event.form,
        start_on=event.start_on,
        cancel_on=event.cancel_on,
        auto_renew=event.auto_renew,
        bill_from=event.bill_from,
    )
    lines = [new_line(line, place) for place, line in enumerate(event.lines, 1)]
    start_contract(contract, lines, today=event.day, charge_past=event.tick)
    person.contracts[event.contract] = contract.pk
    note_lines(person, event.contract)


def new_line(line, place):
    return ContractLine(
        position=place,
        item=line.name,
        unit_price=Decimal(line.unit_price),
        quantity=Decimal(line.quantity),
        charge_from=line.charge_from,
        charge_to=line.charge_to,
        tax_kind=line.kind,
        price_basis=line.basis,
    )


def save(person, event):
    contract = Contract.objects.get(pk=contract_id(person, event.contract))
    stored = {name: line for name, line in named_lines(person, contract)}
    changed, removed, apply = {}, [], None
    place = max((line.position for line in stored.values()), default=0)
    for change in event.changes:
        match change:
            case ev.AddLine(line=line):
                if line.name in stored or line.name in changed:
                    raise ValidationError("the line exists")
                place += 1
                changed[line.name] = new_line(line, place)
            case ev.Cancel(on=on):
                contract.cancel_on = on
            case ev.BillFrom(month=month):
                contract.bill_from = month
            case ev.Renew(on=on):
                contract.auto_renew = on
            case ev.DeleteLine(name=name):
                removed.append(line_named(stored, name))
            case ev.MoveStart(name=name, charge_from=on):
                changed[name] = line_named(stored, name)
                changed[name].charge_from = on
            case ev.MoveEnd(name=name, charge_to=on):
                changed[name] = line_named(stored, name)
                changed[name].charge_to = on
            case ev.ChangeLine(name=name):
                line = changed[name] = line_named(stored, name)
                apply = change.apply
                for fact, of in (
                    ("unit_price",) * 2,
                    ("quantity",) * 2,
                    ("tax_kind", "kind"),
                    ("price_basis", "basis"),
                ):
                    if getattr(change, of) is not None:
                        setattr(line, fact, getattr(change, of))
    lines = list(changed.values())
    for line in lines:
        line.clean()
    contract.clean()
    start_contract(contract, lines, removed, today=event.day, charge_past=event.tick, apply=apply)
    note_lines(person, event.contract)


def contract_id(person, name):
    if name not in person.contracts:
        raise ValidationError("no such contract")
    return person.contracts[name]


def line_named(stored, name):
    if name not in stored:
        raise ValidationError("no such line")
    return stored[name]


def named_lines(person, contract):
    """(the model's name, line) of each line; a copy that goes on from a day is named like its forerunner, with the day."""
    names = {pk: name for (owner, name), pk in person.lines.items() if owner == contract.name}
    for line in contract.lines.order_by("pk"):
        name = names.get(line.pk)
        if name is None and line.continues_id:
            name = f"{names[line.continues_id]}@{line.charge_from}"
        names[line.pk] = name or line.item
        yield names[line.pk], line


def note_lines(person, name):
    contract = Contract.objects.get(pk=person.contracts[name])
    for line_name, line in list(named_lines(person, contract)):
        person.lines[name, line_name] = line.pk


def withdraw(person, event):
    withdraw_contract(Contract.objects.get(pk=contract_id(person, event.contract)), today=event.day)


def use(person, event):
    contract = Contract.objects.get(pk=contract_id(person, event.contract))
    row = f"{contract.number},line,{event.month:%Y-%m},{event.quantity}"
    usage.take_in("usage.csv", f"contract,service,period,quantity\n{row}\n".encode(), today=event.day)


def price(person, event):
    """Prices from always make the meter; later ones are added to it."""
    contract = Contract.objects.get(pk=contract_id(person, event.contract))
    meter = contract.meters.filter(service__code="line").first() or Meter(
        contract=contract, service=Service.objects.get(code="line"), item=event.meter, unit="GB"
    )
    if meter.pk and (meter.tax_kind, meter.price_basis) != (event.kind, event.basis):
        raise ValidationError("a meter has one kind of tax")
    meter.tax_kind, meter.price_basis = event.kind, event.basis
    typed = MeterPrice(since=event.since, free_quantity=event.free, unit_price=event.unit_price)
    if meter.pk and meter.prices.filter(since=event.since).exists():
        raise ValidationError("prices of that month exist")
    save_meter(meter, [PriceTyped(typed, [(above, Decimal(yen)) for above, yen in event.tiers])])
    usage.reprice(meter, today=event.day)


def enter_tax(event):
    """新しい税率 (D34). Raises ValidationError where the portal refuses it."""
    introduce_rate(TaxClass(kind=event.kind, rate=event.rate, valid_from=event.since), by=staff())


def staff():
    return User.objects.get(email="staff@example.net")


def decide(person, event):
    contract, line = contract_id(person, event.contract), person.lines.get((event.contract, event.line))
    [proposal] = [
        each
        for each in proposals.proposals([person.customer.pk])
        if (each.contract_id, each.contract_line_id) == (contract, line)
        and Term.objects.get(pk=each.term_id).sequence == event.term
    ] or [None]
    if proposal is None:
        raise ValidationError("no such proposal")
    person.decisions.append(proposals.decide([proposal], event.how, "理由", by=staff(), today=event.day)[0].pk)


def take_back(person, event):
    if event.decision >= len(person.decisions):
        raise ValidationError("no such decision")
    credits.take_back(Decision.objects.get(pk=person.decisions[event.decision]), "理由", by=staff(), today=event.day)


def credit(person, event):
    """翌月調整 by hand."""
    credits.give_credit(mending.line_of(person, event.number, event.key), event.amount, "理由", by=staff())


def adjust(person, event):
    draft = Invoice.objects.drafts().filter(customer=person.customer, month=event.month).first()
    line = InvoiceLine(
        position=999,
        item="調整",
        starts_on=event.month,
        ends_on=months.last_day(event.month),
        unit_price=event.amount,
        tax_kind=event.kind,
        price_basis=event.basis,
    )
    if draft:
        line.position = 1 + max(draft.lines.values_list("position", flat=True), default=0)
        adjust_invoice(draft, [line], by=staff())
    elif event.amount < 0:
        line.customer = person.customer
        price_adjustment(line)
        credits.credit_of_adjustment(line, by=staff())
    else:
        raise ValidationError("no provisional invoice")


def discount(person, event):
    draft = Invoice.objects.drafts().filter(customer=person.customer, month=event.month).first()
    if draft is None:
        raise ValidationError("no provisional invoice")
    adjust_invoice(draft, [], discounts=[Discount(amount=event.amount)], by=staff())


DO = {
    ev.Registered: register,
    ev.Saved: save,
    ev.Withdrawn: withdraw,
    ev.Used: use,
    ev.MeterPriced: price,
    ev.Decided: decide,
    ev.TakenBack: take_back,
    ev.Credited: credit,
    ev.Adjusted: adjust,
    ev.Discounted: discount,
    ev.Corrected: mending.correct,
    ev.Returned: mending.give,
    ev.Voided: mending.take_away,
}
# Their services bring the drafts up to date themselves.
DRAFTING = {ev.Discounted, ev.Credited, ev.TakenBack, ev.Corrected, ev.Returned, ev.Voided}
