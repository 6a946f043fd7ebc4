"""The end of a run: the report, what is printed of it, and the exit code."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Table

from blb_migration.cli.exits import mask_secrets, report_bug, report_error
from blb_migration.cli.run_record import RunRecord
from blb_migration.errors import ConfigurationError, ExitCode, MigrationError, PreflightRefused
from blb_migration.report.document import assemble_report, build_report
from blb_migration.report.ending import record_ending
from blb_migration.report.files import name_report_files, write_report
from blb_migration.report.sentences import Ending, Status

if TYPE_CHECKING:
    from blb_migration.findings import Finding
    from blb_migration.migration import Migration

Report = dict[str, Any]

_KEYS_SHOWN = 5  # the report names them all


def refuse_unwritable(output: Path | None) -> None:
    """Find out before the run whether the report can be written. Raises ConfigurationError."""
    if output is None:
        return
    files = name_report_files(output)
    for path in (files.document, files.page):
        if path is not None:
            _refuse_unwritable_file(path)


def _refuse_unwritable_file(path: Path) -> None:
    is_new = not path.exists()
    try:
        with path.open("a", encoding="utf-8"):
            pass
    except OSError as error:
        raise ConfigurationError(
            f"--output {path}",
            found=f"it cannot be written ({error.strerror})",
            expected="a file in a folder that is there and may be written to",
            next_act="Create the folder, or name another file",
        ) from None
    if is_new:
        path.unlink()


def build_failed_report(migration: Migration, errors: Sequence[str]) -> Report:
    """Build the report of a run that ended before any step, or whose target no longer answers."""
    return assemble_report(migration, (), errors)


def build_run_report(migration: Migration, record: RunRecord, *, is_interrupted: bool = False) -> Report:
    """Build the report of a run from the ledger if the target still answers; note the run's end there."""
    findings: tuple[Finding, ...] = record.preflight.findings if record.preflight is not None else ()
    errors = [*map(describe_error, record.errors), *(["the run was interrupted"] if is_interrupted else [])]
    ending = _name_ending(record, is_interrupted)
    with contextlib.suppress(MigrationError):  # the run's own errors say why the target does not answer
        record_ending(migration, ending, errors)
        return build_report(migration, findings, errors, ending)
    return assemble_report(migration, findings, errors, ending)


def _name_ending(record: RunRecord, is_interrupted: bool) -> Ending:
    if is_interrupted:
        return Ending.INTERRUPTED
    if record.errors and all(isinstance(error, PreflightRefused) for error in record.errors):
        return Ending.REFUSED
    return Ending.FAILED if record.errors else Ending.COMPLETED


def describe_error(error: BaseException) -> str:
    """One sentence for the report."""
    text = str(error) if isinstance(error, MigrationError) else f"{type(error).__name__}: {error}"
    return mask_secrets(text)


def describe_interruption(report: Report) -> str:
    """Say what the ledger knows to be unfinished after an interruption, and what mends it."""
    keys = report["reconciliation"]["dropped_foreign_keys"]
    dropped = f" Dropped: {_name_keys(keys)}; the next run restores them." if keys else ""
    return f"{report['verdict']} {report['next_act']}{dropped}"


def decide_exit_code(record: RunRecord, report: Report, *, needs_equality: bool) -> ExitCode:
    """Let the run's own failures decide; then, where ``needs_equality``, what the ledger says."""
    if record.exit_code is ExitCode.RECONCILED and needs_equality and not report["reconciliation"]["equal"]:
        return ExitCode.NOT_EQUAL
    return record.exit_code


def report_failures(record: RunRecord, is_debug: bool) -> None:
    """Say on stderr what failed, and which tables were not loaded because of it."""
    for _, error in record.failures:
        if isinstance(error, MigrationError):
            report_error(str(error))
        else:
            report_bug(error, is_debug)
    skipped = [status.label for status in record.tables.values() if status.state == "waiting"]
    if any(step in record.tables for step, _ in record.failures) and skipped:
        report_error(f"{len(skipped)} tables were not loaded, since they need others: {', '.join(skipped)}.")


def print_report(console: Console, report: Report, output: Path | None) -> None:
    """Print tables, key totals, metrics and verdict; write the report to ``output`` if there is one."""
    if report["key_totals"]:
        _print_tables(console, report)
        _print_key_totals(console, report)
    if report["verdict_status"] != Status.REFUSED:  # nothing was loaded: every table would stand there
        _print_reasons(console, report)
    stats = report["stats"]
    console.print(
        f"{stats['tables_migrated']} tables, {stats['rows_migrated']:,} rows, "
        f"errors {stats['errors']}, warnings {stats['warnings']}"
    )
    console.print(_describe_verdict(report), markup=False)
    if output is not None:
        files = write_report(report, output)
        console.print(f"Report: {files.document.resolve()}", markup=False)
        if files.page is not None:
            console.print(f"For people: {files.page.resolve()}", markup=False)


def _describe_verdict(report: Report) -> str:
    ended = report["verdict_status"] in (Status.REFUSED, Status.INTERRUPTED)
    # The ledger judges what the target holds; a run that failed may have left it as an earlier one made it.
    prefix = "This run failed. As the target stands: " if report["errors"] and not ended else ""
    sentence = f"{prefix}{report['verdict']}"
    return f"{report['dry_run']['meaning']} {sentence}" if "dry_run" in report else sentence


def _print_reasons(console: Console, report: Report) -> None:
    labels_by_sentence: dict[str, list[str]] = {}
    for label, table in report["reconciliation"]["tables"].items():
        for reason in table["reasons"]:
            labels_by_sentence.setdefault(reason["sentence"], []).append(label)
    for sentence, labels in labels_by_sentence.items():
        console.print(f"{sentence} ({len(labels)}): {', '.join(labels)}", markup=False)
    keys = report["reconciliation"]["dropped_foreign_keys"]
    if keys:
        console.print(f"foreign keys still dropped ({len(keys)}): {_name_keys(keys)}", markup=False)


def _name_keys(keys: Sequence[str]) -> str:
    return ", ".join(keys[:_KEYS_SHOWN]) + (" ..." if len(keys) > _KEYS_SHOWN else "")


def _print_tables(console: Console, report: Report) -> None:
    if not console.is_terminal:  # each table has had its line
        return
    table = Table(box=None, pad_edge=False)
    for heading in ("table", "source rows", "target rows", "metrics compared", "equal"):
        table.add_column(heading, justify="left" if heading in ("table", "equal") else "right")
    for label, totals in report["key_totals"].items():
        table.add_row(
            label,
            _format_count(totals["source_count"]),
            _format_count(totals["target_count"]),
            str(totals["compared"]),
            "[green]yes[/]" if totals["match"] else "[red]NO[/]",
        )
    console.print(table)


def _print_key_totals(console: Console, report: Report) -> None:
    table = Table(box=None, pad_edge=False)
    for heading in ("key total", "source", "target", "match"):
        table.add_column(heading, justify="right" if heading in ("source", "target") else "left")
    for label, totals in report["key_totals"].items():
        for metric in totals["metrics"]:
            table.add_row(
                f"{label}: {metric['name']}",
                _format_metric(metric["source"]),
                _format_metric(metric["target"]),
                "[green]yes[/]" if metric["match"] else "[red]NO[/]",
            )
    if table.row_count:
        console.print(table)


def _format_count(count: int | None) -> str:
    return "" if count is None else f"{count:,}"


def _format_metric(value: str | None) -> str:
    return "NULL" if value is None else value
