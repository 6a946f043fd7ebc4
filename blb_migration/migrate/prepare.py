"""The first stage that writes: the ledger in the target, and foreign keys set aside in one short step."""

from __future__ import annotations

import getpass
import platform
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from blb_migration import __version__
from blb_migration.migrate.context import Migration
from blb_migration.plan.build import Plan
from blb_migration.plan.findings import Finding
from blb_migration.postgres.constraints import set_aside_foreign_keys
from blb_migration.postgres.ledger import Ledger
from blb_migration.postgres.ledger_records import DecisionRecord, FindingRecord, RunStart


@dataclass(frozen=True)
class PreparedTarget:
    """The foreign keys that were set aside just now, as ``table.name``; none of them on a repetition."""

    set_aside: tuple[str, ...]


def prepare_target(migration: Migration, findings: Sequence[Finding]) -> PreparedTarget:
    """Record the run and what preflight found, and set the foreign keys around the planned tables aside.

    Repeating it is harmless. Raises TargetError, transient when a lock was not to be had in time.
    """
    plan = migration.project.plan
    with migration.target.connect() as connection:
        ledger = Ledger(connection)
        ledger.create()
        with connection.transaction():
            ensure_run(ledger, migration)
            ledger.record_findings(migration.run.run_id, [_as_record(finding) for finding in findings])
            ledger.record_decisions(migration.run.run_id, list(_iterate_decisions(plan)))
        keys = set_aside_foreign_keys(connection, migration.run.run_id, plan.target_tables)
    return PreparedTarget(tuple(f"{key.table}.{key.name}" for key in keys))


def ensure_run(ledger: Ledger, migration: Migration) -> None:
    """Record that this run exists; every stage that writes to the ledger calls it first."""
    ledger.start_run(
        RunStart(
            run_id=migration.run.run_id,
            kind=migration.run.kind,
            tool_version=__version__,
            plan_hash=migration.project.plan.hash,
            project=migration.project.name,
            source_identity=str(migration.source.settings.identity),
            operator=_read_operator(),
            host=platform.node() or "unknown",
        )
    )


def _read_operator() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError):  # no such user in this container's password file
        return "unknown"


def _as_record(finding: Finding) -> FindingRecord:
    details: dict[str, object] = {
        "row_count": finding.row_count,
        "first_keys": list(finding.first_keys),
        "decision": finding.decision,
    }
    return FindingRecord(finding.code, finding.severity, finding.subject, finding.message, details)


def _iterate_decisions(plan: Plan) -> Iterator[DecisionRecord]:
    for left in plan.left_behind:
        yield DecisionRecord(left.subject, "skip", left.reason)
    for table in plan.tables:
        if table.replace_rows is not None:
            yield DecisionRecord(table.label, "replace_rows", table.replace_rows)
