"""The ledger's record of chunked loads that are not finished: who may go on, and what must be restored.

One row per table, there from the transaction that empties it to the one that finishes its load.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from psycopg.types.json import Jsonb

from blb_migration.model import TableName
from blb_migration.postgres.failures import target_errors
from blb_migration.postgres.indexes import IndexDefinition, KeyConstraint
from blb_migration.postgres.ledger.ledger_sql import read, read_one, write
from blb_migration.postgres.names import TargetConnection, qualified_text
from blb_migration.postgres.triggers import DisabledTrigger


@dataclass(frozen=True)
class DroppedParts:
    """What a chunked load has taken off its table, to be put back at its end.

    ``foreign_keys`` are (schema, table, name) of those on record as dropped because of this load alone.
    ``table_oid`` tells the table from a later one of the same name.
    """

    table_oid: int
    indexes: tuple[IndexDefinition, ...] = ()
    triggers: tuple[DisabledTrigger, ...] = ()
    foreign_keys: tuple[tuple[str, str, str], ...] = ()

    @classmethod
    def from_json(cls, document: dict[str, Any]) -> DroppedParts:
        """What ``asdict`` made of it."""
        return cls(
            document["table_oid"],
            tuple(_build_index(item) for item in document["indexes"]),
            tuple(
                DisabledTrigger(TableName(**item["table"]), item["name"], item["fires_always"])
                for item in document["triggers"]
            ),
            tuple((schema, table, name) for schema, table, name in document["foreign_keys"]),
        )

    def including(self, recorded: DroppedParts | None) -> DroppedParts:
        """With what an earlier load of the same table had taken off and did not put back."""
        if recorded is None or recorded.table_oid != self.table_oid:
            return self
        # What is on record is what was there at first: an index may have been built but not yet been made
        # a key again.
        index_names = {index.name for index in recorded.indexes}
        trigger_names = {trigger.name for trigger in recorded.triggers}
        return DroppedParts(
            self.table_oid,
            (*recorded.indexes, *(index for index in self.indexes if index.name not in index_names)),
            (*recorded.triggers, *(each for each in self.triggers if each.name not in trigger_names)),
            tuple(sorted({*self.foreign_keys, *recorded.foreign_keys})),
        )


@dataclass(frozen=True)
class UnfinishedChunkedLoad:
    """A chunked load that did not come to its end. ``basis`` is what it rests on, in JSON."""

    load_id: int
    basis: dict[str, Any]
    parts: DroppedParts
    is_resumable: bool
    age_seconds: float


def read_unfinished_chunked_load(
    connection: TargetConnection, table: TableName
) -> UnfinishedChunkedLoad | None:
    """The table's unfinished chunked load, or None. Raises TargetError."""
    row = read_one(
        connection,
        "SELECT load_id, basis, dropped_parts, is_resumable,"
        " extract(epoch FROM clock_timestamp() - begun_at)"
        " FROM blb_migration.chunked_loads WHERE table_schema = %s AND table_name = %s",
        table.schema,
        table.name,
    )
    if row is None:
        return None
    load_id, basis, dropped_parts, is_resumable, age_seconds = row
    return UnfinishedChunkedLoad(
        load_id, basis, DroppedParts.from_json(dropped_parts), is_resumable, float(age_seconds)
    )


def read_unfinished_tables(connection: TargetConnection) -> frozenset[TableName]:
    """The tables with an unfinished chunked load. Raises TargetError."""
    rows = read(connection, "SELECT table_schema, table_name FROM blb_migration.chunked_loads")
    return frozenset(TableName(schema, name) for schema, name in rows)


def record_chunked_load(
    connection: TargetConnection,
    load_id: int,
    table: TableName,
    *,
    basis: dict[str, Any],
    parts: DroppedParts,
    chunk_count: int,
) -> None:
    """Record a chunked load, in the transaction that empties the table. Raises TargetError."""
    write(
        connection,
        "INSERT INTO blb_migration.chunked_loads (load_id, table_schema, table_name, basis, dropped_parts)"
        " VALUES (%s, %s, %s, %s, %s)",
        load_id,
        table.schema,
        table.name,
        Jsonb(basis),
        Jsonb(asdict(parts)),
    )
    write(
        connection,
        "UPDATE blb_migration.table_loads SET chunk_count = %s WHERE load_id = %s",
        chunk_count,
        load_id,
    )


def take_over_chunked_load(connection: TargetConnection, earlier_load_id: int, load_id: int) -> None:
    """Hand an unfinished load and its chunks over to ``load_id``.

    Whoever still holds the earlier one finds no chunk of it any more. Raises TargetError.
    """
    write(
        connection,
        "UPDATE blb_migration.table_loads AS this"
        " SET chunk_count = earlier.chunk_count, resumed_from = earlier.load_id"
        " FROM blb_migration.table_loads AS earlier WHERE this.load_id = %s AND earlier.load_id = %s",
        load_id,
        earlier_load_id,
    )
    for name in ("chunked_loads", "table_chunks"):
        write(
            connection,
            f"UPDATE blb_migration.{name} SET load_id = %s WHERE load_id = %s",
            load_id,
            earlier_load_id,
        )


def forbid_resuming(connection: TargetConnection, load_id: int) -> None:
    """Record that the table's next load must begin again. Raises TargetError."""
    write(
        connection, "UPDATE blb_migration.chunked_loads SET is_resumable = false WHERE load_id = %s", load_id
    )


def end_chunked_load(connection: TargetConnection, load_id: int) -> None:
    """Strike a chunked load off, in the transaction that finishes it or begins again. Raises TargetError."""
    write(connection, "DELETE FROM blb_migration.chunked_loads WHERE load_id = %s", load_id)


def read_table_oid(connection: TargetConnection, table: TableName) -> int:
    """The server's own number of the table. Raises TargetError."""
    with target_errors(f"table {table}"):
        row = connection.execute("SELECT %s::regclass::oid::bigint", (qualified_text(table),)).fetchone()
    assert row is not None
    return int(row[0])


def _build_index(item: dict[str, Any]) -> IndexDefinition:
    constraint = item["constraint"]
    built: dict[str, Any] = {
        "table": TableName(**item["table"]),
        "name": TableName(**item["name"]),
        "constraint": None if constraint is None else KeyConstraint(**constraint),
    }
    return IndexDefinition(**{**item, **built})
