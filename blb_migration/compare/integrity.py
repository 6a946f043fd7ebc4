"""The check ``integrity``: what the target promises about a table is there, validated, and true.

Only the target is asked. It makes sense once the foreign keys are back, that is after the whole load.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence

from blb_migration.checks import Comparison
from blb_migration.plan.table_plans import TablePlan
from blb_migration.postgres.constraint_state import (
    Violation,
    find_own_schemas,
    find_switched_off_constraints,
    find_unvalidated_constraints,
    prove_checks,
    prove_foreign_keys,
)
from blb_migration.postgres.ledger.dropped_keys import read_dropped_keys
from blb_migration.postgres.ledger.records import TableLoad
from blb_migration.postgres.ledger.table_definitions import read_recorded_definitions, read_table_definitions
from blb_migration.postgres.names import TargetConnection
from blb_migration.postgres.sequences import read_column_extreme, read_next_value

_SHOWN_FACTS = 5
_NOTHING = "none"


def compare_integrity(
    table: TablePlan, connection: TargetConnection, load: TableLoad
) -> tuple[Comparison, ...]:
    """Every promise about the table, expected against found. Raises TargetError."""
    name = table.target.name
    pending = [
        key.name for _, key in read_dropped_keys(connection) if name in (key.table, key.referred_table)
    ]
    return (
        _compare_definitions(table, connection),
        _expect_none("foreign keys still dropped", pending),
        _compare_validation(table, connection),
        _expect_none("foreign keys switched off", find_switched_off_constraints(connection, name)),
        *_expect_no_rows("rows without a parent under", prove_foreign_keys(connection, name)),
        *_expect_no_rows("rows that violate", prove_checks(connection, name)),
        *_compare_sequences(table, connection, load),
        _expect_none("schemas of this tool but the ledger", find_own_schemas(connection, name)),
    )


def _compare_definitions(table: TablePlan, connection: TargetConnection) -> Comparison:
    """Columns, keys, indexes, triggers, rights and comments, as they were before the load."""
    what = "definitions as before the load"
    before = read_recorded_definitions(connection, table.target.name)
    if before is None:
        return Comparison(
            what, "recorded before the load", "nothing was recorded; run target_prepared", False
        )
    after = read_table_definitions(connection, [table.target.name])[table.target.name]
    gone = [_describe(fact) for fact in before if fact not in after]
    new = [_describe(fact) for fact in after if fact not in before]
    if not gone and not new:
        return Comparison(what, f"{len(before)} facts", f"{len(after)} facts", True)
    return Comparison(what, _shorten(gone) or _NOTHING, _shorten(new) or "gone", False)


def _describe(definition: str) -> str:
    kind, _, *facts = json.loads(definition)
    return f"{kind} {' '.join(str(fact) for fact in facts if fact not in (None, False, ''))}"


def _shorten(facts: Sequence[str]) -> str:
    shown = "; ".join(facts[:_SHOWN_FACTS])
    return f"{shown}; and {len(facts) - _SHOWN_FACTS} more" if len(facts) > _SHOWN_FACTS else shown


def _compare_validation(table: TablePlan, connection: TargetConnection) -> Comparison:
    """Constraints made NOT VALID on purpose stay so; their rows are checked below like all others."""
    keys = [key.name for key in table.target.foreign_keys if not key.trusted]
    before = sorted(keys + [check.name for check in table.target.checks if not check.trusted])
    found = find_unvalidated_constraints(connection, table.target.name)
    return Comparison(
        "constraints not validated",
        ", ".join(before) or _NOTHING,
        ", ".join(found) or _NOTHING,
        set(found) <= set(before),
    )


def _expect_none(what: str, found: Sequence[str]) -> Comparison:
    return Comparison(what, _NOTHING, ", ".join(found) or _NOTHING, not found)


def _expect_no_rows(what: str, violations: Sequence[Violation]) -> Iterator[Comparison]:
    for violation in violations:
        first = f", first {', '.join(violation.first_keys)}" if violation.first_keys else ""
        yield Comparison(
            f"{what} {violation.constraint}", "0", f"{violation.row_count}{first}", violation.row_count == 0
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
