"""What the portal's log says of requests that it refuses: one line, for the fault is the sender's."""

import logging


def refusals_in_one_line(record):
    """A filter of log records, which lets all of them through.

    Django notes a foreign host or a form that can't be read as an error, and with its traceback: whoever sends such
    requests would fill the log, and wake up who watches it for errors.
    """
    refused = record.name == "django.request" and record.levelno < logging.ERROR
    if refused or record.name.startswith("django.security."):
        record.levelno, record.levelname = logging.WARNING, "WARNING"
        record.msg, record.args = " ".join(record.getMessage().split()), ()
        record.exc_info = record.exc_text = None
    return True
