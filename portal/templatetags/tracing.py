"""What an error page tells, so that its line in the log can be found."""

from django import template

from portal import trace

register = template.Library()


@register.simple_tag
def request_id():
    return trace.current()
