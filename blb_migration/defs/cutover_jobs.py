"""The night in Dagster: the jobs ``cutover`` and ``rollback``, and the schedule ``post_cutover_watch``.

Each step is an op, there and back. Without ``execute: true`` and the target's name it asks what the command
asks. With them an op of ``cutover`` runs the command (``blb-migrate cutover --only STEP --execute``) in a
process of its own: one code, one journal, and a run that is ended here ends the command as Ctrl-C does. The
step ``watch`` is the schedule.
Where the project has no cutover.yaml there are no such jobs.
"""

import os
import subprocess
import sys
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from dagster import (
    ConfigurableResource,
    DagsterExecutionInterruptedError,
    DefaultScheduleStatus,
    Failure,
    In,
    JobDefinition,
    MetadataValue,
    Nothing,
    OpDefinition,
    OpExecutionContext,
    Out,
    ScheduleDefinition,
    graph,
    in_process_executor,
    mem_io_manager,
    op,
)
from pydantic import Field

from blb_migration.cutover.cutover_file import CUTOVER_FILE, read_cutover_file
from blb_migration.cutover.night_models import STEP_NAMES
from blb_migration.cutover.runbook.checklists import read_step_texts
from blb_migration.defs.cancelling import INTERRUPTS
from blb_migration.errors import MigrationError
from blb_migration.plan.project import Project
from blb_migration.processes import build_group_options, interrupt
from blb_migration.settings.environments import PRODUCTION, read_pair

if TYPE_CHECKING:
    from blb_migration.cutover.night import JobOutcome, Night
    from blb_migration.cutover.step import StepReport

WATCH = "watch"
WATCH_CRON = "* * * * *"
_ENDING_SECONDS = 60
_LINES_SHOWN = 40
_COMMAND = (sys.executable, "-m", "blb_migration")
_ASKS = "Only asks, unless the launchpad says `execute: true` and the target database's name."


class NightChoice(ConfigurableResource):  # type: ignore[type-arg]
    """What a launch decides: to ask, or to do it, and on which target."""

    execute: bool = Field(default=False, description="Do it. Otherwise nothing anywhere changes.")
    target: str = Field(default="", description="With execute: the name of the target database, typed in.")

    def is_execution(self) -> bool:
        """Whether it is to be done. Raises Failure where the name is not the target's."""
        if not self.execute:
            return False
        try:
            name = read_pair(PRODUCTION)[1].database
        except MigrationError as error:
            raise Failure(str(error), allow_retries=False) from None
        if self.target != name:
            raise Failure(
                f"execute is true, and target is {self.target or 'empty'}; the target database is {name}. "
                "Type its name in to carry this out.",
                allow_retries=False,
            )
        return True


def has_night(project: Project) -> bool:
    """Whether the project describes a night."""
    return (project.folder / CUTOVER_FILE).is_file()


def build_cutover_job(project: Project) -> JobDefinition:
    """Build the job with one op per step, in the order of the night."""

    @graph(name="cutover", description=f"The night, from 'may we?' to 'we are live'. {_ASKS}")
    def night() -> None:
        in_the_way: Any = None
        for step in STEP_NAMES:
            if step == WATCH:  # the schedule's
                continue
            ask = _build_op(project, step, is_first=in_the_way is None)
            in_the_way = ask() if in_the_way is None else ask(in_the_way)
        _sum_up(in_the_way)

    return _build_job(night)


def build_rollback_job(project: Project) -> JobDefinition:
    """Build the job that takes the night back: an op per step, in the reverse order of what was done."""

    @graph(name="rollback", description=f"Takes the night back; saves what was written meanwhile. {_ASKS}")
    def back() -> None:
        later: Any = None
        for step in reversed(STEP_NAMES):
            take_back = _build_taking_back(project, step, is_first=later is None)
            later = take_back() if later is None else take_back(later)

    return _build_job(back)


def build_watch_schedule(project: Project) -> ScheduleDefinition:
    """Build the schedule that looks once a minute; switched on by whoever has gone live."""

    @op(name="look", out=Out(Nothing), description="One look; a row in the ledger, red where it is alarming.")
    def look(context: OpExecutionContext) -> None:
        from blb_migration.cutover.live_state import read_live_state
        from blb_migration.cutover.watching import watch_once, write_watch_page

        night = _open_night(project)
        state = read_live_state(night.journal)
        if state.kind != "live":
            context.log.info(f"{state}. There is nothing to watch.")
            context.add_output_metadata({"night": MetadataValue.text(str(state))})
            write_watch_page(night)  # it may have been taken back from another machine
            return
        row = watch_once(night)
        context.add_output_metadata({name: MetadataValue.text(str(fact)) for name, fact in row.facts.items()})
        if row.alerts:
            raise Failure("; ".join(row.alerts), allow_retries=False)

    @graph(name="watch_once", description="Looks once at the application that has gone live.")
    def watching() -> None:
        look()

    return ScheduleDefinition(
        name="post_cutover_watch",
        job=watching.to_job(executor_def=in_process_executor),
        cron_schedule=WATCH_CRON,
        default_status=DefaultScheduleStatus.STOPPED,
        description="Every minute after the cutover: health, logs, failed transactions, sequences.",
    )


def _build_job(night: Any) -> JobDefinition:
    choice = NightChoice.configure_at_launch()
    job: JobDefinition = night.to_job(
        resource_defs={"choice": choice, "io_manager": mem_io_manager},
        executor_def=in_process_executor,
        config={"resources": {"choice": {"config": {"execute": False, "target": ""}}}},
    )
    return job


