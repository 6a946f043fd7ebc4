"""The resource ``migration``: what a step needs to call a stage, made when the step runs.

Connection URLs come from the environment at that moment, never from run config, where Dagster would
store and show them. A run tagged ``blb/connections: rehearsal``, as the nightly schedule tags its runs, takes
those of the rehearsal. ``settings.variables`` declares them all.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from functools import cache
from typing import TYPE_CHECKING, Literal, TypeVar, cast, get_args

from dagster import (
    AssetCheckExecutionContext,
    AssetExecutionContext,
    DagsterRunStatus,
    InitResourceContext,
    ResourceDefinition,
)

from blb_migration.cancellation import NEVER, Cancellation
from blb_migration.defs.asset_keys import build_asset_keys
from blb_migration.defs.cancelling import cancellation_of_run
from blb_migration.defs.dead_runs import PROCESS_TAG, tag_with_process
from blb_migration.defs.event_storage import kept_event_files
from blb_migration.defs.executor import is_one_process
from blb_migration.defs.observer import RunObserver
from blb_migration.defs.run_notes import RunNotes
from blb_migration.defs.step_failures import carry_out
from blb_migration.errors import ConfigurationError
from blb_migration.plan.project import Project
from blb_migration.settings.variables import name_variable, read_url_variable

if TYPE_CHECKING:
    from blb_migration.migration import Comparing, Loading, Migration
    from blb_migration.postgres.connect import TargetConnector
    from blb_migration.postgres.ledger.records import RunKind
    from blb_migration.sqlserver.connect import SourceConnector

RESOURCE_KEY = "migration"
KIND_TAG = "blb/kind"
CONNECTIONS_TAG = "blb/connections"

Result = TypeVar("Result")
ConnectionRole = Literal["main", "rehearsal"]
StepContext = AssetExecutionContext | AssetCheckExecutionContext

# Fields of settings.variables.DatabaseVariables.
_FIELDS: Mapping[ConnectionRole, tuple[str, str]] = {
    "main": ("source_conn", "target_conn"),
    "rehearsal": ("rehearsal_source_conn", "rehearsal_target_conn"),
}


_LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class Connectors:
    """The two databases of a run."""

    source: SourceConnector
    target: TargetConnector


def connect_from_environment(role: ConnectionRole) -> Connectors:
    """Return the databases that the environment names right now; nothing is contacted.

    Raises ConfigurationError for a variable that is not set or holds no usable URL.
    """
    from blb_migration.postgres.connect import TargetConnector
    from blb_migration.settings import parse_source_url, parse_target_url
    from blb_migration.sqlserver.connect import SourceConnector

    source_field, target_field = _FIELDS[role]
    source_url = _read_url(source_field, "the source, mssql+pyodbc://...")
    target_url = _read_url(target_field, "the target, postgresql://user:password@host:5432/database")
    return Connectors(
        SourceConnector(parse_source_url(source_url)), TargetConnector(parse_target_url(target_url))
    )


def is_rehearsal_configured() -> bool:
    """Whether both databases of the nightly rehearsal are named in the environment."""
    return all(read_url_variable(field) for field in _FIELDS["rehearsal"])


def _read_url(field: str, expected: str) -> str:
    url = read_url_variable(field)
    if url is None:
        variable = name_variable(field)
        raise ConfigurationError(
            f"environment variable {variable}",
            found="it is not set",
            expected=f"the SQLAlchemy URL of {expected}",
            next_act=f"Set {variable} where Dagster's code location runs, and run again",
        )
    return url


@dataclass(frozen=True)
class MigrationResource:
    """Hands every step its ``Migration``, and its results to the observer."""

    project: Project
    connect: Callable[[ConnectionRole], Connectors] = connect_from_environment
    observer: RunObserver = field(default_factory=RunObserver)
    comparing: Comparing | None = None
    loading: Loading | None = None
    handed_out: RunNotes | None = None
    cancellation: Cancellation = NEVER

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
        """Return the migration of the run that ``context`` belongs to; connects to nothing yet.

        Raises ConfigurationError when the run's databases are not configured.
        """
        from blb_migration.defs.loading import read_comparing, read_loading
        from blb_migration.migration import Migration, RunInfo

        tags = context.run.tags
        connectors = self.connect(_read_role(tags.get(CONNECTIONS_TAG, "main")))
        kind = cast("RunKind", tags.get(KIND_TAG, "migration"))
        run = RunInfo(context.run.run_id, kind)
        comparing = self.comparing or read_comparing()
        loading = self.loading or read_loading()
        migration = Migration(self.project, connectors.source, connectors.target, run, comparing, loading)
        has_one_process = is_one_process(context.job_def.executor_def)
        if PROCESS_TAG not in tags:
            tag_with_process(context.instance, run.run_id, is_one_process=has_one_process)
        self.notes.step_opened(migration, has_one_process)
        return migration

    def as_definition(self) -> ResourceDefinition:
        """Return this object as a Dagster resource: within one run in one process, its sessions are kept.

        When Dagster lets go of it, the run's end is recorded as far as that process has seen it.
        """

        def hand_out(context: InitResourceContext) -> Iterator[MigrationResource]:
            notes = RunNotes(self.project.plan.tables, self.observer)
            notes.meter.leave_out(_find_tables_left_out(self.project, context))
            with ExitStack() as stack:
                if context.instance is not None:
                    stack.enter_context(kept_event_files(context.instance))
                run_id = context.run.run_id if context.run is not None else ""
                cancellation = stack.enter_context(cancellation_of_run(run_id))
                connect = _build_keeping_connect(self.connect, stack, cancellation)
                try:
                    yield replace(
                        self, connect=connect, observer=notes, handed_out=notes, cancellation=cancellation
                    )
                finally:
                    notes.record_end(context.log or _LOG, lambda: _is_canceled(context))

        return ResourceDefinition(hand_out, description=_DESCRIPTION)


def _find_tables_left_out(project: Project, context: InitResourceContext) -> set[str]:
    """Labels of the tables that the run does not load: others were selected, or are done already."""
    if context.run is None:
        return set()
    selected, steps = context.run.asset_selection, context.run.step_keys_to_execute
    return {
        label
        for label, key in build_asset_keys(project.plan).items()
        if (selected is not None and key not in selected)
        or (steps is not None and key.to_python_identifier() not in steps)
    }


def _is_canceled(context: InitResourceContext) -> bool:
    """Whether someone has asked for the run's end; a step that is not asked itself does not hear of it."""
    if context.instance is None or context.run is None:
        return False
    run = context.instance.get_run_by_id(context.run.run_id)
    return run is not None and run.status in (DagsterRunStatus.CANCELING, DagsterRunStatus.CANCELED)


