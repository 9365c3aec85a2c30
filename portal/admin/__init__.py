"""Staff's pages of the vendor's own things."""

from portal.admin import inquiries, notices, vendor

__all__ = ["inquiries", "notices", "vendor"]
