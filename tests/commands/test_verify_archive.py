"""`verify_archive`: silent about sound documents, names each one whose bytes or words aren't what they were; nothing deletes any."""

import hashlib
from contextlib import contextmanager
from datetime import date
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.db import IntegrityError, connection, models, transaction

from billing.corrections.giving_back import give_back
from billing.corrections.reissue import reissue
from billing.documents.rendering import render_waiting
from billing.models import Invoice, InvoicePdf
from tests import make


@pytest.fixture
def kept(cast):
    make.close_month()
    list(render_waiting())
    connection.check_constraints()
    return Invoice.objects.get(customer=cast.a)


def verified():
    """(exit code, what it said)."""
    out = StringIO()
    try:
        call_command("verify_archive", stdout=out)
    except SystemExit as ended:
        return ended.code, out.getvalue()
    return 0, out.getvalue()


@contextmanager
def broken(*statements):
    """A world in which somebody wrote past triggers and constraints; it is gone afterwards."""
    with transaction.atomic(), connection.cursor() as cursor:
        for table in ("billing_invoice", "billing_invoicepdf", "billing_invoicexml", "billing_taxtotal"):
            cursor.execute(f"ALTER TABLE {table} DISABLE TRIGGER USER")
        for name in ("pdf_is_what_was_hashed", "pdf_is_whole"):
            cursor.execute(f"ALTER TABLE billing_invoicepdf DROP CONSTRAINT {name}")
        for statement, *values in statements:
            cursor.execute(statement, values)
        yield
        transaction.set_rollback(True)


def it_counts_what_is_sound_and_names_what_is_not(kept, cast):
    assert verified() == (0, "PDF 2件を照合: 一致 2件、相違 0件、PDFのない書類 0件\n")
    mine, other = "billing_invoicepdf SET {} WHERE invoice_id = %s", Invoice.objects.get(customer=cast.b)
    with broken(("UPDATE " + mine.format("content = set_byte(content, 500, get_byte(content, 500) # 1)"), kept.pk)):
        code, said = verified()
        assert code == 1 and f"× {kept.number}（C0000001）: SHA-256が保存時と違います" in said
        assert "一致 1件、相違 1件" in said
    with broken(("UPDATE " + mine.format("size = size + 1"), kept.pk)):
        assert "バイトです（保存時" in verified()[1]
    rubbish = b"no PDF"
    swap = mine.format("content = %s, sha256 = %s, size = %s")
    with broken((f"UPDATE {swap}", rubbish, hashlib.sha256(rubbish).hexdigest(), len(rubbish), kept.pk)):
        code, said = verified()
        assert code == 1 and f"× {kept.number}（C0000001）: PDFを読み取れません" in said
    theirs = bytes(other.pdf.content)
    with broken((f"UPDATE {swap}", theirs, hashlib.sha256(theirs).hexdigest(), len(theirs), kept.pk)):
        code, said = verified()
        assert f"PDFの請求番号は{other.number}、合計（税込）がPDFでは8,554、台帳では23,620" in said
    with broken(("UPDATE billing_invoice SET net = net + 1, total = total + 1 WHERE id = %s", kept.pk)):
        code, said = verified()
        assert code == 1 and "合計（税込）がPDFでは23,620、台帳では23,621" in said
    with broken(("DELETE FROM billing_invoicepdf WHERE invoice_id = %s", kept.pk)):
        code, said = verified()
        assert code == 1 and f"× {kept.number}: 確定していますが、PDFがありません" in said
    assert verified()[0] == 0


# What somebody changes in the row, and what the files say to that.
ROWS_CHANGED = {
    "issued_on = '2026-04-29'": [
        "請求日がPDFでは4月30日、台帳では4月29日", "請求日がXMLでは2026-04-30、台帳では2026-04-29",
    ],
    "due_on = '2026-06-02'": [
        "台帳の支払期限 6月2日（火）がPDFにありません", "支払期日がXMLでは2026-06-01、台帳では2026-06-02",
    ],
    """addressee = addressee || '{"name": "別の会社"}'""": ["宛先がXMLでは会社C0000001、台帳では別の会社"],
    """issuer = issuer || '{"name": "別の会社"}'""": ["発行者がXMLではつばめ通信株式会社、台帳では別の会社"],
    """issuer = issuer || '{"registration_number": "T7000012050002", "registrations": [
        {"number": "T7000012050002", "from": "2023-10-01", "to": null}]}'""": [
        "登録番号がXMLではT8990000000001、台帳ではT7000012050002",
    ],
}  # fmt: skip


