"""The check ``integrity``: what the target promises about a table is there, validated, and true.

Only the target is asked. It makes sense once the foreign keys are back, that is after the whole load.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence

from blb_migration.checks import Comparison
from blb_migration.compare.changed_definitions import AS_BEFORE, compare_definitions
from blb_migration.plan.table_plans import Plan, TablePlan
from blb_migration.postgres.constraint_state import (
    Violation,
    find_own_schemas,
    find_switched_off_constraints,
    find_unvalidated_constraints,
    prove_checks,
    prove_foreign_keys,
)
from blb_migration.postgres.ledger.dropped_keys import read_dropped_keys
from blb_migration.postgres.ledger.identity_evidence import read_identity_evidence
from blb_migration.postgres.ledger.records import TableLoad
from blb_migration.postgres.ledger.table_definitions import read_recorded_definitions, read_table_definitions
from blb_migration.postgres.names import TargetConnection
from blb_migration.postgres.sequences import read_column_extreme, read_next_value

_IS_VALIDATED = 4  # in a constraint's fact, see postgres.fingerprint
_NOTHING = "none"


def compare_integrity(
    plan: Plan, table: TablePlan, connection: TargetConnection, load: TableLoad
) -> tuple[Comparison, ...]:
    """Every promise about a table of the plan, expected against found. Raises TargetError."""
    name = table.target.name
    pending = [
        key.name for _, key in read_dropped_keys(connection) if name in (key.table, key.referred_table)
    ]
    not_valid = _read_not_valid(table, connection)
    return (
        *_compare_definitions(table, connection),
        _expect_none("foreign keys still dropped", pending),
        _compare_validation(not_valid, find_unvalidated_constraints(connection, name)),
        _expect_none("foreign keys switched off", find_switched_off_constraints(connection, name)),
        *_expect_no_rows("rows without a parent under", prove_foreign_keys(connection, name), not_valid),
        *_expect_no_rows("rows that violate", prove_checks(connection, name), not_valid),
        *_compare_sequences(table, connection, load),
        *_compare_identity(connection, load),
        _expect_none("schemas of this tool but the ledger", find_own_schemas(connection, plan.target_tables)),
    )


def _compare_definitions(table: TablePlan, connection: TargetConnection) -> tuple[Comparison, ...]:
    """Columns, keys, indexes, triggers, rights and comments, as they were before the load."""
    before = read_recorded_definitions(connection, table.target.name)
    if before is None:
        return (Comparison(AS_BEFORE, "recorded before the load", "nothing was recorded", False),)
    return compare_definitions(
        before, read_table_definitions(connection, [table.target.name])[table.target.name]
    )


def _read_not_valid(table: TablePlan, connection: TargetConnection) -> frozenset[str]:
    """Read which constraints their owner had made NOT VALID or NOT ENFORCED before the load: they stay so."""
    recorded = read_recorded_definitions(connection, table.target.name)
    if recorded is None:
        keys = [key.name for key in table.target.foreign_keys if not key.trusted]
        return frozenset(keys + [check.name for check in table.target.checks if not check.trusted])
    facts = [json.loads(fact) for fact in recorded]
    return frozenset(fact[2] for fact in facts if fact[0] == "constraint" and not fact[_IS_VALIDATED])


def _compare_validation(not_valid: frozenset[str], found: Sequence[str]) -> Comparison:
    """Expect what was not validated before the load, and no more."""
    return Comparison(
        "constraints not validated",
        ", ".join(sorted(not_valid)) or _NOTHING,
        ", ".join(found) or _NOTHING,
        set(found) <= not_valid,
    )


def _expect_none(what: str, found: Sequence[str]) -> Comparison:
    return Comparison(what, _NOTHING, ", ".join(found) or _NOTHING, not found)


def _expect_no_rows(
    what: str, violations: Sequence[Violation], not_valid: frozenset[str]
) -> Iterator[Comparison]:
    """Expect no row; under one that its owner had left without validation they are counted and allowed."""
    for violation in violations:
        first = f", first {', '.join(violation.first_keys)}" if violation.first_keys else ""
        is_allowed = violation.constraint in not_valid
        yield Comparison(
            f"{what} {violation.constraint}",
            "any: it was not validated before the load" if is_allowed else "0",
            f"{violation.row_count}{first}",
            is_allowed or violation.row_count == 0,
        )


def _compare_identity(connection: TargetConnection, load: TableLoad) -> Iterator[Comparison]:
    """Compare what the source said of its identity with what the load set the sequence to."""
    evidence = read_identity_evidence(connection, load.load_id)
    if evidence is None or load.loaded is None:
        return
    set_by_load = load.loaded.next_sequence_value
    yield Comparison(
        f"next number of {load.loaded.sequence_column} by the source's own answers",
        f"{evidence.next_value} ({evidence.answers})",
        ("no number left" if set_by_load is None else str(set_by_load))
        + ("" if evidence.is_settled else "; the source's answers contradict each other"),
        evidence.is_settled and set_by_load in (None, evidence.next_value),
    )


def _compare_sequences(
    table: TablePlan, connection: TargetConnection, load: TableLoad
) -> Iterator[Comparison]:
    """Each sequence's next number lies beyond its column's values, and not before what the load set."""
    for column in table.columns:
        identity = column.target.identity
        if identity is None or identity.sequence is None:
            continue
        increment = (column.source.identity or identity).increment
        direction = 1 if increment > 0 else -1
        next_value = read_next_value(connection, identity.sequence)
        extreme = read_column_extreme(connection, table.target.name, column.target.name, increment)
        set_by_load = None
        if load.loaded is not None and load.loaded.sequence_column == column.target.name:
            set_by_load = load.loaded.next_sequence_value
        bounds = [value for value in (extreme and extreme + direction, set_by_load) if value is not None]
        bound = (max if increment > 0 else min)(bounds, default=next_value)
        yield Comparison(
            f"next number of {column.target.name}",
            f"{bound} or beyond",
            str(next_value),
            (next_value - bound) * direction >= 0,
        )
