"""修正, 返還 and 取消 of the model's log as the portal does them; the model's documents and lines are found by what they are."""

from django.core.exceptions import ValidationError

from billing.corrections.giving_back import give_back
from billing.corrections.reissue import reissue
from billing.corrections.voiding import void
from billing.models import Invoice


def correct(person, event):
    invoice = document(person, event.number)
    changes = {line_of(person, event.number, key).pk: {"amount": yen} for key, yen in event.amounts.items()}
    reissue(invoice, changes, from_orders=event.from_orders, **said(event))


def give(person, event):
    invoice, parts = document(person, event.number), event.amounts
    if parts is not None:
        parts = {line_of(person, event.number, key).pk: yen for key, yen in parts.items()}
        if not parts:
            raise ValidationError("nothing is named")
    give_back(invoice, parts, **said(event))


def take_away(person, event):
    void(document(person, event.number), rebill=event.rebill, chain=event.chain, **said(event))


def said(event):
    return {"reason": "理由", "by": None, "today": event.day}


def document(person, number):
    """The document that stands where the model's does among those of its month, in the order of their numbers."""
    life = person.life
    known = [*life.documents, *life.drafts.values()]
    found = [each for each in known if each.number == number]
    if not found:
        raise ValidationError("no such document")
    numbers = sorted((each.number for each in known if each.month == found[0].month), key=place)
    stored = Invoice.objects.filter(customer=person.customer, month=found[0].month).order_by("number")
    return stored[numbers.index(number)]


def place(number):
    return int(number.rpartition("-")[2])


def line_of(person, number, key):
    """A line of that document which charges the same of the same."""
    documents = [each for each in person.life.documents if each.number == number]
    lines = [line for each in documents for line in each.lines if line.key == key and line.charges]
    if not lines:
        raise ValidationError("no such line")
    [told] = lines
    for line in (
        document(person, number).lines.charging().select_related("order__term", "order_line", "usage_charge__usage")
    ):
        facts = (line.amount, line.tax_kind, line.tax_rate, line.price_basis, line.starts_on, line.ends_on)
        if facts == (told.amount, *told.cls, told.starts_on, told.ends_on) and source(line) == source_of(person, told):
            return line
    raise ValidationError("no such line")


def source(line):
    """What the line charges, by ids."""
    if line.order_line:
        return line.order_line.contract_line_id, line.order.term.sequence, line.order.is_difference
    if line.usage_charge:
        return line.contract_id, line.usage_charge.usage.month
    return None


def source_of(person, told):
    if told.order is not None:
        return person.lines[told.contract, told.line], told.term, person.life.orders[told.order].difference
    if told.key[0] == "usage":
        return person.contracts[told.contract], told.key[3]
    return None
