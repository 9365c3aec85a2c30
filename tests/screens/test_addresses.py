"""One mailbox has one spelling: twins are found at sign-in and reset, refused where users are made, and told in a line."""

import pytest
from django.core.management import CommandError, call_command

from accounts.models import User
from portal.models import Mail
from tests import make

TWINS = [
    "HANAKO@Example.com", "ｈａｎａｋｏ＠ｅｘａｍｐｌｅ．ｃｏｍ", "hanako@example。com", "hanako@example.com。", " hanako@example.com\u200b",
    "hanako@exam\u00adple.com", "ha\u200dnako@example.com", "\u2060hanako@example.com\u00a0", "hanako@example.com.",
]  # fmt: skip
NONE = [
    '"x\x1cevil"@example.com',
    "a@localhost",
    "a@[127.0.0.1]",
    "花子@example.com",
    "a b@example.com",
    "a@@example.com",
]


@pytest.mark.parametrize("typed", TWINS)
def it_signs_in_and_resets_by_whatever_spelling_of_the_address(typed, cast, web):
    assert web.post("/login/", {"username": typed, "password": make.PASSWORD}).status_code == 302
    web.post("/logout/")
    assert web.post("/password/reset/", {"email": typed}).status_code == 302
    assert Mail.objects.filter(kind="reset_confirm", user=cast.hanako).count() == 1


def it_knows_an_international_domain_in_either_form(cast, web, sign_in):
    page = sign_in(cast.hanako).post("/account/users/new/", {"name": "新人", "email": "New@例え.jp"})
    assert page.status_code == 302
    assert User.objects.get(name="新人").email == "new@xn--r8jz45g.jp"
    page = web.post("/account/users/new/", {"name": "双子", "email": "new@xn--r8jz45g.jp"}).content.decode()
    assert "このEメールは使用できません" in page


@pytest.mark.parametrize("typed", TWINS)
def it_refuses_a_twin_where_a_user_is_made(typed, cast, web):
    web.force_login(cast.hanako)
    assert (
        "このEメールは使用できません"
        in web.post("/account/users/new/", {"name": "双子", "email": typed}).content.decode()
    )
    web.force_login(cast.staff)
    given = {"customer": cast.a.pk, "name": "双子", "email": typed, "language": "ja"}
    assert web.post("/admin/accounts/user/add/", given).status_code == 200
    assert User.objects.filter(name="双子").count() == 0


@pytest.mark.parametrize("typed", NONE)
def it_takes_no_address_that_no_mail_reaches(typed, cast, web):
    web.force_login(cast.hanako)
    page = web.post("/account/users/new/", {"name": "新人", "email": typed})
    assert page.context["form"].errors["email"]
    web.force_login(cast.staff)
    given = {"customer": cast.a.pk, "name": "新人", "email": typed, "language": "ja"}
    assert web.post("/admin/accounts/user/add/", given).status_code == 200
    web.logout()
    assert web.post("/login/", {"username": typed, "password": make.PASSWORD}).status_code == 200
    assert not User.objects.filter(name="新人").exists()


def it_keeps_quoted_addresses_of_old_mobile_phones(cast, sign_in):
    sign_in(cast.hanako).post("/account/users/new/", {"name": "携帯", "email": '"A..b"@docomo.ne.jp'})
    assert User.objects.get(name="携帯").email == '"a..b"@docomo.ne.jp'


def it_spells_the_first_superusers_address_too(db, monkeypatch):
    monkeypatch.setenv("DJANGO_SUPERUSER_PASSWORD", make.PASSWORD)
    call_command("createsuperuser", interactive=False, email="Boss@例え.jp", name="長", verbosity=0)
    assert User.objects.get(name="長").email == "boss@xn--r8jz45g.jp"
    with pytest.raises(CommandError):
        call_command("createsuperuser", interactive=False, email="BOSS@xn--r8jz45g.jp", name="長", verbosity=0)
    with pytest.raises(CommandError):
        call_command("createsuperuser", interactive=False, email="a@localhost", name="長", verbosity=0)


LURES = [
    "当選おめでとう https://evil.example/x", "山田\n太郎", "山田\x07", "ｗｗｗ．ｅｖｉｌ．ｃｏｍ", "evil.com/x", "詳しくはevil.jp", "a\u2028b",
]  # fmt: skip


@pytest.mark.parametrize("name", LURES)
@pytest.mark.parametrize("field", ["name", "kana", "department", "position"])
def it_takes_no_line_break_and_no_url_into_a_name(field, name, cast, web):
    web.force_login(cast.hanako)
    given = {"name": "新人", "email": "new@example.com"} | {field: name}
    page = web.post("/account/users/new/", given)
    assert page.status_code == 200
    assert page.context["form"].errors[field]
    assert not Mail.objects.exists()


@pytest.mark.parametrize("field", ["name", "department", "position"])
def it_keeps_nothing_in_a_name_that_makes_it_look_like_another(field, cast, sign_in):
    """U+202E turns what follows it round, in lists, mails and the history; the others aren't seen at all."""
    given = {"name": "新人", "email": "new@example.com"} | {field: "\ufeff山田\u202e \u200b太郎\u2060"}
    assert sign_in(cast.hanako).post("/account/users/new/", given).status_code == 302
    assert getattr(User.objects.get(email="new@example.com"), field) == "山田 太郎"


def it_takes_no_name_of_which_nothing_is_seen(cast, sign_in):
    page = sign_in(cast.hanako).post("/account/users/new/", {"name": "\u200b\u2060", "email": "new@example.com"})
    assert page.context["form"].errors["name"]


@pytest.mark.parametrize("name", ["J.R. Smith", "Dr.田中", "St.John", "山田 太郎(株)", "A.I.開発部", "髙橋・Ｃｏ．"])
def it_takes_names_that_only_look_a_little_like_one(name, cast, sign_in):
    sign_in(cast.hanako).post("/account/users/new/", {"name": name, "email": "new@example.com"})
    assert User.objects.filter(email="new@example.com").exists()


def it_sends_a_companys_mails_to_strangers_so_many_times_a_day(cast, web):
    web.force_login(cast.hanako)
    for number in range(15):
        assert web.post("/account/users/new/", {"name": "新人", "email": f"n{number}@example.com"}).status_code == 302
    web.force_login(cast.taro)
    answers = [
        web.post("/account/users/new/", {"name": "新人", "email": f"m{number}@example.com"}) for number in range(6)
    ]
    assert [answer.status_code for answer in answers] == [302] * 5 + [200]
    assert "1日に送れるアカウント情報のメールは20通までです" in answers[-1].content.decode()
    made = User.objects.get(email="m0@example.com")
    page = web.post(f"/account/users/{made.pk}/send/", follow=True).content.decode()
    assert "20通まで" in page
    given = {"name": "新人", "email": "elsewhere@example.com", "own_password": make.PASSWORD}
    assert "20通まで" in web.post(f"/account/users/{made.pk}/edit/", given).content.decode()
    web.force_login(cast.jiro)
    assert web.post("/account/users/new/", {"name": "新人", "email": "b@example.org"}).status_code == 302
    web.force_login(cast.staff)
    given = {"customer": cast.a.pk, "name": "新人", "email": "by.staff@example.com", "language": "ja"}
    assert web.post("/admin/accounts/user/add/", given).status_code == 302
