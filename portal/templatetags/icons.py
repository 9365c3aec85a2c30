"""{% icon "download" %}: the one place that knows how a symbol of templates/_icons.html is shown."""

from functools import cache

from django import template
from django.utils.html import format_html
from django.utils.safestring import mark_safe

register = template.Library()


@register.simple_tag
@cache  # the markup depends on nothing but the name, and a list asks for it in every row
def icon(name, css=""):
    """The symbol i-`name`, always beside a word, so hidden from screen readers; `css` are further classes."""
    more = f" {css}" if css else ""
    return format_html('<svg class="icon{}" aria-hidden="true">{}</svg>', more, mark_safe(f'<use href="#i-{name}"/>'))
