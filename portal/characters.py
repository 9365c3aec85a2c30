"""What characters are: which of them nobody sees, which are alike in another width, kana or case."""

import re
import unicodedata
from typing import NoReturn

from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _

# Soft hyphen, zero-width blanks and joiners, direction marks, word joiner, byte order mark: typed by nobody, pasted by many.
JOINERS = "\u200c\u200d"  # these two change how a text looks in some scripts, and so stay in texts
INVISIBLE = "\u00ad\u034f\u061c\u180e\u200b\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2060\u2061\u2062\u2063\u2064\u2066\u2067\u2068\u2069\ufeff"
DASHES = "\u2010\u2011\u2012\u2013\u2014\u2015\u2212\ufe58\ufe63"
ENDS = re.compile(rf"^[\s{INVISIBLE}{JOINERS}]+|[\s{INVISIBLE}{JOINERS}]+$")
UNSEEN = re.compile(rf"[{INVISIBLE}{JOINERS}\ufe00-\ufe0f\x00-\x1f\x7f-\x9f\u2028\u2029]")
VOICED = re.compile("[\u3041-\u30fe][\u3099\u309a]")  # kana with its mark as a character of its own


def trimmed(typed: str) -> str:
    """Without blanks and invisible characters at its ends."""
    return ENDS.sub("", typed)


def seen(given: str) -> str:
    """What is seen of a text. Blanks that can't be told from others (U+00A0) become such, kana with a mark of its own one character.

    Raises ValidationError for line breaks, tabs and control characters in it.
    """
    given = re.sub(f"[{INVISIBLE}]", "", given).replace("\u00a0", " ")
    given = VOICED.sub(lambda kana: unicodedata.normalize("NFC", kana[0]), given)
    if found := re.search(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]", given):
        refuse_unseen(found[0])
    return given


def narrow(given: str) -> str:
    """Half-width letters, digits and signs, full-width kana. Not NFKC, which would read 10² as 102."""
    if given.isascii():
        return given
    return unicodedata.normalize("NFC", "".join(map(_narrowed, given)))


def _narrowed(each: str) -> str:
    if unicodedata.category(each) == "Zs":
        return " "
    tag = unicodedata.decomposition(each).partition(" ")[0]
    return unicodedata.normalize("NFKC", each) if tag in ("<wide>", "<narrow>", "<square>") else each


def refuse_unseen(character: str) -> NoReturn:
    """Raises ValidationError with a sentence about that character."""
    if character in "\t\n\v\f\r\u2028\u2029":
        raise ValidationError(_("途中に改行やタブがあります。取り除いてください。"))
    raise ValidationError(
        _("途中に見えない文字（U+%(code)s）があります。入力し直してください。") % {"code": f"{ord(character):04X}"}
    )


def _pairs(upper: str, lower: str) -> dict[int, str]:
    return dict(zip(map(ord, upper), lower, strict=True))


def _run(first: str, last: str) -> str:
    return "".join(map(chr, range(ord(first), ord(last) + 1)))


HYPHENS = dict.fromkeys(map(ord, DASHES), "-")
LONG_MARK = {ord("ー"): "-"}  # between digits it was meant as a hyphen: the same key, with kana switched on
KATAKANA = _pairs(_run("ぁ", "ゖ") + "ゝゞ", _run("ァ", "ヶ") + "ヽヾ")
FOLDED = {
    **dict.fromkeys(map(ord, "\t\n\v\f\r \u0085\u1680\u2028\u2029" + INVISIBLE + JOINERS), None),
    # Variation selectors: how a character is drawn, not which it is.
    **dict.fromkeys([*range(0xFE00, 0xFE10), *range(0xE0100, 0xE01F0)], None),
    **HYPHENS,
    **KATAKANA,
    ord("〜"): "~",
    **_pairs(_run("A", "Z") + _run("À", "Ö") + _run("Ø", "Þ"), _run("a", "z") + _run("à", "ö") + _run("ø", "þ")),
    **_pairs(_run("Α", "Ρ") + _run("Σ", "Ω"), _run("α", "ρ") + _run("σ", "ω")),
    **_pairs(_run("А", "Я") + "Ё", _run("а", "я") + "ё"),
}
