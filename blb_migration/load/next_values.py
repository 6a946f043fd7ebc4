"""The target's sequences continue where the source's identities stand."""

from __future__ import annotations

from dataclasses import dataclass

from blb_migration.model import Column
from blb_migration.plan.table_plans import TablePlan
from blb_migration.postgres.names import TargetConnection
from blb_migration.postgres.sequences import (
    can_reach,
    choose_next_value,
    exhaust_sequence,
    read_column_extreme,
    set_sequence,
)
from blb_migration.types import look_up_source


@dataclass(frozen=True)
class NextValue:
    """The target column that numbers itself, and the number its next row gets; None when it has none left."""

    column: str
    next_value: int | None


def continue_sequences(
    connection: TargetConnection, table: TablePlan, source_last_value: int | None
) -> NextValue | None:
    """Set every sequence of the table's loaded columns; returns the first, None when there is none.

    ``source_last_value`` is what the source's identity handed out last. The next number is one step
    beyond both that and what the rows hold; the source's step is kept. Where the source has used up its
    column's type, and the sequence cannot go further either, the next insert fails on both sides. Raises
    TargetError when the number is outside the sequence's range otherwise.
    """
    first: NextValue | None = None
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
        sequence = target_identity.sequence
        if _is_used_up(column.source, next_value) and not can_reach(connection, sequence, next_value):
            exhaust_sequence(connection, sequence, kept.increment)
            first = first or NextValue(column.target.name, None)
            continue
        set_sequence(connection, sequence, next_value, kept.increment)
        first = first or NextValue(column.target.name, next_value)
    return first


def _is_used_up(source: Column, next_value: int) -> bool:
    """Whether the source's identity column could not take the number: SQL Server's error 8115."""
    if source.identity is None:
        return False
    limit: int = 10 ** (source.type.precision or 18) - 1
    low, high = look_up_source(source.type).range or (-limit, limit)
    return not low <= next_value <= high
