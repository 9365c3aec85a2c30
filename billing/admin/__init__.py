"""Staff read invoices, runs and parked customers here, and adjust drafts by lines of their own."""

from billing.admin import credits, invoices, runs, uploads

__all__ = ["credits", "invoices", "runs", "uploads"]
