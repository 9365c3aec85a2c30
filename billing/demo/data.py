"""The demo's data, the same on every machine; past months go through the real close, not through made-up invoices."""

from datetime import date
from decimal import Decimal

from django.contrib.auth.hashers import make_password
from django.db import connection, transaction

from accounts.models import Customer, User
from billing.demo import desk
from billing.models import MonthRun
from billing.month import close
from contracts.models import Contract, ContractLine, Form, Meter, MeterPrice, MeterTier, Service
from orders import usage
from orders.services import start_contract
from portal import months
from portal.models import CalendarDay, Counter, TaxClass, TaxKind, Vendor, VendorRegistration

PASSWORD = "Portal-2024!"
MONTHS = 13
# No real number: it also marks a database as the demo's own.
REGISTRATION = "T8990000000001"
SERVICES = [
    ("cloud", "クラウドサーバ"),
    ("backup", "バックアップ"),
    ("line", "固定IP回線"),
    ("monitor", "運用監視"),
    ("mail", "メールセキュリティ"),
    ("domain", "ドメイン・証明書"),
    ("water", "防災備蓄品"),
    ("setup", "導入支援"),
    ("traffic", "データ転送"),
]
TAX = [
    (TaxKind.STANDARD, "0.05", date(1997, 4, 1), date(2014, 3, 31)),
    (TaxKind.STANDARD, "0.08", date(2014, 4, 1), date(2019, 9, 30)),
    (TaxKind.STANDARD, "0.10", date(2019, 10, 1), None),
    (TaxKind.REDUCED, "0.08", date(2019, 10, 1), None),
    (TaxKind.EXEMPT, "0", date(1989, 4, 1), None),
    (TaxKind.EXPORT, "0", date(1989, 4, 1), None),
    (TaxKind.OUTSIDE, "0", date(1989, 4, 1), None),
]


def load(today, say):
    """Three customers with `MONTHS` closed months; on a database that has them already only what is missing is added.

    Raises close.Refused on a database of another vendor, whose months this would close.
    """
    if Customer.objects.exists() and not VendorRegistration.objects.filter(number=REGISTRATION).exists():
        raise close.Refused("お客様がすでに登録されています。空のデータベースで実行してください。")
    running = months.month_of(today)
    if not Vendor.objects.exists():
        with transaction.atomic():
            set_up_vendor(months.add_months(running, -MONTHS))
            make_customers(running, today)
        say("お客様3社とその契約を登録しました")
    first = Vendor.objects.settings().first_month
    for month in months.months_between(
        max(first, months.add_months(MonthRun.objects.last_closed(), 1)), months.add_months(running, -1)
    ):
        use(month, today)
        as_of = min(months.nth_business_day_after(month, 4, **CalendarDay.objects.exceptions()), today)
        close.run(month, kind=MonthRun.Kind.CLOSE, today=as_of)
        say(f"{months.format_month(month)} を締めました")
    use(running, today)
    close.run(running, kind=MonthRun.Kind.OPEN, today=today)
    say(f"{months.format_month(running)} の見込を更新しました")
    desk.fill(today)


def use(month, today):
    """The month's traffic of the demo's own metered contract, from a file as `import_usage` takes it.

    Whoever tries the portal out may have metered other contracts, or cancelled this one.
    """
    own = Meter.objects.filter(service__code="traffic", contract__number="K0000001").exclude(
        contract__cancel_on__lt=month
    )
    for meter in own.select_related("contract"):
        name, quantity = months.format_month(month), 380 + month.month * 37 % 290
        content = f"contract,service,period,quantity\n{meter.contract.number},traffic,{name},{quantity}.5\n"
        usage.take_in(f"traffic-{name}.csv", content.encode(), today=today)


