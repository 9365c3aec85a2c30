"""The password rule in force, for the checklist under a new password."""

from django import template

from accounts import passwords

register = template.Library()


@register.simple_tag
def password_checks():
    return passwords.checklist()
