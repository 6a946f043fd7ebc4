"""The end of a run: the report, what is printed of it, and the exit code."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from blb_migration.cli.exits import report_bug, report_error
from blb_migration.cli.run_record import RunRecord
from blb_migration.cli.signals import name_first_signal
from blb_migration.cli.streams import find_stdout_failure
from blb_migration.errors import (
    ConfigurationError,
    ExitCode,
    MigrationError,
    PreflightRefused,
    describe_causes,
)
from blb_migration.findings import Severity
from blb_migration.first_few import name_some
from blb_migration.masking import mask_secrets
from blb_migration.progress.quantities import format_duration
from blb_migration.report.document import assemble_report, build_report
from blb_migration.report.files import name_report_files, write_report
from blb_migration.report.finding_groups import describe_findings
from blb_migration.report.sentences import Ending, Status
from blb_migration.retries import retry
from blb_migration.waiting import tell

if TYPE_CHECKING:
    from blb_migration.findings import Finding
    from blb_migration.migration import Migration

Report = dict[str, Any]

_REPORT_PAUSES_SECONDS = (3.0, 5.0)  # a server that has crashed is back by then
_KEYS_SHOWN = 5  # the report names them all
_TABLES_SHOWN = 10  # here too
_RESTORED_BY = "'blb-migrate restore-keys' restores them, and so does the next run"


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
    """Build the report of a run from the ledger if the target still answers; its end is on record there."""
    findings: tuple[Finding, ...] = record.preflight.findings if record.preflight is not None else ()

    def describe() -> tuple[list[str], Ending]:
        errors = [*describe_errors(record.errors), *(["the run was interrupted"] if is_interrupted else [])]
        errors += [text for text in describe_keys_left_off(record) if text not in errors]
        return errors, _name_ending(record, is_interrupted)

    pauses_seconds = () if record.errors or is_interrupted else _REPORT_PAUSES_SECONDS
    try:
        return retry(
            lambda: build_report(migration, findings, *describe()), _is_worth_another_try, pauses_seconds
        )
    except MigrationError as error:
        if not record.errors and not is_interrupted:  # else they say why the target does not answer
            record.step_failed("report", error)
    return assemble_report(migration, findings, *describe(), has_begun=record.has_begun)


def _is_worth_another_try(error: Exception) -> bool:
    if not isinstance(error, MigrationError) or not error.is_transient:
        return False
    tell(f"report: the target did not answer: {error}")
    return True


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


def describe_errors(errors: Sequence[BaseException]) -> list[str]:
    """Return one sentence for each cause, with the objects that it met: a server that stops is one cause."""
    others = [error for error in errors if not isinstance(error, MigrationError)]
    ours = [error for error in errors if isinstance(error, MigrationError)]
    return [*describe_causes(ours), *map(describe_error, others)]


def describe_interruption(record: RunRecord, report: Report) -> str:
    """Say what the ledger knows to be unfinished after an interruption, and what mends it."""
    keys = report["reconciliation"]["dropped_foreign_keys"]
    dropped = f" Dropped: {name_some(keys, _KEYS_SHOWN)}; {_RESTORED_BY}." if keys else ""
    in_the_way = [f" {text}" for text in describe_keys_left_off(record) if keys]
    return f"{report['verdict']} {report['next_act']}{dropped}{''.join(in_the_way)}"


def describe_keys_left_off(record: RunRecord) -> list[str]:
    """Describe the foreign keys that the end of the run could not restore, with the rows in their way."""
    try:
        if record.left_over is not None:
            record.left_over.require_all()
    except MigrationError as error:
        return [str(error)]
    return []


def decide_exit_code(record: RunRecord, report: Report, *, needs_equality: bool) -> ExitCode:
    """Let the run's own failures decide; then, where ``needs_equality``, what the ledger says."""
    if record.exit_code is ExitCode.RECONCILED and needs_equality and not report["reconciliation"]["equal"]:
        return ExitCode.NOT_EQUAL
    return record.exit_code


def report_failures(record: RunRecord, is_debug: bool) -> None:
    """Say on stderr what failed, and which tables were not loaded because of it."""
    ours = [error for _, error in record.failures if isinstance(error, MigrationError)]
    for text in describe_causes(ours):
        report_error(text)
    for _, error in record.failures:
        if not isinstance(error, MigrationError):
            report_bug(error, is_debug)
    for text in describe_keys_left_off(record):
        if text not in map(str, record.errors):
            report_error(text)
    skipped = [status.label for status in record.tables.values() if status.state == "waiting"]
    if any(step in record.tables for step, _ in record.failures) and skipped:
        named = name_some(skipped, _TABLES_SHOWN)
        report_error(f"{len(skipped)} tables were not loaded, since they need others: {named}.")


def report_unheard_endings(report: Report) -> None:
    """Say on stderr that the run went on to its end, though a signal or a closed stdout asked otherwise."""
    failure, signal_name = find_stdout_failure(), name_first_signal()
    if failure is not None:
        ending = f"the run went on to its end. {report['verdict']}"
        report_error(f"stdout could not be written any more ({failure}); {ending}")
    if signal_name is not None:
        report_error(f"{signal_name} came when the run was at its end; it was completed.")


