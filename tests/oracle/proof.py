"""What must hold of every life, however untidy: the sum of rule 14, and that nothing is charged or given twice."""

from collections import Counter

from tests.oracle import usage


def faults(life):
    """Sentences about what doesn't add up; none for a right life."""
    return [*sums(life), *charged_twice(life), *given_twice(life), *ordered_twice(life)]


def charging(life):
    """Documents that are 未確定 or count."""
    return [*life.drafts.values(), *(document for document in life.documents if document.counts)]


def sums(life):
    """Rule 14, by class. A 修正 that was rebilled is added as what it lowered, for its lines stand as it left them."""
    left, right = Counter(), Counter()
    for order in life.orders:
        if not order.cancelled and not life.set_aside(order.id):
            for part in order.lines:
                left[part.cls] += part.amount
    for line in other_charges(life):
        left[line.cls] += line.ordered
    for credit in life.credits:
        left[credit.cls] -= credit.stands
    for cls, balance in life.balances().items():
        left[cls] += balance
    for line in (line for document in charging(life) for line in document.lines):
        right[line.cls] += line.amount
        if line.charges:
            left[line.cls] += line.amount - line.ordered
        elif line.origin == "discount":
            left[line.cls] += line.amount
    for cls in left.keys() | right.keys():
        if left[cls] != right[cls]:
            yield f"{cls}: {left[cls]} owed, {right[cls]} on documents"


def other_charges(life):
    """Usage and positive adjustments that were ever to be billed and aren't set aside, each once."""
    found = {line.key: line for contract in life.contracts.values() for _month, line in usage.lines(life, contract)}
    drafted = {line.key: line for draft in life.drafts.values() for line in draft.lines if line.key[0] == "adjustment"}
    latest = {}  # key → (document, line), a later document in place of an earlier one
    for document in life.documents:
        if document.kind != "return":
            latest |= {line.key: (document, line) for line in document.lines if line.key[0] in ("usage", "adjustment")}
    waiting = {line.key for _month, line in life.open_rebilled()}
    kept = {key: line for key, (document, line) in latest.items() if document.counts or key in waiting}
    return (found | drafted | kept).values()


def charged_twice(life):
    shown = Counter(line.key for document in charging(life) for line in document.lines if line.charges)
    return [f"{key} stands on {times} documents" for key, times in shown.items() if times > 1]


def ordered_twice(life):
    """A line is charged once per term; a 差額 only says what more of it is charged."""
    parts = Counter(
        (order.contract, order.term, part.line)
        for order in life.orders
        if not order.cancelled and not order.difference
        for part in order.lines
    )
    return [f"{what} is ordered {times} times" for what, times in parts.items() if times > 1]


def given_twice(life):
    for credit in life.credits:
        if not 0 <= life.still_open(credit) <= credit.stands:
            yield f"credit {credit.id}: {life.still_open(credit)} open of {credit.stands}"
    if any(balance < 0 for balance in life.balances().values()):
        yield f"balances {life.balances()}"
    for document in life.documents:
        for line in document.lines if document.counts else ():
            returns = [one for one in life.documents if one.kind == "return" and one.state == "fixed"]
            given = sum(
                part.amount
                for one in returns
                if one.corrects == document.number
                for part in one.lines
                if part.key == line.key
            )
            if abs(given) > abs(line.amount):
                yield f"{-given} of {line.amount} returned on {document.number}"
