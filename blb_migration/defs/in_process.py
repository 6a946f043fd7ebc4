"""Running a job of the graph in this process, for the command.

Against the instance of DAGSTER_HOME when that is set and its history is of the same target, so that the run
shows in the UI, else against one that vanishes. What happens in the run reaches the caller through its
observer.
"""

from __future__ import annotations

import logging
import os
import uuid
from collections.abc import Collection, Iterator
from contextlib import ExitStack, contextmanager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml
from dagster import DagsterError, DagsterInstance, JobDefinition, RunsFilter
from filelock import FileLock
from sqlalchemy.exc import DatabaseError
from tenacity import retry, retry_if_exception_type, stop_after_attempt, wait_random

from blb_migration.cancellation import NEVER, Cancellation
from blb_migration.collector import resting_collector
from blb_migration.defs.assemble import build_defs
from blb_migration.defs.asset_keys import PREFLIGHT, place_key
from blb_migration.defs.connectors import Connectors
from blb_migration.defs.dead_runs import build_process_tags, end_dead_runs
from blb_migration.defs.ended_runs import list_failures_around_steps
from blb_migration.defs.event_batches import recording_in_batches
from blb_migration.defs.event_storage import kept_event_files
from blb_migration.defs.executor import CELERY, MULTIPROCESS, THREADS, read_choice
from blb_migration.defs.jobs import name_reconcile_job, name_whole_job
from blb_migration.defs.optional_internals import find_internal
from blb_migration.defs.resource import MigrationResource
from blb_migration.defs.run_tags import ENVIRONMENT_TAG, KIND_TAG, TARGET_TAG, build_place_tags
from blb_migration.errors import ConfigurationError
from blb_migration.settings.environments import read_target_identity

if TYPE_CHECKING:
    from blb_migration.defs.observer import RunObserver
    from blb_migration.migration import Migration
    from blb_migration.postgres.ledger.records import RunKind

HOME_VARIABLE = "DAGSTER_HOME"
LOCK_FILE = ".blb-migrate.lock"
# Whatever dagster.yaml says, or where there is none: a migration of production data is nobody else's affair.
# Who reports to Dagster's maker is kept in the user's home, too, which would be made where it is not there.
_NO_TELEMETRY = {"telemetry": {"enabled": False}}
_QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}


@dataclass(frozen=True)
class RunOutcome:
    """How a run ended; ``run_id`` is the ledger's and Dagster's."""

    run_id: str
    is_success: bool
    is_interrupted: bool


def build_run_id() -> str:
    """Build a run id as Dagster forms them."""
    return str(uuid.uuid4())


def run_in_process(
    migration: Migration,
    observer: RunObserver,
    *,
    labels: Collection[str] | None = None,
    checks: Collection[str] | None = None,
    giving_up: Cancellation = NEVER,
) -> RunOutcome:
    """Run what ``migration.run.kind`` asks for, step by step, and return when it is over.

    ``reconcile`` runs the checks of ``labels`` at ``checks`` (all by default), ``preflight`` preflight
    alone, every other kind the whole graph. A step's failure is an outcome, not an exception. ``giving_up``
    breaks off the restoring of foreign keys at the end. Raises ConfigurationError when DAGSTER_HOME is no
    usable instance.
    """
    kind: RunKind = migration.run.kind
    environment = migration.run.environment
    connectors = Connectors(migration.source, migration.target)
    resource = MigrationResource(
        migration.project,
        lambda _environment: connectors,
        observer,
        migration.comparing,
        migration.loading,
        replacing=migration.replacing,
        giving_up=giving_up,
        environment=environment,
        writes_reports=False,
    )
    choice = read_choice(migration.project.plan.tables_by_label)
    if choice.name in (
        MULTIPROCESS,
        CELERY,
    ):  # other processes would know neither this plan nor this observer
        choice = replace(choice, name=THREADS)
    with resting_collector():
        definitions = build_defs(
            migration.project,
            resource=resource,
            reconciled_labels=labels,
            reconciled_checks=checks,
            executor=choice,
            environment=environment,
        )
        name = name_reconcile_job(environment) if kind == "reconcile" else name_whole_job(environment)
        job = definitions.resolve_job_def(name)
    run_job = find_internal("run_job", "run_job") or _run_as_promised
    with (
        _quiet_dagster(),
        _open_instance(migration) as instance,
        kept_event_files(instance),
        recording_in_batches(),
    ):
        is_success, is_interrupted = run_job(
            job,
            instance,
            run_id=migration.run.run_id,
            run_config=_QUIET,
            tags={
                KIND_TAG: kind,
                **build_place_tags(migration),
                **build_process_tags(migration.run.run_id),
            },
            asset_selection=[place_key(PREFLIGHT, environment)] if kind == "preflight" else None,
        )
        for step, error in () if is_success else list_failures_around_steps(instance, migration.run.run_id):
            observer.step_failed(step, error)
    return RunOutcome(migration.run.run_id, is_success, is_interrupted)