def set_up_vendor(first_month):
    Vendor.objects.create(
        pk=1,
        name="つばめ通信株式会社",
        postal_code="100-0000",
        address="東京都千代田区見本町1-2-3 つばめビル8階",
        phone="03-0000-1234",
        desk_name="お客様窓口",
        desk_phone="03-0000-1234",
        desk_email="desk@example.net",
        desk_hours="平日 9:00～17:30",
        bank_account="みほん銀行（0000）本店営業部（001）\n普通 0012345\nツバメツウシン（カ",
        invoice_note="恐れ入りますが、振込手数料は貴社にてご負担願います。",
        first_month=first_month,
    )
    VendorRegistration.objects.create(number=REGISTRATION, valid_from=date(2023, 10, 1))
    TaxClass.objects.bulk_create(
        TaxClass(kind=kind, rate=Decimal(rate), valid_from=start, valid_to=end) for kind, rate, start, end in TAX
    )
    Service.objects.bulk_create(
        Service(code=code, name=name, position=position, prorate=code == "line")
        for position, (code, name) in enumerate(SERVICES, start=1)
    )
    User.objects.create(
        email="staff@example.net", name="担当 太郎", is_staff=True, is_superuser=True, password=make_password(PASSWORD)
    )


def make_customers(running, today):
    make_midori(running, today)
    make_sakura(running, today)
    make_aoi(running, today)
    Counter.objects.update_or_create(series="C", defaults={"value": 3})


def before(running, count, day=1):
    """A day of the month so many months before the running one."""
    return months.add_months(running, -count).replace(day=day)


def make_midori(running, today):
    """A company with each form of contract, a metered one among them, one that is over and one that is about to be."""
    midori = make_customer(
        "C0000001",
        "株式会社みどり商事",
        "カブシキガイシャミドリショウジ",
        "大阪府大阪市北区見本町2-4-6 みどりビル5階",
        before(running, 60),
        corporate_number="7990000000002",  # a right check digit, from a range that nobody has
    )
    make_user(
        midori, "hanako@example.com", "山田 花子", "ヤマダ ハナコ", "経理部", "主任", is_recipient=True, is_manager=True
    )
    make_user(midori, "taro@example.com", "鈴木 太郎", "スズキ タロウ", "情報システム部", "")

    def add(name, service, plan, start_on, *lines, **options):
        return make_contract(midori, name, service, plan, start_on, lines, today, **options)

    servers = add(
        "本社サーバ", "cloud", "標準M", before(running, 40),
        ("クラウドサーバ", "標準M（4 vCPU / 16 GB）", 4, "台", 38000),
    )  # fmt: skip
    traffic = Meter.objects.create(
        customer=midori, contract=servers, service=Service.objects.get(code="traffic"), item="データ転送量", unit="GB",
    )  # fmt: skip
    price = MeterPrice.objects.create(customer=midori, meter=traffic, free_quantity=200, unit_price=12)
    MeterTier.objects.create(customer=midori, price=price, above=500, unit_price=9)
    add(
        "追加ディスク", "cloud", "SSD", before(running, 5),
        ("追加ディスク", "500 GB", 2, "本", 6500), ("スナップショット", "日次", 2, "式", 1200),
    )  # fmt: skip
    add(
        "世代バックアップ", "backup", "1 TB", before(running, 30),
        ("バックアップ", "1 TB 世代管理7日", 2, "式", 12000),
    )  # fmt: skip
    add(
        "大阪拠点回線", "line", "光1 Gbps", before(running, 9, 16),
        ("固定IP回線", "光1 Gbps（IPアドレス8個）", 2, "回線", 18500),
    )  # fmt: skip
    add(
        "サーバ監視", "monitor", "24時間365日", before(running, 36),
        ("運用監視", "24時間365日 有人監視", 8, "ノード", 9000),
    )  # fmt: skip
    add("全社メール", "mail", "標準", before(running, 24), ("メールセキュリティ", "標準プラン", 120, "ID", 280))
    add(
        "社名ドメイン", "domain", "年間", before(running, 32),
        ("ドメイン", "co.jp 1年", 1, "件", 9800), ("サーバ証明書", "企業認証 1年", 2, "枚", 48000), form=Form.YEARLY,
    )  # fmt: skip
    add(
        "防災備蓄水 定期便", "water", "2 L", before(running, 14),
        ("防災備蓄水", "2 L×6本 定期便", 5, "箱", 1980, TaxKind.REDUCED),
    )  # fmt: skip
    add(
        "検証サーバ", "cloud", "標準S", before(running, 20), ("クラウドサーバ", "標準S（2 vCPU / 4 GB）", 1, "台", 12800),
        cancel_on=months.last_day(before(running, 3)),
    )  # fmt: skip
    add(
        "旧拠点回線", "line", "光100 Mbps", before(running, 50), ("固定IP回線", "光100 Mbps", 1, "回線", 9800),
        cancel_on=months.last_day(months.add_months(running, 1)),
    )  # fmt: skip
    add(
        "初期導入", "setup", "基本", before(running, 11, 10), ("導入支援", "初期設定・移行作業", 1, "式", 180000),
        form=Form.ONCE,
    )  # fmt: skip


