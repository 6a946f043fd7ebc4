"""Where a sequence stands, and setting it for the rows that were loaded.

Which of the metrics counts is decided by ``choose_next_value``; where the source's comes from is
the source's business. A sequence that several tables share must be given the furthest of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from psycopg import sql

from blb_migration.errors import TargetError
from blb_migration.model import TableName
from blb_migration.postgres.failures import target_errors
from blb_migration.postgres.names import (
    TargetConnection,
    qualified_name,
    qualified_text,
    quote_identifier,
)


@dataclass(frozen=True)
class SequenceBounds:
    """MINVALUE, MAXVALUE and the type of a sequence."""

    minimum: int
    maximum: int
    type_name: str

    def has(self, number: int) -> bool:
        """Whether the sequence can give the number."""
        return self.minimum <= number <= self.maximum


def choose_next_value(
    *, source_last_value: int | None, column_extreme: int | None, seed: int, increment: int
) -> int:
    """Return the number the next insert must get: one increment beyond the furthest number known.

    ``source_last_value`` is what the source handed out last (IDENT_CURRENT; it runs ahead of the
    rows after deletions and rollbacks), ``column_extreme`` the column's MAX, or its MIN when
    ``increment`` is negative. With neither, the sequence starts at ``seed``.
    """
    known = [value for value in (source_last_value, column_extreme) if value is not None]
    if not known:
        return seed
    return (max(known) if increment > 0 else min(known)) + increment


def read_column_extreme(
    connection: TargetConnection, table: TableName, column: str, increment: int
) -> int | None:
    """MAX of the column, or MIN for a negative increment; None for an empty table."""
    # numeric: an identity may be a decimal(38, 0), and says by itself when it is beyond its sequence.
    statement = sql.SQL("SELECT {}({})::numeric FROM {}").format(
        sql.SQL("max" if increment > 0 else "min"), quote_identifier(column), qualified_name(table)
    )
    with target_errors(f"column {table}.{column}"):
        row = connection.execute(statement).fetchone()
    return None if row is None or row[0] is None else int(row[0])


def read_next_value(connection: TargetConnection, sequence: TableName) -> int:
    """Read the number ``nextval`` would give, without taking it; one beyond its range when it is exhausted.

    Raises TargetError.
    """
    statement = sql.SQL(
        "SELECT CASE WHEN own.is_called THEN own.last_value::numeric + definition.seqincrement"
        " ELSE own.last_value END FROM {} own, pg_catalog.pg_sequence definition"
        " WHERE definition.seqrelid = %s::regclass"
    ).format(qualified_name(sequence))
    with target_errors(f"sequence {sequence}"):
        row = connection.execute(statement, (qualified_text(sequence),)).fetchone()
    if row is None:
        raise TargetError(f"sequence {sequence}", found="it does not exist")
    return int(row[0])


def set_sequence(
    connection: TargetConnection, sequence: TableName, next_value: int, increment: int | None = None
) -> None:
    """Make ``next_value`` the next number, and ``increment``, when given, the step.

    Transactional, unlike ``setval``: a rolled-back load leaves the sequence as it was. Serves
    identity columns' sequences too. Raises TargetError when the number lies outside the sequence's
    MINVALUE and MAXVALUE, before anything is changed.
    """
    with target_errors(f"sequence {sequence}"):
        bounds = read_sequence_bounds(connection, [sequence])[sequence]
        if not bounds.has(next_value):
            raise TargetError(
                f"sequence {sequence}",
                found=f"its next number must be {next_value}",
                expected=f"a number from {bounds.minimum} to {bounds.maximum} ({bounds.type_name})",
                next_act="Give the sequence room for it at the target: ALTER SEQUENCE ... MINVALUE ... "
                "MAXVALUE ..., and AS bigint with a wider column where its type is too small",
            )
        step = sql.SQL("") if increment is None else sql.SQL(" INCREMENT BY {}").format(increment)
        connection.execute(
            sql.SQL("ALTER SEQUENCE {}{} RESTART WITH {}").format(qualified_name(sequence), step, next_value)
        )


_COLUMNS_OF_SEQUENCE = """
SELECT count(DISTINCT (own.adrelid, own.adnum)) FROM pg_catalog.pg_depend d
JOIN pg_catalog.pg_attrdef own ON own.oid = d.objid
JOIN pg_catalog.pg_class t ON t.oid = own.adrelid AND NOT t.relispartition
WHERE d.classid = 'pg_catalog.pg_attrdef'::regclass AND d.refclassid = 'pg_catalog.pg_class'::regclass
  AND d.refobjid = %s::regclass
