"""The ledger's row of what each table's latest load left: where, by which transaction, in which form.

A transaction's number says who wrote a row only where it was counted: in this server's files, this database,
this table, and before the counter came round again. A dump that is restored, and a table that is made anew,
have another place.
"""

from __future__ import annotations

from dataclasses import dataclass

from psycopg.types.json import Jsonb

from blb_migration.model import TableName
from blb_migration.postgres.content_form import ContentForm
from blb_migration.postgres.database_place import read_database_place
from blb_migration.postgres.failures import target_errors
from blb_migration.postgres.ledger.ledger_sql import read_one, write
from blb_migration.postgres.names import TargetConnection, qualified_text

# Rows carry 32 bits of a transaction's number; half the circle leaves room for a load of many transactions.
_SAFE_TRANSACTIONS = 2**31
_RECORD = """
WITH forgotten AS (
    DELETE FROM blb_migration.left_rows WHERE load_id IN (
        SELECT load_id FROM blb_migration.table_loads WHERE table_schema = %s AND table_name = %s)
)
INSERT INTO blb_migration.left_rows
    (load_id, system_identifier, database_oid, table_oid, transaction_id, content_form)
VALUES (%s, %s, %s, %s::regclass::oid::bigint, txid_current(), %s)
"""


@dataclass(frozen=True)
class Place:
    """A table of one database of one server's files, and the transaction that the server has come to.

    ``system_identifier`` is None where the server does not tell it.
    """

    system_identifier: str | None
    database_oid: int
    table_oid: int
    transaction_id: int

    def is_same_database(self, now: Place) -> bool:
        """Whether ``now`` is the very same database, not a copy of it."""
        is_same = (self.system_identifier, self.database_oid) == (now.system_identifier, now.database_oid)
        return is_same and now.transaction_id >= self.transaction_id

    def proves_transactions(self, now: Place) -> bool:
        """Whether a row's transaction number still means, at ``now``, what it meant here."""
        is_same_table = self.is_same_database(now) and self.table_oid == now.table_oid
        return is_same_table and now.transaction_id - self.transaction_id < _SAFE_TRANSACTIONS


@dataclass(frozen=True)
class LeftRows:
    """What a load left. ``others_digest`` is of the columns that only the target has, None without any."""

    place: Place
    form: ContentForm
    others_digest: str | None


def read_place(connection: TargetConnection, table: TableName) -> Place:
    """Read where the table is, and the transaction that would be the next. Raises TargetError."""
    database = read_database_place(connection)
    with target_errors(f"table {table}"):
        row = connection.execute(
            "SELECT %s::regclass::oid::bigint, txid_snapshot_xmax(txid_current_snapshot())",
            (qualified_text(table),),
        ).fetchone()
    assert row is not None
    return Place(database.system_identifier, database.database_oid, *row)


def record_left_rows(connection: TargetConnection, load_id: int, table: TableName, form: ContentForm) -> None:
    """Record where the load writes, and forget the table's earlier loads, within its first transaction.

    Raises TargetError.
    """
    database = read_database_place(connection)
    write(
        connection,
        _RECORD,
        table.schema,
        table.name,
        load_id,
        database.system_identifier,
        database.database_oid,
        qualified_text(table),
        Jsonb(form.to_json()),
    )


def record_others_digest(connection: TargetConnection, load_id: int, digest: str) -> None:
    """Record what the load left in columns that it does not load. Raises TargetError."""
    write(
        connection,
        "UPDATE blb_migration.left_rows SET others_digest = %s WHERE load_id = %s",
        digest,
        load_id,
    )


def read_left_rows(connection: TargetConnection, load_id: int) -> LeftRows | None:
    """Read what a load left; None for a load of an older version. Raises TargetError."""
    row = read_one(
        connection,
        "SELECT system_identifier, database_oid, table_oid, transaction_id, content_form, others_digest"
        " FROM blb_migration.left_rows WHERE load_id = %s",
        load_id,
    )
    if row is None:
        return None
    return LeftRows(Place(*row[:4]), ContentForm.from_json(row[4]), row[5])