def make_sakura(running, today):
    """A second company, whose people must see nothing of the first."""
    sakura = make_customer(
        "C0000002",
        "さくら工業株式会社",
        "サクラコウギョウカブシキガイシャ",
        "愛知県名古屋市中区見本3-1",
        before(running, 30),
        corporate_number="6990000000003",
    )
    make_user(
        sakura, "jiro@example.org", "佐藤 次郎", "サトウ ジロウ", "総務部", "課長", is_recipient=True, is_manager=True
    )
    servers = [("クラウドサーバ", "標準L（8 vCPU / 32 GB）", 2, "台", 72000)]
    make_contract(sakura, "工場サーバ", "cloud", "標準L", before(running, 28), servers, today)
    lines = [("固定IP回線", "光1 Gbps", 1, "回線", 18500)]
    make_contract(sakura, "工場回線", "line", "光1 Gbps", before(running, 28), lines, today)
    watch = [("運用監視", "平日9時～18時", 3, "ノード", 4500)]
    make_contract(sakura, "監視", "monitor", "平日", before(running, 10), watch, today)


def make_aoi(running, today):
    """A company that is new: its one contract begins next month, its person has yet to choose a password."""
    aoi = make_customer(
        "C0000003", "あおい設計事務所", "アオイセッケイジムショ", "福岡県福岡市博多区見本1-1-1", running
    )
    make_user(
        aoi, "saburo@example.jp", "田中 三郎", "タナカ サブロウ", "", "所長",
        is_recipient=True, is_manager=True, must_change_password=True,
    )  # fmt: skip
    kept = [("バックアップ", "500 GB", 1, "式", 7000)]
    make_contract(aoi, "設計データ保管", "backup", "500 GB", months.add_months(running, 1), kept, today)


def make_customer(number, name, kana, address, since, corporate_number=""):
    return Customer.objects.create(
        number=number,
        name=name,
        kana=kana,
        representative="代表取締役 見本 一郎",
        corporate_number=corporate_number,
        postal_code="530-0000",
        address=address,
        phone="06-0000-0000",
        contact_department="情報システム部",
        contact_name="見本 一郎",
        billing_department="経理部",
        since=since,
    )


def make_user(customer, email, name, kana, department, position, **flags):
    return User.objects.create(
        customer=customer, email=email, name=name, kana=kana, department=department, position=position,
        phone="06-0000-0000", password=make_password(PASSWORD), **flags,
    )  # fmt: skip


def make_contract(customer, name, service, plan, start_on, lines, today, form=Form.MONTHLY, cancel_on=None):
    contract = Contract(
        customer=customer, name=name, service=Service.objects.get(code=service), plan=plan, form=form,
        start_on=start_on, cancel_on=cancel_on, auto_renew=form != Form.ONCE,
    )  # fmt: skip
    made = [
        ContractLine(
            position=position, product_code=f"{service.upper()}-{position:02}", item=item, specification=specification,
            quantity=quantity, unit=unit, unit_price=price, tax_kind=kind[0] if kind else TaxKind.STANDARD,
        )
        for position, (item, specification, quantity, unit, price, *kind) in enumerate(lines, start=1)
    ]  # fmt: skip
    # As if staff had registered it on its first day: months before 運用開始年月 give no terms (D22).
    return start_contract(contract, made, today=min(today, max(start_on, Vendor.objects.settings().first_month)))


