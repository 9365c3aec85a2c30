"""The month's invoice: what stands on it, what credits it takes up, and when it is fixed (rules 7, 13; D4, D9, D36)."""

from tests.oracle import calendar as cal
from tests.oracle import usage
from tests.oracle.arithmetic import split
from tests.oracle.orders import follow
from tests.oracle.records import DocLine, Document, Refused


def build(life):
    """Make all provisional invoices anew, earlier months first."""
    life.drafts, life.lapsed = {}, {}
    left = {credit.id: life.still_open(credit) for credit in life.credits}
    for month, lines in sorted(charges(life).items()):
        draft = Document(life.invoice_number(month), "invoice", "draft", month, lines, life.rounding)
        draft.discount = life.discounts.get(month, 0)
        draft.due_on = cal.due_on(month, None, life.vendor.payment_months, life.vendor.due_shift)
        lapsed = take_discount(draft)
        if lapsed:
            life.lapsed[month] = lapsed
        take_credits(life, draft, left)
        life.drafts[month] = draft
    # An invoice that goes takes its 一括値引き along, though it may come back with its number.
    life.discounts = {month: amount for month, amount in life.discounts.items() if month in life.drafts}


def charges(life):
    """Month → lines of orders, usage, 再請求 and positive adjustments. Without any there is no invoice (D9)."""
    found = {}
    for order in life.orders:
        if not order.frozen and not order.cancelled:
            month = life.invoice_month(order.month)
            contract = life.contracts[order.contract]
            [term] = [term for term in life.terms(contract) if term.sequence == order.term]
            prorated = life.prorates(contract, term)
            found.setdefault(month, []).extend(
                DocLine(("order", order.id, part.line), "order", part.amount, part.cls, part.starts_on, part.ends_on,
                        order.contract, order.term, part.line, order.id, prorated=prorated, ordered=part.amount)
                for part in order.lines
            )  # fmt: skip
    for contract in life.contracts.values():
        for month, line in usage.lines(life, contract):
            found.setdefault(life.invoice_month(month), []).append(line)
    for month, line in life.open_rebilled():
        found.setdefault(month, []).append(line)
    done = {line.key for document in life.documents for line in document.lines}
    for place, event in enumerate(life.adjustments):
        key, span = ("adjustment", place), (event.month, cal.last_day(event.month))
        if key not in done:
            cls = life.class_in(event)
            line = DocLine(key, "adjustment", event.amount, cls, *span, ordered=event.amount)
            found.setdefault(event.month, []).append(line)
    places = {number: place for place, number in enumerate(life.contracts)}
    for lines in found.values():  # as the document shows them: by contract, orders before usage, adjustments last
        lines.sort(key=lambda line: (places.get(line.contract, len(places)), line.origin == "usage"))
    return found


def sums(document):
    found = {}
    for line in document.lines:
        found[line.cls] = found.get(line.cls, 0) + line.amount
    return found


def take_discount(document):
    """Rule 7: split by what the classes have, before credits. Returns the yen that no class can take."""
    room = {cls: amount for cls, amount in sums(document).items() if amount > 0}
    taken = min(document.discount, sum(room.values()))
    if taken:
        span = document.month, cal.last_day(document.month)
        parts = zip(room, split(taken, list(room.values())), strict=True)
        document.lines += [DocLine(("discount", cls), "discount", -part, cls, *span) for cls, part in parts if part]
    return document.discount - taken


def take_credits(life, document, left):
    """Rule 7: oldest first, as far as the class stays at or above 0; `left` is credit id → yen, and is lessened."""
    for credit in sorted(life.credits, key=lambda credit: (credit.day, credit.id)):
        taken = min(left.get(credit.id, 0), sums(document).get(credit.cls, 0))
        if taken > 0:
            left[credit.id] -= taken
            span = document.month, cal.last_day(document.month)
            document.lines.append(
                DocLine(("credit", credit.id), "adjustment", -taken, credit.cls, *span, credit=credit.id)
            )


def negative(document):
    """Whether lines of contracts by themselves leave a class below 0 (D9)."""
    return any(total.base < 0 for total in document.totals)


def run(life, event):
    """`open_month`: terms, orders and provisional invoices up to today (D31)."""
    for contract in life.contracts.values():
        contract.made_to = max(contract.made_to, event.day)


def close(life, event):
    """`close_month`: the customer's invoice is fixed, or the customer is parked (保留)."""
    month = event.month
    if event.day <= cal.last_day(month) or month < life.vendor.first_month:
        raise Refused("the month isn't over, or was billed elsewhere")
    if month > life.vendor.first_month and (life.last_closed is None or cal.later(life.last_closed, 1) < month):
        raise Refused("the month before was never run")
    for contract in life.contracts.values():
        contract.made_to = max(contract.made_to, cal.last_day(month))
    follow(life, event.day)
    build(life)
    if life.is_open(month):
        draft = life.drafts.get(month)
        if event.parks or any(other < month for other in life.parked) or (draft and negative(draft)):
            life.parked.add(month)
        else:
            life.parked.discard(month)
            if draft:
                draft.due_on = cal.due_on(month, event.day, life.vendor.payment_months, life.vendor.due_shift)
                fix(life, draft, event.day)
    life.last_closed = max(life.last_closed or month, month)


def fix(life, document, day):
    document.state, document.fixed_on = "fixed", day
    life.documents.append(document)
    for line in document.lines:
        if line.order is not None:
            life.orders[line.order].frozen = True
