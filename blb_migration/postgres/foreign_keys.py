"""Foreign keys as the server describes them. Only reads: dropping and restoring is ``dropping``'s."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast

from blb_migration.model import ForeignKey, ReferentialAction, TableName
from blb_migration.postgres.failures import target_errors
from blb_migration.postgres.names import TargetConnection, qualified_definitions, qualified_text

# Keys from or onto the tables named or one of their partitions. A partitioned table's clones on its
# partitions (conparentid) go and come with their parent.
_FAMILY = """
WITH RECURSIVE family AS (
    SELECT to_regclass(name)::oid AS oid FROM unnest(%(tables)s::text[]) name
    UNION
    SELECT h.inhrelid FROM family JOIN pg_catalog.pg_inherits h ON h.inhparent = family.oid
    JOIN pg_catalog.pg_class child ON child.oid = h.inhrelid AND child.relispartition
)
"""
_ARE_KEYS = """
WHERE c.contype = 'f' AND c.conparentid = 0
  AND (c.conrelid IN (SELECT oid FROM family) OR c.confrelid IN (SELECT oid FROM family))
"""
_FOREIGN_KEYS = f"""
{_FAMILY}
SELECT own_schema.nspname, own.relname, c.conname,
       ARRAY(SELECT a.attname::text FROM unnest(c.conkey) WITH ORDINALITY k (number, position)
             JOIN pg_catalog.pg_attribute a ON a.attrelid = c.conrelid AND a.attnum = k.number
             ORDER BY k.position),
       referred_schema.nspname, referred.relname,
       ARRAY(SELECT a.attname::text FROM unnest(c.confkey) WITH ORDINALITY k (number, position)
             JOIN pg_catalog.pg_attribute a ON a.attrelid = c.confrelid AND a.attnum = k.number
             ORDER BY k.position),
       pg_get_constraintdef(c.oid), obj_description(c.oid, 'pg_constraint')
FROM pg_catalog.pg_constraint c
JOIN pg_catalog.pg_class own ON own.oid = c.conrelid
JOIN pg_catalog.pg_namespace own_schema ON own_schema.oid = own.relnamespace
JOIN pg_catalog.pg_class referred ON referred.oid = c.confrelid
JOIN pg_catalog.pg_namespace referred_schema ON referred_schema.oid = referred.relnamespace
{_ARE_KEYS}
ORDER BY own_schema.nspname, own.relname, c.conname
"""
_QUOTED = re.compile(r'"(?:[^"]|"")*"')
_ACTION = re.compile(r"\bON (DELETE|UPDATE) (NO ACTION|RESTRICT|CASCADE|SET NULL|SET DEFAULT)")
_NOT_VALIDATED = re.compile(r"\bNOT (?:VALID|ENFORCED)\b")


@dataclass(frozen=True)
class ForeignKeyDefinition:
    """One foreign key as the server describes it.

    ``definition`` is what follows ADD CONSTRAINT name, complete with MATCH, actions, DEFERRABLE
    and NOT VALID, and with every name qualified.
    """

    table: TableName
    name: str
    columns: tuple[str, ...]
    referred_table: TableName
    referred_columns: tuple[str, ...]
    definition: str
    comment: str | None = None

    def __str__(self) -> str:
        return f"foreign key {self.name} of {self.table}"

    @property
    def is_not_valid(self) -> bool:
        """Whether its owner had made it NOT VALID or NOT ENFORCED: it says nothing of rows that are there."""
        return _NOT_VALIDATED.search(self._words) is not None

    def as_in_catalog(self) -> ForeignKey:
        """Describe the key as ``catalog`` reads one that is in place."""
        actions = {event: cast("ReferentialAction", action) for event, action in _ACTION.findall(self._words)}
        return ForeignKey(
            name=self.name,
            columns=self.columns,
            referred_table=self.referred_table,
            referred_columns=self.referred_columns,
            on_delete=actions.get("DELETE", "NO ACTION"),
            on_update=actions.get("UPDATE", "NO ACTION"),
            trusted=not self.is_not_valid,
            enabled="NOT ENFORCED" not in self._words,
            matches_full=self.matches_full,
        )

    @property
    def matches_full(self) -> bool:
        """Whether a key that is only partly filled in is a violation."""
        return " MATCH FULL" in self._words

    @property
    def is_deferrable(self) -> bool:
        """Whether its check may wait for the end of a transaction."""
        return " DEFERRABLE" in self._words.replace("NOT DEFERRABLE", "")

    @property
    def is_deferred(self) -> bool:
        """Whether its check waits unless a transaction says otherwise."""
        return "INITIALLY DEFERRED" in self._words

    @property
    def _words(self) -> str:
        """The definition without names that may hold anything; others are in lower case."""
        return _QUOTED.sub("", self.definition)


def find_foreign_keys(
    connection: TargetConnection, tables: Sequence[TableName]
) -> tuple[ForeignKeyDefinition, ...]:
    """Find every foreign key from or onto one of ``tables``, whatever schema its other end is in.

    Sorted by table and name. Raises TargetError.
    """
    if not _has_foreign_keys(connection, tables):  # as a whole run's load finds it: one statement, not five
        return ()
    with target_errors("the target's foreign keys"), qualified_definitions(connection):
        rows = connection.execute(_FOREIGN_KEYS, {"tables": [qualified_text(table) for table in tables]})
        return tuple(build_foreign_key(row) for row in rows)


def _has_foreign_keys(connection: TargetConnection, tables: Sequence[TableName]) -> bool:
    query = f"{_FAMILY} SELECT EXISTS (SELECT FROM pg_catalog.pg_constraint c {_ARE_KEYS})"
    with target_errors("the target's foreign keys"):
        row = connection.execute(
            query.encode(), {"tables": [qualified_text(table) for table in tables]}
        ).fetchone()
    return bool(row and row[0])


def build_foreign_key(row: Sequence[Any]) -> ForeignKeyDefinition:
    """Build it from schema, table, name, columns, referred schema, table, columns, definition, comment."""
    schema, table, name, columns, referred_schema, referred, referred_columns, definition, comment = row
    return ForeignKeyDefinition(
        table=TableName(schema, table),
        name=name,
        columns=tuple(columns),
        referred_table=TableName(referred_schema, referred),
        referred_columns=tuple(referred_columns),
        definition=definition,
        comment=comment,
    )
