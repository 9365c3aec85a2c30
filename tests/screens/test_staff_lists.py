"""Every list of staff's: what it asks of the database however many rows there are, how it counts, sorts and turns its pages."""

import re
from datetime import date

from django.db import connection
from django.test.utils import CaptureQueriesContext

from accounts.models import Customer, User
from billing.documents.rendering import render_waiting
from billing.models import Invoice, NumberGone, Upload
from contracts.models import Contract, Form, Meter, State
from orders.services import withdraw_contract
from portal import history, listing, mail
from portal.models import Action
from tests import make
from tests.sampling import sampled, share
from tests.screens.desk import ADMINS
from tests.seen import pages_of, statements

MANY = 201
LARGE = ("billing_invoice", "orders_order", "portal_mail", "portal_historyevent", "accounts_user", "accounts_customer")


def more_rows(cast):
    """Enough of what grows for a page of its own, and some of the rest."""
    a = cast.a
    copied = {each.attname: getattr(a, each.attname) for each in Customer._meta.concrete_fields if not each.generated}
    numbered = [copied | {"id": None, "number": f"C9000{n:03}", "name": f"会社{n}"} for n in range(MANY)]
    Customer.objects.bulk_create(Customer(**each) for each in numbered)
    User.objects.bulk_create(
        User(customer=a, name="同姓 同名", email=f"more{n}@example.com", is_active=True) for n in range(MANY)
    )
    contract = Contract.objects.filter(customer=a).first()
    copied = {
        each.attname: getattr(contract, each.attname) for each in Contract._meta.concrete_fields if not each.generated
    }
    Contract.objects.bulk_create(Contract(**copied | {"id": None, "number": f"K9000{n:03}"}) for n in range(MANY))
    for n in range(3):
        make.make_inquiry(cast.hanako)
        make.make_credit(a, 100)
        history.record(Action.USER_CHANGED, f"x{n}", by=cast.staff, customer=a)
        mail.queue(mail.Kind.PASSWORD_CHANGED, key=f"x{n}", customer=a, user=cast.hanako)
        Upload.objects.create(kind="customers", name=f"x{n}.csv", sha256=f"x{n}", size=1, content=b"x", by=cast.staff)
        NumberGone.objects.create(customer=a, number=f"B202604-00010{n}", month=make.APRIL)
        make.make_contract(cast.b, (1000,), charge_past=True)
    make.close_month(make.MAY, today=make.JUNE)


def asked_by(web, desk):
    """{page: its statements and its text}; of each filter and sort one, for the others ask the same."""
    found, seen = {}, set()
    for name, address in pages_of(web, desk, ["会社 見本"] if desk.search_fields else ()):
        kind = name.partition(":")[0].partition(" -")[0]
        if kind in seen or (kind.startswith("sort") and "sort" in seen):
            continue
        seen |= {kind, kind.partition(" ")[0]}
        with CaptureQueriesContext(connection) as captured:
            response = web.get(address)
        assert response.status_code == 200, address
        found[name] = statements(captured), response.content.decode()
    return found


@sampled(4)
def it_asks_at_most_ten_statements_however_many_rows_there_are(step, every_row, desk_world, web):
    """Each run asks every fourth list; nightly all."""
    desks = dict(share(ADMINS.items(), step))
    cast = make.together(**{name: row for name, row in desk_world.items() if "." not in name})
    web.force_login(cast.staff)
    few = {
        (label, name): len(asked)
        for label, desk in desks.items()
        for name, (asked, _page) in asked_by(web, desk).items()
    }
    more_rows(cast)
    faults = {}
    for label, desk in desks.items():
        for name, (asked, page) in asked_by(web, desk).items():
            before = few.get((label, name), len(asked))
            choices = max(
                (select.count("<option") for select in re.findall(r"(?s)<select.*?</select>", page)), default=0
            )
            whole = [sql for sql in asked if reads_all(sql)]
            if len(asked) > 10 or len(asked) > before + 1 or choices > 200 or whole:
                faults[f"{label} {name}"] = (before, len(asked), choices, whole)
    assert faults == {}


def reads_all(sql):
    """Whether the statement counts or reads a whole table that grows."""
    table = next((each for each in LARGE if f'FROM "{each}"' in sql), None)
    return table is not None and " LIMIT " not in sql and " WHERE " not in sql


def it_counts_up_to_a_bound_and_says_so(cast, web, monkeypatch, db):
    web.force_login(cast.staff)
    User.objects.bulk_create(User(customer=cast.a, name="同姓 同名", email=f"m{n}@example.com") for n in range(60))
    count = User.objects.count()
    assert f"<strong>{count}件</strong>" in web.get("/admin/accounts/user/").content.decode()
    monkeypatch.setattr(listing, "MOST", 55)
    page = web.get("/admin/accounts/user/").content.decode()
    assert "<strong>55件以上</strong>" in page
    assert "すべてを選ぶ" not in page


def it_shows_each_row_on_one_page_where_all_are_called_the_same(cast, web, db):
    web.force_login(cast.staff)
    User.objects.bulk_create(User(customer=cast.a, name="同姓 同名", email=f"m{n}@example.com") for n in range(60))
    seen, address = [], "?o=1&rows=25"
    while address:
        changelist = web.get(f"/admin/accounts/user/{address}").context["cl"]
        seen += [row.pk for row in changelist.result_list]
        address = changelist.next_address
    assert sorted(seen) == sorted(User.objects.values_list("pk", flat=True))
    assert len(seen) > 50


