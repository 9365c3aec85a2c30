"""The database backend: Django's own for PostgreSQL, plus starting the embedded server and, in the web, limited patience and a look at each connection."""

from django.conf import settings
from django.db.backends.postgresql import base, client
from psycopg import OperationalError
from psycopg.pq import TransactionStatus

from portal.db import embedded
from portal.db.ids import Ids, IdsDumper


class DatabaseClient(client.DatabaseClient):
    @classmethod
    def settings_to_cmd_args_env(cls, settings_dict, parameters):
        if settings.EMBEDDED is None:
            return super().settings_to_cmd_args_env(settings_dict, parameters)
        settings_dict = settings_dict | {"HOST": settings.EMBEDDED.ensure()}
        args, env = super().settings_to_cmd_args_env(settings_dict, parameters)
        return [str(embedded.binaries() / args[0]), *args[1:]], env


class DatabaseWrapper(base.DatabaseWrapper):
    client_class = DatabaseClient

    def get_connection_params(self):
        if settings.EMBEDDED:
            self.settings_dict["HOST"] = settings.EMBEDDED.ensure()
        return super().get_connection_params()

    def get_new_connection(self, conn_params):
        try:
            made = super().get_new_connection(conn_params)
        except OperationalError:
            if not (settings.EMBEDDED and settings.EMBEDDED.start_again()):
                raise
            made = super().get_new_connection(conn_params)
        made.adapters.register_dumper(Ids, IdsDumper)
        if patience := self.settings_dict.get("PATIENCE"):
            limit(made, patience)
        if check := self.settings_dict.get("CHECK"):
            try:
                check(made)
            except Exception:
                made.close()
                raise
        return made


def limit(connection, seconds):
    """Give a connection up when its server is silent for so long: a stalled one can't keep to its own timeouts.

    `connection.silence` may be changed while something is known to take longer.
    """
    wait, connection.silence = connection.wait, seconds

    def wait_at_most(generator, **options):
        try:
            return wait(generator, **{"timeout": connection.silence, **options})
        except OperationalError:
            if connection.pgconn.transaction_status == TransactionStatus.ACTIVE:  # the answer is still to come
                connection.close()
            raise

    connection.wait = wait_at_most
