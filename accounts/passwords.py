"""Password rules, the guide's (A4) and the strict one, and the generator of passwords that obey both (D11)."""

import re
import secrets
import string
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

from django.conf import settings
from django.contrib.auth.password_validation import CommonPasswordValidator
from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

if TYPE_CHECKING:
    from django_stubs_ext import StrOrPromise

SYMBOLS = "#%+-=?!"
LETTERS = "".join(sorted(set(string.ascii_letters) - set("0O1lI")))
DIGITS = "23456789"


@dataclass(frozen=True)
class Check:
    """One line of the checklist under the field; `pattern` is a regular expression for Python and the browser alike.

    A message with a place for `missing` is said once for all such checks that fail, with their labels in that place.
    """

    code: str
    label: "StrOrPromise"
    pattern: str
    message: "StrOrPromise"

    def holds(self, password):
        return re.fullmatch(self.pattern, password, re.DOTALL) is not None


GUIDE = [
    Check(
        "password_width",
        gettext_lazy("半角の英字・数字・記号だけ"),
        r"[!-~]*",
        gettext_lazy("パスワードは半角の英字・数字・記号だけで入力してください。"),
    ),
    Check(
        "password_length",
        gettext_lazy("8文字以上16文字以内"),
        r".{8,16}",
        gettext_lazy("パスワードは8文字以上16文字以内で入力してください。"),
    ),
    *[
        Check(f"password_{code}", label, pattern, gettext_lazy("パスワードに%(missing)sを含めてください。"))
        for code, label, pattern in [
            ("upper", gettext_lazy("英大文字"), r".*[A-Z].*"),
            ("lower", gettext_lazy("英小文字"), r".*[a-z].*"),
            ("digit", gettext_lazy("数字"), r".*[0-9].*"),
            ("symbol", gettext_lazy("記号"), r".*[!-/:-@\[-`{-~].*"),
        ]
    ],
]
STRICT = [
    Check(
        "password_length",
        gettext_lazy("15文字以上128文字以内"),
        r".{15,128}",
        gettext_lazy("パスワードは15文字以上128文字以内で入力してください。単語をいくつか並べると覚えやすくなります。"),
    ),
]


def checklist():
    """The checks of the rule in force, in the order they are shown."""
    return {"guide": GUIDE, "strict": STRICT}[settings.PASSWORD_RULE]


class GuideRule:
    """8 to 16 half-width characters: an upper-case and a lower-case letter, a digit and a symbol (A4)."""

    checks = GUIDE

    def validate(self, password, user=None):
        failed = [check for check in self.checks if not check.holds(password)]
        if not failed:
            return
        missing = [check for check in failed if "%(missing)s" in str(check.message)]
        if failed[0] in missing:
            names = _("・").join(str(check.label) for check in missing)
            raise ValidationError(failed[0].message % {"missing": names}, code="password_kinds")
        raise ValidationError(failed[0].message, code=failed[0].code)

    def get_help_text(self):
        return _("・").join(str(check.label) for check in self.checks)


class StrictRule(GuideRule):
    """15 to 128 characters of any kind, as NIST SP 800-63B advises for passwords without a second factor."""

    checks = STRICT


class NotGuessable:
    """Neither a part of the person's address or name, nor mostly a common password, with whatever around it."""

    def validate(self, password, user=None):
        folded = password.lower()
        words = re.split(r"[^a-z0-9]+", f"{user.email or ''} {user.name}".lower()) if user else []
        if any(len(word) >= 4 and word in folded for word in words):
            raise ValidationError(_("Eメールや名前の一部はパスワードに使えません。"), code="password_personal")
        if is_mostly_common(folded) or is_mostly_common(folded.translate(LOOK_ALIKES)):
            raise ValidationError(
                _("推測されやすいパスワードです。よく使われるパスワードに文字や記号を足しただけのものは使えません。"),
                code="password_common",
            )

    def get_help_text(self):
        return _("Eメールや名前の一部、よく使われるパスワードは使えません。")


# What people type instead of letters in the passwords that everybody uses.
LOOK_ALIKES = str.maketrans("@4310$57!", "aaeiossti")
# Nothing that people type is longer in Django's list. Twice as long can't be mostly common, and needn't be searched.
LONGEST_COMMON = 30


def is_mostly_common(folded):
    """Whether more than half of the password (lower case) is one that everybody uses."""
    length = len(folded)
    return length < 2 * LONGEST_COMMON and any(
        folded[begin:end] in common() for begin in range(length) for end in range(begin + length // 2 + 1, length + 1)
    )


def without_blanks(typed):
    """A generated password as it was meant: it has no blanks, but is pasted with those around it in the mail."""
    return re.sub(r"^[\s\u200b\ufeff]+|[\s\u200b\ufeff]+$", "", typed)


@cache
def common():
    return CommonPasswordValidator().passwords


def generate():
    """16 characters without look-alikes, obeying the guide's rule and the strict one (D11)."""
    while True:
        made = "".join(secrets.choice(LETTERS + DIGITS + SYMBOLS) for _ in range(16))
        kinds = (string.ascii_uppercase, string.ascii_lowercase, DIGITS, SYMBOLS)
        if all(set(made) & set(kind) for kind in kinds):
            return made
