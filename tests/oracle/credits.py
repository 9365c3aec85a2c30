"""What people decide: proposals, credits, adjustments, 一括値引き (rules 6 and 7; D27, D28)."""

from tests.oracle.contracts import make_terms
from tests.oracle.documents import make_return, returnable
from tests.oracle.records import Credit, Decision, Refused


def decide(life, event):
    """Rule 6; an open proposal is decided whole, in what its newest billed line is taxed with."""
    what = event.contract, event.term, event.line
    found = [p for p in life.proposals() if (p.contract, p.term, p.line) == what]
    if not found:
        raise Refused("no such proposal")
    [proposal] = found
    decision = Decision(event.how, *what, amount=proposal.amount)
    life.decisions.append(decision)
    if event.how == "credit":
        decision.credit = len(life.credits)
        life.credits.append(
            Credit(decision.credit, proposal.cls, proposal.amount, event.day, "decision", proposal.number, proposal.key,
                   *what)
        )  # fmt: skip
    elif event.how == "return":
        left, back = proposal.amount, {}
        for document, line in reversed(life.billed_lines(*what)):
            part = min(left, returnable(life, document, line))
            if part > 0:
                back.setdefault(document.number, (document, {}))[1][line.key] = part
                left -= part
        if left:
            raise Refused("more than can be returned")
        for document, amounts in back.values():
            make_return(life, document, amounts, event.day, decision=len(life.decisions) - 1)


def take_back(life, event):
    """A counter-entry: of a credit only what no fixed document has taken up; a 返還 is taken back by its 取消."""
    if event.decision >= len(life.decisions):
        raise Refused("no such decision")
    decision = life.decisions[event.decision]
    if decision.how == "refused":
        left = decision.amount - decision.taken_back
        decision.taken_back += left
    elif decision.how == "credit":
        credit = life.credits[decision.credit]
        left = life.still_open(credit)
        credit.countered += left
        make_terms(life, event.day)
    else:
        left = 0
    if not left:
        raise Refused("nothing of it is open")


def credit_by_hand(life, event):
    """翌月調整 for a document's line (rule 7): at most what is neither credited nor returned of it."""
    document = life.document(event.number)
    lines = [line for line in document.lines if line.key == event.key and line.charges]
    if not document.counts or not lines:
        raise Refused("no line of a document that counts")
    [line] = lines
    chain = life.chain(event.number)
    named = sum(credit.stands for credit in life.credits if credit.key == line.key and credit.number in chain)
    if not 0 < event.amount <= returnable(life, document, line) - named:
        raise Refused("more than the line")
    life.credits.append(
        Credit(len(life.credits), line.cls, event.amount, event.day, "hand", event.number, line.key, line.contract,
               line.term, line.line)
    )  # fmt: skip


def adjust(life, event):
    if event.amount < 0:
        life.credits.append(Credit(len(life.credits), life.class_in(event), -event.amount, event.day, "adjustment"))
    elif event.amount == 0 or event.month not in life.drafts:
        raise Refused("no provisional invoice")
    else:
        life.adjustments.append(event)


def discount(life, event):
    if event.amount <= 0 or event.month not in life.drafts:
        raise Refused("no provisional invoice")
    life.discounts[event.month] = life.discounts.get(event.month, 0) + event.amount
