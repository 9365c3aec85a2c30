"""What ホーム shows: the last fixed invoice, the running month, what the company has to do, and six bars."""

from datetime import timedelta

from django.db.models import Q
from django.urls import reverse
from django.utils import timezone
from django.utils.dateformat import format as in_words
from django.utils.translation import gettext as _

from accounts.models import PaymentMethod, User
from billing import costs
from billing.difference import month_before
from billing.models import Invoice, ReviewState
from contracts.models import Contract
from portal.models import Inquiry, Message
from portal.templatetags.figures import month_name, yen

ANSWERED_WITHIN = timedelta(days=14)
MOST_ANSWERS = 3
MOST_PEOPLE = 3  # a company that prepares fifty accounts still sees the rest of the page


def overview(user, today):
    invoices = Invoice.objects.for_user(user)
    regular = invoices.regular()
    latest = regular.with_pdf().standing().order_by("-month", "-number").first()
    running = regular.drafts().order_by("-month").first()
    return {
        "today": today,
        "latest": latest,
        "days_left": (latest.due_on - today).days if latest else 0,
        "latest_change": latest and since_month_before(invoices, latest),
        "running": running,
        "running_change": running and since_month_before(invoices, running),
        "tasks": [*payments(regular, today), *answers(user), *ending(user, today), *people(user)],
        "bars": costs.bars(costs.analysis(invoices)),
    }


def since_month_before(invoices, invoice):
    """Yen more or less than the month before (none: 0)."""
    before = month_before(invoices, invoice)
    return invoice.total - (before.total if before else 0)


def payments(invoices, today):
    """Transfers that are due: each until somebody of the company noted that it is arranged (社内確認), or its day is past."""
    due = (
        invoices.standing()
        .with_review()
        .with_returned()
        .filter(~Q(review_state=ReviewState.ARRANGED) | Q(review_state=None))
    )
    due = due.filter(payment_method=PaymentMethod.TRANSFER, due_on__gte=today, total__gt=0)
    for invoice in due.order_by("due_on", "number"):
        yield task(
            "yen",
            _("{month}分 {total}円のお支払い").format(month=month_name(invoice.month), total=yen(invoice.total)),
            how_to_pay(invoice),
            _("請求を確認"),
            reverse("invoice_detail", args=[invoice.number]),
        )


def how_to_pay(invoice):
    """By when and where to, and what was given back: whether that is paid out or paid less is between both (D27)."""
    account = first_line(invoice.issuer.get("bank_account")) or _("指定の口座")
    told = _(
        "支払期日は{day}です。{account}へお振り込みください。お済みの場合は、請求の画面で「支払手配済」を記録してください。"
    ).format(day=short_day(invoice.due_on), account=account)
    if invoice.returned:
        given_back = _("この請求には{yen}円の返還があります。").format(yen=yen(-invoice.returned))
        return f"{given_back}{told}"
    return told


def answers(user):
    """One's own inquiries that the desk answered lately and that wait for a word."""
    own = Inquiry.objects.for_user(user).filter(user=user.pk, state=Inquiry.State.ANSWERED)
    lately = own.filter(messages__kind=Message.Kind.ANSWER, messages__at__gt=timezone.now() - ANSWERED_WITHIN)
    for inquiry in lately.distinct().order_by("-created_at")[:MOST_ANSWERS]:
        yield task(
            "message",
            _("お問い合わせ「{subject}」に返信があります").format(subject=inquiry.subject),
            _("受付番号 {number}。続きがあれば、同じ画面から書けます。").format(number=inquiry.number),
            _("返信を見る"),
            reverse("inquiry_detail", args=[inquiry.number]),
        )


def ending(user, today):
    """Contracts whose last term is running out and that nobody cancelled; 一括 is meant to end."""
    for contract in Contract.objects.for_user(user).ending_without_renewal(today).order_by("term_ends_on", "number"):
        yield task(
            "calendar",
            _("{name}（{number}）が{day}に終了します").format(
                name=contract.name, number=contract.number, day=month_and_day(contract.term_ends_on)
            ),
            _("自動では更新されません。続けてご利用になる場合は、お早めにお問い合わせください。"),
            _("契約を確認"),
            reverse("contract_detail", args=[contract.number]),
        )


def people(user):
    """Colleagues whom mails don't reach, and who never signed in."""
    everybody = User.objects.for_user(user).filter(is_active=True).order_by("-created_at", "pk")
    for person in everybody.exclude(bounced="")[:MOST_PEOPLE]:
        yield task(
            "message",
            _("{name}さんにメールが届いていません").format(name=person.name),
            _("Eメールが正しいか確認し、必要なら変更してください。"),
            _("ユーザを確認"),
            reverse("user_detail", args=[person.pk]),
        )
    for person in everybody.filter(last_login=None).exclude(pk=user.pk)[:MOST_PEOPLE]:
        yield task(
            "user",
            _("{name}さんがまだログインしていません").format(name=person.name),
            _("案内のメールが届いていないときは、アカウント情報を再送できます。"),
            _("ユーザを確認"),
            reverse("user_detail", args=[person.pk]),
        )


def task(icon, title, text, button, url):
    return {"icon": icon, "title": title, "text": text, "button": button, "url": url}


def first_line(text):
    return (text or "").partition("\n")[0]


def month_and_day(day):
    return in_words(day, _("n月j日"))


def short_day(day):
    return in_words(day, _("n月j日（D）"))
