"""Staff's forms as their browser would send them back."""


def form_page(web, path):
    """The answer with the form, also where the page itself shows something else."""
    answer = web.get(path)
    shows_it = answer.context is None or "adminform" in answer.context
    return answer if shows_it else web.get(f"{path}{'&' if '?' in path else '?'}form=1")


def filled(web, path, **changes):
    """The page's form, with some fields typed over (`lines__0__quantity` for a row's)."""
    context = form_page(web, path).context
    given = {"seen": context["seen"]} if context.get("seen") else {}
    for form in [context["adminform"].form, *(row for each in context["inline_admin_formsets"] for row in rows(each))]:
        for field in form:
            value = field.value()
            if value is True:
                given[field.html_name] = "on"
            elif isinstance(value, list):
                given[field.html_name] = value
            elif value is not False:
                given[field.html_name] = "" if value is None else str(value)
    return given | {name.replace("__", "-"): value for name, value in changes.items()}


def rows(inline):
    return [inline.formset.management_form, *inline.formset.forms]
