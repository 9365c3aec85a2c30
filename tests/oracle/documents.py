"""What becomes of a fixed document: 修正, 返還, 取消 (rules 9, 10, 11; D6, D41)."""

from dataclasses import replace

from tests.oracle import calendar as cal
from tests.oracle.bills import fix, negative, sums, take_discount
from tests.oracle.contracts import make_terms
from tests.oracle.records import Document, Refused


def newest(life, number, kinds=("invoice", "correction")):
    document = life.document(number)
    if document.state != "fixed" or document.kind not in kinds:
        raise Refused("only the newest of a chain")
    return document


def returns_of(life, document):
    """返還 that stand, of the document."""
    return [d for d in life.documents if d.kind == "return" and d.state == "fixed" and d.corrects == document.number]


def correct(life, event):
    """修正: a new document in place of the old one, with its month, its rounding and its 一括値引き."""
    old = newest(life, event.number)
    if returns_of(life, old):
        raise Refused("a 返還 stands")
    amounts = dict(event.amounts)
    if event.from_orders:
        amounts = {line.key: line.ordered for line in old.lines if line.charges} | amounts
    if set(amounts) - {line.key for line in old.lines if line.charges}:
        raise Refused("no such line")
    lines = [
        replace(line, origin="correction", amount=amounts.get(line.key, line.amount), replaces=old.number)
        for line in old.lines
        if line.charges
    ]
    new = Document(life.number(old.month), "correction", "draft", old.month, lines, old.rounding, corrects=old.number)
    new.discount = old.discount
    take_discount(new)
    for line in old.lines:
        if line.credit is not None:  # the same credits as far as the classes allow; the rest is open again
            taken = min(-line.amount, sums(new).get(line.cls, 0))
            if taken > 0:
                new.lines.append(replace(line, amount=-taken))
    if negative(new):
        raise Refused("a class falls below 0")
    settings = life.vendor
    new.due_on = old.due_on
    if old.due_on < event.day:
        new.due_on = cal.due_on(old.month, event.day, settings.payment_months, settings.due_shift)
    old.state = "replaced"
    fix(life, new, event.day)
    chain = life.chain(new.number)
    for line in lines:  # rule 9: what was credited of the line and is more than the line now
        named = [credit for credit in life.credits if credit.key == line.key and credit.number in chain]
        counter(life, named, sum(credit.stands for credit in named) - max(line.amount, 0))
    make_terms(life, event.day)


def counter(life, named, excess):
    """Take back up to `excess` yen of what is still open of these credits, the newest first."""
    for credit in reversed(named):
        part = min(excess, life.still_open(credit))
        if part > 0:
            credit.countered += part
            excess -= part


def returnable(life, document, line):
    """Rule 10: yen of the line that aren't returned yet; credits neither add to it nor lessen it."""
    given = [part for one in returns_of(life, document) for part in one.lines if part.key == line.key]
    return line.amount + sum(part.amount for part in given)


def give_back(life, event):
    document = newest(life, event.number)
    rest = {line.key: returnable(life, document, line) for line in document.lines if line.charges}
    amounts = {key: left for key, left in rest.items() if left} if event.amounts is None else event.amounts
    if not amounts or any(key not in rest or not within(yen, rest[key]) for key, yen in amounts.items()):
        raise Refused("nothing to return, or more than can be returned")
    make_return(life, document, amounts, event.day)
    make_terms(life, event.day)


def within(yen, rest):
    return 0 < yen <= rest or rest <= yen < 0


def make_return(life, document, amounts, day, decision=None):
    lines = [
        replace(line, origin="correction", amount=-amounts[line.key], replaces=document.number)
        for line in document.lines
        if line.key in amounts
    ]
    number = life.number(document.month)
    made = Document(number, "return", "fixed", document.month, lines, document.rounding, fixed_on=day,
                    corrects=document.number, decision=decision)  # fmt: skip
    if made.total > 0:
        raise Refused("a 返還 would ask for money")
    life.documents.append(made)


def void(life, event):
    take_away(life, event)
    make_terms(life, event.day)


def take_away(life, event):
    document = life.document(event.number)
    if document.kind == "return":
        if event.rebill or document.state != "fixed":
            raise Refused("a 返還 isn't rebilled, nor void twice")
        document.state = "void"
        return
    if document.state == "void" and event.rebill and not document.rebilled:
        rebill(life, document)
        return
    newest(life, event.number)
    behind = chain_behind(life, document, event.rebill)
    if behind and not event.chain:
        raise Refused("documents depend on it", names=[one.number for one in behind])
    for one in reversed(behind):
        withdraw(life, one)
    if event.rebill:
        document.state = "void"
        rebill(life, document)
    else:
        withdraw(life, document)


def chain_behind(life, document, keeps_credits=False, known=()):
    """Rule 11: 返還 that stand, and fixed documents that took up credits naming it, with what depends on those.

    What is rebilled may take up a credit that names its own line; a document doesn't depend on itself.
    """
    known = (*known, document.number)
    found = returns_of(life, document)
    if not keeps_credits:
        named = {credit.id for credit in credits_of(life, document)}
        found += [d for d in life.documents if d.counts and named & {line.credit for line in d.lines}]
    found = [one for one in found if one.number not in known]
    for one in list(found):
        found += [] if one.kind == "return" else chain_behind(life, one, known=known)
    return list({one.number: one for one in found}.values())


def credits_of(life, document):
    chain = life.chain(document.number)
    return [credit for credit in life.credits if credit.number in chain]


def withdraw(life, document):
    """取消 without rebilling: its orders are set aside, credits that name it are taken back as far as they are open."""
    document.state = "void"
    if document.kind != "return":
        for credit in credits_of(life, document):
            credit.countered += life.still_open(credit)


def rebill(life, document):
    """Each line as it stood, in the earliest open month; credits that named the document name the new lines."""
    month = life.earliest_open
    lines = [
        replace(line, origin="rebill", replaces=document.number)
        for line in document.lines
        if line.charges and not (line.contract and life.contracts[line.contract].withdrawn)
    ]
    named = credits_of(life, document)
    life.rebilled += [(month, line) for line in lines]
    document.rebilled = True
    for credit in named if lines else ():
        credit.number = life.invoice_number(month)
