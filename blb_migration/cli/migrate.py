"""``blb-migrate`` itself: a job of the graph, run in this process. Other subcommands order theirs here."""

from __future__ import annotations

from collections.abc import Collection
from contextlib import nullcontext, suppress
from dataclasses import dataclass, replace
from pathlib import Path

from rich.console import Console

from blb_migration.cli.discovery import (
    Databases,
    describe_changes,
    read_catalogs,
    read_databases,
    read_project,
)
from blb_migration.cli.outcome import (
    Report,
    build_failed_report,
    build_run_report,
    decide_exit_code,
    describe_error,
    describe_interruption,
    print_report,
    refuse_unwritable,
    report_failures,
    report_unheard_endings,
)
from blb_migration.cli.progress_lines import shown_progress
from blb_migration.cli.signals import find_giving_up, keeping_handlers
from blb_migration.cli.terminal import build_console
from blb_migration.collector import resting_collector
from blb_migration.errors import (
    ConfigurationError,
    ExitCode,
    MigrationError,
    OtherSource,
    PreflightRefused,
)
from blb_migration.load.scratch import on_scratch
from blb_migration.migration import Comparing, Migration, RunInfo
from blb_migration.plan.lost_parts import refuse_lost_parts
from blb_migration.plan.names_given import find_labels
from blb_migration.plan.project import Project
from blb_migration.plan.table_plans import Plan
from blb_migration.postgres.ledger.records import RunKind
from blb_migration.replacing import read_replacing
from blb_migration.report.ending import record_early_ending
from blb_migration.report.files import write_report
from blb_migration.report.sentences import Ending
from blb_migration.run_hold import TargetHold, holding_target
from blb_migration.settings.environments import REHEARSAL, find_environment
from blb_migration.settings.variables import ComparingVariables

_INTERRUPTED_BEFORE = "interrupted before the run began; no row was written, and no foreign key dropped."


@dataclass(frozen=True)
class Order:
    """What is asked for. ``labels`` and ``checks`` narrow a reconciliation to these.

    ``creates_schema``: create the target's tables first, where it has none of them. ``replaced`` are tables
    whose changed rows may go, with the person's ``reason``. ``is_brief``: only the outcome is printed.
    """

    databases: Databases
    project: Project
    kind: RunKind = "migration"
    output: Path | None = None
    is_debug: bool = False
    labels: Collection[str] | None = None
    checks: Collection[str] | None = None
    rereads_source: bool | None = None
    creates_schema: bool = False
    replaced: Collection[str] = ()
    reason: str | None = None
    is_brief: bool = False


def migrate(
    *,
    source_conn: str | None,
    target_conn: str | None,
    project: Path | None,
    output: Path | None,
    dry_run: bool,
    create_schema: bool,
    replace_changed_rows: list[str] | None,
    reason: str | None,
    debug: bool,
) -> ExitCode:
    """Run the whole graph, for a dry run onto scratch tables."""
    order = read_order(source_conn, target_conn, project, output)
    if create_schema and dry_run:
        raise ConfigurationError(
            "--create-schema",
            found="given together with --dry-run, which changes nothing",
            expected="one of the two",
            next_act="Run 'blb-migrate schema' to see what would be created",
        )
    kind: RunKind = "dry_run" if dry_run else "migration"
    order = replace(
        order,
        kind=kind,
        is_debug=debug,
        creates_schema=create_schema,
        replaced=tuple(replace_changed_rows or ()),
        reason=reason,
    )
    return carry_out(order, build_console())


def _create_schema(order: Order, console: Console) -> None:
    from blb_migration.cli.schema import create_missing_schema

    file = order.project.decisions_file
    create_missing_schema(order.databases.source, order.databases.target, file, console)


def read_order(
    source_url: str | None, target_url: str | None, folder: Path | None, output: Path | None
) -> Order:
    """Read the settings and the project of an order. Raises ConfigurationError."""
    refuse_unwritable(output)
    return Order(read_databases(source_url, target_url), read_project(folder), output=output)


@dataclass(frozen=True)
class OrderEnding:
    """How an order ended: its run, its exit code, and the report as it was written."""

    run_id: str
    exit_code: ExitCode
    report: Report


