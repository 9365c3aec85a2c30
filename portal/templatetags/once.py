"""The one-time key of a form, as a hidden field."""

from django import template
from django.utils.html import format_html

from portal import once

register = template.Library()


@register.simple_tag(takes_context=True)
def form_key(context):
    return format_html('<input type="hidden" name="{}" value="{}">', once.FIELD, once.key_for(context["request"]))
