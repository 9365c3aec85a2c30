"""Staff's roles (D37): who gives them, what nobody may do to oneself or to somebody mightier, and services that ask too."""

import pytest
from django.contrib.auth.models import Group, Permission
from django.core.exceptions import PermissionDenied, ValidationError
from django.core.management import call_command

from accounts import credentials, services
from accounts.models import User
from billing.documents.rendering import render_again
from billing.models import Rendering
from billing.services import defer_catch_up
from portal import mail, rights
from portal import services as talk
from portal.models import HistoryEvent, Inquiry, Mail
from tests import make
from tests.acting import act
from tests.screens.people import staff

FIELDS = {"name": "担当 花子", "email": "new@example.net", "language": "ja", "is_staff": "on"}


@pytest.fixture
def manager(cast):
    return staff("manager@example.net", "管理")


@pytest.fixture
def clerk(cast):
    return staff("clerk@example.net", "受付")


def save(web, by, person, **changes):
    web.force_login(by)
    given = {name: getattr(person, name) for name in ("name", "email", "language")}
    return web.post(f"/admin/accounts/user/{person.pk}/change/", given | changes)


def again(person):
    return User.objects.get(pk=person.pk)


def rights_of(role):
    found = Permission.objects.filter(group__name=role).values_list("content_type__app_label", "codename")
    return {f"{app}.{codename}" for app, codename in found}


def it_makes_the_roles_by_every_migrate_and_keeps_them_as_they_are_meant(db):
    Group.objects.filter(name="受付").delete()
    Group.objects.get_or_create(name="閲覧")[0].permissions.add(Permission.objects.get(codename="change_vendor"))
    call_command("migrate", verbosity=0)
    assert {"閲覧", "受付", "請求", "管理"} <= set(Group.objects.values_list("name", flat=True))
    assert "portal.change_vendor" not in rights_of("閲覧")
    assert "accounts.change_customer" in rights_of("受付")
    assert "contracts.change_contract" not in rights_of("受付")
    assert "billing.change_invoice" in rights_of("請求")
    assert "accounts.change_user" not in rights_of("請求")
    assert rights_of("管理") >= {"portal.change_taxclass", "accounts.manage_staff"}


def it_lets_a_superuser_make_staff_with_a_role(cast, web):
    rights.set_up_roles()
    web.force_login(cast.staff)
    assert web.post("/admin/accounts/user/add/", FIELDS | {"roles": ["受付", "請求"]}).status_code == 302
    made = User.objects.get(email="new@example.net")
    assert sorted(made.groups.values_list("name", flat=True)) == sorted(["受付", "請求"])
    assert not made.is_superuser
    assert HistoryEvent.objects.filter(detail="役割: 受付・請求", subject="担当 花子", actor=cast.staff).exists()


def it_shows_the_roles_on_the_form_of_staff_only(cast, web, clerk):
    web.force_login(cast.staff)
    page = web.get(f"/admin/accounts/user/{clerk.pk}/change/").content.decode()
    assert 'name="roles"' in page
    assert 'name="is_superuser"' in page
    assert 'name="roles"' not in web.get(f"/admin/accounts/user/{cast.hanako.pk}/change/").content.decode()


def it_lets_management_make_staff_with_any_role_but_no_superuser(web, manager):
    web.force_login(manager)
    given = FIELDS | {"roles": ["請求", "管理"], "is_superuser": "on"}
    assert web.post("/admin/accounts/user/add/", given).status_code == 302
    made = User.objects.get(email="new@example.net")
    assert sorted(made.groups.values_list("name", flat=True)) == sorted(["請求", "管理"])
    assert not made.is_superuser


def it_lets_reception_make_customers_users_but_no_staff(cast, web, clerk):
    web.force_login(clerk)
    assert web.post("/admin/accounts/user/add/", FIELDS).status_code == 200
    customers = FIELDS | {"customer": cast.a.pk, "is_staff": "", "email": "neu@example.com"}
    assert web.post("/admin/accounts/user/add/", customers).status_code == 302
    assert set(User.objects.filter(email__startswith="ne").values_list("email", flat=True)) == {"neu@example.com"}


@pytest.mark.parametrize("role", ["受付", "管理"])
def it_lets_nobody_make_oneself_mightier(role, cast, web):
    person = staff("own@example.net", role)
    save(web, person, person, is_superuser="on", roles=["受付", "請求", "管理"])
    assert not again(person).is_superuser
    assert again(person).groups.get().name == role


