"""What stands where on a printed page: each run of text with its place, as a reader sees it."""

from functools import cache
from io import BytesIO
from typing import NamedTuple

from django.conf import settings
from fontTools.ttLib import TTFont
from pypdf import PdfReader

from billing.documents import pdf


class Run(NamedTuple):
    """A run of text on one line, in points from the left and the top of its page (1, 2 …)."""

    page: int
    text: str
    left: float
    right: float
    top: float


def runs(invoice):
    """All runs of text of the document's pages."""
    return runs_of(pdf.render(invoice))


def runs_of(content):
    found = []
    for number, page in enumerate(PdfReader(BytesIO(content)).pages, 1):
        height = float(page.mediabox.height)

        def note(text, outer, inner, font, size, number=number, height=height):
            text = text.strip()
            if text:
                scale, left = outer[0], outer[0] * inner[4] + outer[4]
                top = height - outer[3] * inner[5] - outer[5]
                found.append(Run(number, text, left, left + scale * size * length(text, font["/BaseFont"]), top))

        page.extract_text(visitor_text=note)
    return found


def length(text, font):
    """Of the text in this shipped font, in sizes of its letters."""
    letters, widths = measures("700Bold" if "Bold" in font else "400Regular")
    return sum(widths[letters.get(ord(letter), ".notdef")][0] for letter in text) / 1000


@cache
def measures(weight):
    font = TTFont(settings.FONTS / f"NotoSansJP_{weight}.ttf")
    return font.getBestCmap(), font["hmtx"].metrics
