"""Sends the account data to whom they are yet to be sent (D38): counted and listed first, at a pace, each person once."""

import time

from django.conf import settings
from django.core.exceptions import ValidationError

from accounts.models import User
from accounts.services import send_account_data
from billing.management.base import INCOMPLETE, OperatorCommand, WrongUsage, known_customers, need_vendor

SHOWN = 20


class Command(OperatorCommand):
    help = (
        "取り込みや「あとで送る」で登録したユーザに、アカウント情報を送ります。中断しても、続きから1人1回だけ送ります。"
    )

    def add_arguments(self, parser):
        parser.add_argument("--customer", nargs="+", metavar="C", help="このお客様番号のユーザだけ（試行の会社など）")
        parser.add_argument("--limit", type=positive, metavar="N", help="今回送る人数の上限")
        parser.add_argument("--per-minute", type=positive, metavar="N", help="1分に送る人数の上限")
        parser.add_argument("--dry-run", action="store_true", help="送らずに、人数と宛先だけを表示します")

    def work(self, **options):
        need_vendor()
        waiting = User.objects.waiting_for_account_data().select_related("customer").order_by("customer__number", "pk")
        if numbers := known_customers(options["customer"]):
            waiting = waiting.filter(customer__number__in=numbers)
        people = list(waiting[: options["limit"]])
        self.say(f"未送付 {waiting.count():,}名のうち {len(people):,}名に送ります")
        for user in people[:SHOWN]:
            self.say(f"  {user.customer or '担当者'} {user.name} {user.email}")
        if len(people) > SHOWN:
            self.say(f"  ほか {len(people) - SHOWN:,}名")
        where = (
            "" if "smtp" in settings.EMAIL_BACKEND else f"（EMAIL_URL がないため、{settings.EMAIL_FILES} のファイル）"
        )
        self.say(f"ログインのアドレス {settings.PORTAL_URL}/login/、差出人 {settings.DEFAULT_FROM_EMAIL}{where}")
        if options["dry_run"]:
            return None
        refused = 0
        for done, user in enumerate(people):
            if done and options["per_minute"]:
                time.sleep(60 / options["per_minute"])
            try:
                send_account_data(user, by=None)
            except ValidationError as why:
                refused += 1
                self.stderr.write(f"  {user.email}: {' '.join(why.messages)}")
        self.say(f"{len(people) - refused:,}名分を送信待ちにしました")
        return INCOMPLETE if refused else None


def positive(text):
    """Raises WrongUsage."""
    if not text.isdecimal() or not int(text):
        raise WrongUsage(f"1以上の整数で指定してください: {text}")
    return int(text)
