"""Keys, checks and indexes of the target's tables.

Called by ``catalog`` inside its transaction, which makes the server print qualified names. Only
what ``model`` describes: exclusion constraints are named in ``traits``, NOT NULL belongs to columns.
Columns that newer servers have (``indnullsnotdistinct``, ``conenforced``) are read through
``to_jsonb`` of the row, which answers NULL where an older server lacks them.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from blb_migration.model import (
    CheckConstraint,
    ForeignKey,
    Index,
    IndexColumn,
    ReferentialAction,
    TableName,
    UniqueKey,
)
from blb_migration.postgres.names import TargetConnection

# pg_constraint.confdeltype and confupdtype.
_ACTIONS: dict[str, ReferentialAction] = {
    "a": "NO ACTION",
    "r": "RESTRICT",
    "c": "CASCADE",
    "n": "SET NULL",
    "d": "SET DEFAULT",
}

# The clones that a partitioned table's foreign key has on each partition (conparentid) are its own.
_CONSTRAINTS = """
SELECT c.conrelid::bigint, c.contype, c.conname,
       ARRAY(SELECT a.attname::text FROM unnest(c.conkey) WITH ORDINALITY k (number, position)
             JOIN pg_catalog.pg_attribute a ON a.attrelid = c.conrelid AND a.attnum = k.number
             ORDER BY k.position),
       referred_schema.nspname, referred.relname,
       ARRAY(SELECT a.attname::text FROM unnest(c.confkey) WITH ORDINALITY k (number, position)
             JOIN pg_catalog.pg_attribute a ON a.attrelid = c.confrelid AND a.attnum = k.number
             ORDER BY k.position),
       c.confdeltype, c.confupdtype, c.confmatchtype = 'f', c.convalidated,
       coalesce((to_jsonb(c) ->> 'conenforced')::boolean, true),
       coalesce((to_jsonb(i) ->> 'indnullsnotdistinct')::boolean, false),
       CASE WHEN c.contype = 'c' THEN pg_get_expr(c.conbin, c.conrelid) END
FROM pg_catalog.pg_constraint c
LEFT JOIN pg_catalog.pg_class referred ON referred.oid = c.confrelid
LEFT JOIN pg_catalog.pg_namespace referred_schema ON referred_schema.oid = referred.relnamespace
LEFT JOIN pg_catalog.pg_index i ON i.indexrelid = c.conindid AND c.contype IN ('p', 'u')
WHERE c.conrelid = ANY (%(oids)s::oid[])
  AND (c.contype IN ('p', 'u', 'c') OR (c.contype = 'f' AND c.conparentid = 0))
"""

# indkey lists key columns before INCLUDE columns; 0 stands for an expression. indoption's lowest
# bit means DESC (INDOPTION_DESC in pg_index.h); both vectors count from 0.
_INDEXES = """
SELECT i.indrelid::bigint, ic.relname, i.indisunique,
       ARRAY(SELECT coalesce(a.attname::text, pg_get_indexdef(i.indexrelid, k.position::int, true))
             FROM unnest(i.indkey::int2[]) WITH ORDINALITY k (number, position)
             LEFT JOIN pg_catalog.pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.number
              AND k.number <> 0
             ORDER BY k.position),
       i.indnkeyatts,
       ARRAY(SELECT (o.bits & 1) = 1 FROM unnest(i.indoption::int2[]) WITH ORDINALITY o (bits, position)
             ORDER BY o.position),
       pg_get_expr(i.indpred, i.indrelid),
       coalesce((to_jsonb(i) ->> 'indnullsnotdistinct')::boolean, false)
FROM pg_catalog.pg_index i
JOIN pg_catalog.pg_class ic ON ic.oid = i.indexrelid
WHERE i.indrelid = ANY (%(oids)s::oid[])
  AND NOT EXISTS (SELECT FROM pg_catalog.pg_constraint c
                  WHERE c.conindid = i.indexrelid AND c.contype IN ('p', 'u', 'x'))
"""


@dataclass(frozen=True)
class TableConstraints:
    """One table's constraints, each kind sorted by name."""

    primary_key: UniqueKey | None = None
    unique_keys: tuple[UniqueKey, ...] = ()
    foreign_keys: tuple[ForeignKey, ...] = ()
    checks: tuple[CheckConstraint, ...] = ()


def read_constraints(connection: TargetConnection, oids: Sequence[int]) -> dict[int, TableConstraints]:
    """Read the constraints of each table that has any, by the table's oid."""
    primary_keys: dict[int, UniqueKey] = {}
    unique_keys: dict[int, list[UniqueKey]] = defaultdict(list)
    foreign_keys: dict[int, list[ForeignKey]] = defaultdict(list)
    checks: dict[int, list[CheckConstraint]] = defaultdict(list)
    for (
        table_oid,
        kind,
        name,
        columns,
        referred_schema,
        referred_name,
        referred_columns,
        on_delete,
        on_update,
        matches_full,
        is_validated,
        is_enforced,
        nulls_not_distinct,
        expression,
    ) in connection.execute(_CONSTRAINTS, {"oids": list(oids)}):
        if kind == "p":
            primary_keys[table_oid] = UniqueKey(name, tuple(columns))
        elif kind == "u":
            unique_keys[table_oid].append(
                UniqueKey(name, tuple(columns), nulls_distinct=not nulls_not_distinct)
            )
        elif kind == "c":
            checks[table_oid].append(CheckConstraint(name, expression, is_validated, is_enforced))
        else:
            foreign_keys[table_oid].append(
                ForeignKey(
                    name=name,
                    columns=tuple(columns),
                    referred_table=TableName(referred_schema, referred_name),
                    referred_columns=tuple(referred_columns),
                    on_delete=_ACTIONS[on_delete],
                    on_update=_ACTIONS[on_update],
                    trusted=is_validated,
                    enabled=is_enforced,
                    matches_full=matches_full,
                )
            )
    return {
        table_oid: TableConstraints(
            primary_key=primary_keys.get(table_oid),
            unique_keys=tuple(sorted(unique_keys[table_oid], key=lambda key: key.name)),
            foreign_keys=tuple(sorted(foreign_keys[table_oid], key=lambda key: key.name)),
            checks=tuple(sorted(checks[table_oid], key=lambda check: check.name)),
        )
        for table_oid in {*primary_keys, *unique_keys, *foreign_keys, *checks}
    }


def read_indexes(connection: TargetConnection, oids: Sequence[int]) -> dict[int, tuple[Index, ...]]:
    """Read the indexes of each table that are not constraints, by the table's oid, sorted by name."""
    indexes: dict[int, list[Index]] = defaultdict(list)
    for (
        table_oid,
        name,
        is_unique,
        columns,
        key_column_count,
        descending,
        filter_expression,
        nulls_not_distinct,
    ) in connection.execute(_INDEXES, {"oids": list(oids)}):
        indexes[table_oid].append(
            Index(
                name=name,
                columns=tuple(
                    IndexColumn(column, descending=is_descending)
                    for column, is_descending in zip(
                        columns[:key_column_count], descending[:key_column_count], strict=True
                    )
                ),
                unique=is_unique,
                included=tuple(columns[key_column_count:]),
                filter=filter_expression,
                nulls_not_distinct=nulls_not_distinct,
            )
        )
    return {table_oid: tuple(sorted(own, key=lambda index: index.name)) for table_oid, own in indexes.items()}