def it_lets_nobody_but_superusers_touch_a_superuser(cast, web, manager):
    page = save(web, manager, cast.staff, email="mine@example.com", is_superuser="")
    assert page.status_code == 403
    for action in ("send_account_data", "remove_second_factor", "delete_users"):
        act(web, "/admin/accounts/user/", action, cast.staff)
    kept = again(cast.staff)
    assert (kept.email, kept.is_superuser, kept.is_active) == ("staff@example.net", True, True)
    assert kept.check_password(make.PASSWORD)


def it_lets_management_take_a_colleagues_role(web, manager):
    billing = staff("billing@example.net", "請求")
    assert save(web, manager, billing, roles=["閲覧"]).status_code == 302
    assert again(billing).groups.get().name == "閲覧"


def it_keeps_the_last_superuser(cast, web):
    second = staff("second@example.net", is_superuser=True)
    save(web, cast.staff, second, is_superuser="")
    assert not again(second).is_superuser
    for change in (
        lambda: services.set_roles(again(cast.staff), [], superuser=False, by=None),
        lambda: services.delete_user(again(cast.staff), by=None),
    ):
        with pytest.raises(ValidationError, match="スーパーユーザー"):
            change()
    assert again(cast.staff).is_superuser


def it_takes_the_rights_of_whom_it_deletes(cast, web, clerk):
    services.delete_user(clerk, by=cast.staff)
    assert not again(clerk).groups.exists()


REFUSED = {
    "create_user": lambda cast, by: services.create_user(User(customer=cast.a, name="x", email="x@example.com"), by=by),
    "change_user": lambda cast, by: services.change_user(again(cast.taro), by=by),
    "delete_user": lambda cast, by: services.delete_user(cast.taro, by=by),
    "send_account_data": lambda cast, by: services.send_account_data(cast.taro, by=by),
    "remove_second_factor": lambda cast, by: credentials.remove_second_factor(cast.taro, by=by),
    "set_roles": lambda cast, by: services.set_roles(staff("y@example.net"), ["閲覧"], superuser=False, by=by),
    "enter_inquiry": lambda cast, by: talk.enter_inquiry(Inquiry(customer=cast.a), by=by),
    "answer_inquiry": lambda cast, by: talk.answer_inquiry(Inquiry(), "x", seen=0, by=by),
    "note_inquiry": lambda cast, by: talk.note_inquiry(Inquiry(), "x", by=by),
    "handle_inquiry": lambda cast, by: talk.handle_inquiry(Inquiry(), state="done", assignee=None, by=by),
    "send_again": lambda cast, by: mail.send_again(Mail(), by=by),
    "render_again": lambda cast, by: render_again(Rendering.objects.all(), by=by),
    "defer_catch_up": lambda cast, by: defer_catch_up(decided=True, by=by),
}


@pytest.mark.parametrize("name", REFUSED)
@pytest.mark.parametrize("who", ["viewer", "jiro"])
def it_refuses_in_the_service_whoever_lacks_the_right(name, who, cast):
    by = cast.jiro if who == "jiro" else staff("viewer@example.net", "閲覧")
    if name in ("change_user", "remove_second_factor"):
        cast.taro.name = "changed"
    if name == "remove_second_factor":
        cast.taro.has_second_factor = True
    with pytest.raises(PermissionDenied):
        REFUSED[name](cast, by)


def it_asks_for_a_role_of_new_staff(cast, web):
    rights.set_up_roles()
    web.force_login(cast.staff)
    answer = web.post("/admin/accounts/user/add/", FIELDS)
    assert "役割を1つ以上" in " ".join(answer.context["adminform"].form.errors["roles"])
    assert web.post("/admin/accounts/user/add/", FIELDS | {"is_superuser": "on"}).status_code == 302


@pytest.mark.parametrize("typed", ["ＮＥＷ＠example.net", "\ufeffnew@example.net\u00a0", " New@Example.NET "])
def it_reads_an_address_of_staff_as_pasted(cast, web, typed):
    rights.set_up_roles()
    web.force_login(cast.staff)
    assert web.post("/admin/accounts/user/add/", FIELDS | {"roles": ["閲覧"], "email": typed}).status_code == 302
    assert User.objects.filter(email="new@example.net").exists()
