"""What staff do to rows that they chose in a list: a page asks first, and what was shown there is what is done, to no other row.

The page's form carries the keys of the rows and how each looked, signed. A row that changed meanwhile, that is gone or that a
service refuses is left out and named with the reason; the others are done.
"""

import hashlib
import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import wraps
from typing import Any

from django.contrib import admin, messages
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.core import signing
from django.core.exceptions import PermissionDenied, ValidationError
from django.db import IntegrityError, connection, transaction
from django.template.response import TemplateResponse
from django.utils.text import capfirst
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from portal.templatetags.figures import yen as written

logger = logging.getLogger(__name__)

MOST = 100  # rows at a time, as many as a list's longest page
SHOWN = 20  # rows that the page names
FIELD = "shown"
VALID = 3600  # seconds that the page may be thought over
NAMED = 3  # rows that the sentence behind it names
IN_USE = gettext_lazy("ほかのデータで使われているため、削除できません。")
HELD = gettext_lazy("ほかのデータと合わなくなるため、「%(action)s」は実行できません。")


@dataclass(frozen=True)
class How:
    """Of an action: what the sentence says once it is done, or where the database holds against it, which rows it leaves out
    and why, the yen of a row."""

    done: Any
    held: Any
    kept: Callable[[Any, Any, Any], Any]
    yen: Callable[[Any], int] | None
    reason: bool
    locks: bool


@dataclass(frozen=True)
class Row:
    """A chosen row as the page shows it; `kept` says why it is left out."""

    row: Any
    yen: int
    kept: str

    @property
    def name(self):
        return str(self.row)

    @property
    def customer(self):
        return getattr(self.row, "customer", None)

    @property
    def version(self):
        """Another one as soon as anything of the row that the page was made of is another."""
        loaded = [(each.attname, vars(self.row).get(each.attname)) for each in self.row._meta.concrete_fields]
        return hashlib.sha256(repr((loaded, self.yen)).encode()).hexdigest()[:16]


def nothing(desk, request, row):
    return ""


def acts(*, description, permissions, done, held=HELD, kept=nothing, yen=None, reason=False, locks=False):
    """Make a desk's action of a method that does something to one row, and raises ValidationError where it refuses.

    `done` may name %(count)s, %(names)s and %(yen)s, `held` %(action)s; `kept(desk, request, row)` says why a row is left out; `yen(row)` is what
    is at stake; with `reason` the page asks for one, which the method is given; `locks`: the rows' customers are locked.
    """
    how = How(done, held, kept, yen, reason, locks)

    def make(act):
        @admin.action(description=description, permissions=permissions)
        @wraps(act)
        def action(desk, request, chosen):
            if FIELD in request.POST:
                return do(desk, request, act, how)
            rows = list(chosen[: MOST + 1])
            if len(rows) > MOST:
                told = _("一度に選べるのは%d件までです。絞り込んでから選んでください。") % MOST
                desk.message_user(request, told, messages.ERROR)
                return None
            missing = len(set(request.POST.getlist(ACTION_CHECKBOX_NAME))) - len(rows)
            return ask(desk, request, how, looked_at(desk, request, how, rows), missing=missing)

        return action

    return make


def looked_at(desk, request, how, rows):
    return [Row(row, how.yen(row) if how.yen else 0, str(how.kept(desk, request, row))) for row in rows]


def ask(desk, request, how, rows, *, missing=0, error=""):
    """The page: what would be done to which rows, and which are left out and why."""
    going = [each for each in rows if not each.kept]
    left_out = [each for each in rows if each.kept]
    name = request.POST["action"]
    seen: dict[str, Any] = {"by": request.user.pk, "of": f"{desk.opts.label_lower}.{name}"}
    seen["rows"] = [(each.row.pk, each.version) for each in going]
    given = {
        "title": title_of(desk, request, name),
        "opts": desk.opts,
        "action": name,
        "count": len(going),
        "yen": sum(each.yen for each in going) if how.yen else None,
        "going": going[:SHOWN],
        "more": max(len(going) - SHOWN, 0),
        "left_out": left_out[:SHOWN],
        "more_left_out": max(len(left_out) - SHOWN, 0),
        "left_out_count": len(left_out),
        "missing": max(missing, 0),
        "asks_reason": how.reason,
        "error": error,
        "shown": signing.dumps(seen, salt=__name__, compress=True),
        "chosen": going[0].row.pk if going else "",
        "back": request.get_full_path(),
    }
    return TemplateResponse(request, "admin/action.html", {**desk.admin_site.each_context(request), **given})


