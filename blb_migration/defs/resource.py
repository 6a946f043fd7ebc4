"""The resource ``migration``: what a step needs to call a stage, made when the step runs.

Connection URLs come from the variables of one environment at that moment, never from run config, where
Dagster would store and show them. Which environment, the resource knows from its making: no tag, config or
selection of a run can change it.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from functools import cache
from typing import TYPE_CHECKING, Any, TypeVar, cast

from dagster import (
    AssetCheckExecutionContext,
    AssetExecutionContext,
    DagsterInstance,
    DagsterRun,
    DagsterRunStatus,
    Field,
    InitResourceContext,
    ResourceDefinition,
)

from blb_migration.cancellation import NEVER, Cancellation, run_to_end
from blb_migration.defs.asset_keys import PREFLIGHT, build_asset_keys, build_verdict_key, place_key
from blb_migration.defs.cancelling import INTERRUPTS, cancellation_of_run
from blb_migration.defs.connectors import Connectors, connect_from_environment
from blb_migration.defs.database_pair import DATABASES_KEY
from blb_migration.defs.dead_runs import build_process_tags
from blb_migration.defs.event_storage import kept_event_files
from blb_migration.defs.executor import CELERY, is_one_process
from blb_migration.defs.observer import RunObserver
from blb_migration.defs.run_notes import RunNotes
from blb_migration.defs.run_tags import (
    CONNECTIONS_TAG,
    ENVIRONMENT_TAG,
    KIND_TAG,
    OFF_RECORD_TAG,
    build_place_tags,
    describe_places,
    tag_run,
)
from blb_migration.defs.step_failures import carry_out
from blb_migration.defs.storage_place import refuse_storage_in_target
from blb_migration.errors import ConfigurationError, MigrationError
from blb_migration.plan.project import Project
from blb_migration.settings.environments import PRODUCTION, Environment
from blb_migration.waiting import told_to

if TYPE_CHECKING:
    from blb_migration.defs.verdict_events import Verdict
    from blb_migration.migration import Comparing, Loading, Migration, Replacing
    from blb_migration.postgres.connect import TargetConnector
    from blb_migration.postgres.ledger.records import RunKind
    from blb_migration.run_hold import TargetHold

RESOURCE_KEY = "migration"
KINDS_WITHOUT_HOLD = ("preflight", "verdict")  # which only read

Result = TypeVar("Result")
StepContext = AssetExecutionContext | AssetCheckExecutionContext

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class MigrationResource:
    """Hands every step its ``Migration``, and its results to the observer.

    ``giving_up`` breaks off the restoring of foreign keys at the end of the run. ``writes_reports``: into
    files for the UI; a command writes its own.
    """

    project: Project
    connect: Callable[[Environment], Connectors] = connect_from_environment
    observer: RunObserver = field(default_factory=RunObserver)
    comparing: Comparing | None = None
    loading: Loading | None = None
    replacing: Replacing | None = None
    config: Mapping[str, Any] = field(default_factory=dict)
    handed_out: RunNotes | None = None
    cancellation: Cancellation = NEVER
    giving_up: Cancellation = NEVER
    environment: Environment = PRODUCTION
    hold: Callable[[Migration, bool], TargetHold] | None = None
    writes_reports: bool = True

    @property
    def is_of_environment(self) -> bool:
        """Whether its databases are those that the environment's variables name."""
        return self.connect is connect_from_environment

    @property
    def places(self) -> Mapping[str, str]:
        """The environment and both databases, for the metadata of all that a step leaves; once it is open."""
        return self.notes.places

    @property
    def notes(self) -> RunNotes:
        """What this process sees of the run. Only a resource that Dagster has handed to a step has any."""
        assert self.handed_out is not None
        return self.handed_out

    def carry_out(self, context: StepContext, step: str, work: Callable[[Migration], Result]) -> Result:
        """Return the result of a step's ``work``, its errors turned into Dagster's; ``step`` names it."""
        return carry_out(
            step, lambda: work(self.open(context)), self.cancellation, self.observer, context.retry_number
        )

    def open(self, context: StepContext) -> Migration:
        """Return the migration of the run that ``context`` belongs to, which holds its target from now on.

        Raises ConfigurationError when the run's databases are not configured, TargetHeld when another run
        holds the target, and TargetUnreachable.
        """
        from blb_migration.defs.loading import read_comparing, read_loading
        from blb_migration.migration import Migration, RunInfo
        from blb_migration.replacing import read_replacing

        tags = context.run.tags
        _refuse_other_tags(tags, self.environment)
        connectors = self.connect(self.environment)
        kind = find_kind(context.run, self.environment)
        run = RunInfo(context.run.run_id, kind, self.environment, self.notes.begun)
        comparing = self.comparing or read_comparing()
        loading = self.loading or read_loading()
        replacing = self.replacing or read_replacing(
            self.project.plan, self.config.get("replace_changed_rows", ()), self.config.get("reason")
        )
        migration = Migration(
            self.project, connectors.source, connectors.target, run, comparing, loading, replacing
        )
        has_one_process = is_one_process(context.job_def.executor_def)
        is_elsewhere = context.job_def.executor_def.name == CELERY  # the run's process names itself
        process = {} if is_elsewhere else build_process_tags(run.run_id, is_one_process=has_one_process)
        places = build_place_tags(migration)
        if self.notes.step_opened(migration, has_one_process, describe_places(migration)):
            # Once: what Dagster tells a step of its run's tags is what they were when the run began.
            tag_run(context.instance, run.run_id, tags, {**process, **places, KIND_TAG: run.kind})
            context.log.info(f"Run of {migration.databases}")
            refuse_storage_in_target(context.instance, migration.target)
        if run.kind not in KINDS_WITHOUT_HOLD:
            assert self.hold is not None
            self.hold(migration, has_one_process).ensure()
        return migration

    def build_migration(self, run_id: str, kind: RunKind) -> Migration:
        """Build the migration of this environment outside of a step. Raises ConfigurationError."""
        from blb_migration.migration import Migration, RunInfo

        connectors = self.connect(self.environment)
        run = RunInfo(run_id, kind, self.environment)
        return Migration(self.project, connectors.source, connectors.target, run)

    def read_verdict(self) -> Verdict:
        """Read what the ledger of this environment's target says now.

        Raises ConfigurationError and TargetUnreachable.
        """
        from blb_migration.defs.verdict_events import read_verdict

        migration = self.build_migration("", "verdict")
        return read_verdict(migration.target, describe_places(migration))

    def tell_verdict(self, instance: DagsterInstance, log: logging.Logger) -> None:
        """Report the verdict again after a run that came to no database. Never raises."""
        from blb_migration.defs.verdict_events import report_verdict

        try:
            verdict = self.read_verdict()
        except MigrationError as error:  # no step could connect either, and says so
            log.warning("Whether a cutover may go ahead is not known: %s", error)
            return
        report_verdict(instance, self.environment, verdict, writes_files=self.writes_reports)

    def as_definition(self) -> ResourceDefinition:
        """Return this object as a Dagster resource: within one run in one process, its sessions are kept.

        When Dagster lets go of it, foreign keys that the run has left dropped are restored, and the run's
        end is recorded as far as that process has seen it.
        """
        needs = {DATABASES_KEY} if self.is_of_environment else set[str]()

        def hand_out(context: InitResourceContext) -> Iterator[MigrationResource]:
            notes = RunNotes(self.project.plan.tables, self.observer)
            notes.meter.leave_out(_find_tables_left_out(self.project, self.environment, context))
            with ExitStack() as stack:
                stack.enter_context(told_to((context.log or _LOG).warning))
                if context.instance is not None:
                    stack.enter_context(kept_event_files(context.instance))
                run_id = context.run.run_id if context.run is not None else ""
                cancellation = stack.enter_context(cancellation_of_run(run_id))
                asked = getattr(context.resources, DATABASES_KEY).connect if needs else self.connect
                connect = build_keeping_connect(asked, stack, cancellation)
                hold = _build_hold(stack)
                try:
                    yield replace(
                        self,
                        connect=connect,
                        observer=notes,
                        handed_out=notes,
                        cancellation=cancellation,
                        hold=hold,
                        config=context.resource_config or {},
                    )
                finally:
                    log = context.log or _LOG

                    def end() -> None:
                        notes.restore_keys(log, self.giving_up)
                        notes.record_end(log, lambda: cancellation.is_asked or _is_canceled(context))

                    run_to_end(end, INTERRUPTS)
                    if context.instance is not None and notes.was_kept_out:
                        tag_run(context.instance, run_id, {}, {OFF_RECORD_TAG: "another run held the target"})
                    elif context.instance is not None and notes.ends_unjudged:
                        notes.tell_verdict(context.instance, log, writes_files=self.writes_reports)
                    elif context.instance is not None and notes.failed_unopened:
                        self.tell_verdict(context.instance, log)

        return ResourceDefinition(
            hand_out, config_schema=_CONFIG, description=_DESCRIPTION, required_resource_keys=needs
        )


