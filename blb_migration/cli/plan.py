"""``blb-migrate plan``: read both databases, show the plan, keep the catalogs in the project folder."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Annotated

import typer

from blb_migration.cli.options import Debug, ProjectFolder, SourceConn, TargetConn
from blb_migration.errors import ConfigurationError, ExitCode
from blb_migration.findings import Severity, has_errors

if TYPE_CHECKING:
    from rich.console import Console

    from blb_migration.plan.project import Project
    from blb_migration.plan.table_plans import Plan

_ESTIMATE = "rows, about"  # by the statistics of the source; preflight and checks count
_STYLES = {Severity.ERROR: "red", Severity.WARNING: "yellow", Severity.NOTE: "dim"}


def plan(
    source_conn: SourceConn = None,
    target_conn: TargetConn = None,
    project: ProjectFolder = None,
    check: Annotated[
        bool,
        typer.Option("--check", help="Only print the plan; exit with 3 when something needs a decision."),
    ] = False,
    debug: Debug = False,
) -> ExitCode:
    """Refresh the project's catalog.json as well; a folder without decisions becomes a project."""
    from blb_migration.cli.discovery import read_catalogs, read_databases
    from blb_migration.cli.init import write_new_project
    from blb_migration.cli.terminal import build_console
    from blb_migration.plan.decisions_file import read_decisions
    from blb_migration.plan.project import (
        CATALOG_FILE,
        DECISIONS_FILE,
        DEFAULT_PROJECT,
        Project,
        save_project,
    )
    from blb_migration.settings import read_project_folder

    console = build_console()
    if project is not None and not check:
        new_folder = project.expanduser()
        if not (new_folder / DECISIONS_FILE).exists():
            print_plan(console, write_new_project(source_conn, target_conn, new_folder, console).plan)
            return ExitCode.RECONCILED
    databases = read_databases(source_conn, target_conn)
    folder = read_project_folder(project) or DEFAULT_PROJECT
    decisions_file = read_decisions(folder / DECISIONS_FILE)
    source, target = read_catalogs(databases)
    live = Project(folder, decisions_file, source, target)
    print_plan(console, live.plan)
    _print_changes(console, live)
    if check:
        return ExitCode.PREFLIGHT_REFUSED if has_errors(live.plan.findings) else ExitCode.RECONCILED
    try:
        save_project(live)
    except OSError as error:
        raise ConfigurationError(
            f"project folder {folder}",
            found=f"it cannot be written ({error.strerror})",
            next_act="Name another folder with --project, or use --check to write nothing",
        ) from None
    console.print(f"Wrote {CATALOG_FILE} in {folder.resolve()}", markup=False)
    return ExitCode.RECONCILED


def print_plan(console: Console, plan: Plan) -> None:
    """Print the tables in load order, what is not migrated and why, and what needs a decision."""
    from rich.markup import escape
    from rich.table import Table

    tables = Table(title=f"Plan of {plan.project}", title_justify="left", box=None, pad_edge=False)
    for heading in ("#", "level", "source", "target", _ESTIMATE, "columns", "asks", "parents"):
        tables.add_column(
            heading, justify="right" if heading in ("#", "level", _ESTIMATE, "asks") else "left"
        )
    for number, table in enumerate(plan.tables, start=1):
        rows = table.source.row_estimate
        tables.add_row(
            str(number),
            str(table.level),
            escape(str(table.source.name)),
            escape(str(table.target.name)),
            "" if rows is None else f"{rows:,}",
            str(len(table.columns)),
            str(len(table.questions)),
            ", ".join(table.upstream),
        )
    console.print(tables)
    if plan.not_migrated:
        not_migrated = Table(title="\nNot migrated", title_justify="left", box=None, pad_edge=False)
        not_migrated.add_column("what")
        not_migrated.add_column(_ESTIMATE, justify="right")
        not_migrated.add_column("why")
        for left in plan.not_migrated:
            rows = left.row_estimate
            not_migrated.add_row(
                escape(left.subject), "" if rows is None else f"{rows:,}", escape(left.reason)
            )
        console.print(not_migrated)
    if plan.findings:
        console.print("\nFindings")
        for finding in plan.findings:
            console.print(
                f"{finding.severity.value:<8}{finding}", style=_STYLES[finding.severity], markup=False
            )
    open_count = sum(finding.severity is Severity.ERROR for finding in plan.findings)
    console.print(f"\n{len(plan.tables)} tables, {open_count} findings need a decision")


def _print_changes(console: Console, project: Project) -> None:
    from blb_migration.cli.discovery import describe_changes
    from blb_migration.plan.project import load_project

    known = None
    with contextlib.suppress(ConfigurationError):  # no catalog.json yet, or one of another version
        known = load_project(project.folder)
    for change in describe_changes(known, project) if known is not None else ():
        console.print(f"Since catalog.json was written, {change}", markup=False)
