"""The target's sequences continue where the source's identities stand."""

from __future__ import annotations

from dataclasses import dataclass

from blb_migration.plan.table_plans import TablePlan
from blb_migration.postgres.ledger.identity_evidence import IdentityEvidence
from blb_migration.postgres.names import TargetConnection
from blb_migration.postgres.sequences import (
    can_reach,
    choose_next_value,
    exhaust_sequence,
    keep_ahead,
    read_column_extreme,
    set_sequence,
)
from blb_migration.sqlserver.identities import (
    IdentityPosition,
    IdentityReading,
    is_used_up,
    judge_identity,
)


@dataclass(frozen=True)
class NextValue:
    """The target column that numbers itself, and the number its next row gets; None when it has none left.

    ``evidence`` is what it was worked out from, where the source numbers the column too.
    """

    column: str
    next_value: int | None
    evidence: IdentityEvidence | None = None


def continue_sequences(
    connection: TargetConnection, table: TablePlan, reading: IdentityReading | None
) -> NextValue | None:
    """Set every sequence of the table's loaded columns; returns the first, None when there is none.

    ``reading`` is what the source says of its identity, held against the rows that were loaded. The next
    number is one step of the source beyond both; the sequence keeps its own step, and where several tables
    share it, stands where the furthest of them needs it. Where the source has used up its column's type, and
    the sequence cannot go further either, the next insert fails on both sides. Raises TargetError when the
    number is outside the sequence's range otherwise.
    """
    first: NextValue | None = None
    for column in table.columns:
        target_identity, source_identity = column.target.identity, column.source.identity
        if target_identity is None or target_identity.sequence is None:
            continue
        kept = source_identity or target_identity
        extreme = read_column_extreme(connection, table.target.name, column.target.name, kept.increment)
        own = reading if source_identity and reading and reading.column == column.source.name else None
        position = judge_identity(own, extreme) if own else IdentityPosition(None)
        next_value = choose_next_value(
            source_last_value=position.last_value,
            column_extreme=extreme,
            seed=kept.seed,
            increment=kept.increment,
        )
        evidence = IdentityEvidence(own.describe(extreme), position.is_settled, next_value) if own else None
        sequence = target_identity.sequence
        if is_used_up(column.source, next_value) and not can_reach(connection, sequence, next_value):
            exhaust_sequence(connection, sequence, target_identity.increment)
            first = first or NextValue(column.target.name, None, evidence)
            continue
        furthest = keep_ahead(connection, sequence, next_value, target_identity.increment)
        set_sequence(connection, sequence, furthest)
        first = first or NextValue(column.target.name, next_value, evidence)
    return first
