"""URLs of a list: filter, sort and page are its state (D16), and every link changes a part of it."""


def address(request, drop=("page",), **changes):
    """This list's URL with some parameters changed; every change begins at the first page."""
    query = request.GET.copy()
    for name in {*drop, "export", "encoding", "panel"} | changes.keys():
        query.pop(name, None)
    for name, value in changes.items():
        if value is not None:
            query.setlist(name, value if isinstance(value, list) else [value])
    text = query.urlencode()
    return f"{request.path}?{text}" if text else request.path


def kept(request, *without):
    """(name, value) of the parameters that a form on this list sends along."""
    leave_out = {*without, "page", "export", "encoding", "panel"}
    return [(name, value) for name, values in request.GET.lists() if name not in leave_out for value in values]
