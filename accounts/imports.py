"""Files of customers and users: the vendor's own numbers and the addresses are the keys; no mail goes out, ever (D38)."""

from collections.abc import Iterable
from datetime import date
from itertools import product
from typing import Any

from django.contrib.auth.hashers import make_password
from django.core.exceptions import ValidationError
from django.db.models import F
from django.utils.translation import gettext as _

from accounts.models import Customer, Session, User
from accounts.services import numbers_gone
from portal import history, numbers, reading, rights
from portal.db.copying import copy_in
from portal.imports.columns import Column, Row, chunks, of_model
from portal.imports.faults import Code, Fault
from portal.imports.taking import Kind, Report, needed, once_each
from portal.models import Action, HistoryEvent

AT_ONCE = 2000
READ = {
    "number": reading.code, "kana": reading.kana, "phone": reading.phone, "fax": reading.phone, "email": reading.email,
    "postal_code": reading.postal_code, "billing_postal_code": reading.postal_code,
    "corporate_number": reading.corporate_number, "registration_number": reading.official_number,
}  # fmt: skip
CUSTOMER_FIELDS = (
    "number", "name", "kana", "representative", "corporate_number", "registration_number", "postal_code", "address",
    "phone", "fax", "contact_department", "contact_name", "billing_name", "billing_department", "billing_person",
    "billing_postal_code", "billing_address", "payment_months", "due_shift", "payment_method", "calendar", "since",
)  # fmt: skip
EXAMPLES = {
    "number": "10044", "name": "見本商事株式会社", "kana": "ミホンショウジ", "representative": "見本 太郎",
    "corporate_number": "8990000000001", "registration_number": "T8990000000001", "postal_code": "100-0001",
    "address": "東京都千代田区千代田1-1", "phone": "03-0000-0000", "fax": "03-0000-0001",
    "contact_department": "情報システム部", "contact_name": "見本 花子", "billing_name": "見本商事株式会社",
    "billing_department": "経理部", "billing_person": "見本 次郎", "billing_postal_code": "100-0001",
    "billing_address": "東京都千代田区千代田1-1", "payment_months": "1", "due_shift": "翌営業日",
    "payment_method": "口座振替", "calendar": "西暦", "since": "2016/05/01",
}  # fmt: skip
PERSON = {
    "email": "hanako@example.co.jp", "name": "見本 花子", "kana": "ミホン ハナコ", "department": "情報システム部", "position": "課長",
    "phone": "03-0000-0000", "language": "日本語", "is_recipient": "1", "is_manager": "1",
}  # fmt: skip
FLAGS = ("is_recipient", "is_manager")
LATER = {"must_change_password": True, "account_pending": True}  # a new person's: the account data are yet to be sent
PLAIN = ("name", "kana", "department", "position", "phone", "language")

CUSTOMER_COLUMNS = [
    of_model(Customer, name, READ.get(name), required=name == "number", example=EXAMPLES[name])
    for name in CUSTOMER_FIELDS
]
OF_CUSTOMER = Column(
    "customer",
    str(Customer._meta.get_field("number").verbose_name),
    reading.code,
    required=True,
    write=lambda customer: customer.number,
    example=EXAMPLES["number"],
)
USER_COLUMNS = [
    OF_CUSTOMER,
    *(
        of_model(User, name, READ.get(name), required=name == "email", example=PERSON[name])
        for name in ("email", *PLAIN, *FLAGS)
    ),
]
NUMBER, EMAIL = CUSTOMER_COLUMNS[0], USER_COLUMNS[1]


def take_customers(rows: Iterable[Row], report: Report, *, today: date, by: Any) -> None:
    """Register the companies whose numbers are new, change the others; each change is in the history (D40). Raises PermissionDenied."""
    rights.need(by, "accounts.add_customer")
    rights.need(by, "accounts.change_customer")
    for chunk in chunks(once_each(rows, NUMBER, report), AT_ONCE):
        given = [row.values["number"] for row in chunk]
        known = {found.number: found for found in Customer.objects.lock_by_number(given)}
        gone = numbers_gone(given)
        new: list[Customer] = []
        changed: list[Customer] = []
        told: list[tuple[Customer, dict[str, str]]] = []
        for row in chunk:
            found = known.get(row.values["number"])
            if found is None and not needed(row, CUSTOMER_COLUMNS, report):
                continue
            if row.values["number"] in gone:
                why = _("削除したお客様の番号です。ほかの番号にしてください。")
                report.errors.append(Fault(row.line, NUMBER.label, row.values["number"], Code.REFUSED, why))
                continue
            if found and says_nothing_new(found, row, report):
                continue
            customer, before = found or Customer(), history.facts(found, *CUSTOMER_FIELDS) if found else {}
            if not keep(customer, row, report, new=found is None):
                continue
            (changed if found else new).append(customer)
            told.append((customer, before))
        if report.errors:
            continue
        copy_in(new)
        Customer.objects.bulk_create(  # of all that is there, and so one UPDATE
            changed, update_conflicts=True, unique_fields=["number"], update_fields=[*CUSTOMER_FIELDS[1:], "updated_at"]
        )
        report.keep(
            history.change(
                Action.CUSTOMER_CHANGED,
                customer.number,
                before,
                history.facts(customer, *CUSTOMER_FIELDS),
                by=by,
                customer=customer,
            )
            for customer, before in told
        )
        numbers.pass_over(numbers.CUSTOMER, given)