def carry_out(order: Order, console: Console) -> ExitCode:
    """Run ``order``, print its outcome and write its report, whatever happens.

    Raises MigrationError for what ends it before the first step, and KeyboardInterrupt.
    """
    return run_order(order, console).exit_code


def run_order(order: Order, console: Console) -> OrderEnding:
    """Do what ``carry_out`` does, and return the report as well."""
    with resting_collector():
        from blb_migration.defs.in_process import build_run_id
        from blb_migration.defs.loading import read_loading

    environment = find_environment(order.databases.target_settings)
    is_rehearsal = environment == REHEARSAL and order.kind == "migration"
    run = RunInfo(build_run_id(), "rehearsal" if is_rehearsal else order.kind, environment)
    migration = Migration(
        order.project,
        order.databases.source,
        order.databases.target,
        run,
        _read_comparing(order),
        read_loading(),
    )
    console.print(f"{run.kind.replace('_', ' ').capitalize()}, {migration.databases}", markup=False)
    with holding_target(migration.target, run.run_id) as hold:
        return _carry_out_holding(order, migration, hold, console)


def _carry_out_holding(order: Order, migration: Migration, hold: TargetHold, console: Console) -> OrderEnding:
    from blb_migration.defs.in_process import run_in_process

    try:
        hold.ensure()
        if migration.target.settings.has_several_hosts:
            console.print(f"Of its hosts, {migration.target.place} answers", markup=False)
        if order.creates_schema:
            _create_schema(order, console)
        live = order.project.with_catalogs(*read_catalogs(order.databases))
        refuse_lost_parts(order.project, live)
        labels = None if order.labels is None else find_labels(live.plan, order.labels, "--tables")
        if order.kind == "reconcile":
            _refuse_other_source(migration, live.plan, labels)
        replacing = read_replacing(live.plan, order.replaced, order.reason)
    except MigrationError as error:
        if isinstance(error, PreflightRefused | OtherSource) and order.kind != "dry_run":
            with suppress(MigrationError):  # what ended the run is said in any case
                record_early_ending(migration, Ending.REFUSED, describe_error(error))
        if order.output is not None:
            write_report(build_failed_report(migration, [describe_error(error)]), order.output)
        raise
    except KeyboardInterrupt:
        raise KeyboardInterrupt(_INTERRUPTED_BEFORE) from None
    for change in describe_changes(order.project, live):
        console.print(f"Not as in catalog.json, {change}; 'blb-migrate plan' refreshes it", markup=False)

    migration = replace(migration, project=live, replacing=replacing)
    with on_scratch(migration) if order.kind == "dry_run" else nullcontext(migration) as grounded:
        is_interrupted = True  # between Dagster's own handlers, too
        with (
            shown_progress(console, live.plan.tables, is_brief=order.is_brief) as record,
            suppress(KeyboardInterrupt),
            keeping_handlers(),
        ):
            is_interrupted = run_in_process(
                grounded, record, labels=labels, checks=order.checks, giving_up=find_giving_up()
            ).is_interrupted
        report = build_run_report(grounded, record, is_interrupted=is_interrupted)
    if is_interrupted:
        if order.output is not None:
            write_report(report, order.output)
        raise KeyboardInterrupt(describe_interruption(record, report))
    print_report(console, report, order.output, labels, is_brief=order.is_brief)
    report_failures(record, order.is_debug)
    report_unheard_endings(report)
    exit_code = decide_exit_code(record, report, needs_equality=labels is None and order.checks is None)
    return OrderEnding(migration.run.run_id, exit_code, report)


def _refuse_other_source(migration: Migration, plan: Plan, labels: Collection[str] | None) -> None:
    from blb_migration.compare.source_reads import refuse_to_compare_with_other

    tables = [table for table in plan.tables if labels is None or table.label in labels]
    refuse_to_compare_with_other(migration, tables)


def _read_comparing(order: Order) -> Comparing:
    """Read the environment's choice; differences go beside the report if they are to go nowhere else."""
    from blb_migration.defs.loading import read_comparing

    comparing = read_comparing()
    if order.output is not None and "differences" not in ComparingVariables.read().model_fields_set:
        comparing = replace(comparing, differences_folder=order.output.resolve().parent / "differences")
    if order.rereads_source is not None:
        comparing = replace(comparing, rereads_source=order.rereads_source)
    return comparing
