"""What people type: read as they mean it, or refused with a sentence that shows how; never as something else."""

import re
import unicodedata
from datetime import date, time
from decimal import Decimal

import pytest
from django.core.exceptions import ValidationError
from hypothesis import given
from hypothesis import strategies as st

from portal import reading
from portal.models import VendorRegistration

DAYS = st.dates(date(1990, 1, 1), date(2099, 12, 31))
WIDE = {**{code: code + 0xFEE0 for code in range(0x21, 0x7F)}, 0x20: 0x3000}
LOOKS_LIKE_NOTHING = ["\u200b", "\ufeff", "\u00ad", "\u2060", "\u200e", "\u200f", "\u00a0", " ", "\u3000", "\t"]


def refusal(read, typed):
    with pytest.raises(ValidationError) as refused:
        read(typed)
    return " ".join(refused.value.messages)


def ways_to_write(day):
    year, month, number = day.year, day.month, day.day
    ways = [f"{year}年{month}月{number}日", f"{year}年 {month}月 {number}日", f"{year}{month:02}{number:02}"]
    for mark in "/-.−‐ー":
        ways += [f"{year}{mark}{month}{mark}{number}", f"{year}{mark}{month:02}{mark}{number:02}"]
    short, long, before = ("R", "令和", 2018) if day >= date(2019, 5, 1) else ("H", "平成", 1988)
    for era_year in (year - before, f"{year - before:02}", *(["元"] if year - before == 1 else [])):
        ways += [f"{long}{era_year}年{month}月{number}日", f"{short}{era_year}.{month}.{number}"]
        ways += [f"{short.lower()}{era_year}/{month}/{number}"]
    return ways


@given(day=DAYS, ends=st.tuples(*[st.sampled_from(["", *LOOKS_LIKE_NOTHING])] * 2), wide=st.booleans())
def it_reads_a_day_in_every_way_people_write_it(day, ends, wide):
    for written in ways_to_write(day):
        written = written.translate(WIDE) if wide else written
        assert reading.day(ends[0] + written + ends[1]) == day


@given(st.text("0123456789/-.年月日RH令和平成元 ０１２/", max_size=12))
def it_takes_a_day_for_no_other_day(typed):
    try:
        day = reading.day(typed)
    except ValidationError:
        return
    assert day is None or unicodedata.normalize("NFKC", re.sub(r"\s", "", typed)).upper() in {
        re.sub(r"\s", "", way).upper() for way in ways_to_write(day)
    }


@pytest.mark.parametrize(
    "typed",
    ["202411", "2024011", "202013", "10/11/12", "26/11/30", "2026/11", "11/30", "30.11.2026", "2026/02/30", "2026/13/01",
     "2026/11-30", "2026 11 30", "2026/11/30 0:00", "20261130.0", "0000/01/01", "3000/01/01", "1899/12/31", "٢٠٢٦/١١/٣٠",
     "2026/11/3²", "令和0年1月1日", "令和元年4月30日", "平成31年5月1日", "平成元年1月7日", "S60.1.1", "8.11.30", "R8", "R81130",
     "2026/\u200b11/30", "明日", "-", "2026/11/31"],
)  # fmt: skip
def it_refuses_what_is_no_day(typed):
    assert refusal(reading.day, typed)


def it_knows_the_days_on_which_the_eras_changed():
    assert reading.day("平成31年4月30日") == date(2019, 4, 30)
    assert reading.day("令和元年5月1日") == reading.day("㋿1年5月1日") == date(2019, 5, 1)
    assert reading.day("平成元年1月8日") == date(1989, 1, 8)


def it_shows_an_example_of_a_day_and_of_a_month():
    assert "「10/11/12」" in refusal(reading.day, "10/11/12")
    assert "2026/11/30" in refusal(reading.day, "10/11/12")
    assert "2026/11 の" in refusal(reading.month, "11/2026")


