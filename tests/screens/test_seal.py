"""The vendor's 角印: uploaded by staff, checked, printed beside its name, and the same for ever on what was fixed with it."""

from io import BytesIO

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import IntegrityError, connection, transaction
from PIL import Image
from pypdf import PdfReader

from billing.documents import pdf
from billing.models import Invoice
from portal.models import Seal, Vendor
from tests import make

PAGE = "/admin/portal/vendor/1/change/"


def drawn(colour="red", size=(200, 200), kind="PNG"):
    made = BytesIO()
    Image.new("RGB", size, colour).save(made, kind)
    return made.getvalue()


@pytest.fixture
def send(cast, web):
    """Save the vendor's page with a picture, or the tick that takes it away; returns what it says against the file."""
    web.force_login(cast.staff)

    def sent(content=None, **more):
        form = web.get(PAGE).context["adminform"].form
        given = {field.html_name: value for field in form if (value := field.value()) not in (None, False)} | more
        if content is not None:
            given["seal_file"] = SimpleUploadedFile("seal.png", content, "image/png")
        answer = web.post(PAGE, given)
        return "" if answer.status_code == 302 else answer.context["adminform"].form.errors["seal_file"][0]

    return sent


def pictures(invoice):
    return [
        image.image.getpixel((5, 5))[:3]
        for page in PdfReader(BytesIO(pdf.render(invoice))).pages
        for image in page.images
    ]


def it_is_printed_on_what_is_fixed_from_then_on_and_never_changes_there(cast, send, web):
    assert send(drawn("red")) == ""
    assert 'src="data:image/png;base64,' in web.get(PAGE).content.decode()
    make.close_month()
    april = Invoice.objects.get(customer=cast.a)
    first = pdf.render(april)
    assert pictures(april) == [(255, 0, 0)]
    assert send(drawn("blue")) == "" and Seal.objects.count() == 2
    make.close_month(make.MAY, today=make.JUNE)
    assert pictures(Invoice.objects.get(customer=cast.a, month=make.MAY)) == [(0, 0, 255)]
    assert send(no_seal="on") == "" and Vendor.objects.get().seal is None
    assert pdf.render(april) == first
    for sql in ("UPDATE portal_seal SET content = ''", "DELETE FROM portal_seal"):
        with pytest.raises(IntegrityError), transaction.atomic():
            connection.cursor().execute(sql)


def it_refuses_what_is_no_picture_of_a_seal(send):
    assert send(b"no picture at all") == "PNG形式の画像を選んでください。"
    assert send(drawn(kind="JPEG")) == "PNG形式の画像を選んでください。"
    assert send(drawn()[:-40]) == "PNG形式の画像を選んでください。"
    assert "ピクセルの画像" in send(drawn(size=(1200, 200))) and "ピクセルの画像" in send(drawn(size=(20, 200)))
    assert send(drawn() + b"\0" * 200_000) == "画像は 200KBまでです。"
    assert not Seal.objects.exists()


def it_prints_none_without_one(cast):
    make.close_month()
    assert pictures(Invoice.objects.get(customer=cast.a)) == []
