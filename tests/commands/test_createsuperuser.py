"""createsuperuser makes the first person who can sign in to the admin; what is missing or wrong it says in one Japanese line."""

import pytest
from django.core.management import CommandError, call_command

from accounts.models import User
from tests import make


def create(monkeypatch, password=make.PASSWORD, **options):
    monkeypatch.setenv("DJANGO_SUPERUSER_PASSWORD", password)
    call_command("createsuperuser", interactive=False, **options)


def it_makes_somebody_who_may_do_everything(db, monkeypatch, client, capsys):
    create(monkeypatch, email="Boss@example.net", name="長")
    made = User.objects.get(email="boss@example.net")
    assert (made.is_superuser, made.is_staff, made.check_password(make.PASSWORD)) == (True, True, True)
    assert "スーパーユーザーを作りました" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({}, "--email、--name"),
        ({"email": "boss@example.net"}, "指定してください: --name"),
        ({"email": "boss@example.net", "name": "長", "password": ""}, "DJANGO_SUPERUSER_PASSWORD"),
        ({"email": "nonsense", "name": "長"}, "Eメールとして読み取れません"),
        ({"email": "HANAKO@example.com", "name": "長"}, "このEメールはほかのユーザが使っています。"),
        ({"email": "boss@example.net", "name": "長", "password": "short"}, "パスワード"),
    ],
)
def it_says_in_one_japanese_line_what_is_wrong(cast, monkeypatch, given, words):
    with pytest.raises(CommandError) as refused:
        create(monkeypatch, **given)
    assert words in str(refused.value)
    assert len(str(refused.value).splitlines()) == 1
    assert refused.value.returncode == 2
    assert not User.objects.filter(is_superuser=True).exclude(pk=cast.staff.pk).exists()