@pytest.mark.parametrize(
    "typed", ["2026/11", "2026-11", "2026.11", "202611", "2026年11月", "２０２６／１１", "令和8年11月", "R8.11", "r8/11", "2026年 11月"]
)  # fmt: skip
def it_reads_a_month_as_its_first_day(typed):
    assert reading.month(typed) == date(2026, 11, 1)


@pytest.mark.parametrize("typed", ["202013", "2026/0", "2026", "26/11", "20261101", "2026/11/01", "R8", "平成31年5月"])
def it_refuses_what_is_no_month(typed):
    assert refusal(reading.month, typed)


def it_reads_the_months_in_which_the_eras_changed():
    assert reading.month("令和元年5月") == date(2019, 5, 1)
    assert reading.month("平成31年4月") == date(2019, 4, 1)
    assert reading.month("平成元年1月") == date(1989, 1, 1)


@pytest.mark.parametrize("typed", ["202411", "2024/11", "2024-11", "2024年11月", "令和6年11月", "２０２４１１"])
def it_takes_a_month_for_all_its_days_where_a_span_is_wanted(typed):
    assert reading.span(typed) == (date(2024, 11, 1), date(2024, 11, 30))


def it_takes_a_day_for_itself_where_a_span_is_wanted():
    assert reading.span("20241105") == (date(2024, 11, 5), date(2024, 11, 5))


@pytest.mark.parametrize("typed", ["202013", "2024011", "2024/13", "24/11", "2024"])
def it_refuses_a_span_that_might_mean_something_else(typed):
    assert "2026/11" in refusal(reading.span, typed)


@given(st.integers(-(10**15), 10**15))
def it_reads_yen_in_every_way_people_write_it(amount):
    sign, size = "-" if amount < 0 else "", abs(amount)
    for written in (f"{sign}{size}", f"{sign}{size:,}", f"{sign}¥{size:,}", f"¥{sign}{size:,}", f"{sign}{size:,}円"):
        assert reading.yen(written) == reading.yen(written.translate(WIDE)) == amount
    assert reading.yen(f"▲{size:,}") == reading.yen(f"−￥{size}") == reading.yen(f"（{size:,}）") == -size
    assert (
        reading.yen(f"(¥{size:,})")
        == reading.yen(f"¥({size:,})")
        == reading.number(f"({size}.50)") + Decimal("0.5")
        == -size
    )
    assert reading.yen(f"\\{size} 円\u200b") == reading.yen(f"{size}.00") == size


@pytest.mark.parametrize(
    "typed",
    ["abc", "1,00", "1,2,3", "1.5", "1e3", "10²", "①", "円", "¥", "1 000", "--1", "9" * 20, "1\u200b0", "１２三", "٣"],
)
def it_refuses_what_is_no_amount(typed):
    assert refusal(reading.yen, typed)


@pytest.mark.parametrize(
    ("typed", "quantity"),
    [("12", "12"), ("1,234.5", "1234.5"), ("１２，３４５．６７８", "12345.678"), ("0", "0"), ("0.500", "0.5"), ("1.2340", "1.234"),
     ("999999999.999", "999999999.999")],
)  # fmt: skip
def it_reads_a_quantity(typed, quantity):
    assert reading.quantity(typed) == Decimal(quantity)


@pytest.mark.parametrize("typed", ["-1", "1.2345", "1000000000", "1,23", "NaN", "Infinity", "1e3", "½", "1個", ".5"])
def it_refuses_what_is_no_quantity(typed):
    assert refusal(reading.quantity, typed)


@pytest.mark.parametrize(
    "read", [reading.day, reading.month, reading.span, reading.yen, reading.number, reading.quantity]
)
@pytest.mark.parametrize("typed", ["", " ", "\u3000", "\u200b\ufeff", "\u00a0\u2060"])
def it_reads_nothing_as_nothing(read, typed):
    assert read(typed) is None
    assert reading.text(typed) == reading.key(typed) == reading.email(typed) == reading.phone(typed) == ""


