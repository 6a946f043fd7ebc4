"""The ledger's row of each run: who began what, its plan and what preflight found, and how it ended.

Functions work in whatever transaction is open on the connection, and raise TargetError. A run's loads and
checks are ``loads``'s and ``check_results``'s; what the report reads of earlier runs is ``history``'s.
"""

from __future__ import annotations

from collections.abc import Sequence

from psycopg.types.json import Jsonb

from blb_migration.model import TableName
from blb_migration.postgres.ledger.ledger_sql import Row, read, read_one, write, write_each
from blb_migration.postgres.ledger.records import (
    DecisionRecord,
    FindingRecord,
    NotMigratedRecord,
    PlannedTable,
    Run,
    RunStart,
    ServerFacts,
)
from blb_migration.postgres.ledger.sources import as_jsonb
from blb_migration.postgres.names import TargetConnection
from blb_migration.source_marker import MarkerVerdict

KILLED = (
    "It was killed, ran out of memory, or its machine was started anew: no end was recorded, and nobody is"
    " at work. What it had finished stays."
)
_RUNS = """
SELECT run_id, kind, tool_version, plan_hash, project, source_identity, operator, host, environment,
       started_at, finished_at, outcome, errors,
       source_server, target_server, isolation, source_driver, notes, prepared_at IS NOT NULL,
       source_movement
FROM blb_migration.runs
"""


def start_run(connection: TargetConnection, start: RunStart) -> bool:
    """Record a run's beginning; False for a run id that is already there and goes on."""
    inserted = write(
        connection,
        "INSERT INTO blb_migration.runs (run_id, kind, tool_version, plan_hash, project, source_identity,"
        " operator, host, environment, started_at) VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s,"
        " clock_timestamp() - make_interval(secs => %s)) ON CONFLICT (run_id) DO NOTHING",
        start.run_id,
        start.kind,
        start.tool_version,
        start.plan_hash,
        start.project,
        start.source_identity,
        start.operator,
        start.host,
        start.environment,
        start.seconds_ago,
    )
    return inserted == 1


def finish_run(connection: TargetConnection, run_id: str, outcome: str, errors: Sequence[str] = ()) -> None:
    """Record how a run ended, and in sentences what failed in it."""
    write(
        connection,
        "UPDATE blb_migration.runs SET finished_at = clock_timestamp(), outcome = %s, errors = %s"
        " WHERE run_id = %s",
        outcome,
        list(errors),
        run_id,
    )


def end_killed_runs(connection: TargetConnection, run_id: str) -> None:
    """Record ends that runs could not record; only while no run but ``run_id`` holds the target.

    A run holds the target as long as it may write, so one without an end is gone. It ended when the last
    thing is known of it. Where each step had a process of its own (its target was reserved in between) a run
    that only compared is left alone: it may have succeeded, which no process of it has seen.
    """
    write(
        connection,
        "UPDATE blb_migration.runs AS run SET outcome = 'interrupted', errors = run.errors || %s::text[],"
        " finished_at = greatest(run.prepared_at, run.started_at, (SELECT ended_at"
        "   FROM blb_migration.run_history AS known WHERE known.run_id = run.run_id))"
        " WHERE outcome IS NULL AND run_id <> %s AND kind <> 'dry_run'"
        " AND (reserved_until IS NULL OR reserved_until < clock_timestamp() AND (prepared_at IS NOT NULL"
        "      OR EXISTS (SELECT FROM blb_migration.table_loads AS load"
        "                 WHERE load.run_id = run.run_id AND load.status = 'running')))",
        [KILLED],
        run_id,
    )


def add_run_errors(connection: TargetConnection, run_id: str, outcome: str, errors: Sequence[str]) -> None:
    """Record that a run has failed so far, with what failed now beside what failed before, each once."""
    write(
        connection,
        "UPDATE blb_migration.runs SET finished_at = clock_timestamp(), outcome = %s,"
        " errors = errors || ARRAY(SELECT told FROM unnest(%s::text[]) WITH ORDINALITY AS now (told, place)"
        " WHERE told <> ALL (errors) ORDER BY place) WHERE run_id = %s",
        outcome,
        list(errors),
        run_id,
    )


def record_planned_tables(connection: TargetConnection, run_id: str, tables: Sequence[PlannedTable]) -> None:
    """Record the plan's tables in load order: what the views judge the target by."""
    write_each(
        connection,
        "INSERT INTO blb_migration.planned_tables (run_id, position, label, table_schema, table_name,"
        " source_schema, source_table, table_group, column_count, required_checks, column_types)"
        " VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)",
        [
            (
                run_id,
                position,
                planned.label,
                planned.table.schema,
                planned.table.name,
                planned.source_table.schema,
                planned.source_table.name,
                planned.group,
                planned.column_count,
                list(planned.required_checks),
                Jsonb(dict(planned.column_types)),
            )
            for position, planned in enumerate(tables, start=1)
        ],
    )


