"""Contracts as people save them: lines added, changed, ended, deleted; 解約日; 請求開始年月; withdrawing."""

from datetime import date

from tests.oracle import calendar as cal
from tests.oracle import events as ev
from tests.oracle.orders import follow
from tests.oracle.records import Contract, Line, Refused


def register(life, event):
    if event.contract in life.contracts:
        raise Refused("the contract exists")
    contract = Contract(
        number=event.contract,
        service=event.service,
        form=event.form,
        start_on=event.start_on,
        cancel_on=event.cancel_on,
        bill_from=event.bill_from,
        last_sequence=None if event.auto_renew and event.form != cal.ONCE else 1,
        lines={},
        made_to=date.min,
    )
    life.contracts[event.contract] = contract
    for line in event.lines:
        add_line(life, contract, ev.AddLine(line))
    finish(life, contract, event)


def save(life, event):
    contract = contract_of(life, event.contract)
    before = life.proposals()
    make_terms(life, event.day)  # what 適用 offers was made by then
    for change in event.changes:
        CHANGES[type(change)](life, contract, change)
        if isinstance(change, ev.BillFrom):
            undecided_before(life, contract, before)
    finish(life, contract, event)


def contract_of(life, number):
    if number not in life.contracts or life.contracts[number].withdrawn:
        raise Refused("no such contract")
    return life.contracts[number]


def finish(life, contract, event):
    """Rule 5: charging closed months is asked for, or the save is refused with what it would charge."""
    if contract.cancel_on and contract.cancel_on < contract.start_on:
        raise Refused("解約日 lies before 契約開始日")
    for line in contract.lines.values():
        former = contract.lines.get(line.forerunner)
        if former and line.charge_from and (former.charge_to is None or former.charge_to >= line.charge_from):
            raise Refused("a line that is continued ends before its copy begins")
    make_terms(life, event.day)
    past = follow(life, event.day, ticked=contract.number if event.tick else None)
    past = [item for item in past if item.contract == contract.number]
    if past and not event.unjudged:
        raise Refused("closed months would be charged", count=len(past), yen=sum(item.yen for item in past))


def make_terms(life, day):
    """The unbilled orders of a customer follow at once after a save (D23): of all contracts, up to its day."""
    for contract in life.contracts.values():
        contract.made_to = max(contract.made_to, day)


def undecided_before(life, contract, proposals):
    """Rule 8: open proposals of terms that 請求開始年月 cuts away are decided first."""
    cut = {term.sequence for term in life.terms(contract) if term.starts_on < (contract.bill_from or date.min)}
    named = [(p.contract, p.term, p.line) for p in proposals if p.contract == contract.number and p.term in cut]
    if named:
        raise Refused("open proposals", names=named)


def add_line(life, contract, change):
    new = change.line
    if new.name in contract.lines:
        raise Refused("the line exists")
    contract.lines[new.name] = check(
        Line(new.name, new.unit_price, new.quantity, new.charge_from, new.charge_to, new.kind, new.basis)
    )


def check(line):
    if line.charge_from and line.charge_to and line.charge_to < line.charge_from:
        raise Refused("課金終了日 lies before 課金開始日")
    return line


def held(life, contract, name, term=None):
    """Whether the line was ever billed by an order that stands: it is neither edited in place nor deleted (rule 3)."""
    orders = life.orders_of(contract.number, term.sequence if term else None, name)
    return any(order.frozen for order in orders)


def line_of(contract, name):
    if name not in contract.lines:
        raise Refused("no such line")
    return contract.lines[name]


