"""What the report is made of, read from the ledger in the target: by a run's own plan, or by the ledger's.

A run that has just ended judges the target by the plan it carried out (``read_run_facts``); whoever asks
later has only the ledger, and its plan in force (``read_ledger_facts``). Either is judged by the ledger's one
rule. Nothing is written, and nothing is worded: that is ``document`` and ``sentences``.
"""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from dataclasses import dataclass, replace

from blb_migration.errors import TargetError
from blb_migration.migration import Migration
from blb_migration.postgres.connect import TargetConnector
from blb_migration.postgres.ledger import history as ledger_history
from blb_migration.postgres.ledger import runs
from blb_migration.postgres.ledger.check_results import read_latest_checks
from blb_migration.postgres.ledger.history import RunSummary
from blb_migration.postgres.ledger.judgement import judge
from blb_migration.postgres.ledger.live_mark import LiveMark, read_live_mark
from blb_migration.postgres.ledger.loads import read_finished_loads, read_loads_of_run
from blb_migration.postgres.ledger.reasons import Reason, TableStatus, name_status
from blb_migration.postgres.ledger.records import (
    CheckResult,
    DecisionRecord,
    FindingRecord,
    NotMigratedRecord,
    PlannedTable,
    Run,
    TableLoad,
)
from blb_migration.postgres.ledger.sources import TableRead, read_table_reads
from blb_migration.postgres.ledger.versions import require_current_ledger
from blb_migration.postgres.names import TargetConnection
from blb_migration.postgres.scratch_copies import SCRATCH_PREFIX
from blb_migration.report.nights_compared import NightsFacts, read_nights
from blb_migration.run_entry import list_planned_tables
from blb_migration.settings.environments import REHEARSAL
from blb_migration.source_marker import MarkerVerdict

HISTORY_LENGTH = 20


@dataclass(frozen=True)
class TableFacts:
    """One planned table: the load whose rows it should hold, the latest checks, what speaks against it.

    ``failures`` are the reasons why loads of it failed in this run and no later one of the run finished.
    """

    planned: PlannedTable
    load: TableLoad | None = None
    checks: tuple[CheckResult, ...] = ()
    reasons: tuple[Reason, ...] = ()
    failures: tuple[str, ...] = ()

    @property
    def label(self) -> str:
        """The plan's name for it."""
        return self.planned.label

    @property
    def status(self) -> TableStatus:
        """Where it is after this run."""
        return TableStatus.LOAD_FAILED if self.failures else name_status(self.reasons)


@dataclass(frozen=True)
class RunFacts:
    """Which run is reported on. ``source`` and ``target`` hold no password.

    What was not recorded is None: servers and isolation of a run that never looked at them, the end of a
    run that did not come to one.
    """

    run_id: str
    kind: str
    project: str
    plan_hash: str
    tool_version: str
    source: str
    target: str
    operator: str | None = None
    host: str | None = None
    started_at: datetime.datetime | None = None
    finished_at: datetime.datetime | None = None
    outcome: str | None = None
    errors: tuple[str, ...] = ()
    source_server: str | None = None
    target_server: str | None = None
    isolation: str | None = None
    source_driver: str | None = None
    notes: tuple[str, ...] = ()
    source_movement: MarkerVerdict | None = None
    environment: str | None = None

    @property
    def is_rehearsal(self) -> bool:
        """Whether nothing follows from it for production but what a cutover would have done."""
        return REHEARSAL in (self.environment, self.kind)


@dataclass(frozen=True)
class ReportFacts:
    """Everything the document is composed of.

    ``is_equal`` None means that nothing was judged; ``is_unread``, that a run has begun whose target no
    longer answers.
    """

    run: RunFacts
    is_equal: bool | None = None
    tables: tuple[TableFacts, ...] = ()
    dropped_keys: tuple[str, ...] = ()
    loads: tuple[TableLoad, ...] = ()
    findings: tuple[FindingRecord, ...] = ()
    decisions: tuple[DecisionRecord, ...] = ()
    not_migrated: tuple[NotMigratedRecord, ...] = ()
    history: tuple[RunSummary, ...] = ()
    reads: tuple[TableRead, ...] = ()
    live: LiveMark | None = None
    nights: NightsFacts | None = None
    is_unread: bool = False


