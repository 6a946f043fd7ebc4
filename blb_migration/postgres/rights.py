"""What the target's user lacks of the rights that a load needs, each with the statement that grants it.

Only reads, and only the server's catalogs: a name is looked up there, since ``to_regclass`` raises an error
for a schema that the user may not look into. What is needed, and by what:

=====================  =============================================================================
CREATE on database     the schema of the ledger, and the schemas of a dry run
USAGE on schema        anything in it
CREATE on schema       the indexes that a load builds anew: PostgreSQL asks for it beside ownership
ownership of tables    dropping and restoring keys, indexes and triggers, ANALYZE; also of tables whose
                       foreign keys refer to loaded ones
ownership of sequences ALTER SEQUENCE ... RESTART
SELECT, INSERT,        what an owner can have taken from himself
TRUNCATE on tables
REFERENCES on parents  foreign keys onto tables that are not loaded
ownership of ledger    what another user's run left
=====================  =============================================================================
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from blb_migration.model import TableName
from blb_migration.postgres.failures import target_errors
from blb_migration.postgres.ledger.versions import LEDGER_SCHEMA
from blb_migration.postgres.names import TargetConnection, identifier_text, qualified_text

_DATABASE = """
SELECT current_user::text, current_database()::text,
       pg_catalog.has_database_privilege(current_database(), 'CREATE'),
       (SELECT pg_get_userbyid(n.nspowner)::text FROM pg_catalog.pg_namespace n
        WHERE n.nspname = %(ledger)s AND NOT pg_has_role(n.nspowner, 'USAGE')),
       EXISTS (SELECT FROM pg_catalog.pg_namespace n WHERE n.nspname = %(ledger)s)
"""
_SCHEMAS = """
SELECT n.nspname::text, has_schema_privilege(n.oid, 'USAGE'), has_schema_privilege(n.oid, 'CREATE')
FROM pg_catalog.pg_namespace n WHERE n.nspname = ANY (%(schemas)s::text[]) ORDER BY n.nspname
"""
_RELATIONS = """
WITH planned AS (
    SELECT t.oid FROM unnest(%(schemas)s::text[], %(names)s::text[]) wanted (schema_name, name)
    JOIN pg_catalog.pg_namespace n ON n.nspname = wanted.schema_name
    JOIN pg_catalog.pg_class t ON t.relnamespace = n.oid AND t.relname = wanted.name
), involved (oid, kind) AS (
    SELECT oid, 'table' FROM planned
    UNION SELECT c.conrelid, 'child' FROM pg_catalog.pg_constraint c
          WHERE c.contype = 'f' AND c.confrelid IN (SELECT oid FROM planned)
            AND c.conrelid NOT IN (SELECT oid FROM planned)
    UNION SELECT c.confrelid, 'parent' FROM pg_catalog.pg_constraint c
          WHERE c.contype = 'f' AND c.conrelid IN (SELECT oid FROM planned)
            AND c.confrelid NOT IN (SELECT oid FROM planned)
    UNION SELECT d.refobjid, 'sequence' FROM pg_catalog.pg_attrdef a
          JOIN pg_catalog.pg_depend d ON d.classid = 'pg_catalog.pg_attrdef'::pg_catalog.regclass
           AND d.objid = a.oid AND d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass
          JOIN pg_catalog.pg_class s ON s.oid = d.refobjid AND s.relkind = 'S'
          WHERE a.adrelid IN (SELECT oid FROM planned)
)
SELECT n.nspname::text, t.relname::text, involved.kind, pg_get_userbyid(t.relowner)::text,
       pg_has_role(t.relowner, 'USAGE'),
       ARRAY(SELECT needed FROM unnest(%(privileges)s::text[]) needed
             WHERE t.relkind <> 'S' AND NOT has_table_privilege(t.oid, needed)),
       t.relkind <> 'S' AND has_table_privilege(t.oid, 'REFERENCES')
