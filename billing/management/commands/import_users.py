"""Takes users in from a CSV file, by their addresses; nobody is written to."""

from accounts.imports import USERS
from billing.management.imports import ImportCommand


class Command(ImportCommand):
    help = "ユーザをCSVから取り込みます。1行でも誤りがあれば何も取り込みません。メールは送りません。"
    kind = USERS