def says_nothing_new(stored: Any, row: Row, report: Report) -> bool:
    """Whether the row says only what is stored; counts it."""
    same = all(getattr(stored, name) == value for name, value in row.values.items())
    report.unchanged += same
    return same


def keep(row_of: Any, row: Row, report: Report, *, new: bool) -> bool:
    """Write what the row says into a new object, or a stored one that it changes, and count it; False for what can't be."""
    for name, value in row.values.items():
        setattr(row_of, name, value)
    try:
        row_of.clean()
    except ValidationError as refused:
        for name, messages in refused.message_dict.items():
            label = str(row_of._meta.get_field(name).verbose_name)
            value = str(row.values.get(name, ""))
            report.errors.append(Fault(row.line, label, value, Code.REFUSED, " ".join(messages)))
        return False
    if new:
        report.added += 1
    else:
        report.changed += 1
    return True


def take_users(rows: Iterable[Row], report: Report, *, today: date, by: Any) -> None:
    """Register the people whose addresses are new, change the others; nobody is written to. Raises PermissionDenied.

    Who is the one メール送信先 is settled once all are in: whoever the file names, else whoever was, else a company's
    first person, who becomes 管理者ユーザ too (D14).
    """
    rights.need(by, "accounts.add_user")
    rights.need(by, "accounts.change_user")
    marks = Marks()
    for chunk in chunks(once_each(rows, EMAIL, report), AT_ONCE):
        numbers_given = {row.values["customer"] for row in chunk}
        companies = {found.number: found for found in Customer.objects.lock_by_number(numbers_given)}
        people = User.objects.filter(email__in=[row.values["email"] for row in chunk]).select_related("customer")
        known = {user.email: user for user in people}
        new: list[User] = []
        changed: list[User] = []
        events: list[HistoryEvent | None] = []
        for row in chunk:
            number, found = row.values.pop("customer"), known.get(row.values["email"])
            company = company_of(row, number, companies, found, report)
            if company is None or (found is None and not needed(row, USER_COLUMNS[1:], report)):
                continue
            marks.note(row, company.pk)
            if found and says_nothing_new(found, row, report):
                continue
            user = found or User(customer=company, password=make_password(None), **LATER)
            before = history.facts(user, *PLAIN)
            if not keep_person(user, row, report, new=found is None):
                continue
            (changed if found else new).append(user)
            if found:
                about = {"of": user, "by": by, "customer": company}
                after = history.facts(user, *PLAIN)
                events.append(history.change(Action.USER_CHANGED, user.name, before, after, **about))
        if report.errors:
            continue
        copy_in(new)
        User.objects.bulk_update(changed, [*PLAIN, "version"], batch_size=AT_ONCE)
        made = [
            history.event(Action.USER_CREATED, user.name, of=user, by=by, customer=user.customer, detail=user.email)
            for user in new
        ]
        report.keep([*events, *made])
    if not report.errors:
        marks.settle(report, by=by)


def company_of(
    row: Row, number: str, companies: dict[str, Customer], found: User | None, report: Report
) -> Customer | None:
    """The company whose `number` the row names; None, and a fault, where there is none or the person is of another one."""
    company = companies.get(number)
    if company is None:
        told = _("お客様番号「%s」がありません。") % number
        report.errors.append(Fault(row.line, OF_CUSTOMER.label, number, Code.UNKNOWN, told))
        return None
    if found and found.customer != company:
        told = _("このEメールは %s のユーザが使っています。") % (found.customer or _("担当者"))
        report.errors.append(Fault(row.line, EMAIL.label, row.values["email"], Code.CONTRADICTION, told))
        return None
    return company


def keep_person(user: User, row: Row, report: Report, *, new: bool) -> bool:
    """As `keep`, but for the marks: they are given and taken when all are in."""
    had = {name: getattr(user, name) for name in FLAGS}
    stored = keep(user, row, report, new=new)
    for name, value in had.items():
        setattr(user, name, value)
    user.version += stored
    return stored


