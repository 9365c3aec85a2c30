"""Takes customers in from a CSV file; the vendor's own numbers are the keys."""

from accounts.imports import CUSTOMERS
from billing.management.imports import ImportCommand


class Command(ImportCommand):
    help = "お客様をCSVから取り込みます。1行でも誤りがあれば何も取り込みません。メールは送りません。"
    kind = CUSTOMERS
