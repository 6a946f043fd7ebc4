"""``blb-migrate schema``: the DDL for a target that has no tables yet, printed or executed.

``create_missing_schema`` does the same before a load, for ``--create-schema``.
"""

from __future__ import annotations

import sys
import uuid
from collections import Counter
from typing import TYPE_CHECKING, Annotated

import typer

from blb_migration.cli.options import Debug, ProjectFolder, SourceConn, TargetConn
from blb_migration.errors import ExitCode, PreflightRefused
from blb_migration.findings import Finding, Severity, has_errors

if TYPE_CHECKING:
    from rich.console import Console

    from blb_migration.cli.designing import SourceReading
    from blb_migration.plan.decisions_file import DecisionsFile
    from blb_migration.postgres.connect import TargetConnector
    from blb_migration.schema.design import SchemaDesign
    from blb_migration.sqlserver.connect import SourceConnector

_FINDINGS_IN_MESSAGE = 10


def schema(
    source_conn: SourceConn = None,
    target_conn: TargetConn = None,
    project: ProjectFolder = None,
    apply: Annotated[
        bool, typer.Option("--apply", help="Create them at the target, in one transaction.")
    ] = False,
    debug: Debug = False,
) -> ExitCode:
    """Print the SQL that creates the project's tables, and what it cannot carry over. No existing table is
    changed. Exits with 3 when something in it needs a decision first.
    """
    from blb_migration.cli.designing import read_source, read_target
    from blb_migration.cli.terminal import build_console
    from blb_migration.plan.decisions_file import read_decisions
    from blb_migration.plan.project import DECISIONS_FILE, DEFAULT_PROJECT
    from blb_migration.postgres.connect import TargetConnector
    from blb_migration.run_hold import holding_target
    from blb_migration.schema.design import build_design
    from blb_migration.schema.script import render_script
    from blb_migration.settings import read_project_folder, read_target_settings

    folder = read_project_folder(project) or DEFAULT_PROJECT
    decisions_file = read_decisions(folder / DECISIONS_FILE)
    if apply:
        target = TargetConnector(read_target_settings(target_conn))
        console = build_console()
        with holding_target(target, str(uuid.uuid4())) as hold:
            hold.ensure()
            _create(read_source(source_conn), target, decisions_file, console)
        console.print(
            "Next: 'blb-migrate plan' shows the order and refreshes catalog.json, 'blb-migrate' migrates"
        )
        return ExitCode.RECONCILED
    source = read_source(source_conn)
    _refuse_unknown_names(source, decisions_file)
    design = build_design(source.catalog, decisions_file.decisions, read_target(target_conn).features)
    sys.stdout.write(render_script(design, source.modules, source.notes))
    return ExitCode.PREFLIGHT_REFUSED if has_errors(design.findings) else ExitCode.RECONCILED


def create_missing_schema(
    source: SourceConnector, target: TargetConnector, decisions_file: DecisionsFile, console: Console
) -> None:
    """Create the tables where the target has none of them; do nothing where it has all of them.

    Raises ConfigurationError for decisions about what is not there, PreflightRefused for what needs a
    decision first, TargetNotOurs where only some of the tables exist, TargetError when a statement fails.
    Nothing is created then.
    """
    from blb_migration.cli.designing import read_source_of

    _create(read_source_of(source), target, decisions_file, console, may_exist=True)


def _create(
    source: SourceReading,
    target: TargetConnector,
    decisions_file: DecisionsFile,
    console: Console,
    *,
    may_exist: bool = False,
) -> None:
    from blb_migration.postgres.create import create_tables, find_existing
    from blb_migration.postgres.ledger.live_mark import refuse_live_target
    from blb_migration.postgres.server_features import read_server_features
    from blb_migration.schema.ddl import build_statements
    from blb_migration.schema.design import build_design

    _refuse_unknown_names(source, decisions_file)
    with target.connect() as connection:
        refuse_live_target(connection, "the target's schema")
        design = build_design(source.catalog, decisions_file.decisions, read_server_features(connection))
        tables = [table.name for table in design.catalog]
        if may_exist and len(find_existing(connection, tables)) == len(tables):
            return
        _refuse_errors(design)
        create_tables(connection, tables, build_statements(design))
    console.print(_summarize(design), markup=False)
    for finding in design.findings:
        if finding.severity is not Severity.NOTE:
            console.print(f"{finding.severity.value:<8}{finding}", markup=False)
    _print_not_migrated(console, source)


def _refuse_unknown_names(source: SourceReading, decisions_file: DecisionsFile) -> None:
    from blb_migration.plan.decided_names import check_names

    decisions_file.refuse(check_names(source.catalog, decisions_file.decisions, None).faults)


def _refuse_errors(design: SchemaDesign) -> None:
    errors: list[Finding] = [f for f in design.findings if f.severity is Severity.ERROR]
    if not errors:
        return
    shown = [f"  {finding}" for finding in errors[:_FINDINGS_IN_MESSAGE]]
    if len(errors) > len(shown):
        shown.append(f"  and {len(errors) - len(shown)} more")
    raise PreflightRefused(
        "the target's schema",
        found=f"{len(errors)} things need a decision first\n" + "\n".join(shown) + "\nNothing was created",
        next_act="Settle each of them in decisions.yaml, then run again",
    )


def _summarize(design: SchemaDesign) -> str:
    tables = design.catalog.tables
    indexes = sum(len(table.indexes) for table in tables)
    keys = sum(len(table.foreign_keys) for table in tables)
    checks = sum(len(table.checks) for table in tables)
    return f"Created {len(tables)} tables, {indexes} indexes, {checks} checks, {keys} foreign keys"


def _print_not_migrated(console: Console, source: SourceReading) -> None:
    counts = Counter(module.kind for module in source.modules)
    if counts:
        listed = ", ".join(f"{count} x {kind}" for kind, count in sorted(counts.items()))
        console.print(f"Not migrated, 'blb-migrate schema' shows the definitions: {listed}", markup=False)
