"""What the demo's desk has to do: inquiries in each state, a 変更申込 to take over, and notices that stand."""

from datetime import datetime, time, timedelta

from django.db import transaction
from django.utils import timezone

from accounts.models import Customer, User
from accounts.wishes import ask_for_changes
from contracts.models import Contract, Service
from portal.models import Inquiry, Notice
from portal.services import answer_inquiry, enter_inquiry, newest, note_inquiry

PEOPLE = ["staff@example.net", "hanako@example.com", "taro@example.com", "jiro@example.org"]
MAINTENANCE = """\
下記の時間、機器の更新のため、ポータルの画面がご利用いただけないことがあります。ご契約のサービスは止まりません。

日時: {day:%Y年%-m月%-d日} 1:00～5:00
ご不便をおかけしますが、ご了承ください。"""
SNAPSHOTS = """\
クラウドサーバのスナップショットは、保存する世代数を3から14までお選びいただけます。
変更をご希望のときは、契約の画面の「変更を申し込む」からお知らせください。"""


@transaction.atomic
def fill(today):
    """By the services that the pages call. Where anything was asked or told, or people were renamed, it is left alone."""
    people = User.objects.in_bulk(PEOPLE, field_name="email")
    if len(people) < len(PEOPLE) or Inquiry.objects.exists() or Notice.objects.exists():
        return
    staff, hanako, taro, jiro = (people[email] for email in PEOPLE)
    tell(today)
    ask(hanako, staff)
    wait(taro, staff)
    wish(jiro)


def tell(today):
    """One notice for everybody, and one for whoever has cloud servers."""
    begins = timezone.make_aware(datetime.combine(today, time.min))
    day = today + timedelta(days=13 - today.weekday())  # the Sunday after next
    Notice.objects.create(
        kind=Notice.Kind.NEWS,
        title="スナップショットの世代数をお選びいただけます",
        body=SNAPSHOTS,
        title_en="Choose how many snapshots are kept",
        body_en="Cloud servers keep from 3 to 14 snapshots. To change yours, use “Request a change” on the contract's page.",
        starts_at=begins,
        service=Service.objects.get(code="cloud"),
    )
    Notice.objects.create(
        kind=Notice.Kind.MAINTENANCE,
        title=f"ポータルのメンテナンス（{day:%-m月%-d日}）",
        body=MAINTENANCE.format(day=day),
        title_en=f"Portal maintenance on {day:%B %-d}",
        body_en=f"The portal may be unavailable from 1:00 to 5:00 (Japan time) on {day:%B %-d}. Your services keep running.",
        starts_at=begins,
        ends_at=timezone.make_aware(datetime.combine(day, time(5))),
        on_sign_in=True,
    )


def ask(person, staff):
    """By telephone, written down by the desk and answered: done."""
    inquiry = Inquiry(
        customer=person.customer,
        user=person,
        via=Inquiry.Via.PHONE,
        kind=Inquiry.Kind.BILLING,
        subject="請求書の送付先メールの変更",
        body="請求書のお知らせを、これからは経理部の別の人に送ってほしいとのこと。設定のしかたを知りたい。",
    )
    enter_inquiry(inquiry, by=staff)
    told = (
        "お問い合わせの件、ご案内します。\n「ユーザ」の画面でその方を登録し、「メール送信先」にチェックを入れてください。"
        "\n送信先は1名です。次の請求から、山田様に代わってその方にお知らせをお送りします。"
    )
    answer_inquiry(inquiry, told, seen=newest(inquiry), done=True, by=staff)


def wait(person, staff):
    """By telephone too, for this person never signed in: about a contract, with a memo among the staff; the desk owes an answer."""
    inquiry = Inquiry(
        customer=person.customer,
        user=person,
        via=Inquiry.Via.PHONE,
        kind=Inquiry.Kind.QUESTION,
        subject="サーバのメモリ増設について",
        body="本社サーバ4台のメモリを16 GBから32 GBに増やしたいと考えています。\n停止時間の目安と、月額がいくらになるかを教えてください。",
        about=Contract.objects.filter(customer=person.customer).earliest("number").number,
    )
    enter_inquiry(inquiry, by=staff)
    note_inquiry(inquiry, "停止時間を技術部に確認中。見積もりは標準L（8 vCPU / 32 GB）で出す。", by=staff)


def wish(person):
    """A company that moved its 請求先 wishes its 基本情報 to follow."""
    now = Customer.objects.get(pk=person.customer_id)
    wished = {"phone": "052-000-0000", "billing_department": "管理部 経理課", "billing_person": "佐藤 次郎"}
    asked = {name: [getattr(now, name), value] for name, value in wished.items()}
    ask_for_changes(asked, "組織変更のため、来月分の請求書からお願いします。", by=person)
