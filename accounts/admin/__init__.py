"""Staff register companies and their users here, and the staff themselves."""

from accounts.admin import customers, users

__all__ = ["customers", "users"]
