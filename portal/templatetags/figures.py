"""How figures and dates are written on pages and documents; amounts come as stored, and none is rounded here."""

import re
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import date

from django import template
from django.utils.dateformat import format as in_words
from django.utils.translation import gettext as _

from portal.reading import ERAS

register = template.Library()
_imperial = ContextVar("imperial", default=False)
MONTH = re.compile(r"(\d{4})年(\d{1,2})月")


@contextmanager
def imperial_years(on=True):
    """Within it days are written with the years of their eras (和暦), from 平成 on: 令和8年11月2日, R8/11/02."""
    former = _imperial.set(on)
    try:
        yield
    finally:
        _imperial.reset(former)


def year(day, *, short=False):
    """The year of a day as it is to be written: 2026, 令和8, 令和元; `short` R8."""
    for name in ("R", "H") if short else ("令和", "平成"):
        era = ERAS[name]
        if _imperial.get() and era.starts_on <= day <= era.ends_on:
            count = day.year - era.before
            return f"{name}{'元' if count == 1 and not short else count}"
    return str(day.year)


@register.filter
def yen(value):
    """Whole yen with thousands separators; an empty text for nothing."""
    return "" if value is None else f"{value:,}"


@register.filter
def yen_sign(value):
    """The same as a document writes it, the sign before the unit: ¥1,000, -¥1,000."""
    return f"{'-' if value < 0 else ''}¥{abs(value):,}"


@register.filter
def signed(value):
    """Yen of a difference: +1,860, -8,000, ±0."""
    return f"{value:+,}" if value else "±0"


@register.filter
def share(value):
    """A difference as a share of what it is measured by: +1.6%, -0.2%, ±0%."""
    told = f"{value:+.1%}"
    return "±0%" if told in ("+0.0%", "-0.0%") else told


@register.filter
def plain(value):
    """A Decimal without its trailing zeros, with thousands separators: 4.000 is 4, 1250.50 is 1,250.5."""
    if value is None:
        return ""
    text = f"{value:,f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


@register.filter
def percent(rate):
    """A share of one as a percentage: 0.1000 is 10%."""
    return "" if rate is None else f"{plain(rate * 100)}%"


@register.filter
def ymd(day):
    """2026/04/01, as in the CSV."""
    return f"{year(day, short=True)}/{day:%m/%d}" if day else ""


@register.filter
def period(first, last):
    """2026/04/01～04/30; the year again only where it is another one."""
    same = first and last and first.year == last.year
    return _("{first}～{last}").format(first=ymd(first), last=f"{last:%m/%d}" if same else ymd(last))


@register.filter
def ym(month):
    return f"{month:%Y/%m}" if month else ""


@register.filter
def month_name(month):
    """2026年4月, as a heading says it; April 2026."""
    return in_words(month, _("Y年n月")) if month else ""


@register.filter
def day_name(day):
    """2026年4月1日; 1 April 2026."""
    return in_words(day, _("Y年n月j日").replace("Y", year(day))) if day else ""


@register.filter
def dated(text):
    """A text whose months (2026年4月) have the years in which days are written."""
    return MONTH.sub(lambda found: f"{year(date(int(found[1]), int(found[2]), 1))}年{found[2]}月", text)


@register.filter
def long_day(day):
    """2026年4月1日（水）; Wednesday, 1 April 2026."""
    return in_words(day, _("Y年n月j日（D）").replace("Y", year(day))) if day else ""
