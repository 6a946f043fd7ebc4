"""The report as one JSON document, composed of facts from the ledger in the target, which do not drift.

The keys ``stats``, ``table_results``, ``reconciliation`` and ``key_totals`` are a contract with whoever
reads the file; the rest is there for people, and for the page that ``page`` makes of it. Times are UTC.
"""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

from blb_migration import __version__
from blb_migration.checks import CHECK_NAMES
from blb_migration.findings import Finding, Severity, sort_findings
from blb_migration.migration import Migration
from blb_migration.postgres.connect import TargetConnector
from blb_migration.postgres.ledger.history import RunSummary
from blb_migration.postgres.ledger.reasons import Reason, TableStatus
from blb_migration.postgres.ledger.records import FindingRecord, NotMigratedRecord, TableLoad
from blb_migration.report.coverage import (
    describe_coverage,
    find_differences,
    iterate_comparisons,
    iterate_left_out,
)
from blb_migration.report.dry_run import describe_dry_run
from blb_migration.report.facts import (
    ReportFacts,
    RunFacts,
    TableFacts,
    read_ledger_facts,
    read_run_facts,
)
from blb_migration.report.nights_compared import describe_nights
from blb_migration.report.seal import seal
from blb_migration.report.sentences import (
    Ending,
    SourceFacts,
    SpokenVerdict,
    VerdictFacts,
    describe_isolation,
    speak,
)
from blb_migration.source_marker import NOT_JUDGED, Movement

Document = dict[str, Any]


def build_report(
    migration: Migration,
    findings: Sequence[Finding] = (),
    errors: Sequence[str] = (),
    ending: Ending = Ending.COMPLETED,
) -> Document:
    """Build the report of this migration's project as the target stands now.

    ``findings`` are preflight's, of a run that recorded none because they refused it; ``errors`` are
    sentences about what failed in this run. Raises TargetError when the ledger cannot be read.
    """
    facts = read_run_facts(migration, _describe_unrecorded_run(migration, errors))
    return compose(_with_findings(facts, migration, findings), ending)


def rebuild_report(target: TargetConnector) -> Document:
    """Return the report from the ledger alone: no source, no project. Raises TargetError."""
    facts = read_ledger_facts(target)
    broken_off = (Ending.INTERRUPTED, Ending.REFUSED)
    return compose(facts, next((each for each in broken_off if each == facts.run.outcome), Ending.COMPLETED))


def assemble_report(
    migration: Migration,
    findings: Sequence[Finding],
    errors: Sequence[str],
    ending: Ending = Ending.COMPLETED,
    *,
    has_begun: bool = False,
) -> Document:
    """Return the report of a run that never got as far as the target, or whose target no longer answers.

    ``has_begun``: it has got so far that it may have loaded tables.
    """
    facts = ReportFacts(_describe_unrecorded_run(migration, errors), is_unread=has_begun)
    return compose(_with_findings(facts, migration, findings), ending)


def compose(facts: ReportFacts, ending: Ending) -> Document:
    """Return the whole document, sealed."""
    tables, run = facts.tables, facts.run
    loaded = [table.load.loaded for table in tables if table.load is not None and table.load.loaded]
    unequal = [table for table in tables if table.reasons]
    spoken = _speak(facts, ending, sum(load.rows_written for load in loaded))
    key_totals = {table.label: _describe_totals(table) for table in tables}
    failed_checks = sum(not check.passed for table in tables for check in table.checks)
    dry_run = {"dry_run": describe_dry_run(tables, ending)} if run.kind == "dry_run" else {}
    return seal(
        {
            **dry_run,
            "verdict": spoken.sentence,
            "verdict_status": spoken.status.value,
            "next_act": spoken.next_act,
            "stats": {
                "tables_migrated": len(loaded),
                "rows_migrated": sum(load.rows_written for load in loaded),
                "errors": len(run.errors) + failed_checks,
                "warnings": sum(finding.severity == Severity.WARNING for finding in facts.findings),
                "tables_planned": len(tables),
                "tables_equal": len(tables) - len(unequal),
                "bytes_migrated": sum(load.bytes_written for load in loaded),
                "mismatches": failed_checks,
                "duration_seconds": _measure_duration(run),
            },
            "table_results": {table.label: _describe_table(table) for table in tables},
            "reconciliation": {
                "generated_at": _as_utc(datetime.datetime.now(datetime.UTC)),
                "equal": bool(facts.is_equal),
                "checks": list(CHECK_NAMES),
                "tables": {
                    table.label: {
                        "equal": not table.reasons,
                        "reasons": [_describe_reason(reason) for reason in table.reasons],
                    }
                    for table in tables
                },
                "key_totals": {
                    label: totals["metrics"] for label, totals in key_totals.items() if totals["metrics"]
                },
                "reasons": [f"{table.label}: {reason}" for table in unequal for reason in table.reasons],
                "dropped_foreign_keys": list(facts.dropped_keys),
            },
            "key_totals": key_totals,
            "errors": list(run.errors),
            "findings": [_describe_finding(finding) for finding in facts.findings],
            "decisions": [
                {
                    "subject": decision.subject,
                    "decision": decision.decision,
                    "reason": decision.reason,
                    "row_count": decision.row_count,
                }
                for decision in facts.decisions
            ],
            "not_migrated": [_describe_not_migrated(left) for left in facts.not_migrated],
            "coverage": describe_coverage(tables),
            "loads": _describe_attempts(facts.loads, tables),
            "history": [_describe_run(summary) for summary in facts.history],
            "nights": describe_nights(facts.nights) if facts.nights else None,
            "run": _describe_run_facts(run),
            "source_read": _describe_source_read(facts),
        }
    )


