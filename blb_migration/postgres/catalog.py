"""Reading the target's catalog into the shapes of ``model``.

All user tables: ordinary and partitioned ones, of every schema but the system's and our own
ledger's. Left out are partitions (they are loaded through their parent), temporary tables and
tables that belong to an extension. Columns are read in ``catalog_columns``, keys and indexes in
``catalog_constraints``; what ``model`` has no place for (triggers, row security, partitions) in
``traits``. One statement per kind of thing, whatever the number of tables.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from blb_migration.model import Catalog, ForeignKey, Table, TableName
from blb_migration.postgres.catalog_columns import read_columns
from blb_migration.postgres.catalog_constraints import TableConstraints, read_constraints, read_indexes
from blb_migration.postgres.failures import target_errors
from blb_migration.postgres.foreign_keys import ForeignKeyDefinition
from blb_migration.postgres.ledger.dropped_keys import read_dropped_keys_if_allowed
from blb_migration.postgres.ledger.versions import OWN_SCHEMAS
from blb_migration.postgres.names import TargetConnection, qualified_definitions

_IN_USERS_SCHEMAS = """n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
  AND n.nspname <> ALL (%(own_schemas)s)"""

# reltuples is -1 for "never analysed" since PostgreSQL 14; before, 0 with no pages meant that.
_TABLES = f"""
SELECT t.oid::bigint, n.nspname, t.relname,
       CASE WHEN t.reltuples < 0 OR (t.reltuples = 0 AND t.relpages = 0
                                     AND current_setting('server_version_num')::int < 140000)
            THEN NULL ELSE t.reltuples::bigint END,
       obj_description(t.oid, 'pg_class')
FROM pg_catalog.pg_class t
JOIN pg_catalog.pg_namespace n ON n.oid = t.relnamespace
WHERE t.relkind IN ('r', 'p') AND NOT t.relispartition AND t.relpersistence <> 't'
  AND {_IN_USERS_SCHEMAS}
  AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend d
                  WHERE d.classid = 'pg_catalog.pg_class'::regclass AND d.objid = t.oid
                    AND d.deptype = 'e')
"""

# What is no table to load into, and lets nobody create one of its name. A column has sequences of its own.
_OTHER_RELATIONS = f"""
SELECT n.nspname, t.relname,
       CASE WHEN t.relispartition THEN 'partition of another table'
            WHEN t.relkind = 'v' THEN 'view'
            WHEN t.relkind = 'm' THEN 'materialized view'
            WHEN t.relkind = 'f' THEN 'foreign table'
            WHEN t.relkind = 'S' THEN 'sequence' END
FROM pg_catalog.pg_class t
JOIN pg_catalog.pg_namespace n ON n.oid = t.relnamespace
WHERE (t.relkind IN ('v', 'm', 'f', 'S') OR t.relispartition AND t.relkind IN ('r', 'p'))
  AND {_IN_USERS_SCHEMAS}
  AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend d
                  WHERE d.classid = 'pg_catalog.pg_class'::regclass AND d.objid = t.oid
                    AND (d.deptype = 'e' OR t.relkind = 'S' AND d.deptype IN ('a', 'i')))
ORDER BY n.nspname, t.relname
"""

# The collation's column depends on its provider and the server's version; to_jsonb meets them all.
_DATABASE = """
SELECT d.datname, current_setting('server_version'),
       coalesce(to_jsonb(d) ->> 'datlocale', to_jsonb(d) ->> 'daticulocale', d.datcollate)
FROM pg_catalog.pg_database d WHERE d.datname = current_database()
"""


@dataclass(frozen=True)
class TableHeader:
    """One row of pg_class; ``oid`` is what the other statements are asked with."""

    oid: int
    name: TableName
    row_estimate: int | None
    comment: str | None


def read_catalog(connection: TargetConnection) -> Catalog:
    """Read all user tables of the connected database, in name order.

    Types are named as ``format_type`` does; a domain is resolved to its base type with the domain
    as alias, an enum is ``enum`` with its name as alias, an extension's type (``citext``) has its
    bare name. Names inside expressions are schema-qualified. A sequence counts as a column's own
    when its default draws from it, it is the column's identity, or the column owns it; a default
    that names its sequence as text (``nextval('x'::text)``) leaves no trace in the catalog and is
    met only through ownership. Foreign keys that a run of ours has dropped are among the others: they
    will be in place again. Raises TargetError.
    """
    with target_errors("the target's catalog"), qualified_definitions(connection):
        headers = _read_headers(connection)
        oids = [header.oid for header in headers]
        columns = read_columns(connection, oids)
        constraints = read_constraints(connection, oids)
        indexes = read_indexes(connection, oids)
        dropped = read_dropped_keys_if_allowed(connection)
        others = connection.execute(_OTHER_RELATIONS, {"own_schemas": [*OWN_SCHEMAS]}).fetchall()
        row = connection.execute(_DATABASE).fetchone()
    database, server_version, collation = row or ("", "", None)
    tables = []
    for header in headers:
        own = constraints.get(header.oid, TableConstraints())
        tables.append(
            Table(
                name=header.name,
                columns=columns.get(header.oid, ()),
                primary_key=own.primary_key,
                unique_keys=own.unique_keys,
                foreign_keys=_with_dropped(own.foreign_keys, header.name, dropped),
                indexes=indexes.get(header.oid, ()),
                checks=own.checks,
                row_estimate=header.row_estimate,
                comment=header.comment,
            )
        )
    other_relations = tuple((TableName(schema, name), kind) for schema, name, kind in others)
    return Catalog("postgres", database, server_version, collation, tuple(tables), other_relations)


def _with_dropped(
    in_place: tuple[ForeignKey, ...], table: TableName, dropped: Sequence[ForeignKeyDefinition]
) -> tuple[ForeignKey, ...]:
    """Add the table's keys of the ledger's record, unless someone has added one of that name again."""
    names = {key.name for key in in_place}
    others = [key.as_in_catalog() for key in dropped if key.table == table and key.name not in names]
    return tuple(sorted((*in_place, *others), key=lambda key: key.name))


def _read_headers(connection: TargetConnection) -> list[TableHeader]:
    rows = connection.execute(_TABLES, {"own_schemas": [*OWN_SCHEMAS]})
    headers = [
        TableHeader(oid, TableName(schema, name), estimate, comment)
        for oid, schema, name, estimate, comment in rows
    ]
    return sorted(headers, key=lambda header: header.name)
