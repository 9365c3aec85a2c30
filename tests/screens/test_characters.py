"""Characters that no font has: told when they are saved and by `check_month`, and printed once the vendor adds a font."""

from io import BytesIO

import pytest
from fontTools.fontBuilder import FontBuilder
from fontTools.pens.ttGlyphPen import TTGlyphPen
from pypdf import PdfReader

from accounts.models import Customer
from billing.documents import pdf
from billing.models import Invoice
from billing.month import checks
from portal import fonts
from portal.models import Vendor
from tests import make


@pytest.fixture
def anew():
    """Fonts are read once a process; these tests change them."""

    def forget():
        for kept in (fonts.kept, fonts.characters, pdf.style):
            kept.cache_clear()

    forget()
    yield forget
    forget()


def make_font(path, letters):
    """A font of squares for these letters."""
    pen = TTGlyphPen(None)
    for step, point in enumerate([(0, 0), (0, 700), (700, 700), (700, 0)]):
        (pen.lineTo if step else pen.moveTo)(point)
    pen.closePath()
    names = [".notdef", *(f"u{ord(letter):X}" for letter in letters)]
    made = FontBuilder(1000)
    made.setupGlyphOrder(names)
    made.setupCharacterMap({ord(letter): f"u{ord(letter):X}" for letter in letters})
    made.setupGlyf({name: pen.glyph() for name in names})
    made.setupHorizontalMetrics(dict.fromkeys(names, (800, 50)))
    made.setupHorizontalHeader(ascent=800, descent=-200)
    made.setupNameTable({"familyName": "Squares", "styleName": "Regular"})
    made.setupOS2(sTypoAscender=800, sTypoDescender=-200)
    made.setupPost()
    made.save(path)


@pytest.fixture
def odd(cast):
    """Names and words in scripts that the shipped fonts lack."""
    Customer.objects.filter(pk=cast.a.pk).update(name="张伟商店", address="東京都葛\U000e0100飾区")
    Vendor.objects.update(invoice_note="감사")
    make.make_contract(cast.b, (1000, 1, {"item": "髙﨑①㈱𠮷 ｶﾅ é Ж", "specification": "🚀"}))
    make.open_month(make.APRIL)
    return cast


def lacking():
    rows = next(each.rows for each in checks.check(make.APRIL, today=make.IN_MAY) if each.code == "characters")
    return sorted(text for _what, text in rows)


def it_names_them_before_the_close_and_after(odd):
    told = [
        "张伟商店（印刷できない文字: 伟张）",
        "🚀（印刷できない文字: 🚀）",
    ]
    assert lacking() == sorted([*told, "감사（印刷できない文字: 감사）"])
    make.close_month()
    assert "张伟商店（印刷できない文字: 伟张）" in lacking()
    assert any("감사" in text for text in lacking())


def it_prints_them_with_a_font_of_the_vendors(odd, settings, tmp_path, anew):
    make_font(tmp_path / "squares.ttf", "张伟🚀감사")
    (tmp_path / "broken.otf").write_bytes(b"no font")
    settings.FONT_DIR = str(tmp_path)
    anew()
    assert lacking() == ["フォントとして読み取れないファイルです（PORTAL_FONT_DIR）"]
    make.close_month()
    content = pdf.render(Invoice.objects.get(customer=odd.a))
    page = PdfReader(BytesIO(content)).pages[0]
    assert "张伟商店" in page.extract_text()
    assert any("PortalOwn" in str(font.get_object()["/BaseFont"]) for font in page["/Resources"]["/Font"].values())


def it_takes_no_font_of_the_machines(cast, anew, monkeypatch, tmp_path):
    """The same rows give the same bytes, whatever is installed beside the portal."""
    make_font(tmp_path / "squares.ttf", "张")
    monkeypatch.setenv("FONTCONFIG_FILE", str(tmp_path / "fonts.conf"))
    (tmp_path / "fonts.conf").write_text(f"<fontconfig><dir>{tmp_path}</dir></fontconfig>")
    Customer.objects.filter(pk=cast.a.pk).update(name="张")
    make.close_month()
    page = PdfReader(BytesIO(pdf.render(Invoice.objects.get(customer=cast.a)))).pages[0]
    assert all("+Portal" in str(font.get_object()["/BaseFont"]) for font in page["/Resources"]["/Font"].values())
