"""The sentences that customers meet, as code and templates have them: what the English catalogue must say, and no more."""

import ast
import re
from pathlib import Path

from django.conf import settings
from django.utils.translation.template import templatize

ROOT = settings.BASE_DIR
APPS = ("portal", "accounts", "contracts", "orders", "billing")
# Parts of the tree in which only staff, operators and auditors read: they are Japanese alone.
OF_STAFF = re.compile(
    r"templates/admin/"
    r"|[a-z]+/(admin|admin\.py|management|imports|imports\.py|desk\.py|migrations|demo|doctor)\b"
    r"|billing/(board|books|corrections|customer_file|gathered|invoice_page|menu|month|proposals|search|settled|start|tally|uploads|waiting)\b"
    r"|billing/models/(runs|uploads)\.py"
    r"|orders/(follow|line_rows|meter_rows|rows|services|usage)\.py"
    r"|portal/(acting|environment|fresh|hanging|installation|list_csv|listing|rights|seal|searching|shown|site|stale)\b"
    r"|(accounts|contracts|orders|billing)/apps\.py"
)
CALLS = {"_": 0, "gettext": 0, "gettext_lazy": 0, "pgettext": 1, "pgettext_lazy": 1}
IN_TEMPLATE = re.compile(
    r"""\b(?P<call>p?n?gettext)\((?P<first>u(?:'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*"))(?:, (?P<second>u(?:'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*")))?"""
)


def of_customers():
    """{(context or "", sentence): the first file that has it}."""
    found = {}
    for path in files():
        name = path.relative_to(ROOT).as_posix()
        if OF_STAFF.match(name):
            continue
        text = path.read_text()
        for key in in_python(text) if path.suffix == ".py" else in_template(text):
            found.setdefault(key, name)
    return found


def files():
    folder = ROOT / "templates"
    yield from sorted(path for path in folder.rglob("*") if path.suffix in (".html", ".txt"))
    for app in APPS:
        yield from sorted((Path(ROOT) / app).rglob("*.py"))


def in_python(text):
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in CALLS:
            before = CALLS[node.func.id]
            given = [each.value for each in node.args[: before + 1] if isinstance(each, ast.Constant)]
            if len(given) == before + 1:
                yield (given[0] if before else "", given[-1])


def in_template(text):
    for found in IN_TEMPLATE.finditer(templatize(text)):
        first, second = (found[each] and ast.literal_eval(found[each]) for each in ("first", "second"))
        yield (first, second) if found["call"] == "pgettext" else ("", first)
