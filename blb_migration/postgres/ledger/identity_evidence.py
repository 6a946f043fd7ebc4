"""What a load learned of its table's identity at the source, kept for the check of the target's sequence."""

from __future__ import annotations

from dataclasses import dataclass

from blb_migration.postgres.ledger.ledger_sql import read_one, write
from blb_migration.postgres.names import TargetConnection


@dataclass(frozen=True)
class IdentityEvidence:
    """``answers`` are the source's, in words; ``is_settled``: they do not leave the next number in doubt.

    ``next_value`` is the number that follows from them and the rows.
    """

    answers: str
    is_settled: bool
    next_value: int


def record_identity_evidence(connection: TargetConnection, load_id: int, evidence: IdentityEvidence) -> None:
    """Record it in the transaction that set the sequence. Raises TargetError."""
    write(
        connection,
        "INSERT INTO blb_migration.identity_evidence (load_id, answers, is_settled, next_value)"
        " VALUES (%s, %s, %s, %s)",
        load_id,
        evidence.answers,
        evidence.is_settled,
        evidence.next_value,
    )


def read_identity_evidence(connection: TargetConnection, load_id: int) -> IdentityEvidence | None:
    """Read what a load recorded; None where the source numbers no column of it. Raises TargetError."""
    row = read_one(
        connection,
        "SELECT answers, is_settled, next_value FROM blb_migration.identity_evidence WHERE load_id = %s",
        load_id,
    )
    return None if row is None else IdentityEvidence(row[0], row[1], int(row[2]))
