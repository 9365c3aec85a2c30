"""Procrastinate's own command, whose worker outlives its database: a line when that goes, a line when it is back, no traceback.

In a database that was restored or copied it takes up no job before `release_instance`.
"""

import asyncio
import logging
import os
import signal
import time
from contextlib import suppress
from typing import cast

from django.core.management.base import CommandError
from django.db import Error, OperationalError, connection
from procrastinate import cli
from procrastinate.contrib.django import app
from procrastinate.contrib.django.django_connector import DjangoConnector
from procrastinate.contrib.django.management.commands import procrastinate
from procrastinate.exceptions import ConnectorException

from billing.management.base import CONFIGURATION, check_role
from portal import installation
from portal.logs import first_line, is_away

PAUSE_SECONDS = 1.0
logger = logging.getLogger("portal.worker")


class Command(procrastinate.Command):
    requires_system_checks = ()

    def handle(self, *args, **options):
        if options.get("func") is not cli.worker_:
            super().handle(*args, **options)
            return
        begin = {"command", "func", *self._django_options}
        try:
            check_role()
            work_for_good({name: value for name, value in options.items() if name not in begin})
        except (Error, ConnectorException) as error:
            reason = first_line(error.__cause__ or error)
            raise CommandError(f"データベースのエラーです: {reason}", returncode=CONFIGURATION) from None


def work_for_good(options):
    """Work until a signal asks for the end, or, with `wait=False`, until nothing is left; after the database was away, begin anew."""
    of_django = cast("DjangoConnector", app.connector)
    logger.info("started, process %s", os.getpid())
    if not installation.at_home():
        logger.warning("the database was restored or copied: no job is done before release_instance")
        if options.get("wait") is False:
            return
        while not released():
            time.sleep(PAUSE_SECONDS)
        logger.info("released")
    while True:
        with app.replace_connector(of_django.get_worker_connector()):
            if asyncio.run(work(options)):
                logger.info("stopped")
                return
        logger.warning("the database is away, waiting for it")
        while not answers():
            time.sleep(PAUSE_SECONDS)
        logger.warning("the database is back")


async def work(options):
    """Whether it ended because it was to; otherwise the database went away. Other errors are raised."""
    asked = False

    def stop():
        nonlocal asked
        if not asked:  # a second signal makes it no quicker: the job in hand ends
            asked = True
            running.cancel()

    try:
        async with app.open_async():
            running = asyncio.ensure_future(app.run_worker_async(install_signal_handlers=False, **options))
            for number in (signal.SIGINT, signal.SIGTERM):
                asyncio.get_running_loop().add_signal_handler(number, stop)
            await running
    except asyncio.CancelledError:
        return True
    except ConnectorException as error:
        if not (asked or is_away(error)):
            raise
        return asked
    return options.get("wait") is False


def released():
    """Whether the database belongs here by now; one that is away tells nothing."""
    connection.close()
    with suppress(Error):
        return installation.at_home()


def answers():
    """Whether the database can be asked again."""
    connection.close()
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
    except OperationalError:
        return False
    finally:
        connection.close()
    return True
