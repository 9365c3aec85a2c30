"""The vendor's own books: its fixed documents found by date, amount and counterparty, taken away as ZIP and as CSV."""
