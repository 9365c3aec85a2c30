"""What people type or put into files, read in one way everywhere: days, months, amounts, texts, addresses (D35).

Every function takes what was typed, in half or full width. Invisible characters and blanks at its ends don't count;
nothing typed is None, or '' where a text is wanted. What can't be read raises ValidationError with a sentence that shows
how to write it: a guess would be another day or another amount.
"""

import re
import unicodedata
from datetime import date, datetime, time
from decimal import Decimal
from typing import NamedTuple, NoReturn

import idna
from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _

from portal import characters, months

FIRST_YEAR, LAST_YEAR = 1900, 2999  # beyond them the calendar's arithmetic may fail
MOST_TYPED_YEN = 10**15  # in any field or filter; what a line may come to says money.MOST_YEN
MOST_QUANTITY = Decimal("999999999.999")
SHOWN = 30  # characters of what was typed that a message repeats

BREAKS = re.compile(r"(\r\n|[\r\n\t])")
SEPARATED_DAY = re.compile(r"(\d{4})([/.-])(\d{1,2})\2(\d{1,2})", re.ASCII)
WRITTEN_DAY = re.compile(r"(\d{4})()年(\d{1,2})月(\d{1,2})日", re.ASCII)
PLAIN_DAY = re.compile(r"(\d{4})()(\d{2})(\d{2})", re.ASCII)
SEPARATED_MONTH = re.compile(r"(\d{4})[/.-](\d{1,2})", re.ASCII)
WRITTEN_MONTH = re.compile(r"(\d{4})年(\d{1,2})月", re.ASCII)
PLAIN_MONTH = re.compile(r"(\d{4})(\d{2})", re.ASCII)
MINUTE = re.compile(r"(.+\S) +(\d{1,2}):(\d{2})", re.ASCII)
ERA = re.compile(r"(令和|平成|R|H)(元|\d{1,2})(?=[年/.-])", re.ASCII)
AMOUNT = re.compile(r"([-+▲△]?) ?(\d{1,3}(?:,\d{3})+|\d{1,16})(\.\d{1,9})?", re.ASCII)
CURRENCY = re.compile(r"^([-+▲△]?) ?[¥\\] ?|(?<=\d) ?円$")
PARENTHESES = re.compile(r"([¥\\]?) ?\(([¥\\]? ?[\d,.]+)\)")  # as spreadsheets write what is below 0

LOCAL = re.compile(r"[a-z0-9!#$%&'*+/=?^_`{|}~-]+(\.[a-z0-9!#$%&'*+/=?^_`{|}~-]+)*")
QUOTED_LOCAL = re.compile(r'"((?:[^"\\]|\\.)*)"')
LABEL = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")
CLOCK = re.compile(r"(\d{1,2}):(\d{2})(?::(\d{2}))?|(\d{1,2})時(?:(\d{1,2})分)?", re.ASCII)
POSTAL_CODE = re.compile(r"(\d{3})-?(\d{4})", re.ASCII)
PHONE = re.compile(r"\+?\d+(?:-\d+)*(?:内線\d{1,6})?", re.ASCII)
KANA = re.compile(r"[\u30a1-\u30ff\x20-\x7e]+")


class Era(NamedTuple):
    """A 元号: the years before its first one, and the days it holds, both included."""

    before: int
    starts_on: date
    ends_on: date


# 元号を改める政令 (平成31年政令143号; 昭和64年政令1号)
REIWA = Era(2018, date(2019, 5, 1), date(LAST_YEAR, 12, 31))
HEISEI = Era(1988, date(1989, 1, 8), date(2019, 4, 30))
ERAS = {"令和": REIWA, "R": REIWA, "平成": HEISEI, "H": HEISEI}


class Span(NamedTuple):
    """Days from the first to the last, both included."""

    first: date
    last: date


def day(typed: str) -> date | None:
    """A day, with all four digits of its year or with its era: 2026/11/30, 20261130, 2026年11月30日, R8.11.30."""
    given = key(typed).upper()
    return _day(given, typed, "2026/11/30") if given else None


def month(typed: str) -> date | None:
    """A month as its first day: 2026/11, 202611, 2026年11月, 令和8年11月."""
    given = key(typed).upper()
    return _month(given, typed, "2026/11") if given else None


