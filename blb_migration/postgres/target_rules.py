"""The rules of target tables that ``model`` has no place for: what a row must be like to be let in.

CHECKs of columns' domains, exclusion constraints, partitions, and expressions that are computed for every
row and may fail: in indexes and in generated columns. Only reads. CHECKs of tables are in the catalog.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from blb_migration.model import TableName
from blb_migration.postgres.failures import target_errors
from blb_migration.postgres.names import TargetConnection, qualified_definitions, qualified_text

RuleKind = Literal["domain", "exclusion", "partitions", "unique index", "index", "generated column"]

# A domain over a domain has the rules of both. A partitioned table with a default partition takes any row.
_RULES = """
WITH RECURSIVE wanted AS (
    SELECT t.oid, t.relkind FROM pg_catalog.pg_class t
    WHERE t.oid = ANY (SELECT to_regclass(name) FROM unnest(%(tables)s::text[]) name)
), typed (table_oid, column_name, type_oid) AS (
    SELECT a.attrelid, a.attname, a.atttypid FROM pg_catalog.pg_attribute a
    JOIN wanted ON wanted.oid = a.attrelid WHERE a.attnum > 0 AND NOT a.attisdropped
    UNION ALL
    SELECT typed.table_oid, typed.column_name, t.typbasetype FROM typed
    JOIN pg_catalog.pg_type t ON t.oid = typed.type_oid AND t.typtype = 'd'
), found (table_oid, kind, name, column_name, definition) AS (
    SELECT typed.table_oid, 'domain', c.conname, typed.column_name, pg_get_expr(c.conbin, 0)
    FROM typed JOIN pg_catalog.pg_constraint c ON c.contypid = typed.type_oid AND c.contype = 'c'
    UNION ALL
    SELECT c.conrelid, 'exclusion', c.conname, NULL, pg_get_constraintdef(c.oid)
    FROM pg_catalog.pg_constraint c JOIN wanted ON wanted.oid = c.conrelid
    WHERE c.contype = 'x' OR (c.contype IN ('p', 'u') AND (to_jsonb(c) ->> 'conperiod')::boolean)
    UNION ALL
    SELECT p.partrelid, 'partitions', 'its partitions', NULL, pg_get_partkeydef(p.partrelid)
    FROM pg_catalog.pg_partitioned_table p JOIN wanted ON wanted.oid = p.partrelid
    WHERE p.partdefid = 0 AND p.partstrat <> 'h'
    UNION ALL
    SELECT i.indrelid, CASE WHEN i.indisunique THEN 'unique index' ELSE 'index' END, ic.relname, NULL,
           pg_get_indexdef(i.indexrelid)
    FROM pg_catalog.pg_index i JOIN wanted ON wanted.oid = i.indrelid
    JOIN pg_catalog.pg_class ic ON ic.oid = i.indexrelid
    WHERE i.indexprs IS NOT NULL
      AND NOT EXISTS (SELECT FROM pg_catalog.pg_constraint c WHERE c.conindid = i.indexrelid)
    UNION ALL
    SELECT a.attrelid, 'generated column', a.attname, a.attname, pg_get_expr(d.adbin, d.adrelid)
    FROM pg_catalog.pg_attribute a JOIN wanted ON wanted.oid = a.attrelid
    JOIN pg_catalog.pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
    WHERE a.attgenerated = 's'
)
SELECT n.nspname::text, t.relname::text, found.kind, found.name::text, found.column_name::text,
       found.definition
FROM found
JOIN pg_catalog.pg_class t ON t.oid = found.table_oid
JOIN pg_catalog.pg_namespace n ON n.oid = t.relnamespace
ORDER BY 1, 2, 3, 4, 5
"""


@dataclass(frozen=True)
class TargetRule:
    """One rule; ``definition`` is the server's text of it, and of a domain's the expression over VALUE."""

    kind: RuleKind
    name: str
    column: str | None
    definition: str


def read_target_rules(
    connection: TargetConnection, tables: Sequence[TableName]
) -> dict[TableName, tuple[TargetRule, ...]]:
    """Read the rules of those of ``tables`` that exist and have any. Raises TargetError."""
    rules: dict[TableName, tuple[TargetRule, ...]] = {}
    names = {"tables": [qualified_text(table) for table in tables]}
    with target_errors("the target's rules"), qualified_definitions(connection):
        rows = connection.execute(_RULES, names).fetchall()
    for schema, name, *rule in rows:
        table = TableName(schema, name)
        rules[table] = (*rules.get(table, ()), TargetRule(*rule))
    return rules
