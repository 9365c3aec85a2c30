"""In which language a page is: a person's own, else what the browser chose; and that what is stored is in the vendor's own."""

from django.conf import settings
from django.utils import translation

CODES = tuple(code for code, _name in settings.LANGUAGES)


def house():
    """A context in which words are the vendor's: what staff and auditors read later is stored so."""
    return translation.override(settings.LANGUAGE_CODE)


def spoken(get_response):
    """Makes the page in its reader's language.

    What a browser asks for by itself doesn't count: many a browser in Japan is an English one. Staff's pages are Japanese only.
    """

    def answer(request):
        with translation.override(language_of(request)):
            return get_response(request)

    return answer


def language_of(request):
    user = request.user
    if user.is_authenticated:
        return user.language if user.customer_id else settings.LANGUAGE_CODE
    chosen = request.COOKIES.get(settings.LANGUAGE_COOKIE_NAME)
    return chosen if chosen in CODES else settings.LANGUAGE_CODE