def span(typed: str) -> Span | None:
    """A day, or a month as all of its days. For filters only: elsewhere a month in a day's place is a mistake."""
    given = key(typed).upper()
    if not given:
        return None
    try:
        first = _month(given, typed, "")
        return Span(first, months.last_day(first))
    except ValidationError:
        only = _day(given, typed, _("2026/11/30（月なら 2026/11）"))
        return Span(only, only)


def minute(typed: str) -> datetime | None:
    """A minute in Japan, as lists show moments: 2026/11/30 9:05. None too where no time of day is: a day is `day`'s to read."""
    found = MINUTE.fullmatch(key(typed))
    only = day(found[1]) if found else None
    if found is None or only is None:
        return None
    try:
        return datetime.combine(only, time(int(found[2]), int(found[3])), months.TOKYO)
    except ValueError:
        _refuse(_("「%(text)s」の時刻は 0:00 から 23:59 までで入力してください。"), typed)


def yen(typed: str) -> int | None:
    """Whole yen, below 0 with a minus sign, ▲ or parentheses: 12,000, ¥12,000, 12000円."""
    given = key(typed)
    if not given:
        return None
    found = _amount(given)
    if found is None or found != int(found):
        _refuse(_("「%(text)s」は金額として読み取れません。12,000 のように円単位の整数で入力してください。"), typed)
    if abs(found) > MOST_TYPED_YEN:
        _refuse(_("「%(text)s」は大きすぎます。正しい金額を入力してください。"), typed)
    return int(found)


def number(typed: str) -> Decimal | None:
    """A decimal number of any size, below 0 too: 1,234.5. How many digits a field takes is the field's to say."""
    given = key(typed)
    if not given:
        return None
    found = _amount(given)
    if found is None:
        _refuse(_("「%(text)s」は数として読み取れません。1,234.5 のように入力してください。"), typed)
    return found


def whole(typed: str) -> int | None:
    """A whole number, below 0 too: 12."""
    given = key(typed)
    if not given:
        return None
    found = _amount(given)
    if found is None or found != int(found):
        _refuse(_("「%(text)s」は整数として読み取れません。12 のように入力してください。"), typed)
    return int(found)


def quantity(typed: str) -> Decimal | None:
    """A quantity of 0 or more, with at most nine digits before the point and three behind it: 1,234.5."""
    given = key(typed)
    if not given:
        return None
    found = _number(given)
    if found is None or not 0 <= found <= MOST_QUANTITY or found * 1000 % 1:
        _refuse(
            _("「%(text)s」は数量として読み取れません。1,234.5 のように、0以上、小数3桁までの数で入力してください。"),
            typed,
        )
    return found


def text(typed: str) -> str:
    """One line of words (a name, a subject) as it is kept: width as typed, without what nobody sees.

    Blanks that can't be told from others (U+00A0) become such; kana with a mark of its own becomes one character, as
    fonts have it. Raises ValidationError for line breaks, tabs and control characters in it.
    """
    return characters.seen(characters.trimmed(typed))


def passage(typed: str) -> str:
    """Words on several lines, read likewise; breaks, tabs and what a line is indented by stay as they are typed."""
    parts = BREAKS.split(characters.trimmed(typed))
    return "".join(part if BREAKS.fullmatch(part) else characters.seen(part) for part in parts)


def key(typed: str) -> str:
    """What stands for something else, as a number, a code, a date does: half-width, dashes of every kind as -.

    An invisible character inside it is told: the person sees nothing wrong, and looks for what can't be found.
    """
    given = characters.narrow(characters.trimmed(typed)).translate(characters.HYPHENS)
    if found := characters.UNSEEN.search(given):
        characters.refuse_unseen(found[0])
    return given


def code(typed: str) -> str:
    """A number of ours, whose letters are capitals (D20), or a part of one: ｂ202604ー000001 is B202604-000001."""
    return key(typed).translate(characters.LONG_MARK).upper()


