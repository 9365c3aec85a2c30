"""Actions of staff's lists as a browser does them: rows are chosen, the page that asks is read, and its form is sent."""

import re
from html import unescape


def choose(web, address, action, *rows):
    """The page that asks what to do with these rows (or their keys)."""
    keys = [getattr(row, "pk", row) for row in rows]
    return web.post(address, {"action": action, "_selected_action": keys, "index": 0})


def form_of(page, **typed):
    """What the page's form sends."""
    found = re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)">', page.content.decode())
    return {name: unescape(value) for name, value in found} | {"confirmed": "実行する"} | typed


def act(web, address, action, *rows, follow=False, **typed):
    """Choose and confirm; the answer to it."""
    return web.post(address, form_of(choose(web, address, action, *rows), **typed), follow=follow)
