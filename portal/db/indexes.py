"""An index that a migration makes while everybody goes on."""

from django.contrib.postgres.operations import AddIndexConcurrently


class AddIndexBeside(AddIndexConcurrently):
    """As Django's, but may be tried again: broken off, by a lock that somebody held too long, PostgreSQL leaves half an index behind."""

    def database_forwards(self, app_label, schema_editor, from_state, to_state):
        self._ensure_not_in_transaction(schema_editor)
        schema_editor.execute(
            f"DROP INDEX CONCURRENTLY IF EXISTS {schema_editor.quote_name(self.index.name)}", params=None
        )
        super().database_forwards(app_label, schema_editor, from_state, to_state)
