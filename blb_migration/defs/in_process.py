"""Running a job of the graph in this process, for the command.

Against the instance of DAGSTER_HOME when that is set, so that the run shows in the UI, else against one
that vanishes. What happens in the run reaches the caller through its observer.
"""

from __future__ import annotations

import logging
import os
import uuid
from collections.abc import Collection, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml
from dagster import DagsterError, DagsterInstance, JobDefinition
from filelock import FileLock
from sqlalchemy.exc import DatabaseError
from tenacity import retry, retry_if_exception_type, stop_after_attempt, wait_random

from blb_migration.defs.assemble import build_defs
from blb_migration.defs.asset_keys import PREFLIGHT
from blb_migration.defs.dead_runs import build_process_tags, end_dead_runs
from blb_migration.defs.event_storage import kept_event_files
from blb_migration.defs.executor import MULTIPROCESS, THREADS, read_choice
from blb_migration.defs.jobs import RECONCILE, REHEARSAL
from blb_migration.defs.optional_internals import find_internal
from blb_migration.defs.resource import KIND_TAG, Connectors, MigrationResource
from blb_migration.errors import ConfigurationError

if TYPE_CHECKING:
    from blb_migration.defs.observer import RunObserver
    from blb_migration.migration import Migration
    from blb_migration.postgres.ledger.records import RunKind

HOME_VARIABLE = "DAGSTER_HOME"
LOCK_FILE = ".blb-migrate.lock"
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
) -> RunOutcome:
    """Run what ``migration.run.kind`` asks for, step by step, and return when it is over.

    ``reconcile`` runs the checks of ``labels`` at ``checks`` (all by default), ``preflight`` preflight
    alone, every other kind the whole graph. A step's failure is an outcome, not an exception. Raises
    ConfigurationError when DAGSTER_HOME is no usable instance.
    """
    kind: RunKind = migration.run.kind
    connectors = Connectors(migration.source, migration.target)
    resource = MigrationResource(
        migration.project, lambda _role: connectors, observer, migration.comparing, migration.loading
    )
    choice = read_choice(migration.project.plan.tables_by_label)
    if choice.name == MULTIPROCESS:  # other processes would know neither this plan nor this observer
        choice = replace(choice, name=THREADS)
    definitions = build_defs(
        migration.project,
        resource=resource,
        reconciled_labels=labels,
        reconciled_checks=checks,
        executor=choice,
    )
    job = definitions.resolve_job_def(RECONCILE if kind == "reconcile" else REHEARSAL)
    run_job = find_internal("run_job", "run_job") or _run_as_promised
    with _quiet_dagster(), _open_instance() as instance, kept_event_files(instance):
        is_success, is_interrupted = run_job(
            job,
            instance,
            run_id=migration.run.run_id,
            run_config=_QUIET,
            tags={KIND_TAG: kind, **build_process_tags()},
            asset_selection=[PREFLIGHT] if kind == "preflight" else None,
        )
    return RunOutcome(migration.run.run_id, is_success, is_interrupted)


def _run_as_promised(job: JobDefinition, instance: DagsterInstance, **what: Any) -> tuple[bool, bool]:
    """Run ``job`` step by step, by what Dagster promises to keep; returns success and interruption."""
    result = job.execute_in_process(instance=instance, raise_on_error=False, **what)
    # A run fails by a step or a check that fails, which is a step's failure too, or by an interruption.
    failed_steps = [event for event in result.all_events if event.is_step_failure]
    return result.success, not result.success and not failed_steps


@contextmanager
def _open_instance() -> Iterator[DagsterInstance]:
    home = os.environ.get(HOME_VARIABLE, "").strip()
    if not home:
        with DagsterInstance.ephemeral() as instance:
            yield instance
        return
    try:
        instance = _get_instance(Path(home))
    except (DagsterError, OSError, yaml.YAMLError) as error:
        raise ConfigurationError(
            f"environment variable {HOME_VARIABLE}",
            found=f"{home} is no usable Dagster instance ({error})",
            expected="an absolute path to a folder, with a valid dagster.yaml if there is one",
            next_act=f"Correct {HOME_VARIABLE}, or unset it to run without Dagster's records",
        ) from None
    with instance:
        end_dead_runs(instance)
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
    """
    lock = FileLock(home / LOCK_FILE) if home.is_dir() else nullcontext()
    with lock:
        return DagsterInstance.get()


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
