"""What there is to see at staff's desk: each list with its filters, sorts, searches and pages, and the forms of its rows."""

from django.contrib import admin
from django.urls import reverse

# What sets the scope and the limits of a request, what a test undoes, and what a process asks once only.
NOT_COUNTED = (
    "current_setting",
    "django_content_type",
    "set_config",
    "SAVEPOINT",
    "RELEASE",
    "BEGIN",
    "COMMIT",
    "ROLLBACK",
    "SET ",
)


def statements(captured):
    """The statements that a page asked, without those that only begin and end them."""
    return [each["sql"] for each in captured if not any(word in each["sql"][:60] for word in NOT_COUNTED)]


def pages_of(web, desk, searched=()):
    """(name, address) of each page of this desk: its list, and how its own links and boxes change it, and its forms."""
    name = f"admin:{desk.opts.app_label}_{desk.opts.model_name}"
    home = reverse(f"{name}_changelist")
    yield "list", home
    yield "page 2", f"{home}?p=2"
    changelist = web.get(home).context["cl"]
    for spec in changelist.filter_specs:
        for choice in list(spec.choices(changelist))[1:]:
            yield f"filter {spec.title}: {choice['display']}", home + choice["query_string"]
    for place in sortable(changelist):
        for sign in ("", "-"):
            yield f"sort {sign}{place}", f"{home}?o={sign}{place}"
    for typed in searched:
        yield f"search {typed}", f"{home}?q={typed}"
    if web.get(reverse(f"{name}_add")).status_code == 200:
        yield "add", reverse(f"{name}_add")
    row = next(iter(changelist.result_list), None)
    if row is not None:
        for page in ("change", "history"):
            yield page, reverse(f"{name}_{page}", args=[row.pk])


def sortable(changelist):
    return [
        place
        for place, column in enumerate(changelist.list_display)
        if changelist.get_ordering_field(column) and column != admin.helpers.ACTION_CHECKBOX_NAME
    ]