def _find_tables_left_out(
    project: Project, environment: Environment, context: InitResourceContext
) -> set[str]:
    """Labels of the tables that the run does not load: others were selected, or are done already."""
    if context.run is None:
        return set()
    selected, steps = context.run.asset_selection, context.run.step_keys_to_execute
    return {
        label
        for label, key in build_asset_keys(project.plan, environment).items()
        if (selected is not None and key not in selected)
        or (steps is not None and key.to_python_identifier() not in steps)
    }


def _is_canceled(context: InitResourceContext) -> bool:
    """Whether someone has asked for the run's end; a step that is not asked itself does not hear of it."""
    if context.instance is None or context.run is None:
        return False
    run = context.instance.get_run_by_id(context.run.run_id)
    return run is not None and run.status in (DagsterRunStatus.CANCELING, DagsterRunStatus.CANCELED)


def build_keeping_connect(
    connect: Callable[[Environment], Connectors], stack: ExitStack, cancellation: Cancellation
) -> Callable[[Environment], Connectors]:
    """Return ``connect``, asked once; what it opens is kept until ``stack`` closes, and ends by
    ``cancellation``."""

    @cache
    def connect_keeping(environment: Environment) -> Connectors:
        connectors = connect(environment)
        for connector in (connectors.source, connectors.target):
            stack.enter_context(connector.keeping_sessions())
            stack.enter_context(connector.cancelled_by(cancellation))
        return connectors

    return connect_keeping


