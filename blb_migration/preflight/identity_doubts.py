"""Whether the source's answers about its identities agree, and whether the target's sequences can go on."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from blb_migration.errors import SourceError
from blb_migration.findings import Code, Finding, Severity
from blb_migration.first_few import name_some
from blb_migration.model import TableName
from blb_migration.plan.columns import ColumnPlan
from blb_migration.plan.table_plans import TablePlan
from blb_migration.postgres.names import TargetConnection
from blb_migration.postgres.sequences import choose_next_value, read_sequence_bounds
from blb_migration.sqlserver.connect import SourceSession
from blb_migration.sqlserver.identities import (
    NumberedColumn,
    is_used_up,
    judge_identity,
    read_extremes,
    read_identities_of,
)


@dataclass(frozen=True)
class _Numbered:
    """A column that the target numbers by ``sequence``; ``increment`` is the source's where it has one."""

    table: TablePlan
    column: ColumnPlan
    sequence: TableName
    increment: int

    @property
    def is_by_source(self) -> bool:
        """Whether the source numbers it, too."""
        return self.column.source.identity is not None

    @property
    def at_source(self) -> NumberedColumn:
        """The same column there."""
        return NumberedColumn(self.table.source, self.column.source.name, self.increment)


def find_identity_doubts(
    session: SourceSession, connection: TargetConnection, tables: Sequence[TablePlan]
) -> Iterator[Finding]:
    """Yield one finding for answers that a majority settles, one per table where nothing does, and one per
    sequence that cannot give the next number.

    Raises SourceUnreachable, TargetError.
    """
    numbered = [each for table in tables for each in _list_numbered(table)]
    readings = read_identities_of(session, [each.table.source for each in numbered if each.is_by_source])
    extremes = read_extremes(session, [each.at_source for each in numbered])
    bounds = read_sequence_bounds(connection, [each.sequence for each in numbered]) if numbered else {}
    settled: list[tuple[str, str]] = []
    for each, extreme in zip(numbered, extremes, strict=True):
        if isinstance(extreme, SourceError):  # a finding of its own
            continue
        reading = readings.get(each.table.source.name) if each.is_by_source else None
        if reading is None:
            next_value = None if each.is_by_source or extreme is None else extreme + each.increment
        else:
            position = judge_identity(reading, extreme)
            if not position.is_settled:
                yield _describe_contradiction(each.table, each.column, reading.describe(extreme))
            elif not position.agrees:
                settled.append((f"{each.table.label}.{each.column.source.name}", reading.describe(extreme)))
            next_value = choose_next_value(
                source_last_value=position.last_value,
                column_extreme=extreme,
                seed=reading.seed,
                increment=reading.increment,
            )
        if next_value is None or is_used_up(each.column.source, next_value):
            continue
        if not bounds[each.sequence].has(next_value):
            yield _describe_beyond_reach(each, next_value)
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


def _list_numbered(table: TablePlan) -> Iterator[_Numbered]:
    """Yield the columns that the target numbers: the source's identity, and those that it numbers alone."""
    for column in table.columns:
        identity = column.target.identity
        if identity is not None and identity.sequence is not None:
            yield _Numbered(table, column, identity.sequence, (column.source.identity or identity).increment)


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


def _describe_beyond_reach(numbered: _Numbered, next_value: int) -> Finding:
    column = numbered.column
    is_beyond_all = abs(next_value) >= 2**63
    return Finding(
        Code.IDENTITY_BEYOND_SEQUENCE,
        Severity.ERROR,
        f"{numbered.table.label}.{column.source.name}",
        f"its next number is {next_value}, which the target's sequence {numbered.sequence} cannot give"
        + (
            "; no sequence of PostgreSQL goes beyond bigint"
            if is_beyond_all
            else f" ({column.source.type} at the source, {column.target.type} here)"
        ),
        "take the sequence from the column (ALTER TABLE ... ALTER COLUMN ... DROP IDENTITY, or DROP DEFAULT) "
        "and let the application number its rows"
        if is_beyond_all
        else "widen the column and its sequence (ALTER SEQUENCE ... AS bigint MINVALUE ... MAXVALUE ...)",
    )
