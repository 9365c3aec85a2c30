"""Makes a superuser, an installation's first person: asks at a terminal, or takes options and DJANGO_SUPERUSER_PASSWORD."""

import os
import sys
from getpass import getpass

from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError

from accounts.models import User
from billing.management.base import OperatorCommand, WrongUsage
from portal import reading


class Command(OperatorCommand):
    help = "スーパーユーザー（すべての権限をもつ担当者）を作ります。端末では足りない項目をたずねます。"

    def add_arguments(self, parser):
        parser.add_argument("--email", help="Eメール（ログインのユーザ名）")
        parser.add_argument("--name", help="名前")
        parser.add_argument(
            "--noinput",
            "--no-input",
            action="store_false",
            dest="interactive",
            help="たずねません（パスワードは環境変数 DJANGO_SUPERUSER_PASSWORD）",
        )

    def work(self, **options):
        password = os.environ.get("DJANGO_SUPERUSER_PASSWORD")
        given = {"email": options["email"], "name": options["name"], "password": password}
        if options["interactive"] and sys.stdin.isatty():
            ask = {"email": lambda: input("Eメール: "), "name": lambda: input("名前: "), "password": self.ask_password}
            try:
                given = {field: text or ask[field]() for field, text in given.items()}
            except EOFError:
                raise WrongUsage("入力が途中で終わりました。") from None
        labels = {"email": "--email", "name": "--name", "password": "環境変数 DJANGO_SUPERUSER_PASSWORD"}
        if missing := [labels[field] for field, text in given.items() if not text]:
            raise WrongUsage(f"指定してください: {'、'.join(missing)}")
        self.make(**given)
        self.say("スーパーユーザーを作りました。")

    def ask_password(self):
        password = getpass("パスワード: ")
        if getpass("パスワード（確認）: ") != password:
            raise WrongUsage("確認のパスワードが一致しません。")
        return password

    def make(self, email, name, password):
        user = User(email=reading.email(email), name=reading.text(name), is_staff=True, is_superuser=True)
        if User.objects.filter(email=user.email).exists():
            raise ValidationError("このEメールはほかのユーザが使っています。")
        user.full_clean(exclude=["password"])
        validate_password(password, user)
        User.objects.create_superuser(user.email, password, name=user.name)
