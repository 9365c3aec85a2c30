"""In which language a page is: a person's own, else what the browser chose; and that what is stored is in the vendor's own."""

import re

from django.conf import settings
from django.utils import translation
from django.utils.translation import gettext as _

CODES = tuple(code for code, _name in settings.LANGUAGES)
CHOSEN = "*"  # behind a language in the cookie: nobody was signed in when it was chosen


def house():
    """A context in which words are the vendor's: what staff and auditors read later is stored so."""
    return translation.override(settings.LANGUAGE_CODE)


def of_reader(text):
    """A stored text of the vendor's words in the reader's language: what the portal has a word for, the rest as it stands."""
    if translation.get_language() == settings.LANGUAGE_CODE:
        return text
    if counted := re.fullmatch(r"([\d,]+)件", text):
        return _("%(n)s件") % {"n": counted[1]}
    return "".join(_(part) if part.strip() else part for part in re.split(r"(・|、| → | )", text))


def lines_of_reader(text):
    """The same of a text in which only whole lines are the vendor's words."""
    if translation.get_language() == settings.LANGUAGE_CODE:
        return text
    return "\n".join(_(line) if line.strip() else line for line in text.splitlines())


def spoken(get_response):
    """Makes the page in its reader's language.

    What a browser asks for by itself doesn't count: many a browser in Japan is an English one. Staff's pages are Japanese only.
    A browser that keeps no language yet keeps that of the mail whose URL it came by.
    """

    def answer(request):
        with translation.override(language_of(request)):
            response = get_response(request)
        if request.method == "GET" and not of_browser(request) and (code := of_mail(request)):
            keep(response, code)
        return response

    return answer


def language_of(request):
    user = request.user
    if user.is_authenticated:
        return user.language if user.customer_id else settings.LANGUAGE_CODE
    return of_browser(request) or of_mail(request) or settings.LANGUAGE_CODE


def of_mail(request):
    """The language of the mail whose URL led here (`as_query`), or None."""
    code = request.GET.get("language")
    return code if code in CODES else None


def as_query():
    """What a mail's URL of a page that is nobody's carries on: nothing in the vendor's language."""
    code = translation.get_language()
    return "" if code == settings.LANGUAGE_CODE else f"?language={code}"


def of_browser(request):
    """What this browser keeps for pages that are nobody's, or None."""
    code = request.COOKIES.get(settings.LANGUAGE_COOKIE_NAME, "").removesuffix(CHOSEN)
    return code if code in CODES else None


def chosen_by_nobody(request):
    """What somebody who isn't signed in chose in this browser since the last sign-in, or None: it is for whoever signs in next."""
    kept = request.COOKIES.get(settings.LANGUAGE_COOKIE_NAME, "")
    return of_browser(request) if kept.endswith(CHOSEN) else None


def keep(response, code, *, chosen_by_nobody=False):
    """Have the browser keep the language for its pages that are nobody's: the sign-in page, and what a mail's URL leads to."""
    response.set_cookie(
        settings.LANGUAGE_COOKIE_NAME,
        code + CHOSEN * chosen_by_nobody,
        max_age=settings.LANGUAGE_COOKIE_AGE,
        secure=settings.LANGUAGE_COOKIE_SECURE,
        httponly=settings.LANGUAGE_COOKIE_HTTPONLY,
        samesite=settings.LANGUAGE_COOKIE_SAMESITE,
    )


def of_nobody(request):
    """A context for a page that is made before it is known who asks."""
    return translation.override(of_browser(request) or settings.LANGUAGE_CODE)


def read_by(person, request):
    """A context for a page whose URL was mailed to a person: in the language of the mail, unless another was chosen since."""
    own = person.language if person.customer_id else settings.LANGUAGE_CODE
    return translation.override(
        language_of(request) if request.user.is_authenticated else chosen_by_nobody(request) or own
    )
