"""Whether the source's answers about its identities agree, and whether the target's sequences can go on."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from blb_migration.errors import SourceError, SourceUnreachable
from blb_migration.findings import Code, Finding, Severity
from blb_migration.first_few import name_some
from blb_migration.plan.columns import ColumnPlan
from blb_migration.plan.table_plans import TablePlan
from blb_migration.postgres.names import TargetConnection
from blb_migration.postgres.sequences import can_reach, choose_next_value
from blb_migration.sqlserver.connect import SourceSession
from blb_migration.sqlserver.identities import (
    IdentityReading,
    is_used_up,
    judge_identity,
    read_identity,
    read_identity_extreme,
)


def find_identity_doubts(
    session: SourceSession, connection: TargetConnection, tables: Sequence[TablePlan]
) -> Iterator[Finding]:
    """Yield one finding for answers that a majority settles, one per table where nothing does, and one per
    sequence that cannot give the next number.

    Raises SourceUnreachable, TargetError.
    """
    settled: list[tuple[str, str]] = []
    for table in tables:
        yield from _judge_own_sequences(session, connection, table)
        column = next((each for each in table.columns if each.source.identity is not None), None)
        if column is None or column.target.identity is None or column.target.identity.sequence is None:
            continue
        try:
            reading = read_identity(session, table.source)
            extreme = None if reading is None else read_identity_extreme(session, table.source, reading)
        except SourceUnreachable:
            raise
        except SourceError:  # a table that cannot be read is a finding of its own
            continue
        if reading is None:
            continue
        position = judge_identity(reading, extreme)
        if not position.is_settled:
            yield _describe_contradiction(table, column, reading.describe(extreme))
        elif not position.agrees:
            settled.append((f"{table.label}.{column.source.name}", reading.describe(extreme)))
        next_value = choose_next_value(
            source_last_value=position.last_value,
            column_extreme=extreme,
            seed=reading.seed,
            increment=reading.increment,
        )
        yield from _judge_reach(connection, table, column, next_value)
    if settled:
        yield Finding(
            Code.IDENTITY_ANSWERS_DISAGREE,
            Severity.WARNING,
            "source",
            "what the source says of its identities does not agree; the next number follows from "
            f"IDENT_CURRENT and the rows, which bear each other out: "
            f"{name_some([name for name, _ in settled])}. "
            f"The first: {settled[0][1]}",
        )


def _describe_contradiction(table: TablePlan, column: ColumnPlan, answers: str) -> Finding:
    return Finding(
        Code.IDENTITY_ANSWERS_CONTRADICT,
        Severity.ERROR,
        f"{table.label}.{column.source.name}",
        "no two of the source's answers about this identity agree, so its next number is not known: "
        f"{answers}",
        f"see what DBCC CHECKIDENT says of {table.source.name} at the source and make it right there; or "
        f"drop the number generator of {table.target.name}.{column.target.name} (DROP IDENTITY or DROP "
        "DEFAULT) and set it by hand after the cutover",
    )


def _judge_own_sequences(
    session: SourceSession, connection: TargetConnection, table: TablePlan
) -> Iterator[Finding]:
    """Judge the sequences of columns that number themselves at the target alone, by their values."""
    for column in table.columns:
        identity = column.target.identity
        if column.source.identity is not None or identity is None or identity.sequence is None:
            continue
        by_rows = IdentityReading(
            column.source.name, identity.seed, identity.increment, False, in_catalog=None, current=None
        )
        try:
            extreme = read_identity_extreme(session, table.source, by_rows)
        except SourceUnreachable:
            raise
        except SourceError:
            continue
        if extreme is not None:
            yield from _judge_reach(connection, table, column, extreme + identity.increment)


def _judge_reach(
    connection: TargetConnection, table: TablePlan, column: ColumnPlan, next_value: int
) -> Iterator[Finding]:
    identity = column.target.identity
    assert identity is not None
    assert identity.sequence is not None
    if is_used_up(column.source, next_value) or can_reach(connection, identity.sequence, next_value):
        return
    yield Finding(
        Code.IDENTITY_BEYOND_SEQUENCE,
        Severity.ERROR,
        f"{table.label}.{column.source.name}",
        f"its next number is {next_value}, which the target's sequence {identity.sequence} cannot give"
        + (
            "; no sequence of PostgreSQL goes beyond bigint"
            if abs(next_value) >= 2**63
            else f" ({column.source.type} at the source, {column.target.type} here)"
        ),
        "take the sequence from the column (ALTER TABLE ... ALTER COLUMN ... DROP IDENTITY, or DROP DEFAULT) "
        "and let the application number its rows"
        if abs(next_value) >= 2**63
        else "widen the column and its sequence (ALTER SEQUENCE ... AS bigint MINVALUE ... MAXVALUE ...)",
    )