def record_preparation(
    connection: TargetConnection,
    run_id: str,
    facts: ServerFacts | None,
    not_migrated: Sequence[NotMigratedRecord],
) -> bool:
    """Record that a run begins to write, and what it found on both sides; False if it already did.

    ``facts`` None: nobody looked at the servers in this run.
    """
    prepared = write(
        connection,
        "UPDATE blb_migration.runs SET prepared_at = clock_timestamp(), source_server = %s,"
        " target_server = %s, isolation = %s, source_driver = %s, notes = %s, source_before = %s"
        " WHERE run_id = %s AND prepared_at IS NULL",
        facts and facts.source_server,
        facts and facts.target_server,
        facts and facts.isolation,
        facts and facts.source_driver,
        list(facts.notes) if facts else [],
        as_jsonb(facts.source_marker if facts else None),
        run_id,
    )
    if prepared != 1:
        return False
    write_each(
        connection,
        "INSERT INTO blb_migration.not_migrated (run_id, kind, subject, reason, row_count)"
        " VALUES (%s, %s, %s, %s, %s) ON CONFLICT DO NOTHING",
        [
            (run_id, left.kind, left.subject, left.reason, left.row_count)
            for left in (*not_migrated, *(facts.objects_not_migrated if facts else ()))
        ],
    )
    return True


def is_prepared(connection: TargetConnection, run_id: str) -> bool:
    """Whether the run has prepared the whole target, so that its end restores foreign keys."""
    row = read_one(
        connection, "SELECT prepared_at IS NOT NULL FROM blb_migration.runs WHERE run_id = %s", run_id
    )
    return bool(row and row[0])


def record_findings(connection: TargetConnection, run_id: str, findings: Sequence[FindingRecord]) -> None:
    """Record what preflight found."""
    write_each(
        connection,
        "INSERT INTO blb_migration.findings (run_id, kind, severity, subject, message, details)"
        " VALUES (%s, %s, %s, %s, %s, %s)",
        [
            (run_id, found.kind, found.severity, found.subject, found.message, Jsonb(found.details))
            for found in findings
        ],
    )


def record_decisions(connection: TargetConnection, run_id: str, decisions: Sequence[DecisionRecord]) -> None:
    """Record which decisions a run followed; the same one again replaces what was recorded."""
    write_each(
        connection,
        "DELETE FROM blb_migration.decisions WHERE run_id = %s AND subject = %s AND decision = %s",
        [(run_id, decision.subject, decision.decision) for decision in decisions],
    )
    write_each(
        connection,
        "INSERT INTO blb_migration.decisions (run_id, subject, decision, reason, row_count)"
        " VALUES (%s, %s, %s, %s, %s)",
        [
            (run_id, decision.subject, decision.decision, decision.reason, decision.row_count)
            for decision in decisions
        ],
    )


def read_run(connection: TargetConnection, run_id: str) -> Run | None:
    """One run, or None."""
    row = read_one(connection, f"{_RUNS} WHERE run_id = %s", run_id)
    return _build_run(row) if row else None


def read_last_of_environment(connection: TargetConnection) -> tuple[str, str] | None:
    """Read the environment that this target last served, and its source; None where no run has said so."""
    row = read_one(
        connection,
        "SELECT environment, source_identity FROM blb_migration.runs"
        " WHERE environment IS NOT NULL AND kind <> 'dry_run' ORDER BY started_at DESC, run_id DESC LIMIT 1",
    )
    return (str(row[0]), str(row[1])) if row else None


def read_run_in_force(connection: TargetConnection) -> Run | None:
    """Read the run by whose plan the views judge the target, or None when nothing was carried out yet."""
    row = read_one(connection, f"{_RUNS} WHERE run_id = (SELECT run_id FROM blb_migration.plan_in_force)")
    return _build_run(row) if row else None


def read_preparing_run(connection: TargetConnection, run: Run) -> Run | None:
    """Read the latest run up to ``run`` that prepared the target under the same plan, or None."""
    row = read_one(
        connection,
        f"{_RUNS} WHERE plan_hash = %s AND prepared_at IS NOT NULL AND started_at <= %s"
        " ORDER BY started_at DESC, run_id DESC LIMIT 1",
        run.start.plan_hash,
        run.started_at,
    )
    return _build_run(row) if row else None


def read_planned_tables(connection: TargetConnection, run_id: str) -> tuple[PlannedTable, ...]:
    """Read a run's tables in load order."""
    rows = read(
        connection,
        "SELECT label, table_schema, table_name, source_schema, source_table, table_group, column_count,"
        " required_checks, coalesce(column_types, '{}') FROM blb_migration.planned_tables"
        " WHERE run_id = %s ORDER BY position",
        run_id,
    )
    return tuple(
        PlannedTable(
            label,
            TableName(schema, name),
            TableName(source_schema, source_name),
            group,
            columns,
            tuple(checks),
            column_types,
        )
        for label, schema, name, source_schema, source_name, group, columns, checks, column_types in rows
    )


def _build_run(row: Row) -> Run:
    started_at, finished_at, outcome, errors = row[9:13]
    source_server, target_server, isolation, source_driver, notes, is_prepared, movement = row[13:]
    return Run(
        RunStart(*row[:9]),
        started_at,
        finished_at,
        outcome,
        tuple(errors),
        source_server,
        target_server,
        isolation,
        source_driver,
        tuple(notes),
        is_prepared,
        MarkerVerdict.from_json(movement) if movement else None,
    )