def email(typed: str) -> str:
    """An address in its one spelling: half-width and lower case, the domain in ASCII (IDNA 2008, RFC 5891).

    A local part in quotes stays (old addresses of mobile phones: "a..b"@docomo.ne.jp) unless it needs none. Addresses
    within a machine or a network (a@localhost, a@[127.0.0.1]) are refused: no mail gets there.
    """
    given = re.sub(f"[{characters.INVISIBLE}{characters.JOINERS}]", "", typed)
    given = unicodedata.normalize("NFKC", given).strip().lower()
    if not given:
        return ""
    local, at, domain = given.rpartition("@")
    domain = domain.replace("。", ".").removesuffix(".")
    if not at or not local or not domain or not re.fullmatch(r"[^\s\x00-\x1f\x7f-\x9f]+", given):
        _refuse_address(typed)
    if not local.isascii():
        _refuse(_("「%(text)s」の @ より前は、半角の英数字と記号で入力してください。"), typed)
    made = f"{_local(local, typed)}@{_domain(domain, typed)}"
    if len(local) > 64 or len(made) > 254:  # RFC 5321 4.5.3.1
        _refuse(_("「%(text)s」はEメールとして長すぎます。"), typed)
    return made


def phone(typed: str) -> str:
    """A telephone number with half-width digits and hyphens: 03-1234-5678, 03-1234-5678内線123, +81-3-1234-5678."""
    given = key(typed).translate(characters.LONG_MARK)
    given = re.sub(r" *内線[ :-]*", "内線", re.sub(r"\((内線[ \d]+)\)$", r"\1", given))
    given = re.sub(r"[ ().-]+", "-", given).strip("-")
    if given and not PHONE.fullmatch(given):
        _refuse(_("「%(text)s」は電話番号として読み取れません。03-1234-5678 のように入力してください。"), typed)
    return given


def postal_code(typed: str) -> str:
    """A Japanese postal code: 100-0001, whether or not the hyphen or a 〒 was typed."""
    given = key(typed).translate(characters.LONG_MARK).replace(" ", "").removeprefix("〒")
    found = POSTAL_CODE.fullmatch(given)
    if given and not found:
        _refuse(_("「%(text)s」は郵便番号として読み取れません。100-0001 のように入力してください。"), typed)
    return f"{found[1]}-{found[2]}" if found else ""


def official_number(typed: str) -> str:
    """A 法人番号 or 登録番号 in half width and capitals, without the blanks and hyphens that papers print in it."""
    return re.sub("[ -]", "", key(typed)).upper()


def corporate_number(typed: str) -> str:
    """A 法人番号, whose first digit must be the check digit of the others. Raises ValidationError; of another form it is left to its field."""
    given = official_number(typed)
    if re.fullmatch("[0-9]{13}", given) and not has_check_digit(given):
        _refuse(
            _("「%(text)s」は法人番号として正しくありません（検査用数字が合いません）。番号を確認してください。"), typed
        )
    return given


def has_check_digit(digits: str) -> bool:
    """Whether the first of 13 digits is the check digit of a 法人番号 (平成26年財務省令第70号2条). It can't see a 0 typed for a 9."""
    total = sum(int(digit) * (1 + place % 2) for place, digit in enumerate(reversed(digits[1:])))
    return int(digits[0]) == 9 - total % 9


def clock(typed: str) -> time | None:
    """A time of day, up to 23:59:59: 9:30, 09:30:00, 9時30分, 9時."""
    given = key(typed)
    if not given:
        return None
    if found := CLOCK.fullmatch(given.replace(" ", "")):
        hour, minute, second = found[1] or found[4], found[2] or found[5] or 0, found[3] or 0
        try:
            return time(int(hour), int(minute), int(second))
        except ValueError:
            pass
    return _refuse(_("「%(text)s」は時刻として読み取れません。9:30 のように入力してください。"), typed)


def kana(typed: str) -> str:
    """A reading in full-width katakana, whatever kana was typed; Latin letters and signs in half width."""
    given = " ".join(unicodedata.normalize("NFKC", text(typed)).translate(characters.KATAKANA).split())
    if given and not KANA.fullmatch(given):
        _refuse(_("「%(text)s」はカタカナで入力してください（例 ヤマダ ハナコ）。"), typed)
    return given


def fold(typed: str) -> str:
    """A text as searching compares it: width, kind of kana, case, blanks and dashes make no difference.

    The database's function `search_form` gives the same, so that what is stored and what is sought meet.
    """
    return unicodedata.normalize("NFKC", typed).translate(characters.FOLDED)


