"""Carrying numbering on: the target's sequences continue where the source's identity stands."""

from __future__ import annotations

from dataclasses import dataclass

from blb_migration.plan.build import TablePlan
from blb_migration.postgres.names import TargetConnection
from blb_migration.postgres.sequences import choose_next_value, read_column_extreme, set_sequence


@dataclass(frozen=True)
class Numbering:
    """The target column that numbers itself, and the number its next row gets."""

    column: str
    next_value: int


def carry_numbering_on(
    connection: TargetConnection, table: TablePlan, source_last_value: int | None
) -> Numbering | None:
    """Set every sequence of the table's loaded columns; returns the first, None when there is none.

    ``source_last_value`` is what the source's identity handed out last. The next number is one step
    beyond both that and what the rows hold; the source's step is kept. Raises TargetError when the
    number is outside the sequence's range.
    """
    first: Numbering | None = None
    for column in table.columns:
        target_identity, source_identity = column.target.identity, column.source.identity
        if target_identity is None or target_identity.sequence is None:
            continue
        kept = source_identity or target_identity
        next_value = choose_next_value(
            source_last_value=source_last_value if source_identity else None,
            column_extreme=read_column_extreme(
                connection, table.target.name, column.target.name, kept.increment
            ),
            seed=kept.seed,
            increment=kept.increment,
        )
        set_sequence(connection, target_identity.sequence, next_value, kept.increment)
        first = first or Numbering(column.target.name, next_value)
    return first
