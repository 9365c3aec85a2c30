"""What the next month's bills need: the vendor, its registration number, tax classes, holidays, somebody to close the month."""

import holidays
from django.conf import settings

from accounts.models import User
from billing import gauges
from billing.demo.data import REGISTRATION
from billing.doctor.findings import odd, well, wrong
from portal import months
from portal.models import TaxClass, TaxKind, Vendor, VendorRegistration

NEEDED = ("name", "postal_code", "address", "phone", "desk_name", "desk_email", "bank_account")
USUAL = {TaxKind.STANDARD: "標準税率", TaxKind.REDUCED: "軽減税率"}


def vendor():
    found = Vendor.objects.first()
    if found is None:
        return wrong("ベンダー設定がありません", "管理画面 → ベンダー設定")
    labels = {field.name: str(field.verbose_name) for field in Vendor._meta.fields}
    if empty := [labels[name] for name in NEEDED if not getattr(found, name).strip()]:
        return wrong(f"ベンダー設定に空の項目があります: {'、'.join(empty)}", "管理画面 → ベンダー設定")
    return well(f"ベンダーは {found.name} です")


def registration():
    today = months.today()
    until = months.last_day(months.add_months(months.month_of(today), 1))
    if not VendorRegistration.objects.valid_on(today).exists():
        return odd("今日有効な登録番号がありません。適格請求書になりません", "管理画面 → 登録番号")
    if not VendorRegistration.objects.valid_on(until).exists():
        return odd(f"登録番号が {until:%Y/%m/%d} までに切れます", "管理画面 → 登録番号")
    return well("登録番号は有効です")


def tax_classes():
    today = months.today()
    missing = [name for kind, name in USUAL.items() if not TaxClass.objects.valid_on(today).filter(kind=kind).exists()]
    if missing:
        return wrong(f"今日有効な税区分がありません: {'、'.join(missing)}", "管理画面 → 税区分")
    return well("税区分は有効です")


def next_holidays():
    """The law fixes next year's in February; the library knows them with a newer version."""
    year = months.today().year + 1
    known = [day for day in holidays.country_holidays("JP", years=year) if day.year == year]
    if len(known) < 10:
        return odd(f"{year}年の祝日が分かりません", "新しい版に更新するか、管理画面 → 営業日 に登録します。")
    return well(f"{year}年の祝日は {len(known)} 日あります")


def deadline():
    days, month = gauges.days_to_deadline(), gauges.next_to_close()
    if days is None or not months.is_over(month, months.today()):
        return well("締めを待つ月はありません")
    text = f"{months.format_month(month)} の確定予定日まで {days} 日です"
    if days < 0:
        return wrong(
            f"{months.format_month(month)} の確定予定日を {-days} 日過ぎています",
            f"manage.py close_month {months.format_month(month)}",
        )
    return odd(text, f"manage.py close_month {months.format_month(month)}") if days <= 1 else well(text)


def staff():
    if not User.objects.filter(is_staff=True, is_active=True, is_superuser=True).exists():
        return wrong("有効なスーパーユーザがいません", "manage.py createsuperuser")
    return well("スーパーユーザがいます")


def demo_data():
    if settings.HTTPS and VendorRegistration.objects.filter(number=REGISTRATION).exists():
        return wrong(
            "デモデータが入っています。パスワードは公開されています",
            "空のデータベースを作り、manage.py migrate からやり直します。",
        )
    return well("デモデータは公開されていません")


CHECKS = (vendor, registration, tax_classes, next_holidays, deadline, staff, demo_data)
