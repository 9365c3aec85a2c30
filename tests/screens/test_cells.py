"""Each cell of each table against its CSV cell, on the demo's data: the two are written by different hands."""

import csv
import io
import re
from html import unescape

import pytest
from django.db import connection

from accounts.models import User
from billing.models import Invoice, InvoiceLine
from billing.tables import InvoiceLineTable
from contracts.models import Contract, ContractLine
from contracts.tables import ContractLineTable
from orders.models import Order, OrderLine
from orders.tables import OrderLineTable
from portal import months
from portal.lists.body import body
from portal.lists.columns import NOTHING
from tests import make
from tests.browser.world import DEMO, LONG, make_world

# Where page and file differ on purpose: from what the page says to what the file says.
LINES = {
    "amount": lambda seen: seen.removesuffix("税込"),  # 税込/税抜 is a column of its own
    "tax_rate": lambda seen: "0%" if seen == "非課税" else seen.removesuffix(" ※"),  # so is 税区分
}
DIFFERENT = {
    "/contracts/": {},
    "/orders/": {},
    "/invoices/": {
        "fixed_on": lambda seen: "" if seen.endswith("予定") else seen,  # 確定予定日 is a column of its own
        "total": lambda seen: seen.removeprefix("見込 "),  # 請求状態 goes along
    },
    "/account/users/": {"email": lambda seen: seen.removesuffix(" 不達")},
    "/account/history/": {},
}


@pytest.fixture
def people(db):
    """Somebody of the demo's first company, whose data has each special case, and of the one with long texts."""
    make_world()
    today = months.today()
    demo, long = (User.objects.get(email=email) for email in (DEMO, LONG))
    User.objects.filter(customer=demo.customer).exclude(pk=demo.pk).update(bounced="550 no such user")
    special = {"price_basis": "inclusive"}, {"tax_kind": "exempt"}
    make.make_contract(demo.customer, *((800, 1, each) for each in special), today=today, start_on=today.replace(day=1))
    make.open_month(months.month_of(today), today=today)
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")  # as the server does by itself to rows that stay
    return demo, long


def exported(response):
    return list(csv.reader(io.StringIO(b"".join(response).decode("utf-8-sig"))))[1:]


def shown(rows, columns):
    """What people see in each cell of these `<tr>` elements."""
    for row in re.findall(r"<tr[^>]*>(.*?)</tr>", rows, re.DOTALL):
        cells = re.findall(r"<td[^>]*>(.*?)</td>", row, re.DOTALL)
        yield [seen(cell, column) for cell, column in zip(cells, columns, strict=True)]


def seen(cell, column):
    if cell == NOTHING:
        return ""
    text = unescape(re.sub(r'<span class="visually-hidden">.*?</span>|<[^>]*>', "", cell))
    return text.replace(",", "") if column.css == "num" else text


def differences(page, file, names, different):
    """The cells that differ without a reason, and the columns whose reason was met."""
    wrong, met = set(), set()
    for row, cells in zip(page, file, strict=True):
        for name, text, cell in zip(names, row, cells, strict=True):
            if text != cell and name in different:
                met.add(name)
                text = different[name](text)
            if text != cell:
                wrong.add((name, text, cell))
    return wrong, met


def of(model, user):
    return model.objects.for_user(user)


def lines_of_contracts(user):
    today = months.today()
    return of(ContractLine, user).with_rate(today).of_contracts(of(Contract, user).with_state(today))


def compare_lists(people, sign_in):
    for path, different in DIFFERENT.items():
        reasons = set()
        for person in people:
            browser = sign_in(person)
            page = browser.get(path)
            names = [each["name"] for each in page.context["chooser"]]
            browser.post(path, {"columns": names})
            page = browser.get(f"{path}?per_page=100")
            columns = [page.context["screen"].table.base_columns[name] for name in names]
            rows = list(shown(page.context["rows"], columns))
            assert len(rows) == min(100, page.context["total_count"]) > 0
            wrong, met = differences(rows, exported(browser.get(f"{path}?export=csv"))[:100], names, different)
            assert wrong == set(), path
            reasons |= met
        assert reasons == set(different), f"{path}: the data no longer has what page and file tell differently"


LINES_OF = {
    "/contracts/": (ContractLineTable, lines_of_contracts),
    "/orders/": (OrderLineTable, lambda user: of(OrderLine, user).with_invoice().of_orders(of(Order, user))),
    "/invoices/": (InvoiceLineTable, lambda user: of(InvoiceLine, user).of_invoices(of(Invoice, user))),
}


def compare_lines(people, sign_in):
    for path, (table, rows) in LINES_OF.items():
        columns = {name: column for name, column in table.base_columns.items() if column.csv() is not None}
        reasons = set()
        for person in people:
            page = list(shown(body(rows(person), columns.values()), columns.values()))
            assert page, path
            wrong, met = differences(page, exported(sign_in(person).get(f"{path}?export=lines")), columns, LINES)
            assert wrong == set(), path
            reasons |= met
        assert reasons == set(LINES), path


def it_writes_the_same_in_every_cell_of_lists_and_lines_and_of_their_csv(people, sign_in):
    """Both in one world: making it takes longer than reading it."""
    compare_lists(people, sign_in)
    compare_lines(people, sign_in)