def change_line(life, contract, change):
    """Rule 3: in place while nothing of the line lies before the term from which the change holds, else from then on."""
    line = line_of(contract, change.name)
    begin = applies_from(life, contract, change.name, change.apply)
    fields = ("unit_price", "quantity", "kind", "basis")
    new = {name: getattr(change, name) for name in fields if getattr(change, name) is not None}
    earlier = [
        term for term in life.terms(contract) if term.starts_on < begin and orderable(life, contract, line, term)
    ]
    if not earlier and not held(life, contract, change.name):
        for name, value in new.items():
            setattr(line, name, value)
        return
    if contract.begins(line) >= begin or (line.charge_to and line.charge_to < begin):
        raise Refused("the line isn't charged both before and from then on")
    kept = {name: getattr(line, name) for name in fields} | new
    copy = Line(
        name=change.copy or f"{line.name}@{begin}", charge_from=begin, charge_to=line.charge_to, forerunner=line.name,
        **kept,
    )  # fmt: skip
    if copy.name in contract.lines:
        raise Refused("the line exists")
    line.charge_to = begin - cal.DAY
    for other in contract.lines.values():  # lines go on one after the other
        if other.forerunner == line.name and other.charge_from and other.charge_from > begin:
            other.forerunner = copy.name
    contract.lines[copy.name] = copy


def orderable(life, contract, line, term):
    may = life.may_order_from(contract)
    return life.covered(line, term) and (term.starts_on >= may or contract.begins(line) >= may)


def unbilled_terms(life, contract, name):
    """What 適用 offers for a line beside the next term: terms to come on a bill, also by a 追加 of that line alone."""
    may = life.may_order_from(contract)
    for term in life.terms(contract):
        orders = life.orders_of(contract.number, term.sequence)
        own = [order for order in orders if order.addition_of == name and not order.frozen]
        billed = [order for order in orders if order.frozen and (not order.addition_of or order.addition_of == name)]
        if not term.marked and (
            (own and not held(life, contract, name, term)) or (not billed and term.starts_on >= may)
        ):
            yield term


def applies_from(life, contract, name, apply):
    """First day of the term that `now`, `next` or `from:YYYY-MM` names (rule 3)."""
    unbilled, following = list(unbilled_terms(life, contract, name)), life.next_term(contract)
    if apply.startswith("from:"):
        offered = [term for term in unbilled if f"{term.starts_on:%Y-%m}" == apply[5:]]
    else:
        offered = [*(unbilled if apply == "now" else ()), *([following] if following else ())]
    if not offered:
        raise Refused(f"適用 doesn't offer {apply}")
    return offered[0].starts_on


def move_start(life, contract, change):
    if held(life, contract, change.name):
        raise Refused("課金開始日 of a billed line")
    line = line_of(contract, change.name)
    line.charge_from = change.charge_from
    check(line)


def move_end(life, contract, change):
    line = line_of(contract, change.name)
    line.charge_to = change.charge_to
    check(line)


def delete_line(life, contract, change):
    if held(life, contract, change.name):
        raise Refused("a billed line is never deleted")
    gone = contract.lines.pop(line_of(contract, change.name).name)
    for other in contract.lines.values():
        if other.forerunner == gone.name:
            other.forerunner = gone.forerunner


def cancel(life, contract, change):
    contract.cancel_on = change.on


def bill_from(life, contract, change):
    contract.bill_from = change.month


def renew(life, contract, change):
    """一括 has one term, whatever is said (D2). Without 自動更新 terms that ever were stay, as far as the 解約日 lets them."""
    reached = max([contract.reached, *(term.sequence for term in life.terms(contract))])
    contract.last_sequence = None if change.on and contract.form != cal.ONCE else reached


CHANGES = {
    ev.AddLine: add_line,
    ev.ChangeLine: change_line,
    ev.MoveStart: move_start,
    ev.MoveEnd: move_end,
    ev.DeleteLine: delete_line,
    ev.Cancel: cancel,
    ev.BillFrom: bill_from,
    ev.Renew: renew,
}


def withdraw(life, event):
    """D26: only while nothing of the contract is billed."""
    contract = contract_of(life, event.contract)
    for document in life.documents:
        counts = document.state in ("fixed", "replaced") or document.rebilled
        if counts and any(line.contract == event.contract for line in document.lines):
            raise Refused("the contract is billed")
    for order in life.orders_of(event.contract):
        order.cancelled = True
    contract.withdrawn = True
