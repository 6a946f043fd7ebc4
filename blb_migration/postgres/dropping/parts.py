"""The one record of what a load has dropped from its table, and the two functions that drop and restore it.

The same whether a table is loaded at once or in chunks, within a whole run or alone. In one transaction
with the rows nothing of it needs to outlive a crash; a chunked load keeps the record in the ledger, and the
next load of the table takes it over.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from blb_migration.model import TableName
from blb_migration.postgres.bulk_settings import apply_bulk_settings, read_bulk_settings
from blb_migration.postgres.dropping.foreign_key_drops import drop_foreign_keys
from blb_migration.postgres.dropping.indexes import (
    IndexDefinition,
    KeyConstraint,
    build_index,
    drop_indexes,
    finish_index,
)
from blb_migration.postgres.dropping.triggers import DisabledTrigger, disable_triggers, enable_triggers
from blb_migration.postgres.names import TargetConnection


@dataclass(frozen=True)
class DroppedParts:
    """Indexes with their keys, triggers that were on, and foreign keys from and onto the table.

    Indexes stand in the order in which they were dropped. ``foreign_keys`` are (schema, table, name) of
    those that are on the ledger's record because of this load alone; a whole run's are not among them.
    """

    indexes: tuple[IndexDefinition, ...] = ()
    triggers: tuple[DisabledTrigger, ...] = ()
    foreign_keys: tuple[tuple[str, str, str], ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Describe it as ``from_json`` reads it."""
        return asdict(self)

    @classmethod
    def from_json(cls, document: dict[str, Any]) -> DroppedParts:
        """Build it from what ``to_json`` made."""
        return cls(
            tuple(_build_index(item) for item in document["indexes"]),
            tuple(
                DisabledTrigger(TableName(**item["table"]), item["name"], item["fires_always"])
                for item in document["triggers"]
            ),
            tuple((schema, table, name) for schema, table, name in document["foreign_keys"]),
        )

    def including(self, earlier: DroppedParts) -> DroppedParts:
        """Add what an earlier load of the same table had dropped and did not restore."""
        # What is on record is what was there at first: an index may have been built but not yet been made
        # a key again.
        index_names = {index.name for index in earlier.indexes}
        trigger_names = {trigger.name for trigger in earlier.triggers}
        return DroppedParts(
            (*earlier.indexes, *(index for index in self.indexes if index.name not in index_names)),
            (*earlier.triggers, *(each for each in self.triggers if each.name not in trigger_names)),
            tuple(sorted({*self.foreign_keys, *earlier.foreign_keys})),
        )


def drop_parts(
    connection: TargetConnection, table: TableName, run_id: str, *, keeps_indexes: bool = False
) -> DroppedParts:
    """Drop what would slow down or disturb a load, within the open transaction.

    Foreign keys are recorded in the ledger; a whole run has dropped them before. Raises TargetError.
    """
    keys = drop_foreign_keys(connection, run_id, [table])
    triggers = disable_triggers(connection, table)
    return DroppedParts(
        () if keeps_indexes else drop_indexes(connection, table),
        triggers,
        tuple((key.table.schema, key.table.name, key.name) for key in keys),
    )


def restore_parts(
    connection: TargetConnection, parts: DroppedParts, *, are_indexes_built: bool = False
) -> None:
    """Restore indexes, keys and triggers as they were, within the open transaction.

    ``are_indexes_built``: by ``build_indexes``, so that only their constraints and marks are missing. Foreign
    keys come last of all (``restore_foreign_keys``), once the load has statistics for the server to
    validate them by. Raises TargetError, which names the first duplicate when rows violate a unique index.
    """
    indexes = tuple(reversed(parts.indexes))
    if indexes and not are_indexes_built:
        apply_bulk_settings(connection, read_bulk_settings(connection))
    for index in indexes:
        if not are_indexes_built:
            build_index(connection, index)
        finish_index(connection, index)
    enable_triggers(connection, parts.triggers)


def _build_index(item: dict[str, Any]) -> IndexDefinition:
    constraint = item["constraint"]
    built: dict[str, Any] = {
        "table": TableName(**item["table"]),
        "name": TableName(**item["name"]),
        "constraint": None if constraint is None else KeyConstraint(**constraint),
    }
    return IndexDefinition(**{**item, **built})
