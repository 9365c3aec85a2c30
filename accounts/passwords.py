"""The guide's password rule (A4) and the generator of passwords that obey it (D11)."""

import secrets
import string

from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _

SYMBOLS = "#%+-=?!"
LETTERS = "".join(sorted(set(string.ascii_letters) - set("0O1lI")))
DIGITS = "23456789"


class GuideRule:
    """8 to 16 half-width characters: an upper-case and a lower-case letter, a digit and a symbol (A4)."""

    def validate(self, password, user=None):
        if any(not "!" <= char <= "~" for char in password):
            raise ValidationError(
                _("パスワードは半角の英字・数字・記号だけで入力してください。"), code="password_width"
            )
        if not 8 <= len(password) <= 16:
            raise ValidationError(_("パスワードは8文字以上16文字以内で入力してください。"), code="password_length")
        missing = [
            name
            for name, known in [
                (_("英大文字"), string.ascii_uppercase),
                (_("英小文字"), string.ascii_lowercase),
                (_("数字"), string.digits),
                (_("記号"), string.punctuation),
            ]
            if not set(password) & set(known)
        ]
        if missing:
            raise ValidationError(
                _("パスワードに%(missing)sを含めてください。") % {"missing": _("・").join(missing)},
                code="password_kinds",
            )

    def get_help_text(self):
        return _("半角8文字以上16文字以内。英大文字・英小文字・数字・記号をそれぞれ1文字以上含めてください。")


def generate():
    """16 characters without look-alikes, obeying the guide's rule (D11)."""
    while True:
        made = "".join(secrets.choice(LETTERS + DIGITS + SYMBOLS) for _ in range(16))
        kinds = (string.ascii_uppercase, string.ascii_lowercase, DIGITS, SYMBOLS)
        if all(set(made) & set(kind) for kind in kinds):
            return made
