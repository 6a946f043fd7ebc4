"""``blb-migrate`` itself and ``blb-migrate reconcile``: a job of the graph, run in this process."""

from __future__ import annotations

from collections.abc import Collection
from contextlib import nullcontext
from dataclasses import dataclass, replace
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from blb_migration.checks import CHECK_NAMES
from blb_migration.cli.discovery import (
    Databases,
    describe_changes,
    read_catalogs,
    read_databases,
    read_project,
)
from blb_migration.cli.options import Debug, Output, ProjectFolder, SourceConn, TargetConn
from blb_migration.cli.outcome import (
    build_failed_report,
    build_run_report,
    decide_exit_code,
    describe_error,
    describe_interruption,
    print_report,
    refuse_unwritable,
    report_failures,
)
from blb_migration.cli.progress_lines import shown_progress
from blb_migration.cli.terminal import build_console
from blb_migration.errors import ConfigurationError, ExitCode, MigrationError
from blb_migration.load.scratch import on_scratch
from blb_migration.migration import Comparing, Migration, RunInfo
from blb_migration.plan.project import Project
from blb_migration.plan.table_plans import Plan
from blb_migration.postgres.ledger.records import RunKind
from blb_migration.report.files import write_report
from blb_migration.settings.variables import ComparingVariables


@dataclass(frozen=True)
class Order:
    """What is asked for. ``labels`` and ``checks`` narrow a reconciliation to these.

    ``creates_schema``: create the target's tables first, where it has none of them.
    """

    databases: Databases
    project: Project
    kind: RunKind = "migration"
    output: Path | None = None
    is_debug: bool = False
    labels: Collection[str] | None = None
    checks: Collection[str] | None = None
    rereads_source: bool = False
    creates_schema: bool = False


def migrate(
    *,
    source_conn: str | None,
    target_conn: str | None,
    project: Path | None,
    output: Path | None,
    dry_run: bool,
    create_schema: bool,
    debug: bool,
) -> ExitCode:
    """Run the whole graph, for a dry run onto scratch tables."""
    order = _read_order(source_conn, target_conn, project, output)
    if create_schema and dry_run:
        raise ConfigurationError(
            "--create-schema",
            found="given together with --dry-run, which changes nothing",
            expected="one of the two",
            next_act="Run 'blb-migrate schema' to see what would be created",
        )
    kind: RunKind = "dry_run" if dry_run else "migration"
    order = replace(order, kind=kind, is_debug=debug, creates_schema=create_schema)
    return carry_out(order, build_console())


def _create_schema(order: Order, console: Console) -> None:
    from blb_migration.cli.schema import create_missing_schema

    file = order.project.decisions_file
    create_missing_schema(order.databases.source, order.databases.target, file, console)


def reconcile(
    *,
    source_conn: SourceConn = None,
    target_conn: TargetConn = None,
    project: ProjectFolder = None,
    tables: Annotated[
        list[str] | None,
        typer.Option("--tables", metavar="TABLE ...", help="Only these tables, named as in the plan."),
    ] = None,
    checks: Annotated[
        list[str] | None,
        typer.Option(
            "--checks",
            metavar="CHECK ...",
            help=f"Only these of {', '.join(CHECK_NAMES)}.",
            autocompletion=lambda: list(CHECK_NAMES),
        ),
    ] = None,
    reread: Annotated[
        bool,
        typer.Option("--reread", help="Read the source again instead of trusting what the load has read."),
    ] = False,
    output: Output = None,
    debug: Debug = False,
) -> ExitCode:
    """Run the checks alone. Exits with 1 if anything differs."""
    for name in checks or ():
        if name not in CHECK_NAMES:
            raise ConfigurationError(
                f"--checks {name}",
                found="there is no such check",
                expected=f"one of {', '.join(CHECK_NAMES)}",
                next_act="Correct the name",
            )
    order = _read_order(source_conn, target_conn, project, output)
    order = replace(
        order,
        kind="reconcile",
        is_debug=debug,
        labels=tables or None,
        checks=checks or None,
        rereads_source=reread,
    )
    return carry_out(order, build_console())


def _read_order(
    source_url: str | None, target_url: str | None, folder: Path | None, output: Path | None
) -> Order:
    refuse_unwritable(output)
    return Order(read_databases(source_url, target_url), read_project(folder), output=output)


def carry_out(order: Order, console: Console) -> ExitCode:
    """Run ``order``, print its outcome and write its report, whatever happens.

    Raises MigrationError for what ends it before the first step, and KeyboardInterrupt.
    """
    from blb_migration.defs.in_process import build_run_id, run_in_process
    from blb_migration.defs.loading import read_loading

    run = RunInfo(build_run_id(), order.kind)
    migration = Migration(
        order.project,
        order.databases.source,
        order.databases.target,
        run,
        _read_comparing(order),
        read_loading(),
    )
    try:
        if order.creates_schema:
            _create_schema(order, console)
        live = order.project.with_catalogs(*read_catalogs(order.databases))
        labels = None if order.labels is None else _find_labels(live.plan, order.labels)
    except MigrationError as error:
        if order.output is not None:
            write_report(build_failed_report(migration, [describe_error(error)]), order.output)
        raise
    for change in describe_changes(order.project, live):
        console.print(f"Not as in catalog.json, {change}; 'blb-migrate plan' refreshes it", markup=False)

    migration = replace(migration, project=live)
    with on_scratch(migration) if order.kind == "dry_run" else nullcontext(migration) as grounded:
        with shown_progress(console, live.plan.tables) as record:
            outcome = run_in_process(grounded, record, labels=labels, checks=order.checks)
        report = build_run_report(grounded, record, is_interrupted=outcome.is_interrupted)
    if outcome.is_interrupted:
        if order.output is not None:
            write_report(report, order.output)
        raise KeyboardInterrupt(describe_interruption(report))
    print_report(console, report, order.output)
    report_failures(record, order.is_debug)
    return decide_exit_code(record, report, needs_equality=labels is None and order.checks is None)


def _read_comparing(order: Order) -> Comparing:
    """Read the environment's choice; differences go beside the report if they are to go nowhere else."""
    from blb_migration.defs.loading import read_comparing

    comparing = read_comparing()
    if order.output is not None and "differences" not in ComparingVariables.read().model_fields_set:
        comparing = replace(comparing, differences_folder=order.output.resolve().parent / "differences")
    return replace(comparing, rereads_source=comparing.rereads_source or order.rereads_source)


def _find_labels(plan: Plan, wanted: Collection[str]) -> list[str]:
    """Find the planned labels for names in any letter case, with or without the default schema."""
    by_name = {label.lower(): label for label in plan.tables_by_label}
    by_name |= {str(table.source.name).lower(): table.label for table in plan.tables}
    labels = []
    for name in wanted:
        if name.lower() not in by_name:
            nearest = get_close_matches(name.lower(), by_name, n=1)
            raise ConfigurationError(
                f"--tables {name}",
                found="the plan has no such table",
                expected=f"a table of the plan, such as {nearest[0]}" if nearest else "a table of the plan",
                next_act="Correct the name; 'blb-migrate plan --check' lists the tables",
            )
        labels.append(by_name[name.lower()])
    return labels