def it_says_in_words_that_a_search_took_too_long(cast, web, monkeypatch, db):
    web.force_login(cast.staff)
    make.close_month()
    slow = Invoice.objects.extra(where=["pg_sleep(0.3) IS NOT NULL"])
    monkeypatch.setattr(listing, "PATIENCE", 0.1)
    monkeypatch.setattr(type(ADMINS["billing.invoice"]), "get_queryset", lambda *_given: slow)
    response = web.get("/admin/billing/invoice/")
    assert response.status_code == 200
    assert "絞り込んでください" in response.content.decode()


def it_sorts_a_large_list_only_by_what_an_index_has_in_order(cast, web, db):
    web.force_login(cast.staff)
    large = {label: desk for label, desk in ADMINS.items() if desk.large}
    assert "billing.invoice" in large
    for label, desk in large.items():
        home = f"/admin/{label.replace('.', '/')}/"
        changelist = web.get(home).context["cl"]
        others = [place for place, each in enumerate(changelist.list_display) if each not in changelist.sortable_by]
        asked = web.get(f"{home}?o={'.'.join(map(str, others))}").context["cl"]
        assert asked.queryset.query.order_by == changelist.queryset.query.order_by, label
        assert {listing.sorted_by(desk, each) for each in changelist.sortable_by} <= listing.in_order(desk.model)


def it_writes_amounts_and_months_as_people_read_them(cast, web):
    make.make_contract(cast.a, (1234567,))
    make.close_month()
    web.force_login(cast.staff)
    page = web.get("/admin/billing/invoice/").content.decode()
    assert "2026/04" in page
    assert re.search(r'class="field-total">[\d,]+<', page)
    assert re.search(r'class="field-total">\d{4,}', page) is None
    assert "1,234,567" in web.get("/admin/orders/order/").content.decode()


def it_keeps_search_filter_and_length_while_one_turns_pages(cast, web, db):
    web.force_login(cast.staff)
    User.objects.bulk_create(User(customer=cast.a, name="同姓 同名", email=f"m{n}@example.com") for n in range(60))
    changelist = web.get("/admin/accounts/user/?q=同姓&is_active__exact=1&rows=25").context["cl"]
    after = web.get(f"/admin/accounts/user/{changelist.next_address}").context["cl"]
    assert (after.query, after.list_per_page, after.page_num, len(after.result_list)) == ("同姓", 25, 2, 25)
    assert after.has_active_filters
    assert web.get(f"/admin/accounts/user/{after.without_search}").context["cl"].query == ""


def it_lists_a_month_by_customer_and_without_a_month_the_newest_first(cast, web, db):
    make.close_month()
    web.force_login(cast.staff)
    of_month = web.get("/admin/billing/invoice/?month=2026-04").context["cl"].result_list
    assert [row.customer.number for row in of_month] == ["C0000001", "C0000002"]
    newest = web.get("/admin/billing/invoice/").context["cl"].result_list
    assert [row.pk for row in newest] == sorted((row.pk for row in newest), reverse=True)


def it_finds_a_meter_by_its_item_its_contract_and_its_company(cast, web, db):
    contract = cast.a.contracts.get()
    meter = make.make_meter(contract, 10)
    Meter.objects.filter(pk=meter.pk).update(item="はがきの通数")
    make.make_meter(cast.b.contracts.get(), 10)
    web.force_login(cast.staff)
    for typed in ("はがき", f"通数 {contract.number}", contract.number, cast.a.number, cast.a.name):
        found = web.get("/admin/contracts/meter/", {"q": typed}).context["cl"].result_list
        assert [row.pk for row in found] == [meter.pk], typed


def it_lists_a_months_mails_by_their_invoices(cast, web, db):
    make.close_month()
    list(render_waiting())
    web.force_login(cast.staff)
    keys = [row.key for row in web.get("/admin/portal/mail/?month=2026-04").context["cl"].result_list]
    assert keys == sorted(keys) and len(keys) == 2


def it_finds_a_contracts_terms_by_its_customer(cast, web, db):
    """Of all terms, dropped ones too, there is no index that begins with the contract."""
    web.force_login(cast.staff)
    with CaptureQueriesContext(connection) as asked:
        web.get(f"/admin/contracts/contract/{cast.a.contracts.get().pk}/change/")
    [listed] = [each["sql"] for each in asked if each["sql"].startswith('SELECT "contracts_term"."id"')]
    assert '"contracts_term"."customer_id" = ' in listed


def it_finds_each_contract_under_the_state_that_its_row_shows(cast, web, time_machine):
    """Those too whose last day is today, that begin tomorrow, and that end without anybody's doing."""
    time_machine.move_to("2026-05-08T03:00Z")
    days = [date(2026, 5, 7), date(2026, 5, 8), date(2026, 5, 9)]
    for form in Form:
        for auto_renew in (True, False):
            for start_on in (make.APRIL, *days):
                make.make_contract(cast.a, form=form, auto_renew=auto_renew, start_on=start_on, today=make.MAY)
            for cancel_on in days:
                make.make_contract(cast.a, form=form, auto_renew=auto_renew, cancel_on=cancel_on, today=make.MAY)
    withdraw_contract(make.make_contract(cast.a, start_on=days[2], today=make.MAY), today=days[1])
    web.force_login(cast.staff)
    shown = {}
    for state in State:
        page = web.get(f"/admin/contracts/contract/?state={state}").context["cl"]
        shown[state] = sorted(contract.number for contract in page.result_list)
    expected = {state: [] for state in State}
    for contract in Contract.objects.with_state(days[1]).order_by("number"):
        expected[contract.state].append(contract.number)
    assert all(expected.values())
    assert shown == expected
