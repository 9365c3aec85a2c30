"""The page of a month's run in the admin: which settings it used, whatever they are today."""

from billing.models import MonthRun
from portal.models import CalendarDay, Vendor, VendorRegistration
from tests import make


def it_shows_the_settings_that_the_run_used_in_words(cast, web):
    CalendarDay.objects.create(day="2026-05-12", working=False)
    Vendor.objects.update(bank_account="見本銀行 本店\n普通 1234567")
    make.close_month()
    Vendor.objects.update(rounding="up", bank_account="別の銀行")
    VendorRegistration.objects.update(valid_to="2026-04-30")
    VendorRegistration.objects.create(number="T8990000000002", valid_from="2026-05-01")
    CalendarDay.objects.create(day="2026-05-13", working=False)
    web.force_login(cast.staff)
    page = web.get(f"/admin/billing/monthrun/{MonthRun.objects.get().pk}/change/").content.decode()
    assert "消費税の端数処理: 切り捨て" in page
    assert "振込先: 見本銀行 本店、普通 1234567" in page
    assert "T8990000000001" in page
    assert "T8990000000002" not in page
    assert "営業しない日: 2026/05/12" in page
    assert "2026/05/13" not in page
    assert "軽減税率 8%（2019/10/01～）" in page


def it_shows_a_run_of_before_settings_were_kept(cast, web):
    run = MonthRun.objects.create(month=make.APRIL, kind="close", as_of=make.IN_MAY, settings={})
    web.force_login(cast.staff)
    assert web.get(f"/admin/billing/monthrun/{run.pk}/change/").status_code == 200
