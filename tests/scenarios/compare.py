"""Where model and portal disagree about customers: orders, documents and their numbers, proposals, balances."""

from collections import Counter, defaultdict

from billing import proposals
from billing.models import Credit, Invoice, InvoiceLine
from billing.month import checks
from contracts.models import Term
from orders.models import Order, OrderLine

# What a person has to decide or to wait for isn't wrong, and no worker makes files here.
NO_ALARM = {"pdf_missing", "parked", "mail_missing"}


def differences(people, closing):
    """Tell each of the people (`faults`) what only one of both has. A close leaves the drafts of later months to the next run."""
    if not people:
        return
    told = {"orders": orders(people), "documents": documents(people), "proposals": proposed(people)}
    if not closing:
        told["balances"] = balances(people)  # what drafts take up
    for what, found in told.items():
        for person in people:
            model, portal = OF_MODEL[what](person), found[person.customer.pk]
            if what == "documents" and closing:
                model, portal = without_drafts(model), without_drafts(portal)
            person.faults += [f"{what}: only the model has {each}" for each in (model - portal).elements()]
            person.faults += [f"{what}: only the portal has {each}" for each in (portal - model).elements()]
    renumbered(people)


def without_drafts(found):
    return Counter({each: count for each, count in found.items() if each[2] != "draft"})


def names_of(people):
    """The model's names of (contracts, lines) by id."""
    contracts = {pk: name for person in people for name, pk in person.contracts.items()}
    return contracts, {pk: name for person in people for (_contract, name), pk in person.lines.items()}


def ids(people):
    return [person.customer.pk for person in people]


def orders_of_model(person):
    return Counter(
        (order.contract, order.term, order.kind, order.addition_of, order.difference, order.month,
         tuple(sorted((line.line, line.starts_on, line.ends_on, line.amount, line.cls) for line in order.lines)))
        for order in person.life.orders if not order.cancelled
    )  # fmt: skip


def orders(people):
    """{customer: orders that aren't 取消, each with its lines}."""
    contracts, names = names_of(people)
    lines, found = defaultdict(list), defaultdict(Counter)
    for order, line, first, last, amount, *cls in OrderLine.objects.filter(
        order__customer__in=ids(people), order__reversed_on=None
    ).values_list(
        "order", "contract_line", "starts_on", "ends_on", "amount", "tax_kind", "tax_rate", "price_basis"
    ):  # fmt: skip
        lines[order].append((names[line], first, last, amount, tuple(cls)))
    for customer, pk, contract, term, kind, line, difference, month in Order.objects.filter(
        customer__in=ids(people), reversed_on=None
    ).values_list("customer", "pk", "contract", "term__sequence", "kind", "line", "is_difference", "month"):
        own = tuple(sorted(lines[pk]))
        found[customer][contracts[contract], term, kind, line and names[line], difference, month, own] += 1
    return found


def documents_of_model(person):
    life = person.life
    return Counter(
        (
            each.kind,
            each.month,
            each.state,
            each.net,
            each.total,
            each.due_on,
            tuple(sorted(map(line_of_model, each.lines))),
        )
        for each in [*life.documents, *life.drafts.values()]
    )


def documents(people):
    """{customer: documents with what they come to, when they are due, and what stands on them}."""
    lines, discounts, found = defaultdict(list), Counter(), defaultdict(Counter)
    for invoice, amount, kind, rate, basis, first, last, credit, discount in InvoiceLine.objects.filter(
        customer__in=ids(people)
    ).values_list(
        "invoice", "amount", "tax_kind", "tax_rate", "price_basis", "starts_on", "ends_on", "credit", "discount"
    ):
        if discount:  # the model takes all 一括値引き of a document as one
            discounts[invoice, kind, rate, basis] += amount
            continue
        # What takes up a credit says of which days it is, and the model doesn't.
        lines[invoice].append((amount, kind, rate, basis, (first, last) if credit is None else ()))
    for (invoice, *cls), amount in discounts.items():
        lines[invoice].append((amount, *cls, ()))
    for customer, pk, *facts in Invoice.objects.filter(customer__in=ids(people)).values_list(
        "customer", "pk", "kind", "month", "state", "net", "total", "due_on"
    ):
        found[customer][*facts, tuple(sorted(lines[pk]))] += 1
    return found


def line_of_model(line):
    days = (line.starts_on, line.ends_on) if line.charges else ()
    return line.amount, line.cls.kind, line.cls.rate, line.cls.basis, days


def renumbered(people):
    """A month's invoice keeps the number that it was given first (D20)."""
    stored = defaultdict(dict)
    for customer, month, number in Invoice.objects.filter(customer__in=ids(people), kind="invoice").values_list(
        "customer", "month", "number"
    ):
        stored[customer][month] = number
    for person in people:
        for month, number in stored[person.customer.pk].items():
            first = person.numbers.setdefault(month, number)
            if first != number:
                person.faults.append(f"numbers: {month} was {first}, is {number}")


def proposals_of_model(person):
    return Counter((each.contract, each.term, each.line, each.amount) for each in person.life.proposals())


def proposed(people):
    contracts, lines = names_of(people)
    found, stand = defaultdict(Counter), proposals.proposals(ids(people))
    terms = dict(Term.objects.filter(pk__in={each.term_id for each in stand}).values_list("pk", "sequence"))
    for each in stand:
        key = contracts[each.contract_id], terms[each.term_id], lines[each.contract_line_id], each.amount
        found[each.customer_id][key] += 1
    return found


def balances_of_model(person):
    return +Counter({tuple(cls): left for cls, left in person.life.balances().items()})


def balances(people):
    """{customer: 調整残高 of each class}."""
    found = defaultdict(Counter)
    for credit in Credit.objects.filter(customer__in=ids(people)).entries().with_left():
        found[credit.customer_id][credit.tax_kind, credit.tax_rate, credit.price_basis] += credit.left
    return defaultdict(Counter, {customer: +counted for customer, counted in found.items()})


OF_MODEL = {
    "orders": orders_of_model,
    "documents": documents_of_model,
    "proposals": proposals_of_model,
    "balances": balances_of_model,
}


def alarms(people, month, day):
    """Tell each of the people what `check_month` calls wrong, and which balances wait otherwise than the model says."""
    found = {finding.code: finding for finding in checks.check(month, today=day)}
    wrong = [each for each in found.values() if each.kind != checks.WARNING and each.code not in NO_ALARM]
    for person in people:
        own = {"", person.customer.number}
        person.faults += [
            f"{each.code} in {month}: {item}" for each in wrong for item in each.items if item.customer in own
        ]
        if "credit_open" in found and not person.faults:
            waiting = sorted(item.text.partition(" ")[2] for item in found["credit_open"].items if item.customer in own)
            model = sorted(f"{kind} {rate:.4f} {basis}" for kind, rate, basis in person.life.credit_open())
            person.faults += [f"credit_open in {month}: the model has {model}, the portal {waiting}"] * (
                model != waiting
            )