def it_keeps_a_text_as_typed_but_for_what_nobody_sees():
    assert reading.text(" \u200b株式会社Ａ\u00a0神田 ｶﾅ\ufeff\u3000") == "株式会社Ａ 神田 ｶﾅ"
    assert reading.text("か\u3099は\u309a") == "がぱ"
    assert reading.text("👩\u200d💻 ab\u202ecd") == "👩\u200d💻 abcd"


@pytest.mark.parametrize("typed", ["a\nb", "a\r\nb", "a\tb", "a\u2028b"])
def it_tells_a_line_break_inside_a_text(typed):
    assert "改行" in refusal(reading.text, typed)


def it_tells_which_invisible_character_stands_inside_a_key():
    assert reading.key("\ufeffＫ００００００１\u00a0") == "K0000001"
    assert reading.key("B202611−000001") == "B202611-000001"
    assert "U+200B" in refusal(reading.key, "K000\u200b0001")
    assert "U+001C" in refusal(reading.text, "a\x1cb")


@pytest.mark.parametrize(
    "typed",
    ["hanako@example.com", " Hanako@EXAMPLE.com ", "ｈａｎａｋｏ＠ｅｘａｍｐｌｅ．ｃｏｍ", "hanako@exam\u00adple.com", "hanako@e\u200dxample.com",
     "hanako@example.com\u200b", "hanako@example。com", "hanako@example｡com。", '"hanako"@example.com', '"han\\ako"@example.com'],
)  # fmt: skip
def it_gives_an_address_one_spelling(typed):
    assert reading.email(typed) == "hanako@example.com"


def it_writes_a_japanese_domain_in_ascii():
    assert reading.email("taro@例え.jp") == reading.email("taro@XN--r8jz45g.JP") == "taro@xn--r8jz45g.jp"


@pytest.mark.parametrize("typed", ['"a..b"@docomo.ne.jp', '".a."@docomo.ne.jp', "o'brien+x@sub.example.co.jp"])
def it_keeps_a_local_part_that_needs_its_quotes(typed):
    assert reading.email(typed) == typed


@pytest.mark.parametrize(
    "typed",
    ["hanako", "@example.com", "hanako@", "a@b@example.com", "a b@example.com", '"x\x1cevil"@example.com', '"a\nb"@example.com',
     "a@localhost", "a@[127.0.0.1]", "a@127.0.0.1", "花子@example.com", "a..b@docomo.ne.jp", "a@exa_mple.com", "a@-example.com",
     "a@example..com", '"a"b"@example.com', "a@xn--a.jp", f"{'a' * 65}@example.com", f"a@{'b' * 60}.{'c' * 60}.{'d' * 60}.{'e' * 60}.{'f' * 60}.jp"],
)  # fmt: skip
def it_refuses_what_is_no_address(typed):
    assert refusal(reading.email, typed)


@given(st.text(max_size=30))
def it_reads_an_address_the_same_when_it_reads_it_again(typed):
    for address in (f"{typed}@example.com", f"hanako@{typed}.jp", typed):
        try:
            once = reading.email(address)
        except ValidationError:
            continue
        assert reading.email(once) == once
        assert once.isascii()
        assert once == once.lower()


@pytest.mark.parametrize(
    ("typed", "number"),
    [("０３－１２３４－５６７８", "03-1234-5678"), ("03(1234)5678", "03-1234-5678"), ("(03) 1234 5678", "03-1234-5678"), ("0312345678", "0312345678"),
     ("+81-3-1234-5678", "+81-3-1234-5678"), ("03ー1234ー5678", "03-1234-5678"), ("03-1234-5678（内線 12）", "03-1234-5678内線12")],
)  # fmt: skip
def it_reads_a_telephone_number(typed, number):
    assert reading.phone(typed) == number


