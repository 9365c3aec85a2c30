"""The same as in Japanese: one way of writing days and times on all pages."""

from portal.formats.ja.formats import DATE_FORMAT, DATETIME_FORMAT, TIME_FORMAT, TIME_INPUT_FORMATS

__all__ = ["DATETIME_FORMAT", "DATE_FORMAT", "TIME_FORMAT", "TIME_INPUT_FORMATS"]