class Marks:
    """Who of each company is メール送信先 and who 管理者ユーザ, as the rows of a whole file want it."""

    def __init__(self) -> None:
        self.wanted: dict[int, dict[str, tuple[int, dict[str, bool]]]] = {}

    def note(self, row: Row, company: int) -> None:
        given = {name: row.values[name] for name in FLAGS if name in row.values}
        self.wanted.setdefault(company, {})[row.values["email"]] = (row.line, given)

    def settle(self, report: Report, *, by: Any) -> None:
        """Give and take the marks, with history; a company without either, or with two recipients, is a fault of its rows."""
        ids = sorted(self.wanted)
        for begin in range(0, len(ids), AT_ONCE):
            some = ids[begin : begin + AT_ONCE]
            people: dict[int, list[User]] = {}
            rows = User.objects.filter(customer__in=some, is_active=True).select_related("customer")
            for user in rows.order_by("pk"):
                people.setdefault(user.customer_id or 0, []).append(user)
            moved: list[User] = []
            events: list[HistoryEvent | None] = []
            for company in some:
                recipient, managers = self.of(company, people[company], report)
                if recipient is None or not managers:
                    continue
                others, told = hand_over(people[company], recipient, managers, by=by)
                moved += others
                events += told
            if not report.errors:
                store_marks(moved)
                report.keep(events)

    def of(self, company: int, people: list[User], report: Report) -> tuple[User | None, list[User]]:
        """(the recipient, the managers) of a company's people as its rows want them; None or nobody where they can't be."""
        said = {email: given for email, (_line, given) in self.wanted[company].items()}

        def free(mark: str, among: Iterable[User]) -> list[User]:
            """Those of whom the file doesn't say that they haven't it."""
            return [user for user in among if said.get(user.email or "", {}).get(mark) is not False]

        named = [user for user in people if said.get(user.email or "", {}).get("is_recipient")]
        for one_more in named[1:]:
            told = _("メール送信先は1社に1名です。%s とこの行のどちらか1つにしてください。") % named[0].email
            self.blame(one_more, "is_recipient", Code.CONTRADICTION, told, report)
        recipients = named or free("is_recipient", [user for user in people if user.is_recipient] or people)
        if not recipients:
            told = _("メール送信先は1名必要です。新しい送信先のユーザを ○ にしてください。")
            denied = next(user for user in people if not free("is_recipient", [user]))
            self.blame(denied, "is_recipient", Code.REFUSED, told, report)
            return None, []
        managers = [user for user in people if said.get(user.email or "", {}).get("is_manager", user.is_manager)]
        if not managers and not any(user.is_manager for user in people):
            managers = free("is_manager", [recipients[0], *people])[:1]
        if not managers:
            told = _("管理者ユーザは1名以上必要です。")
            denied = next(user for user in people if not free("is_manager", [user]))
            self.blame(denied, "is_manager", Code.REFUSED, told, report)
        return recipients[0], managers

    def blame(self, user: User, name: str, code: Code, told: str, report: Report) -> None:
        line, given = self.wanted[user.customer_id or 0][user.email or ""]
        label = next(column.label for column in USER_COLUMNS if column.name == name)
        report.errors.append(Fault(line, label, "1" if given.get(name) else "0", code, told))


def hand_over(
    people: list[User], recipient: User, managers: list[User], *, by: Any
) -> tuple[list[User], list[HistoryEvent | None]]:
    """Give a company's people these marks; returns those who have others now, for `store_marks`, and what the history tells.

    Of a company that had no recipient before it tells nothing: all of them are new. Whoever hands that mark over, or gets it, is
    signed out.
    """
    former = next((user for user in people if user.is_recipient), None)
    moved: list[User] = []
    events: list[HistoryEvent | None] = []
    for user in people:
        marks = user == recipient, user in managers
        if marks == (user.is_recipient, user.is_manager):
            continue
        before = history.facts(user, "is_manager")
        user.is_recipient, user.is_manager = marks
        moved.append(user)
        if former:
            about = {"of": user, "by": by, "customer": user.customer}
            after = history.facts(user, "is_manager")
            events.append(history.change(Action.USER_CHANGED, user.name, before, after, **about))
    if former and former != recipient:
        about = {"of": recipient, "by": by, "customer": recipient.customer}
        told = _("%(former)s → %(new)s") % {"former": former.name, "new": recipient.name}
        events.append(history.event(Action.RECIPIENT_CHANGED, recipient.name, **about, detail=told))
        Session.objects.filter(user__in=[former, recipient]).delete()
    return moved, events


def store_marks(moved: list[User]) -> None:
    """In sets of those who have the same; whoever loses the one mark of a company comes before whoever gets it."""
    for is_recipient, is_manager in product((False, True), repeat=2):
        alike = [user.pk for user in moved if (user.is_recipient, user.is_manager) == (is_recipient, is_manager)]
        User.objects.filter(pk__in=alike).update(
            is_recipient=is_recipient, is_manager=is_manager, version=F("version") + 1
        )


CUSTOMERS = Kind("customers", _("お客様"), CUSTOMER_COLUMNS, take_customers)
USERS = Kind("users", _("ユーザ"), USER_COLUMNS, take_users)