def _build_op(project: Project, step: str, *, is_first: bool) -> OpDefinition:
    """Build a step's op. It hands on which steps are in the way: a launch that only asks hears them all."""

    def run(context: OpExecutionContext, in_the_way: list[str]) -> list[str]:
        if context.resources.choice.is_execution():
            _run_command(context, project, "cutover", "--only", step)
            return in_the_way
        from blb_migration.cutover.carry_out import rehearse
        from blb_migration.cutover.earlier_nights import forecast_night

        night = _open_night(project)
        durations = forecast_night(night.target, project.name).get_step_seconds()
        obstacles = _show(context, rehearse(night, step, durations=durations))
        return [*in_the_way, step] if obstacles else in_the_way

    def run_first(context: OpExecutionContext) -> list[str]:
        return run(context, [])

    ins = {} if is_first else {"in_the_way": In(list)}
    body = run_first if is_first else run
    return op(
        name=step,
        description=f"{read_step_texts()[step].title}.",
        ins=ins,
        out=Out(list),
        required_resource_keys={"choice"},
    )(body)


def _build_taking_back(project: Project, step: str, *, is_first: bool) -> OpDefinition:
    """Build the op that takes one step back, in this process: a rollback starts no job and must be quick."""

    def take_back(context: OpExecutionContext) -> None:
        from blb_migration.cutover.carry_out import roll_back

        executes = context.resources.choice.is_execution()
        night = _open_night(project, context.log.info)
        try:
            reports = [*roll_back(night, step, executes=executes)]
        except MigrationError as error:
            raise Failure(night.mask(str(error)), allow_retries=False) from None
        if not reports:
            context.log.info(f"Step {step} is not done: there is nothing to take back.")
        _show(context, reports)

    ins = {} if is_first else {"later": In(Nothing)}
    return op(
        name=f"undo_{step}",  # a longer word, and Dagster's graph cuts target_schema off
        description=f"{step}, taken back: {read_step_texts()[step].undone}.",
        ins=ins,
        out=Out(Nothing),
        required_resource_keys={"choice"},
    )(take_back)


@op(
    name="sum_up",
    description="Whether the night could begin, or is done.",
    ins={"in_the_way": In(list)},
    out=Out(Nothing),
    required_resource_keys={"choice"},
)
def _sum_up(context: OpExecutionContext, in_the_way: list[str]) -> None:
    if context.resources.choice.is_execution():
        context.log.info("The night is carried out. Switch the schedule post_cutover_watch on: it watches.")
    elif not in_the_way:
        context.log.info("Nothing is in the way, and nothing was changed. Launch it with execute: true.")
    else:
        raise Failure(
            f"The night cannot begin. In the way: {', '.join(in_the_way)}; their logs say what.",
            allow_retries=False,
        )


def _show(context: OpExecutionContext, reports: "Iterable[StepReport]") -> list[str]:
    """Write what the steps say into the log and beside the op; returns what is in the way."""
    lines, obstacles = [], []
    for report in reports:
        said = (f"{report.name}: {report.state}", report.found, *report.does)
        lines += [line for line in said if line]
        for answer in report.answers:
            lines.append(f"{answer.status}: {answer}")
        if report.state == "undone":
            lines += [f"{name}: {fact}" for name, fact in report.evidence.items() if fact]
        obstacles += [str(answer) for answer in report.obstacles]
    for line in lines:
        context.log.info(line)
    for obstacle in obstacles:
        context.log.error(f"In the way: {obstacle}")
    context.add_output_metadata({"said": MetadataValue.text("\n".join(lines))})
    return obstacles


def _run_command(context: OpExecutionContext, project: Project, *words: str) -> None:
    """Run it, its lines into the log as they come. Raises Failure with its last line, the error."""
    said: list[str] = []
    process = subprocess.Popen(
        [*_COMMAND, *words, "--execute", "--project", str(project.folder)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        encoding="utf-8",
        errors="replace",
        env={**os.environ, "PYTHONIOENCODING": "utf-8", "COLUMNS": "160"},
        **build_group_options(),  # a terminal's Ctrl-C is Dagster's, which tells us
    )
    assert process.stdout is not None
    try:
        for line in process.stdout:
            said.append(line.rstrip())
            context.log.info(said[-1])
        code = process.wait()
    except INTERRUPTS:
        _end(process)
        raise DagsterExecutionInterruptedError from None
    finally:
        process.stdout.close()
    context.add_output_metadata({"said": MetadataValue.text("\n".join(said[-_LINES_SHOWN:]))})
    if code != 0:
        last = said[-1].removeprefix("blb-migrate: ") if said else "it said nothing"
        raise Failure(f"{last} (exit code {code})", allow_retries=False)


def _end(process: subprocess.Popen[str]) -> None:
    interrupt(process)
    try:
        process.wait(_ENDING_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _open_night(project: Project, tell: Callable[[str], None] = lambda _line: None) -> "Night":
    """Open the night to ask, to look and to take back; it starts no job. Raises Failure."""
    try:
        return _read_night(project, tell)
    except MigrationError as error:
        raise Failure(str(error), allow_retries=False) from None


def _read_night(project: Project, tell: Callable[[str], None]) -> "Night":
    from blb_migration.cutover.journal import Actor, Journal
    from blb_migration.cutover.night import Night
    from blb_migration.postgres.connect import TargetConnector
    from blb_migration.sqlserver.connect import SourceConnector

    source, target = read_pair(PRODUCTION)
    file, actor, connector = read_cutover_file(project.folder), Actor.read(), TargetConnector(target)

    def run_no_job(kind: str, **_how: Any) -> "JobOutcome":
        raise AssertionError(f"a look starts no job, {kind} neither")

    return Night(
        project=project,
        source=SourceConnector(source),
        target=connector,
        file=file,
        journal=Journal(file.settings.records, connector, actor),
        actor=actor,
        run_job=run_no_job,
        tell=tell,
    )