def _speak(facts: ReportFacts, ending: Ending, row_count: int) -> SpokenVerdict:
    return speak(
        VerdictFacts(
            ending=ending,
            is_equal=facts.is_equal,
            table_count=len(facts.tables),
            row_count=row_count,
            unequal_labels=tuple(
                table.label
                for table in sorted(facts.tables, key=lambda table: table.status.urgency)
                if table.reasons
            ),
            partly_loaded_labels=tuple(
                table.label for table in facts.tables if table.status is TableStatus.LOADED_IN_PART
            ),
            dropped_key_count=len(facts.dropped_keys),
            error_count=len(facts.run.errors),
            refusal_count=sum(finding.severity == Severity.ERROR for finding in facts.findings),
            is_dry_run=facts.run.kind == "dry_run",
            source_read=_find_source_facts(facts),
            is_rehearsal=facts.run.is_rehearsal,
            left_out_count=sum(1 for table in facts.tables for _ in iterate_left_out(table)),
            live=None if facts.live is None else str(facts.live),
            is_unread=facts.is_unread,
        )
    )


def _find_source_facts(facts: ReportFacts) -> SourceFacts | None:
    """When the planned tables were read, and what the run's end found of the source since."""
    if not facts.reads:
        return None
    movement = facts.run.source_movement or NOT_JUDGED
    return SourceFacts(
        min(read.read_from for read in facts.reads),
        max(read.read_until for read in facts.reads),
        movement.sentence,
        stood_still=movement.is_proof,
        moved=movement.movement in (Movement.MOVED, Movement.OTHER_SOURCE),
    )


def _describe_source_read(facts: ReportFacts) -> Document | None:
    """When the source was read, for the document; tables by whether the check itself has read them."""
    if not facts.reads:
        return None
    movement = facts.run.source_movement or NOT_JUDGED
    return {
        "read_from": _as_utc(min(read.read_from for read in facts.reads)),
        "read_until": _as_utc(max(read.read_until for read in facts.reads)),
        "tables_reread": sum(read.is_reread for read in facts.reads),
        "tables_as_loaded": sum(not read.is_reread for read in facts.reads),
        "movement": movement.movement.value,
        "sentence": movement.sentence,
        "moved_tables": list(movement.moved_tables),
        "marker_since": movement.since,
        "marker_until": movement.until,
    }


def _describe_unrecorded_run(migration: Migration, errors: Sequence[str]) -> RunFacts:
    project = migration.project
    return RunFacts(
        run_id=migration.run.run_id,
        kind=migration.run.kind,
        environment=migration.run.environment,
        project=project.name,
        plan_hash=project.plan.hash,
        tool_version=__version__,
        source=migration.source.settings.masked_url,
        target=migration.target.settings.masked_url,
        errors=tuple(errors),
        source_server=f"SQL Server {project.source.server_version}",
        target_server=f"PostgreSQL {project.target.server_version}",
    )


def _with_findings(facts: ReportFacts, migration: Migration, findings: Sequence[Finding]) -> ReportFacts:
    """Return this run's findings before those that an earlier one recorded; the plan names what is not
    migrated."""
    not_migrated = facts.not_migrated or tuple(
        NotMigratedRecord(
            "table" if left.column is None else "column", left.subject, left.reason, left.row_estimate
        )
        for left in migration.project.plan.not_migrated
    )
    found = tuple(
        FindingRecord(
            finding.code,
            finding.severity.value,
            finding.subject,
            finding.message,
            {
                "decision": finding.decision,
                "row_count": finding.row_count,
                "first_keys": list(finding.first_keys),
            },
        )
        for finding in sort_findings(tuple(findings))
    )
    return replace(facts, findings=found or facts.findings, not_migrated=not_migrated)


