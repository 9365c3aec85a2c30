"""Staff's pages of the vendor's own things."""

from portal.admin import inquiries, vendor

__all__ = ["inquiries", "vendor"]