def _day(given: str, typed: str, example: str) -> date:
    era, given = _without_era(_closed_up(given))
    for pattern in (SEPARATED_DAY, WRITTEN_DAY, PLAIN_DAY):
        if found := pattern.fullmatch(given):
            return _date(int(found[1]), int(found[3]), int(found[4]), era, typed, example)
    return _refuse(_("「%(text)s」は日付として読み取れません。%(example)s のように入力してください。"), typed, example)


def _month(given: str, typed: str, example: str) -> date:
    era, given = _without_era(_closed_up(given))
    for pattern in (SEPARATED_MONTH, WRITTEN_MONTH, PLAIN_MONTH):
        if found := pattern.fullmatch(given):
            year, number = int(found[1]), int(found[2])
            if era and (year, number) == (era.starts_on.year, era.starts_on.month):
                return _date(year, number, era.starts_on.day, era, typed, example).replace(day=1)
            return _date(year, number, 1, era, typed, example)
    return _refuse(_("「%(text)s」は年月として読み取れません。%(example)s のように入力してください。"), typed, example)


def _date(year: int, number: int, day_of_month: int, era: Era | None, typed: str, example: str) -> date:
    if not FIRST_YEAR <= year <= LAST_YEAR:
        given = {"first": FIRST_YEAR, "last": LAST_YEAR}
        raise ValidationError(_("年は %(first)d から %(last)d までの4桁で入力してください。") % given)
    try:
        found = date(year, number, day_of_month)
    except ValueError:
        _refuse(_("「%(text)s」は暦にありません。%(example)s のように入力してください。"), typed, example)
    if era and not era.starts_on <= found <= era.ends_on:
        _refuse(_("「%(text)s」はその元号の期間にありません。%(example)s のように入力してください。"), typed, example)
    return found


def _closed_up(given: str) -> str:
    """Without the blanks that documents put between the parts of a date; between two digits they stay, and are wrong."""
    return re.sub(r"(?<!\d) +| +(?!\d)", "", given.translate(characters.LONG_MARK))


def _without_era(given: str) -> tuple[Era | None, str]:
    found = ERA.match(given)
    if not found:
        return None, given
    era = ERAS[found[1]]
    year = era.before + (1 if found[2] == "元" else int(found[2]))
    return era, f"{year if found[2].strip('0') else 0:04}{given[found.end() :]}"


def _amount(given: str) -> Decimal | None:
    """A number that may be below 0, and of yen."""
    if found := PARENTHESES.fullmatch(given):
        given = f"-{found[1]}{found[2]}"
    return _number(CURRENCY.sub(r"\1", given))


def _number(given: str) -> Decimal | None:
    found = AMOUNT.fullmatch(given)
    if not found:
        return None
    value = Decimal(found[2].replace(",", "") + (found[3] or ""))
    return -value if found[1] in ("-", "▲", "△") else value


def _local(local: str, typed: str) -> str:
    if LOCAL.fullmatch(local):
        return local
    quoted = QUOTED_LOCAL.fullmatch(local)
    if not quoted:
        _refuse_address(typed)
    inside = re.sub(r"\\(.)", r"\1", quoted[1])
    if LOCAL.fullmatch(inside):
        return inside
    return '"{}"'.format(re.sub(r'(["\\])', r"\\\1", inside))


def _domain(domain: str, typed: str) -> str:
    try:
        ascii_form = idna.encode(domain).decode()
    except (idna.IDNAError, UnicodeError):
        _refuse_address(typed)
    labels = ascii_form.split(".")
    if len(labels) < 2 or labels[-1].isdecimal() or not all(map(LABEL.fullmatch, labels)):
        _refuse_address(typed)
    return ascii_form


def _refuse_address(typed: str) -> NoReturn:
    _refuse(_("「%(text)s」はEメールとして読み取れません。hanako@example.com のように入力してください。"), typed)


def _refuse(message: str, typed: str, example: str = "") -> NoReturn:
    shown = characters.UNSEEN.sub("", typed).strip()
    shown = shown if len(shown) <= SHOWN else f"{shown[:SHOWN]}…"
    raise ValidationError(message % {"text": shown, "example": example})