def load_many(count, today, say):
    """`count` customers with one user and three monthly contracts each, from the 1st of last month, in bare sets.

    Raises close.Refused on a database that has customers.
    """
    if Customer.objects.exists():
        raise close.Refused("お客様がすでに登録されています。空のデータベースで実行してください。")
    start = months.add_months(months.month_of(today), -1)
    with transaction.atomic():
        set_up_vendor(start)
        with connection.cursor() as cursor:
            cursor.execute(MANY_CUSTOMERS, {"count": count, "since": start})
            cursor.execute(MANY_USERS, {"password": make_password(PASSWORD)})
            cursor.execute(MANY_CONTRACTS, {"start": start})
            cursor.execute(MANY_LINES)
            cursor.execute(
                "INSERT INTO portal_counter (series, value) VALUES ('C', %s), ('K', %s)"
                " ON CONFLICT (series) DO UPDATE SET value = excluded.value",
                [count, 3 * count],
            )
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")
    say(f"お客様 {count} 件、契約 {3 * count} 件を登録しました（{months.format_month(start)} は未処理）")


MANY_CUSTOMERS = """
    INSERT INTO accounts_customer (number, name, kana, representative, corporate_number, registration_number, postal_code,
        address, phone, fax, contact_department, contact_name, billing_name, billing_department, billing_person,
        billing_postal_code, billing_address, payment_months, due_shift, payment_method, since, updated_at, needs_second_factor)
    SELECT 'C' || lpad(n::text, 7, '0'), '株式会社見本' || n, 'カブシキガイシャミホン' || n, '', '', '', '100-0000',
        '東京都千代田区見本町' || n, '03-0000-0000', '', '', '', '', '', '', '', '', 1, 'next', 'transfer', %(since)s, now(),
        false
    FROM generate_series(1, %(count)s) n
"""
MANY_USERS = """
    INSERT INTO accounts_user (password, email, name, kana, department, position, phone, customer_id, is_active, is_staff,
        is_superuser, is_manager, is_recipient, must_change_password, language, created_at, version, bounced,
        account_pending)
    SELECT %(password)s, 'user' || id || '@example.com', '利用者 ' || number, '', '', '', '', id, true, false,
        false, true, true, false, 'ja', now(), 0, '', false
    FROM accounts_customer
"""
MANY_CONTRACTS = """
    INSERT INTO contracts_contract (customer_id, number, name, service_id, plan, form, start_on, auto_renew, note, updated_at)
    SELECT c.id, 'K' || lpad(((row_number() OVER (ORDER BY c.id, s.position)))::text, 7, '0'), s.name || ' 契約', s.id, '',
        'monthly', %(start)s, true, '', now()
    FROM accounts_customer c JOIN contracts_service s ON s.position IN (1, 4, 7)
"""
MANY_LINES = """
    INSERT INTO contracts_contractline (customer_id, contract_id, position, product_code, item, specification, quantity, unit,
        unit_price, amount, net, price_basis, tax_kind)
    SELECT k.customer_id, k.id, 1, upper(s.code) || '-01', s.name, '標準', q.quantity, '式', q.price, q.quantity * q.price,
        q.quantity * q.price, 'exclusive', CASE s.code WHEN 'water' THEN 'reduced' ELSE 'standard' END
    FROM contracts_contract k JOIN contracts_service s ON s.id = k.service_id
    CROSS JOIN LATERAL (SELECT 1 + k.id % 5 AS quantity, 1980 + 37 * (k.id % 400) AS price) q
"""
