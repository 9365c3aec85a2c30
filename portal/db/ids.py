"""Ids of rows as one parameter of SQL: a batch's are written once, however many statements ask for them."""

from functools import cached_property

from psycopg import postgres
from psycopg.adapt import Buffer, Dumper


class Ids(tuple[int, ...]):
    """Given to SQL as bigint[], as keys are: of smallint[] or integer[], which a list becomes, PostgreSQL hashes nothing."""

    @cached_property
    def written(self) -> bytes:
        return b"'{%s}'" % ",".join(map(str, self)).encode()


class IdsDumper(Dumper):
    oid = postgres.types["int8"].array_oid

    def dump(self, obj: Ids) -> Buffer:
        return obj.written[1:-1]

    def quote(self, obj: Ids) -> Buffer:
        return obj.written