def _run_as_promised(job: JobDefinition, instance: DagsterInstance, **what: Any) -> tuple[bool, bool]:
    """Run ``job`` step by step, by what Dagster promises to keep; returns success and interruption."""
    result = job.execute_in_process(instance=instance, raise_on_error=False, **what)
    # A run fails by a step or a check that fails, which is a step's failure too, or by an interruption.
    failed_steps = [event for event in result.all_events if event.is_step_failure]
    return result.success, not result.success and not failed_steps


def is_of_instance(instance: DagsterInstance, migration: Migration) -> bool:
    """Whether the history of ``instance`` is of this target: its statuses must not tell of another one.

    That is the target that the environment's variable names, without one that of the last run there. Scratch
    copies are nobody's target.
    """
    environment, target = migration.run.environment, str(migration.target.settings.identity)
    if migration.run.kind == "dry_run":
        return False
    configured = read_target_identity(environment)
    if configured is not None:
        return str(configured) == target
    last = instance.get_run_records(RunsFilter(tags={ENVIRONMENT_TAG: environment}), limit=1)
    return not last or last[0].dagster_run.tags.get(TARGET_TAG, target) == target


@contextmanager
def _open_instance(migration: Migration) -> Iterator[DagsterInstance]:
    home = os.environ.get(HOME_VARIABLE, "").strip()
    if not home:
        with _open_ephemeral() as instance:
            yield instance
        return
    try:
        instance = _get_instance(Path(home).expanduser())
    except (DagsterError, OSError, yaml.YAMLError) as error:
        raise ConfigurationError(
            f"environment variable {HOME_VARIABLE}",
            found=f"{home} is no usable Dagster instance ({error})",
            expected="an absolute path to a folder, with a valid dagster.yaml if there is one",
            next_act=f"Correct {HOME_VARIABLE}, or unset it to run without Dagster's records",
        ) from None
    with ExitStack() as stack:
        stack.enter_context(instance)
        end_dead_runs(instance)
        if not is_of_instance(instance, migration):
            instance = stack.enter_context(_open_ephemeral())
        yield instance


@contextmanager
def _open_ephemeral() -> Iterator[DagsterInstance]:
    """Yield an instance whose records are in memory, fit for steps in several threads."""
    keeping_connection = find_internal("memory_events", "keeping_connection") or nullcontext
    with DagsterInstance.ephemeral() as instance, keeping_connection(instance):
        yield instance


@retry(
    retry=retry_if_exception_type(DatabaseError),
    stop=stop_after_attempt(5),
    wait=wait_random(0.2, 1),
    reraise=True,
)
def _get_instance(home: Path) -> DagsterInstance:
    """Return the instance of DAGSTER_HOME, whose files the first of several commands makes.

    Dagster's own processes, which make them too, know no lock: their half-made files are tried again.
    Raises NotADirectoryError where Dagster would refuse the folder.
    """
    if not (home.is_absolute() and home.is_dir()):
        raise NotADirectoryError("no absolute path to a folder that exists")
    with FileLock(home / LOCK_FILE):
        return DagsterInstance.local_temp(str(home), overrides=_NO_TELEMETRY)


@contextmanager
def _quiet_dagster() -> Iterator[None]:
    """Keep Dagster's own lines off the terminal; its records have them all."""
    logger = logging.getLogger("dagster")
    level = logger.level
    logger.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        logger.setLevel(level)