def _describe_table(table: TableFacts) -> Document:
    described: Document = {
        "rows_read": 0,
        "rows_inserted": 0,
        "errors": list(table.failures),
        "source": str(table.planned.source_table),
        "target": str(table.planned.table),
        "group": table.planned.group,
        "columns": table.planned.column_count,
        "status": table.status.value,
    }
    if table.load is None or table.load.loaded is None:
        return described
    loaded = table.load.loaded
    return described | {
        "rows_read": loaded.rows_read,
        "rows_inserted": loaded.rows_written,
        "bytes": loaded.bytes_written,
        "seconds": round(loaded.elapsed_seconds, 3),
        "next_sequence_value": loaded.next_sequence_value,
        "loaded_at": _as_utc(table.load.finished_at),
        "loaded_in_run": table.load.run_id,
    }


def _describe_reason(reason: Reason) -> Document:
    return {"code": reason.code.value, "check": reason.check_name, "sentence": str(reason)}


def _describe_totals(table: TableFacts) -> Document:
    comparisons = list(iterate_comparisons(table))
    rows = next((c for c in comparisons if c["name"] == "rows"), None)
    return {
        "source_count": int(rows["source_value"]) if rows else None,
        "target_count": int(rows["target_value"]) if rows else None,
        "match": not table.reasons,
        "metrics": [
            {
                "name": c["name"],
                "source": c["source_value"],
                "target": c["target_value"],
                "match": c["match"],
                "difference": c["difference"],
            }
            for c in comparisons
            if c.get("is_key_total")
        ],
        "compared": len(comparisons),
        "differing": [c for c in comparisons if not c["match"]],
        "differences": find_differences(table),
    }


def _describe_finding(finding: FindingRecord) -> Document:
    return {
        "code": finding.kind,
        "severity": finding.severity,
        "subject": finding.subject,
        "message": finding.message,
        "decision": finding.details.get("decision"),
        "row_count": finding.details.get("row_count"),
        "first_keys": finding.details.get("first_keys") or [],
    }


def _describe_not_migrated(left: NotMigratedRecord) -> Document:
    return {
        "kind": left.kind,
        "subject": left.subject,
        "reason": left.reason,
        "row_estimate": left.row_count,
    }


def _describe_attempts(loads: Iterable[TableLoad], tables: Iterable[TableFacts]) -> list[Document]:
    labels = {table.planned.table: table.label for table in tables}
    return [_describe_attempt(load, labels.get(load.table, str(load.table))) for load in loads]


def _describe_attempt(load: TableLoad, label: str) -> Document:
    return {
        "table": label,
        "status": load.status,
        "started_at": _as_utc(load.started_at, "milliseconds"),
        "finished_at": _as_utc(load.finished_at, "milliseconds"),
        "rows": load.loaded.rows_written if load.loaded else None,
        "bytes": load.loaded.bytes_written if load.loaded else None,
        "chunks": load.chunk_count,
        "is_resumed": load.resumed_from is not None,
        "error": load.error,
    }


def _describe_run(summary: RunSummary) -> Document:
    seconds = summary.elapsed_seconds
    return {
        "run_id": summary.run_id,
        "kind": summary.kind,
        "started_at": _as_utc(summary.started_at),
        "duration_seconds": None if seconds is None else round(seconds, 1),
        "outcome": summary.outcome,
        "tables": summary.tables_loaded,
        "failed_loads": summary.failed_load_count,
        "rows": summary.rows_loaded,
        "mismatches": summary.mismatch_count,
        "checks": summary.check_count,
    }


def _describe_run_facts(run: RunFacts) -> Document:
    return {
        "run_id": run.run_id,
        "kind": run.kind,
        "environment": run.environment,
        "project": run.project,
        "plan_hash": run.plan_hash,
        "tool_version": run.tool_version,
        "source": run.source,
        "target": run.target,
        "source_server": run.source_server,
        "target_server": run.target_server,
        "isolation": run.isolation,
        "isolation_meaning": describe_isolation(run.isolation) if run.isolation else None,
        "source_driver": run.source_driver,
        "notes": list(run.notes),
        "operator": run.operator,
        "host": run.host,
        "started_at": _as_utc(run.started_at),
        "finished_at": _as_utc(run.finished_at),
        "outcome": run.outcome,
    }


def _measure_duration(run: RunFacts) -> float | None:
    if run.started_at is None or run.finished_at is None:
        return None
    return round((run.finished_at - run.started_at).total_seconds(), 1)


def _as_utc(moment: datetime.datetime | None, timespec: str = "seconds") -> str | None:
    return moment.astimezone(datetime.UTC).isoformat(timespec=timespec) if moment is not None else None
