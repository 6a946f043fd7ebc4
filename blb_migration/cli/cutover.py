"""``blb-migrate cutover`` and ``blb-migrate rollback``: the night's steps, asked or carried out, and back."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from blb_migration.cli.options import Debug, ProjectFolder, SourceConn, TargetConn
from blb_migration.errors import ExitCode, MigrationError

if TYPE_CHECKING:
    from rich.console import Console

    from blb_migration.cli.discovery import Databases
    from blb_migration.cutover.night import JobOutcome, Night
    from blb_migration.cutover.step import StepReport
    from blb_migration.plan.project import Project

Execute = Annotated[
    bool,
    typer.Option(
        "--execute", help="Do it. Without this nothing anywhere changes: it is only asked and said."
    ),
]
_MARKS: Mapping[str, str] = {  # of an AnswerStatus
    "good": "[green]ok[/]      ",
    "later": "[cyan]then[/]    ",
    "note": "[dim]note[/]    ",
    "obstacle": "[red]not yet[/] ",
}
_COLORS = {"refused": "red", "failed": "red", "done": "green", "already": "green", "undone": "green"}


def cutover(
    *,
    source_conn: SourceConn = None,
    target_conn: TargetConn = None,
    project: ProjectFolder = None,
    only: Annotated[
        str | None, typer.Option("--only", metavar="STEP", help="This step alone, such as freeze or smoke.")
    ] = None,
    execute: Execute = False,
    debug: Debug = False,
) -> ExitCode:
    """Ask every step of cutover.yaml what it would do and what stands in its way; with --execute, do it. A
    night that was broken off goes on at the step that was open. Without --execute it exits with 0 only if the
    night could begin.
    """
    from blb_migration.cli.discovery import read_databases, read_project
    from blb_migration.cli.terminal import build_console

    console = build_console()
    night = open_night(
        read_databases(source_conn, target_conn), read_project(project), console, is_debug=debug
    )
    if not execute:
        return _show_rehearsal(console, night, only)
    execute_night(console, night, only)
    return ExitCode.RECONCILED


def execute_night(console: Console, night: Night, only: str | None = None) -> None:
    """Carry out the steps and print each. Raises MigrationError where one fails, and says where the night
    stands then; so it does where a person breaks it off.
    """
    from blb_migration.cutover.carry_out import carry_out
    from blb_migration.cutover.standing import describe_standing

    try:
        for report in carry_out(night, only):
            print_step(console, report)
    except (MigrationError, KeyboardInterrupt):
        for line in describe_standing(night):
            console.print(night.mask(line), markup=False, highlight=False)
        raise
    finally:
        _print_notes(console, night)


def rollback(
    *,
    source_conn: SourceConn = None,
    target_conn: TargetConn = None,
    project: ProjectFolder = None,
    only: Annotated[
        str | None,
        typer.Option("--only", metavar="STEP", help="This step alone; those after it must be taken back."),
    ] = None,
    execute: Execute = False,
    debug: Debug = False,
) -> ExitCode:
    """Say what going back would do; with --execute, do it: in the reverse order of what was done, and after
    saving what was written on PostgreSQL since the application used it.
    """
    from blb_migration.cli.discovery import read_databases, read_project
    from blb_migration.cli.terminal import build_console
    from blb_migration.cutover.carry_out import roll_back

    console = build_console()
    night = open_night(
        read_databases(source_conn, target_conn), read_project(project), console, is_debug=debug
    )
    reports = list(_print_each(console, roll_back(night, only, executes=execute)))
    _print_notes(console, night)
    if not reports:
        what = "No step of a night is done" if only is None else f"Step {only} is not done"
        console.print(f"{what}: there is nothing to take back.")
    elif execute and night.journal.night_id is None:
        console.print("The night is taken back. SQL Server serves the application again.")
    elif execute:
        console.print(f"Step {only} is taken back. The rest: 'blb-migrate rollback --execute'")
    else:
        console.print("This would be taken back, in this order; nothing was changed. Do it: --execute")
    return ExitCode.RECONCILED


def open_night(
    databases: Databases,
    project: Project,
    console: Console,
    *,
    is_debug: bool = False,
    is_brief: bool = False,
) -> Night:
    """Read cutover.yaml and both journals; changes nothing. Raises ConfigurationError and JournalsDiffer.

    ``is_brief``: of the night's runs only the outcome is printed.
    """
    from blb_migration.cli.migrate import Order, run_order
    from blb_migration.cutover.cutover_file import read_cutover_file
    from blb_migration.cutover.journal import Actor, Journal
    from blb_migration.cutover.night import JobOutcome, Night
    from blb_migration.report.seal import compute_seal

    file = read_cutover_file(project.folder)
    actor = Actor.read()

    def run_job(
        kind: str,
        *,
        output: Path,
        rereads_source: bool | None = None,
        replaced: Collection[str] = (),
        reason: str | None = None,
    ) -> JobOutcome:
        order = Order(
            databases,
            project,
            kind="reconcile" if kind == "reconcile" else "cutover",
            output=output,
            is_debug=is_debug,
            rereads_source=rereads_source,
            replaced=replaced,
            reason=reason,
            is_brief=is_brief,
        )
        ending = run_order(order, console)
        return JobOutcome(
            run_id=ending.run_id,
            is_equal=ending.exit_code is ExitCode.RECONCILED,
            verdict=ending.report["verdict"],
            report=output,
            sha256=compute_seal(ending.report),
        )

    return Night(
        project=project,
        source=databases.source,
        target=databases.target,
        file=file,
        journal=Journal(file.settings.records, databases.target, actor),
        actor=actor,
        run_job=run_job,
        tell=lambda line: console.print(f"  {line}", markup=False),
    )


def print_step(console: Console, report: StepReport) -> None:
    """Print one step: its state and time, what it does, and each answer."""
    from blb_migration.progress.quantities import format_duration

    color = _COLORS.get(report.state, "bold")
    took = f", {format_duration(report.seconds)}" if report.seconds is not None else ""
    console.print(f"[{color}]{report.name:<14}{report.state}[/]{took}", highlight=False)
    told = (report.found, *report.does) if report.state != "done" else ()
    for line in (*told, *_list_saved(report)):
        if line:
            console.print(f"  {line}", markup=False, highlight=False)
    for answer in report.answers:
        console.print(f"  {_MARKS[answer.status]}", end="", highlight=False)
        console.print(str(answer), markup=False, highlight=False)


def _list_saved(report: StepReport) -> list[str]:
    """List what taking a step back has saved, or could not save yet."""
    from blb_migration.cutover.journal import POSTPONED

    if report.state != "undone":
        return []
    lines = [f"saved: {one}" for one in report.evidence.get("written", ())]
    folder, postponed = report.evidence.get("saved_in"), report.evidence.get(POSTPONED)
    return [*lines, *([f"in {folder}"] if folder else []), *([str(postponed)] if postponed else [])]


def _show_rehearsal(console: Console, night: Night, only: str | None) -> ExitCode:
    from blb_migration.cutover.carry_out import rehearse
    from blb_migration.cutover.earlier_nights import forecast_night
    from blb_migration.progress.quantities import count
    from blb_migration.report.night_sentences import describe_forecast

    forecast = forecast_night(night.target, night.project.name)
    reports = rehearse(night, only, durations=forecast.get_step_seconds())
    shown = list(_print_each(console, reports))
    obstacles = sum(len(report.obstacles) for report in shown)
    if all(report.state in ("already", "skipped") for report in shown):
        what = "Every step of the night" if only is None else f"Step {only}"
        console.print(f"{what} is done. Nothing was changed.")
        return ExitCode.RECONCILED
    for line in describe_forecast(forecast) if only is None else ():
        console.print(line, markup=False, highlight=False)
    if obstacles:
        console.print(f"The night cannot begin: {count(obstacles, 'obstacle')}. Nothing was changed.")
        return ExitCode.PREFLIGHT_REFUSED
    console.print("The night could begin. Nothing was changed. Begin it: blb-migrate cutover --execute")
    return ExitCode.RECONCILED


def _print_each(console: Console, reports: Iterator[StepReport]) -> Iterator[StepReport]:
    for report in reports:
        print_step(console, report)
        yield report


def _print_notes(console: Console, night: Night) -> None:
    for line in night.journal.notes:
        console.print(f"Journal: {night.mask(line)}", markup=False)