def find_kind(run: DagsterRun, environment: Environment) -> RunKind:
    """Find what kind of run this is: by its job's tag, else by what of the graph it was started for."""
    tagged = run.tags.get(KIND_TAG)
    if run.asset_selection == {place_key(PREFLIGHT, environment)}:
        return "preflight"
    if tagged is not None:
        return cast("RunKind", tagged)
    if not run.asset_selection and run.asset_check_selection:
        is_verdict = run.asset_check_selection == {build_verdict_key(environment)}
        return "verdict" if is_verdict else "reconcile"
    return "migration" if environment == PRODUCTION else "rehearsal"


def _refuse_other_tags(tags: Mapping[str, str], environment: Environment) -> None:
    """Raise ConfigurationError for a run whose tags ask for another environment than the one it is of."""
    for tag in (ENVIRONMENT_TAG, CONNECTIONS_TAG):
        asked = tags.get(tag, environment)
        if asked in (environment, "main"):
            continue
        raise ConfigurationError(
            f"run tag {tag}",
            found=f"it says {asked!r}, but this run was started in {environment}",
            expected=f"{environment}, or no such tag",
            next_act="Start the run among the assets and jobs of the environment that is meant",
        )


def _build_hold(stack: ExitStack) -> Callable[[Migration, bool], TargetHold]:
    """Return what finds a run's hold of its target, kept until ``stack`` closes."""

    @cache
    def find(target: TargetConnector, run_id: str, is_one_process: bool) -> TargetHold:
        from blb_migration.run_hold import holding_target

        return stack.enter_context(holding_target(target, run_id, is_one_process=is_one_process))

    return lambda migration, is_one_process: find(migration.target, migration.run.run_id, is_one_process)


_CONFIG = {
    "replace_changed_rows": Field(
        [str],
        is_required=False,
        default_value=[],
        description="Tables that are loaded although others have changed their rows since the last load, or "
        "have filled them: these rows are lost. Named as in the plan; needs a reason.",
    ),
    "reason": Field(
        str,
        is_required=False,
        default_value="",
        description="Why these rows may go; recorded in the ledger.",
    ),
}

_DESCRIPTION = (
    "The two databases of this environment, and the plan. URLs are read when a step runs: production's from "
    "BLB_SOURCE_CONN and BLB_TARGET_CONN, the rehearsal's from BLB_REHEARSAL_SOURCE_CONN and "
    "BLB_REHEARSAL_TARGET_CONN."
)
