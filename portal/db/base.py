"""Database backend of the embedded PostgreSQL: Django's own, plus starting the server before the first connection."""

from django.conf import settings
from django.db.backends.postgresql import base, client

from portal import embedded


class DatabaseClient(client.DatabaseClient):
    @classmethod
    def settings_to_cmd_args_env(cls, settings_dict, parameters):
        settings_dict = settings_dict | {"HOST": settings.EMBEDDED.ensure()}
        args, env = super().settings_to_cmd_args_env(settings_dict, parameters)
        return [str(embedded.binaries() / args[0]), *args[1:]], env


class DatabaseWrapper(base.DatabaseWrapper):
    client_class = DatabaseClient

    def get_connection_params(self):
        self.settings_dict["HOST"] = settings.EMBEDDED.ensure()
        return super().get_connection_params()