def _build_keeping_connect(
    connect: Callable[[ConnectionRole], Connectors], stack: ExitStack, cancellation: Cancellation
) -> Callable[[ConnectionRole], Connectors]:
    """``connect``, asked once per role; what it opens is kept until ``stack`` closes."""

    @cache
    def connect_keeping(role: ConnectionRole) -> Connectors:
        connectors = connect(role)
        for connector in (connectors.source, connectors.target):
            stack.enter_context(connector.keeping_sessions())
            stack.enter_context(connector.cancelled_by(cancellation))
        return connectors

    return connect_keeping


def _read_role(value: str) -> ConnectionRole:
    for role in get_args(ConnectionRole):
        if value == role:
            return cast("ConnectionRole", role)
    raise ConfigurationError(
        f"run tag {CONNECTIONS_TAG}",
        found=f"it is {value!r}",
        expected=" or ".join(get_args(ConnectionRole)),
        next_act="Correct the tag, or leave it out for the main databases",
    )


_DESCRIPTION = (
    "The two databases and the plan. URLs are read when a step runs, from BLB_SOURCE_CONN and "
    "BLB_TARGET_CONN, or from BLB_REHEARSAL_SOURCE_CONN and BLB_REHEARSAL_TARGET_CONN in runs tagged "
    "blb/connections: rehearsal."
)
