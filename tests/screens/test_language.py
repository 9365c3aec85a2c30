"""Whatever language a browser asks for, pages are Japanese and say so: nobody meets two languages on one page."""

import re

import pytest

ENGLISH = {"HTTP_ACCEPT_LANGUAGE": "en-US,en;q=0.9"}
CUSTOMERS = [
    "/", "/contracts/", "/orders/?panel=filter&month_min=x", "/invoices/", "/invoices/analysis/", "/account/",
    "/account/users/", "/account/users/new/", "/faq/", "/inquiry/", "/password/change/", "/invoices/Z9/",
]  # fmt: skip
STAFFS = [
    "/admin/", "/admin/contracts/contract/", "/admin/contracts/contract/add/", "/admin/accounts/user/",
    "/admin/accounts/customer/add/", "/admin/portal/inquiry/", "/admin/portal/historyevent/",
    "/admin/billing/invoice/", "/password/change/",
]  # fmt: skip
# Names, codes and units that Japanese pages have too.
LATIN = r"PDF|CSV|ZIP|UTF-8|Shift_JIS|FAX|IP|No|GB|OK|[A-Z]\d[\d-]*|\S+@\S+"


def words(response):
    """The page's texts without scripts, as one."""
    page = re.sub(r"<(script|style|svg)\b.*?</\1>", " ", response.content.decode(), flags=re.DOTALL)
    return re.sub(r"<[^>]*>", "\n", page)


def english(response):
    """Texts of two English words or more."""
    return re.findall(r"[A-Za-z]{2,} [A-Za-z]{2,}[A-Za-z ]*", re.sub(LATIN, "", words(response)))


def language(response):
    return re.search(r"<html[^>]*\blang=\"([^\"]*)\"", response.content.decode())[1]


@pytest.mark.parametrize("path", CUSTOMERS)
def it_shows_customers_japanese_pages(path, cast, sign_in):
    browser = sign_in(cast.hanako)
    answer = browser.get(path, **ENGLISH)
    assert (language(answer), english(answer)) == ("ja", [])
    assert answer.headers.get("Content-Language", "ja") == "ja"


@pytest.mark.parametrize("path", STAFFS)
def it_shows_staff_japanese_pages_with_admins_own_words_too(path, cast, client):
    client.force_login(cast.staff)
    answer = client.get(path, **ENGLISH)
    assert (language(answer), english(answer)) == ("ja", [])


@pytest.mark.parametrize("path", ["/login/", "/password/reset/", "/password/reset/MQ/no-such-token/", "/no/such/page/"])
def it_shows_strangers_japanese_pages(path, web):
    answer = web.get(path, follow=True, **ENGLISH)
    assert (language(answer), english(answer)) == ("ja", [])


def it_tells_what_is_wrong_with_a_form_in_japanese(cast, sign_in):
    browser = sign_in(cast.hanako)
    for path, given in (
        ("/account/users/new/", {"email": "x"}),
        ("/inquiry/", {"kind": "x"}),
        ("/password/change/", {"old_password": ""}),
    ):
        answer = browser.post(path, given, **ENGLISH)
        assert (language(answer), english(answer)) == ("ja", [])
        assert "入力してください" in words(answer)


def it_tells_staff_what_is_wrong_with_a_form_in_japanese(cast, client):
    client.force_login(cast.staff)
    answer = client.post("/admin/accounts/customer/add/", {"payment_months": "x"}, **ENGLISH)
    assert (language(answer), english(answer)) == ("ja", [])
    assert "下記のエラーを修正してください" in words(answer)
