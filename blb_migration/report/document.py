"""The report as one JSON document, built from the ledger in the target and nothing else that can drift.

The keys ``stats``, ``table_results``, ``reconciliation`` and ``key_totals`` are a contract with whoever
reads the file; the rest is there for people.
"""

from __future__ import annotations

import datetime
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from blb_migration import __version__
from blb_migration.errors import ConfigurationError
from blb_migration.migrate.context import Migration
from blb_migration.plan.findings import Finding, Severity, sort_findings
from blb_migration.postgres.ledger import Ledger
from blb_migration.reconcile.checks import CHECK_NAMES
from blb_migration.reconcile.verdict import TableVerdict, Verdict, read_verdict

Document = dict[str, Any]


def build_report(
    migration: Migration, findings: Sequence[Finding] = (), errors: Sequence[str] = ()
) -> Document:
    """The report of this migration's project as the target stands now.

    ``findings`` are preflight's, ``errors`` sentences about what failed in this run. Raises
    TargetError when the ledger cannot be read.
    """
    with migration.target.connect() as connection:
        ledger = Ledger(connection)
        verdict = read_verdict(ledger, migration.project.plan)
        failures = _read_failures(ledger, migration)
    return assemble_report(migration, verdict, findings, errors, failures)


def assemble_report(
    migration: Migration,
    verdict: Verdict | None,
    findings: Sequence[Finding],
    errors: Sequence[str],
    failures: dict[str, list[str]] | None = None,
) -> Document:
    """The document for a verdict; ``verdict`` None for a run that never got as far as the target.

    ``failures`` maps a table's label to the reasons why its loads in this run failed.
    """
    plan = migration.project.plan
    failures = failures or {}
    tables = verdict.tables if verdict is not None else ()
    key_totals = {table.table.label: _describe_totals(table) for table in tables}
    loaded = [table for table in tables if table.load is not None and table.load.loaded is not None]
    objections = [f"{table.table.label}: {objection}" for table in tables for objection in table.objections]
    keys_set_aside = list(verdict.keys_set_aside) if verdict is not None else []
    return {
        "stats": {
            "tables_migrated": len(loaded),
            "rows_migrated": sum(t.load.loaded.rows_written for t in loaded if t.load and t.load.loaded),
            "errors": len(errors) + sum(not check.passed for table in tables for check in table.checks),
            "warnings": sum(1 for finding in findings if finding.severity is Severity.WARNING),
        },
        "table_results": {
            table.table.label: _describe_load(table, failures.get(table.table.label, [])) for table in tables
        },
        "reconciliation": {
            "generated_at": _now(),
            "equal": verdict is not None and verdict.is_equal,
            "checks": list(CHECK_NAMES),
            "tables": {
                table.table.label: {"equal": table.is_equal, "objections": list(table.objections)}
                for table in tables
            },
            "key_totals": {
                label: totals["figures"] for label, totals in key_totals.items() if totals["figures"]
            },
            "objections": objections,
            "foreign_keys_set_aside": keys_set_aside,
        },
        "key_totals": key_totals,
        "verdict": _describe_verdict(verdict, errors),
        "errors": list(errors),
        "findings": [_describe_finding(finding) for finding in sort_findings(tuple(findings))],
        "left_behind": [
            {"subject": left.subject, "reason": left.reason, "row_estimate": left.row_estimate}
            for left in plan.left_behind
        ],
        "run": {
            "run_id": migration.run.run_id,
            "kind": migration.run.kind,
            "project": migration.project.name,
            "plan_hash": plan.hash,
            "tool_version": __version__,
            "source": migration.source.settings.masked_url,
            "target": migration.target.settings.masked_url,
        },
    }


def write_report(report: Document, path: Path) -> None:
    """Write the document as UTF-8 JSON. Raises ConfigurationError when the path cannot be written."""
    try:
        path.write_text(json.dumps(report, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    except OSError as error:
        raise ConfigurationError(
            str(path),
            found=f"the report cannot be written ({error.strerror})",
            next_act="Name a writable file with --output",
        ) from None


def _read_failures(ledger: Ledger, migration: Migration) -> dict[str, list[str]]:
    """Reasons by table label, of the loads of this run after which no load of the table finished."""
    labels = {table.target.name: table.label for table in migration.project.plan.tables}
    failures: dict[str, list[str]] = {}
    if ledger.exists():
        for load in ledger.loads_of_run(migration.run.run_id):
            label = labels.get(load.table, str(load.table))
            if load.status == "finished":
                failures.pop(label, None)
            elif load.status == "failed":
                failures[label] = [load.error or "failed"]
    return failures


def _describe_load(verdict: TableVerdict, failures: list[str]) -> Document:
    loaded = verdict.load.loaded if verdict.load is not None else None
    source, target = verdict.table.source.name, verdict.table.target.name
    if loaded is None:
        return {
            "rows_read": 0,
            "rows_inserted": 0,
            "errors": failures,
            "source": str(source),
            "target": str(target),
        }
    assert verdict.load is not None
    return {
        "rows_read": loaded.rows_read,
        "rows_inserted": loaded.rows_written,
        "errors": failures,
        "source": str(source),
        "target": str(target),
        "bytes": loaded.bytes_written,
        "seconds": round(loaded.elapsed_seconds, 3),
        "next_sequence_value": loaded.next_sequence_value,
        "loaded_at": _as_utc(verdict.load.finished_at),
    }


def _describe_totals(verdict: TableVerdict) -> Document:
    comparisons = list(_iterate_comparisons(verdict))
    rows = next((c for c in comparisons if c["name"] == "rows"), None)
    return {
        "source_count": int(rows["source_value"]) if rows else None,
        "target_count": int(rows["target_value"]) if rows else None,
        "match": verdict.is_equal,
        "objections": list(verdict.objections),
        "figures": [
            {
                "name": c["name"],
                "source": c["source_value"],
                "target": c["target_value"],
                "match": c["match"],
                "difference": c["difference"],
            }
            for c in comparisons
            if c["is_key_total"]
        ],
        "compared": len(comparisons),
        "differing": [c for c in comparisons if not c["match"]],
    }


def _iterate_comparisons(verdict: TableVerdict) -> Iterator[Document]:
    for check in verdict.checks:
        comparisons = check.details.get("comparisons")
        yield from comparisons if isinstance(comparisons, list) else ()


def _describe_verdict(verdict: Verdict | None, errors: Sequence[str]) -> str:
    if verdict is None:
        return "Nothing was migrated." if errors else "Nothing was compared."
    equal = sum(1 for table in verdict.tables if table.is_equal)
    if verdict.is_equal:
        return f"Equal: all {equal} tables were loaded and every figure compared is the same on both sides."
    problems = [f"{len(verdict.tables) - equal} of {len(verdict.tables)} tables are not proven equal"]
    if verdict.keys_set_aside:
        problems.append(f"{len(verdict.keys_set_aside)} foreign keys are still set aside")
    return f"Not equal: {' and '.join(problems)}."


def _describe_finding(finding: Finding) -> Document:
    return {
        "code": finding.code,
        "severity": finding.severity.value,
        "subject": finding.subject,
        "message": finding.message,
        "decision": finding.decision,
        "row_count": finding.row_count,
        "first_keys": list(finding.first_keys),
    }


def _now() -> str:
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")


def _as_utc(moment: datetime.datetime | None) -> str | None:
    return moment.astimezone(datetime.UTC).isoformat(timespec="seconds") if moment is not None else None