FROM involved
JOIN pg_catalog.pg_class t ON t.oid = involved.oid
JOIN pg_catalog.pg_namespace n ON n.oid = t.relnamespace
ORDER BY 3, 1, 2
"""
_PRIVILEGES = ("SELECT", "INSERT", "TRUNCATE")


@dataclass(frozen=True)
class MissingRight:
    """A right that the target's user lacks: for what, in words, and the statement that grants it.

    ``only_for_dry_run``: a load can do without it.
    """

    subject: str
    reason: str
    statement: str
    only_for_dry_run: bool = False


def find_missing_rights(
    connection: TargetConnection, tables: Sequence[TableName]
) -> tuple[MissingRight, ...]:
    """Return what the connected user lacks to load ``tables``, or to try the load out. Raises TargetError."""
    arguments = {
        "schemas": [table.schema for table in tables],
        "names": [table.name for table in tables],
        "ledger": LEDGER_SCHEMA,
        "privileges": list(_PRIVILEGES),
    }
    with target_errors("the target's rights"):
        row = connection.execute(_DATABASE, arguments).fetchone()
        schemas = connection.execute(_SCHEMAS, arguments).fetchall()
        relations = connection.execute(_RELATIONS, arguments).fetchall()
    user, database, may_create, ledgers_owner, has_ledger = row or ("", "", True, None, True)
    role = identifier_text(user)
    missing: list[MissingRight] = []
    if not may_create:
        reason = "a dry run makes schemas for its copies of the tables"
        if not has_ledger:
            reason = f"the ledger needs its schema {LEDGER_SCHEMA}, and {reason}"
        statement = f"GRANT CREATE ON DATABASE {identifier_text(database)} TO {role}"
        missing.append(MissingRight(f"database {database}", reason, statement, only_for_dry_run=has_ledger))
    if ledgers_owner is not None:
        statement = f"GRANT {identifier_text(ledgers_owner)} TO {role}"
        reason = f"{ledgers_owner} owns the ledger of earlier runs; every run writes to it"
        missing.append(MissingRight(f"schema {LEDGER_SCHEMA}", reason, statement))
    for schema, may_use, may_build in schemas:
        if not may_use:
            statement = f"GRANT USAGE, CREATE ON SCHEMA {identifier_text(schema)} TO {role}"
            missing.append(MissingRight(f"schema {schema}", "the tables are in it", statement))
        elif not may_build:
            statement = f"GRANT CREATE ON SCHEMA {identifier_text(schema)} TO {role}"
            reason = "the tables' indexes are built anew in it"
            missing.append(MissingRight(f"schema {schema}", reason, statement))
    for schema, name, kind, owner, is_owner, lacks, may_refer in relations:
        found = _judge(TableName(schema, name), kind, owner, role, is_owner=is_owner, may_refer=may_refer)
        missing += found
        if kind == "table" and is_owner and lacks:
            listed = ", ".join(lacks)
            statement = f"GRANT {listed} ON {qualified_text(TableName(schema, name))} TO {role}"
            missing.append(MissingRight(f"{schema}.{name}", f"a load needs {listed} on it", statement))
    return tuple(missing)


_OWNED = {
    "table": ("", "a load drops and restores its keys and indexes"),
    "child": ("", "its foreign keys onto loaded tables are dropped for the load and restored"),
    "sequence": ("sequence ", "its next number is set after the load"),
}


def _judge(
    table: TableName, kind: str, owner: str, role: str, *, is_owner: bool, may_refer: bool
) -> Iterator[MissingRight]:
    if kind == "parent" and not may_refer:
        statement = f"GRANT REFERENCES ON {qualified_text(table)} TO {role}"
        yield MissingRight(
            str(table), "foreign keys of loaded tables refer to it, and are restored", statement
        )
    elif kind != "parent" and not is_owner:
        word, reason = _OWNED[kind]
        statement = f"GRANT {identifier_text(owner)} TO {role}"
        yield MissingRight(f"{word}{table}", f"{owner} owns it; {reason}", statement)
