"""Columns of the target's tables: types, defaults, computed expressions and their sequences.

Called by ``catalog`` inside its transaction, which makes the server print qualified names.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace

from blb_migration.model import Column, Computed, Identity, TableName
from blb_migration.postgres.names import TargetConnection
from blb_migration.postgres.type_modifiers import build_column_type

# Where a collation keeps its ICU locale depends on the server's version; to_jsonb meets them all.
# A domain may be declared over a domain: the chain is followed to the base type, whose modifier is
# the innermost domain's (an outer one cannot have its own), and NOT NULL anywhere in it counts.
_COLUMNS = """
WITH RECURSIVE domain_step AS (
    SELECT t.oid AS domain_oid, t.typbasetype AS type_oid, t.typtypmod AS type_modifier,
           t.typnotnull AS not_null
    FROM pg_catalog.pg_type t WHERE t.typtype = 'd'
    UNION ALL
    SELECT s.domain_oid, t.typbasetype, t.typtypmod, s.not_null OR t.typnotnull
    FROM domain_step s JOIN pg_catalog.pg_type t ON t.oid = s.type_oid WHERE t.typtype = 'd'
), domain AS (
    SELECT s.* FROM domain_step s JOIN pg_catalog.pg_type t ON t.oid = s.type_oid
    WHERE t.typtype <> 'd'
)
SELECT a.attrelid::bigint, a.attname,
       CASE WHEN base.typtype = 'e' THEN 'enum'
            WHEN base_schema.nspname = 'pg_catalog' THEN format_type(base.oid, NULL)
            ELSE base.typname END,
       coalesce(domain.type_modifier, a.atttypmod),
       CASE WHEN domain.domain_oid IS NOT NULL OR base_schema.nspname <> 'pg_catalog'
            THEN format_type(a.atttypid, NULL) END,
       NOT (a.attnotnull OR coalesce(domain.not_null, false)),
       CASE WHEN a.attcollation <> base.typcollation THEN coll.collname END,
       CASE WHEN NOT coll.collisdeterministic THEN coalesce(
           to_jsonb(coll)->>'colllocale', to_jsonb(coll)->>'colliculocale', coll.collcollate::text, '') END,
       a.attgenerated,
       pg_get_expr(def.adbin, def.adrelid),
       col_description(a.attrelid, a.attnum),
       CASE WHEN base.typtype = 'e' THEN ARRAY(
           SELECT e.enumlabel::text FROM pg_catalog.pg_enum e
           WHERE e.enumtypid = base.oid ORDER BY e.enumsortorder) END
FROM pg_catalog.pg_attribute a
LEFT JOIN domain ON domain.domain_oid = a.atttypid
JOIN pg_catalog.pg_type base ON base.oid = coalesce(domain.type_oid, a.atttypid)
JOIN pg_catalog.pg_namespace base_schema ON base_schema.oid = base.typnamespace
LEFT JOIN pg_catalog.pg_collation coll ON coll.oid = a.attcollation
LEFT JOIN pg_catalog.pg_attrdef def ON def.adrelid = a.attrelid AND def.adnum = a.attnum
WHERE a.attrelid = ANY (%(oids)s::oid[]) AND a.attnum > 0 AND NOT a.attisdropped
ORDER BY a.attrelid, a.attnum
"""

# Which sequence numbers a column: the one its default draws from, before its identity's or an
# owned one. last_value stays NULL until first use, and where we may not read it.
_IDENTITIES = """
WITH link AS (
    SELECT def.adrelid AS table_oid, def.adnum AS column_number, d.refobjid AS sequence_oid, 1 AS rank
    FROM pg_catalog.pg_attrdef def
    JOIN pg_catalog.pg_depend d ON d.classid = 'pg_catalog.pg_attrdef'::regclass AND d.objid = def.oid
     AND d.refclassid = 'pg_catalog.pg_class'::regclass
    WHERE def.adrelid = ANY (%(oids)s::oid[])
    UNION ALL
    SELECT d.refobjid, d.refobjsubid, d.objid, 2
    FROM pg_catalog.pg_depend d
    WHERE d.classid = 'pg_catalog.pg_class'::regclass
      AND d.refclassid = 'pg_catalog.pg_class'::regclass
      AND d.refobjid = ANY (%(oids)s::oid[]) AND d.refobjsubid > 0 AND d.deptype IN ('a', 'i')
)
SELECT DISTINCT ON (link.table_oid, link.column_number)
       link.table_oid::bigint, a.attname, sequence_schema.nspname, sequence.relname,
       s.seqstart, s.seqincrement,
       CASE WHEN has_sequence_privilege(s.seqrelid, 'USAGE, SELECT')
            THEN pg_sequence_last_value(s.seqrelid) END
FROM link
JOIN pg_catalog.pg_sequence s ON s.seqrelid = link.sequence_oid
JOIN pg_catalog.pg_class sequence ON sequence.oid = s.seqrelid
JOIN pg_catalog.pg_namespace sequence_schema ON sequence_schema.oid = sequence.relnamespace
JOIN pg_catalog.pg_attribute a ON a.attrelid = link.table_oid AND a.attnum = link.column_number
ORDER BY link.table_oid, link.column_number, link.rank, sequence_schema.nspname, sequence.relname
"""


def read_columns(connection: TargetConnection, oids: Sequence[int]) -> dict[int, tuple[Column, ...]]:
    """Read the columns of each table, in position order, by the table's oid."""
    identities = _read_identities(connection, oids)
    columns: dict[int, list[Column]] = defaultdict(list)
    for (
        table_oid,
        name,
        type_name,
        type_modifier,
        alias,
        is_nullable,
        collation,
        insensitive_locale,
        generated,
        expression,
        comment,
        labels,
    ) in connection.execute(_COLUMNS, {"oids": list(oids)}):
        columns[table_oid].append(
            Column(
                name=name,
                type=replace(build_column_type(type_name, type_modifier, alias), labels=tuple(labels or ())),
                nullable=is_nullable,
                collation=collation,
                identity=identities.get((table_oid, name)),
                default=None if generated else expression,
                computed=Computed(expression, persisted=generated == "s") if generated else None,
                comment=comment,
                insensitive_locale=insensitive_locale,
            )
        )
    return {table_oid: tuple(own) for table_oid, own in columns.items()}


def _read_identities(connection: TargetConnection, oids: Sequence[int]) -> dict[tuple[int, str], Identity]:
    return {
        (table_oid, column): Identity(
            seed=start,
            increment=increment,
            last_value=last_value,
            sequence=TableName(sequence_schema, sequence_name),
        )
        for (
            table_oid,
            column,
            sequence_schema,
            sequence_name,
            start,
            increment,
            last_value,
        ) in connection.execute(_IDENTITIES, {"oids": list(oids)})
    }
