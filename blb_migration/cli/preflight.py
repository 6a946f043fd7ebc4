"""``blb-migrate preflight``: everything that can be found before a row is written, as a table or as JSON."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from blb_migration.cli.options import Debug, ProjectFolder, SourceConn, TargetConn
from blb_migration.errors import ExitCode
from blb_migration.findings import Severity, has_errors

if TYPE_CHECKING:
    from rich.console import Console

    from blb_migration.preflight.stage import PreflightResult

_INTERRUPTED = "interrupted; preflight only reads, nothing was written."
_STYLES = {Severity.ERROR: "red", Severity.WARNING: "yellow", Severity.NOTE: "dim"}


def preflight(
    source_conn: SourceConn = None,
    target_conn: TargetConn = None,
    project: ProjectFolder = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the findings as JSON.")] = False,
    debug: Debug = False,
) -> ExitCode:
    """Ask both databases what the load's first stage asks; print counts, keys and the decision to take.

    Exits with 3 when a finding would refuse the migration.
    """
    from blb_migration.cli.discovery import read_catalogs, read_databases, read_project
    from blb_migration.cli.run_record import RunRecord
    from blb_migration.cli.terminal import build_console
    from blb_migration.defs.in_process import build_run_id, run_in_process
    from blb_migration.migration import Migration, RunInfo
    from blb_migration.settings.environments import find_environment

    databases = read_databases(source_conn, target_conn)
    live = read_project(project).with_catalogs(*read_catalogs(databases))
    run = RunInfo(build_run_id(), "preflight", find_environment(databases.target_settings))
    record = RunRecord(live.plan.tables)
    migration = Migration(live, databases.source, databases.target, run)
    run_in_process(migration, record)
    result = record.preflight
    if result is None:
        raise record.errors[0] if record.errors else KeyboardInterrupt(_INTERRUPTED)
    console = build_console()
    if as_json:
        text = json.dumps(build_document(result), indent=2, ensure_ascii=False)
        console.print(text, markup=False, soft_wrap=True)
    else:
        console.print(f"Preflight, {migration.databases}", markup=False)
        print_findings(console, result)
    return ExitCode.PREFLIGHT_REFUSED if has_errors(result.findings) else ExitCode.RECONCILED


def build_document(result: PreflightResult) -> dict[str, object]:
    """Write for programs what preflight found: the servers, how the source was read, all findings."""
    return {
        "project": result.live_project.name,
        "source_server": result.source_server,
        "target_server": result.target_server,
        "isolation": result.isolation,
        "source_driver": result.source_driver,
        "notes": list(result.notes),
        "rows_expected": result.row_estimates,
        "findings": [asdict(finding) for finding in result.findings],
    }


def _print_acts(console: Console, result: PreflightResult) -> None:
    """Print what to do about errors and warnings, each act once and unwrapped, to be copied."""
    subjects: dict[str, list[str]] = {}
    for finding in result.findings:
        if finding.decision and finding.severity is not Severity.NOTE:
            subjects.setdefault(finding.decision, []).append(finding.subject)
    if subjects:
        acts = [f"  {', '.join(names)}: {act}" for act, names in subjects.items()]
        console.print("\nWhat to do:\n" + "\n".join(acts) + "\n", markup=False, soft_wrap=True)


def print_findings(console: Console, result: PreflightResult) -> None:
    """All findings, errors first: what, how many rows, the first of them, and the decision to paste."""
    from rich.markup import escape
    from rich.table import Table

    table = Table(box=None, pad_edge=False)
    table.add_column("severity")
    table.add_column("what", overflow="fold")
    table.add_column("rows", justify="right")
    table.add_column("first keys", overflow="fold")
    table.add_column("finding", overflow="fold", ratio=1)
    for finding in result.findings:
        table.add_row(
            f"[{_STYLES[finding.severity]}]{finding.severity.value}[/]",
            escape(finding.subject),
            "" if finding.row_count is None else f"{finding.row_count:,}",
            escape(", ".join(finding.first_keys)),
            escape(finding.message),
        )
    if result.findings:
        console.print(table)
    _print_acts(console, result)
    for note in result.notes:
        console.print(f"Not known: {note}", markup=False)
    counts = [finding.severity for finding in result.findings]
    console.print(
        f"{len(result.live_project.plan.tables)} tables, about {sum(result.row_estimates.values()):,} rows: "
        + ", ".join(f"{counts.count(severity)} {severity.value}s" for severity in Severity)
    )
