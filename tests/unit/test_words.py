"""Words: those that stand in two places mean the same, and one thing is called one way on screens and in mails."""

from pathlib import Path

from django.conf import settings

from billing.models import State
from orders.models import BILLED


def it_calls_an_order_billed_in_every_state_but_the_draft():
    assert set(BILLED) == set(State) - {State.DRAFT}


# What was said in two ways, or stiffly; each has one word now.
SET_RIGHT = ["請求額", "ほかの端末", "登録したEメール", "アカウントができました", "未設定", "いまの月", "ログインの安全", "このフィールド", "要りません"]  # fmt: skip


def it_says_one_thing_in_one_way():
    root = Path(settings.BASE_DIR)
    sources = [*root.glob("templates/**/*.*"), *root.glob("static/js/*.js")]
    for app in ("portal", "accounts", "contracts", "orders", "billing"):
        sources += [path for path in (root / app).glob("**/*.py") if "migrations" not in path.parts]
    found = [(path.name, word) for path in sources for word in SET_RIGHT if word in path.read_text()]
    assert found == []
