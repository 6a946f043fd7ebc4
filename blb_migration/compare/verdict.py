"""The verdict: whether the migration is equal, from the ledger alone and never from a screen's colours.

A table counts only if it has a finished load and, for each check asked for, a passed result of that
very load under this very plan. A result that is older than the load, missing, or of another plan
counts as not compared; so does a foreign key that is still dropped. A chunked load empties its table at its
beginning, so until it has come to its end the table is loaded in part, whatever was before.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from blb_migration.compare.run_checks import CHECK_NAMES
from blb_migration.plan.build import Plan, TablePlan
from blb_migration.postgres.ledger.ledger import Ledger
from blb_migration.postgres.ledger.records import CheckResult, TableLoad


@dataclass(frozen=True)
class TableVerdict:
    """One table's status. ``reasons`` are sentences; none of them means equal."""

    table: TablePlan
    load: TableLoad | None
    checks: tuple[CheckResult, ...]
    reasons: tuple[str, ...]

    @property
    def is_equal(self) -> bool:
        """Whether the table is loaded and every check of that load passed."""
        return not self.reasons


@dataclass(frozen=True)
class Verdict:
    """The whole migration's status."""

    tables: tuple[TableVerdict, ...]
    dropped_keys: tuple[str, ...]

    @property
    def is_equal(self) -> bool:
        """Whether nothing speaks against it: every table equal, every foreign key in place."""
        return bool(self.tables) and not self.dropped_keys and all(t.is_equal for t in self.tables)


def read_verdict(ledger: Ledger, plan: Plan, check_names: Sequence[str] = CHECK_NAMES) -> Verdict:
    """Judge the target by its ledger; needs only SELECT there. Raises TargetError."""
    if not ledger.exists():
        return Verdict(tuple(TableVerdict(table, None, (), ("never loaded",)) for table in plan.tables), ())
    checks = {(check.table, check.check_name): check for check in ledger.latest_checks()}
    tables = []
    for table in plan.tables:
        effective = ledger.latest_effective_load(table.target.name)
        load = effective if effective is not None and effective.status == "finished" else None
        found = {name: checks.get((table.target.name, name)) for name in check_names}
        reasons = tuple(
            reason
            for name, check in found.items()
            if (reason := _object_to(load, name, check, plan.hash)) is not None
        )
        if load is None:
            reasons = ("never loaded" if effective is None else "loaded in part",)
        tables.append(
            TableVerdict(
                table,
                load,
                tuple(check for check in found.values() if check is not None),
                reasons,
            )
        )
    pending = tuple(f"{key.table}.{key.name}" for _, key in ledger.pending_foreign_keys())
    return Verdict(tuple(tables), pending)


def _object_to(load: TableLoad | None, name: str, check: CheckResult | None, plan_hash: str) -> str | None:
    if check is None:
        return f"{name} was not compared"
    if load is None or check.load_id != load.load_id:
        return f"{name} was compared for an earlier load"
    if check.plan_hash != plan_hash:
        return f"{name} was compared under another plan"
    return None if check.passed else f"{name} differs"