def print_report(
    console: Console,
    report: Report,
    output: Path | None,
    labels: Collection[str] | None = None,
    *,
    is_brief: bool = False,
) -> None:
    """Print tables, key totals, warnings and verdict; write the report to ``output`` if there is one.

    With ``labels`` what is printed speaks of these tables alone; the report is the whole target's.
    ``is_brief``: what is equal, and warnings, are only counted.
    """
    key_totals = _choose(report["key_totals"], labels)
    if key_totals and not is_brief:
        _print_tables(console, key_totals)
        _print_key_totals(console, key_totals)
    if report["verdict_status"] != Status.REFUSED:  # nothing was loaded: every table would stand there
        _print_reasons(console, report, labels)
    if labels is None and not is_brief:
        for line in describe_findings(report["findings"], Severity.WARNING):
            console.print(f"Warning: {line}", markup=False)
    stats = report["stats"]
    took = "" if stats["duration_seconds"] is None else f", {format_duration(stats['duration_seconds'])}"
    console.print(
        f"{stats['tables_migrated']} tables, {stats['rows_migrated']:,} rows, "
        f"errors {stats['errors']}, warnings {stats['warnings']}{took}"
    )
    console.print(
        _describe_verdict(report) if labels is None else _describe_tables(report, labels), markup=False
    )
    if output is not None:
        files = write_report(report, output)
        console.print(f"Report: {files.document.resolve()}", markup=False)
        if files.page is not None and not is_brief:
            console.print(f"For people: {files.page.resolve()}", markup=False)


def _describe_verdict(report: Report) -> str:
    ended = report["verdict_status"] in (Status.REFUSED, Status.INTERRUPTED, Status.FAILED)
    # The ledger judges what the target holds; a run that failed may have left it as an earlier one made it.
    prefix = "This run failed. As the target stands: " if report["errors"] and not ended else ""
    sentence = f"{prefix}{report['verdict']}"
    return f"{report['dry_run']['meaning']} {sentence}" if "dry_run" in report else sentence


def _choose(by_label: dict[str, Any], labels: Collection[str] | None) -> dict[str, Any]:
    return {label: found for label, found in by_label.items() if labels is None or label in labels}


def _describe_tables(report: Report, labels: Collection[str]) -> str:
    tables = _choose(report["reconciliation"]["tables"], labels)
    unequal = [label for label, table in tables.items() if not table["equal"]]
    whole = "What may be said of the whole target: 'blb-migrate report'."
    named = name_some(unequal or list(tables), _TABLES_SHOWN)
    if unequal:
        return f"Not proven equal, of {len(tables)} tables asked for: {named}. {whole}"
    return f"Equal, of what was asked for: {named}. {whole}"


def _print_reasons(console: Console, report: Report, labels: Collection[str] | None) -> None:
    found: dict[str, list[str]] = {}
    for label, table in _choose(report["reconciliation"]["tables"], labels).items():
        for reason in table["reasons"]:
            found.setdefault(reason["sentence"], []).append(label)
    for sentence, unequal in found.items():
        console.print(f"{sentence} ({len(unequal)}): {name_some(unequal, _TABLES_SHOWN)}", markup=False)
    keys = report["reconciliation"]["dropped_foreign_keys"]
    if keys:
        named = f"foreign keys still dropped ({len(keys)}): {name_some(keys, _KEYS_SHOWN)}"
        console.print(f"{named}; {_RESTORED_BY}", markup=False)


def _print_tables(console: Console, key_totals: dict[str, Any]) -> None:
    if not console.is_terminal:  # each table has had its line
        return
    table = Table(box=None, pad_edge=False)
    for heading in ("table", "source rows", "target rows", "metrics compared", "equal"):
        table.add_column(heading, justify="left" if heading in ("table", "equal") else "right")
    for label, totals in key_totals.items():
        table.add_row(
            escape(label),
            _format_count(totals["source_count"]),
            _format_count(totals["target_count"]),
            str(totals["compared"]),
            "[green]yes[/]" if totals["match"] else "[red]NO[/]",
        )
    console.print(table)


def _print_key_totals(console: Console, key_totals: dict[str, Any]) -> None:
    table = Table(box=None, pad_edge=False)
    for heading in ("key total", "source", "target", "match"):
        table.add_column(heading, justify="right" if heading in ("source", "target") else "left")
    for label, totals in key_totals.items():
        for metric in totals["metrics"]:
            table.add_row(
                escape(f"{label}: {metric['name']}"),
                escape(_format_metric(metric["source"])),
                escape(_format_metric(metric["target"])),
                "[green]yes[/]" if metric["match"] else "[red]NO[/]",
            )
    if table.row_count:
        console.print(table)


def _format_count(count: int | None) -> str:
    return "" if count is None else f"{count:,}"


def _format_metric(value: str | None) -> str:
    return "NULL" if value is None else value
