"""Temporary tables: what one statement found, kept for others until the transaction ends."""

from collections.abc import Mapping
from typing import Any


def keep(cursor: Any, tables: Mapping[str, str], given: Any = None, *, counted: str = "") -> None:
    """The rows of each query as a temporary table of that name, by one message: a query may read those before it.

    `counted` is a column that the planner is to know; `given` are the values of all queries.
    """
    steps = []
    for table, sql in tables.items():
        steps += [f"DROP TABLE IF EXISTS pg_temp.{table}", f"CREATE TEMP TABLE {table} ON COMMIT DROP AS {sql}"]
        if counted:
            steps.append(f"ANALYZE pg_temp.{table} ({counted})")
    cursor.execute(";\n".join(steps), given)