@pytest.fixture
def kept_with_xml(cast):
    cast.a.corporate_number = "7000012050002"
    cast.a.save()
    make.close_month()
    list(render_waiting())
    connection.check_constraints()
    return Invoice.objects.get(customer=cast.a)


def it_reads_days_parties_and_sums_by_class_in_the_files(kept_with_xml):
    assert verified() == (0, "PDF 2件とXML 1件を照合: 一致 3件、相違 0件、PDFのない書類 0件\n")
    for change, faults in ROWS_CHANGED.items():
        with broken((f"UPDATE billing_invoice SET {change} WHERE id = %s", kept_with_xml.pk)):
            code, said = verified()
            assert code == 1 and all(fault in said for fault in faults), said
    moved = """UPDATE billing_taxtotal SET base = base + CASE WHEN rate > 0.09 THEN 100 ELSE -100 END WHERE invoice_id = %s"""
    with broken((moved, kept_with_xml.pk)):
        code, said = verified()
        assert code == 1 and "台帳の標準税率の対象額 20,100がPDFにありません" in said
        assert "税区分ごとの金額がXMLと台帳で違います" in said


def it_misses_an_xml_that_was_there(kept_with_xml):
    with broken(("DELETE FROM billing_invoicexml WHERE invoice_id = %s", kept_with_xml.pk)):
        code, said = verified()
        assert code == 1 and f"× {kept_with_xml.number}（C0000001）: XMLがありません" in said
    old = "UPDATE billing_invoice SET addressee = addressee - 'corporate_number' || '{\"registration_number\": \"T7000012050002\"}' WHERE id = %s"
    with broken((old, kept_with_xml.pk), ("DELETE FROM billing_invoicexml WHERE invoice_id = %s", kept_with_xml.pk)):
        assert verified()[0] == 0, "of before there were any"


def it_takes_a_document_that_names_another_for_itself(kept, cast):
    """A 修正 and a 返還 say which document they stand for; their own number is at the foot."""
    said = {"reason": "間違い", "by": cast.staff, "today": make.IN_MAY}
    new = reissue(kept, **said)
    give_back(new, None, **said)
    list(render_waiting())
    assert verified() == (0, "PDF 4件を照合: 一致 4件、相違 0件、PDFのない書類 0件\n")


def it_compares_the_bytes_only_of_documents_laid_out_elsewhere(kept):
    content = b"a scan"
    InvoicePdf.objects.create(
        invoice=make.import_invoice(kept), customer=kept.customer, content=content,
        sha256=hashlib.sha256(content).hexdigest(), size=len(content),
    )  # fmt: skip
    assert verified() == (
        0,
        "PDF 3件を照合: 一致 3件、相違 0件、PDFのない書類 0件\n移行した1件は、SHA-256だけを照合しました。\n",
    )


def it_goes_through_any_number_of_documents_a_few_at_a_time(kept, monkeypatch):
    monkeypatch.setattr("billing.documents.verification.PIECE", 1)
    assert "PDF 2件を照合: 一致 2件" in verified()[1]


def it_keeps_documents_however_old_they_are(kept):
    """法人税法施行規則 59条, 会社法 432条: ten years at least. Here: for good, whoever asks."""
    with broken(("UPDATE billing_invoice SET issued_on = %s, month = %s", date(2001, 4, 30), date(2001, 4, 1))):
        connection.check_constraints()
        with connection.cursor() as cursor:
            for table in ("billing_invoice", "billing_invoicepdf"):
                cursor.execute(f"ALTER TABLE {table} ENABLE TRIGGER USER")
        old = Invoice.objects.get(pk=kept.pk)
        for gone in (old.pdf.delete, old.delete, Invoice.objects.all().delete, InvoicePdf.objects.all().delete):
            with pytest.raises((IntegrityError, models.ProtectedError)), transaction.atomic():
                gone()
        with pytest.raises((IntegrityError, models.ProtectedError)), transaction.atomic():
            old.customer.delete()


def it_runs_as_the_owner_only(kept):
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET LOCAL ROLE portal_web")
        with pytest.raises(CommandError) as refused:
            call_command("verify_archive")
        assert refused.value.returncode == 3
        transaction.set_rollback(True)