def title_of(desk, request, action):
    return desk.get_actions(request)[action][2] % {"verbose_name_plural": desk.opts.verbose_name_plural}


def do(desk, request, act, how):
    """Do it to the rows that the page showed, and tell what became of them."""
    try:
        seen: dict[str, Any] = signing.loads(request.POST[FIELD], salt=__name__, max_age=VALID)
    except signing.BadSignature:
        seen = {}
    if (seen.get("by"), seen.get("of")) != (request.user.pk, f"{desk.opts.label_lower}.{request.POST['action']}"):
        told = _("確認の画面が古くなっています。行を選び直してください。")
        desk.message_user(request, told, messages.ERROR)
        return
    versions = dict(seen["rows"])
    rows = desk.get_queryset(request).filter(pk__in=versions).order_by("pk")
    if how.locks:
        lock_customers(rows)
    looked = looked_at(desk, request, how, rows)
    given = {}
    if how.reason:
        given["reason"] = request.POST.get("reason", "").strip()[:200]
        if not given["reason"]:
            return ask(desk, request, how, looked, error=_("理由を入力してください。"))
    fresh = {each.row.pk: each.version == versions[each.row.pk] for each in looked}
    held = how.held % {"action": title_of(desk, request, request.POST["action"])}
    done, refused = [], []
    for each in looked:
        refusal = each.kept or ("" if fresh[each.row.pk] else _("確認の後に内容が変わったため、実行しませんでした。"))
        refusal = refusal or attempt(lambda each=each: act(desk, request, each.row, **given), held)
        (refused.append(f"{each.name}: {refusal}") if refusal else done.append(each))
    refused += [_("選んだ行のうち%d件は、なくなっています。") % gone] if (gone := len(versions) - len(looked)) else []
    tell(desk, request, how, done, refused)


def attempt(work, held):
    """Do it apart from the others; why it was refused, in words, or ''."""
    try:
        with transaction.atomic():
            work()
            connection.check_constraints()
    except (ValidationError, PermissionDenied, IntegrityError) as refused:
        return why(refused, held)
    return ""


def tell(desk, request, how, done, refused):
    if done:
        names = "、".join(each.name for each in done[:NAMED])
        if len(done) > NAMED:
            names = _("%(names)sほか%(n)d件") % {"names": names, "n": len(done) - NAMED}
        facts = {"count": len(done), "names": names, "yen": written(sum(each.yen for each in done))}
        desk.message_user(request, how.done % facts)
    for each in refused[:SHOWN]:
        desk.message_user(request, each, messages.ERROR)
    if len(refused) > SHOWN:
        told = _("ほか%d件も実行しませんでした。") % (len(refused) - SHOWN)
        desk.message_user(request, told, messages.ERROR)


def lock_customers(rows: Iterable[Any]) -> None:
    """In the order of all who lock several; rows of no customer's are passed over."""
    if customers := {each.customer_id: type(each.customer) for each in rows if each.customer_id}:
        next(iter(customers.values())).objects.lock(sorted(customers))


def why(refused, held):
    """What a service refused, in its words; what the database did, in those of `held`."""
    if isinstance(refused, ValidationError):
        return " ".join(refused.messages)
    if isinstance(refused, PermissionDenied):
        return str(refused) or _("この操作を行う権限がありません。")
    logger.warning("an act met what the database holds: %s", str(refused).partition("\n")[0])
    return str(held)


def why_not_deleted(desk, request, row):
    if told := desk.why_kept(row):
        return told
    _rows, _counts, lacking, protected = desk.get_deleted_objects([row], request)
    if lacking:
        return _("いっしょに削除される「%s」を削除する権限がありません。") % capfirst("、".join(map(str, lacking)))
    return str(IN_USE) if protected else ""


@acts(
    description=gettext_lazy("選択した%(verbose_name_plural)sを削除"),
    permissions=["delete"],
    done=gettext_lazy("%(names)s を削除しました。"),
    held=IN_USE,
    kept=why_not_deleted,
)
def delete_selected(desk, request, row):
    """Django's own action, each row by itself."""
    desk.log_deletions(request, [row])
    desk.delete_model(request, row)
