"""Indexes that migrations make while everybody goes on."""

import psycopg
import pytest
from django.db import OperationalError, connection, models
from django.db.migrations.loader import MigrationLoader

from portal.db.indexes import AddIndexBeside

VALID = "SELECT indisvalid FROM pg_index WHERE indexrelid = to_regclass('inquiries_of_the_test')"


def sql(statement):
    with connection.cursor() as cursor:
        cursor.execute(statement)
        return cursor.fetchall() if cursor.description else None


@pytest.mark.django_db(transaction=True)
def it_makes_an_index_when_tried_again_after_somebody_held_the_table_too_long():
    operation = AddIndexBeside("inquiry", models.Index(fields=["about"], name="inquiries_of_the_test"))
    before = MigrationLoader(connection).project_state()
    after = before.clone()
    operation.state_forwards("portal", after)

    def go():
        with connection.schema_editor(atomic=False) as editor:
            operation.database_forwards("portal", editor, before, after)

    try:
        with psycopg.connect(**connection.get_connection_params()) as other:
            other.execute("LOCK TABLE portal_inquiry IN ROW EXCLUSIVE MODE")  # as whoever writes there
            sql("SET lock_timeout = '300ms'")
            with pytest.raises(OperationalError, match="lock timeout"):
                go()
        assert sql(VALID) == [(False,)]
        go()
        assert sql(VALID) == [(True,)]
    finally:
        sql("RESET lock_timeout")
        sql("DROP INDEX IF EXISTS inquiries_of_the_test")