@pytest.mark.parametrize("typed", ["電話", "03-1234-567a", "090\u200b1234", "+"])
def it_refuses_what_is_no_telephone_number(typed):
    assert refusal(reading.phone, typed)


@pytest.mark.parametrize("typed", ["やまだ　はなこ", "ﾔﾏﾀﾞ ﾊﾅｺ", "ヤマダ \u3000ハナコ", "やまた\u3099 はなこ"])
def it_writes_a_reading_in_katakana(typed):
    assert reading.kana(typed) == "ヤマダ ハナコ"


def it_refuses_kanji_as_a_reading():
    assert "カタカナ" in refusal(reading.kana, "山田")


@pytest.mark.parametrize(
    ("one", "other"),
    [("ｻｰﾊﾞ", "サーバ"), ("さーば", "サーバ"), ("山田　花子", "山田 花子"), ("山田花子", "山田 花子"), ("Ｂ２０２６１０", "b202610"),
     ("か\u3099", "ガ"), ("A−B", "a-b"), ("葛\U000e0100", "葛"), ("é", "É"), ("〜", "～"), ("Ω", "ω"), ("a\u200bb", "AB")],
)  # fmt: skip
def it_folds_what_searching_takes_for_the_same(one, other):
    assert reading.fold(one) == reading.fold(other)


@pytest.mark.parametrize(
    "typed", ["100-0001", "1000001", "〒100-0001", "１００－０００１", "100ー0001\u200b", "〒 100 0001"]
)
def it_reads_a_postal_code_in_every_way_people_write_it(typed):
    assert reading.postal_code(typed) == "100-0001"


@pytest.mark.parametrize("typed", ["123", "abc", "100-001", "10-00001", "100-00012"])
def it_refuses_what_is_no_postal_code(typed):
    assert "100-0001 のように" in refusal(reading.postal_code, typed)


@pytest.mark.parametrize(
    "typed", ["T1234567890123", "ｔ１２３４５６７８９０１２３", "T1-2345-6789-0123", " T 1234567890123\u200b"]
)
def it_reads_an_official_number_without_what_papers_print_in_it(typed):
    assert reading.official_number(typed) == "T1234567890123"


@pytest.mark.parametrize(
    ("number", "right"),
    [
        ("7000012050002", True), ("7010705000725", True), ("4011001098993", True), ("7123456789012", True),
        ("8990000000001", True), ("7990000000002", True),
        ("1234567890123", False), ("3210987654321", False), ("8000012050002", False),
        ("7900012050002", True),  # a 9 for a 0: the check digit can't see it
    ],
)  # fmt: skip
def it_knows_the_check_digit_of_a_corporate_number(number, right):
    assert reading.has_check_digit(number) is right
    assert right or "検査用数字" in refusal(reading.corporate_number, number)


def it_reads_a_corporate_number_as_papers_print_it():
    assert reading.corporate_number("７０００−０１２０−５０００２") == "7000012050002"
    assert reading.official_number("ｔ７０００−０１２０−５０００２") == "T7000012050002"
    assert reading.corporate_number("") == ""
    form = VendorRegistration._meta.get_field("number")
    for typed in ("T700001205000", "7000012050002", "TT700001205002"):
        with pytest.raises(ValidationError):
            form.run_validators(reading.official_number(typed))


@pytest.mark.parametrize(("typed", "read"), [("9:30", time(9, 30)), ("０９：３０", time(9, 30)), ("9時30分", time(9, 30)),
    ("9時", time(9)), ("23:59:59", time(23, 59, 59)), ("", None)])  # fmt: skip
def it_reads_a_time_of_day(typed, read):
    assert reading.clock(typed) == read


@pytest.mark.parametrize("typed", ["25:00", "9:60", "930", "午後3時", "9", "9:3"])
def it_refuses_what_is_no_time_of_day(typed):
    assert "9:30 のように" in refusal(reading.clock, typed)
