"""A notice in the reader's language."""

from django import template
from django.utils.translation import get_language

register = template.Library()


@register.simple_tag
def in_language(notice):
    """(title, body)"""
    return notice.in_language(get_language())