def read_run_facts(migration: Migration, run: RunFacts) -> ReportFacts:
    """Read the target judged by ``migration``'s own plan; ``run`` is completed by what the ledger knows of
    it.

    Raises TargetError when the target does not answer.
    """
    planned = list_planned_tables(migration.project.plan)
    with migration.target.connect() as connection:
        has_ledger = require_current_ledger(connection)
        recorded = runs.read_run(connection, run.run_id) if has_ledger else None
        facts = _read_tables(connection, ReportFacts(run), planned)
        return _read_recorded(connection, facts, recorded) if has_ledger else facts


def read_ledger_facts(target: TargetConnector) -> ReportFacts:
    """Read the target judged by its ledger alone; SELECT on the ledger's schema is enough.

    Raises TargetError when the target does not answer, or holds no ledger, an older or an empty one.
    """
    with target.connect() as connection:
        recorded = runs.read_run_in_force(connection) if require_current_ledger(connection) else None
        if recorded is None:
            raise TargetError(
                target.settings.masked_url,
                found="it holds no ledger of a migration",
                expected="a database that blb-migrate has loaded",
                next_act="Migrate first, or name another database with --target-conn",
            )
        start = recorded.start
        run = RunFacts(
            start.run_id,
            start.kind,
            start.project,
            start.plan_hash,
            start.tool_version,
            start.source_identity,
            target.settings.masked_url,
        )
        planned = runs.read_planned_tables(connection, start.run_id)
        facts = _read_tables(connection, ReportFacts(run), planned)
        return _read_recorded(connection, facts, recorded)


def _read_tables(
    connection: TargetConnection, facts: ReportFacts, planned: Sequence[PlannedTable]
) -> ReportFacts:
    """``facts`` with every planned table, judged under the run's plan."""
    judgement = judge(connection, facts.run.plan_hash, planned)
    has_ledger = require_current_ledger(connection)
    loads = read_finished_loads(connection) if has_ledger else {}
    checks = {}
    if has_ledger:
        checks = {(check.table, check.check_name): check for check in read_latest_checks(connection, planned)}
    tables = tuple(
        TableFacts(
            each,
            loads.get(each.table),
            tuple(checks[key] for name in each.required_checks if (key := (each.table, name)) in checks),
            judgement.by_label[each.label],
        )
        for each in planned
    )
    return replace(
        facts,
        is_equal=judgement.is_equal,
        tables=tables,
        dropped_keys=tuple(key for key in judgement.dropped_keys if not key.startswith(SCRATCH_PREFIX)),
        reads=read_table_reads(connection, [each.table for each in planned]) if has_ledger else (),
        live=read_live_mark(connection) if has_ledger else None,
    )


def _read_recorded(connection: TargetConnection, facts: ReportFacts, recorded: Run | None) -> ReportFacts:
    """``facts`` with what the ledger says of the run; a run that is not in it has only a history."""
    history = ledger_history.read_history(connection, HISTORY_LENGTH)
    facts = replace(facts, nights=read_nights(connection, facts.run.run_id))
    if recorded is None:
        return replace(facts, history=history)
    looked = runs.read_preparing_run(connection, recorded) or recorded
    run, looked_id = facts.run, looked.start.run_id
    loads = read_loads_of_run(connection, recorded.start.run_id)
    return replace(
        facts,
        run=replace(
            run,
            operator=recorded.start.operator,
            host=recorded.start.host,
            started_at=recorded.started_at,
            finished_at=recorded.finished_at,
            outcome=recorded.outcome,
            errors=run.errors or recorded.errors,
            source_server=looked.source_server or run.source_server,
            target_server=looked.target_server or run.target_server,
            isolation=looked.isolation or run.isolation,
            source_driver=looked.source_driver or run.source_driver,
            environment=recorded.start.environment,
            notes=looked.notes or run.notes,
            source_movement=recorded.source_movement,
        ),
        tables=_with_failures(facts.tables, loads),
        loads=loads,
        findings=ledger_history.read_findings(connection, recorded.start.run_id)
        or ledger_history.read_findings(connection, looked_id),
        decisions=ledger_history.read_decisions(connection, looked_id),
        not_migrated=ledger_history.read_not_migrated(connection, looked_id),
        history=history,
    )


def _with_failures(tables: tuple[TableFacts, ...], loads: tuple[TableLoad, ...]) -> tuple[TableFacts, ...]:
    """Name the reason for each table whose last attempt in this run failed."""
    last_attempts = {load.table: load for load in loads}
    return tuple(
        replace(table, failures=(attempt.error or "failed",))
        if (attempt := last_attempts.get(table.planned.table)) is not None and attempt.status == "failed"
        else table
        for table in tables
    )