"""


def keep_ahead(connection: TargetConnection, sequence: TableName, next_value: int, increment: int) -> int:
    """Return ``next_value``, or the sequence's own next number where several columns draw from it and that
    is further: what another column needs.

    ``increment`` is the sequence's. Such a sequence stays locked until the transaction ends, so that two
    loads do not overtake each other. Raises TargetError.
    """
    with target_errors(f"sequence {sequence}"):
        row = connection.execute(_COLUMNS_OF_SEQUENCE, (qualified_text(sequence),)).fetchone()
        if row is None or row[0] < 2:
            return next_value
        connection.execute(
            sql.SQL("ALTER SEQUENCE {} INCREMENT BY {}").format(qualified_name(sequence), increment)
        )
    own = read_next_value(connection, sequence)
    return max(next_value, own) if increment > 0 else min(next_value, own)


def can_reach(connection: TargetConnection, sequence: TableName, next_value: int) -> bool:
    """Whether the number lies within the sequence's MINVALUE and MAXVALUE. Raises TargetError."""
    return read_sequence_bounds(connection, [sequence])[sequence].has(next_value)


def exhaust_sequence(connection: TargetConnection, sequence: TableName, increment: int) -> None:
    """Leave the sequence at its end: ``nextval`` then raises an error, as an insert at the source does.

    Transactional like ``set_sequence``: RESTART gives the sequence a new file, on which ``setval`` works
    and which a rollback drops. Raises TargetError.
    """
    with target_errors(f"sequence {sequence}"):
        bounds = read_sequence_bounds(connection, [sequence])[sequence]
        end = bounds.maximum if increment > 0 else bounds.minimum
        connection.execute(
            sql.SQL("ALTER SEQUENCE {} INCREMENT BY {} RESTART WITH {}").format(
                qualified_name(sequence), increment, end
            )
        )
        connection.execute("SELECT setval(%s::regclass, %s, true)", (qualified_text(sequence), end))


def read_sequence_bounds(
    connection: TargetConnection, sequences: Sequence[TableName]
) -> dict[TableName, SequenceBounds]:
    """Read the bounds of many at once. Raises TargetError, also for what is no sequence."""
    names = [sequence.schema for sequence in sequences], [sequence.name for sequence in sequences]
    with target_errors("sequences" if len(sequences) > 1 else f"sequence {sequences[0]}"):
        # By name in the catalog: a cast to regclass needs a right on the schema, which preflight asks for.
        rows = connection.execute(
            "SELECT n.nspname, c.relname, seqmin, seqmax, seqtypid::regtype::text"
            " FROM unnest(%s::name[], %s::name[]) AS wanted (schema, name)"
            " JOIN pg_catalog.pg_namespace n ON n.nspname = wanted.schema"
            " JOIN pg_catalog.pg_class c ON c.relnamespace = n.oid AND c.relname = wanted.name"
            " JOIN pg_catalog.pg_sequence ON seqrelid = c.oid",
            names,
        ).fetchall()
    bounds = {TableName(schema, name): SequenceBounds(*values) for schema, name, *values in rows}
    for sequence in sequences:
        if sequence not in bounds:
            raise TargetError(f"sequence {sequence}", found="it is not a sequence")
    return bounds
