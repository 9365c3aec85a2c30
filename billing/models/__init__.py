"""Invoices, what people give back of them, and the month's runs that made them."""

from billing.models.corrections import Correction
from billing.models.credits import Credit, Decision, Discount
from billing.models.files import InvoicePdf, InvoiceXml, Rendering
from billing.models.invoices import DOCUMENT_FROM, Invoice, TaxTotal
from billing.models.lines import CHARGING_SQL, InvoiceLine
from billing.models.numbers import NumberGone
from billing.models.reviews import Download, Review
from billing.models.runs import MonthCheck, MonthRun, MonthTally, Parked
from billing.models.states import DRAFT_SQL, FIXED_SQL, LIVE, LIVE_SQL, OF_MONTH, OF_MONTH_SQL, Kind, ReviewState, State
from billing.models.uploads import Upload, UploadKind, UploadState

__all__ = [
    "CHARGING_SQL",
    "DOCUMENT_FROM",
    "DRAFT_SQL",
    "FIXED_SQL",
    "LIVE",
    "LIVE_SQL",
    "OF_MONTH",
    "OF_MONTH_SQL",
    "Correction",
    "Credit",
    "Decision",
    "Discount",
    "Download",
    "Invoice",
    "InvoiceLine",
    "InvoicePdf",
    "InvoiceXml",
    "Kind",
    "MonthCheck",
    "MonthRun",
    "MonthTally",
    "NumberGone",
    "Parked",
    "Rendering",
    "Review",
    "ReviewState",
    "State",
    "TaxTotal",
    "Upload",
    "UploadKind",
    "UploadState",
]
