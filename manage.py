#!/usr/bin/env python
"""Django's command line; an operator's commands live in billing/management/commands."""

import os
import sys


def main():
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "portal.settings")
    import django
    from django.core.exceptions import ImproperlyConfigured
    from django.core.management import execute_from_command_line
    from django.db import OperationalError

    from portal import environment
    from portal.db.embedded import Unavailable

    try:
        django.setup()
        for slip in environment.slips():
            sys.stderr.write(f"{slip}\n")
        from portal.db import ready

        if ready.needs_tables(sys.argv[1:]) and (missing := ready.without_tables()):
            sys.stderr.write(f"{missing}\n")
            sys.exit(3)
        execute_from_command_line(sys.argv)
    except (Unavailable, ImproperlyConfigured) as reason:
        sys.stderr.write(f"{reason}\n")
        sys.exit(3)
    except OperationalError as error:  # a server that isn't there, of commands that aren't the portal's own
        if "--traceback" in sys.argv:
            raise
        sys.stderr.write(f"データベースのエラーです: {str(error).strip().splitlines()[0]}\n")
        sys.exit(3)


if __name__ == "__main__":
    main()
