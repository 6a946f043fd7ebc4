"""How the steps of a run are carried out: which of Dagster's executors, and how many steps at once.

Chosen when the code location is loaded, from the project's tables and the processors of this machine;
``BLB_EXECUTOR`` and ``BLB_MAX_CONCURRENT`` overrule it. The command chooses by the same rule.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Collection
from dataclasses import dataclass
from typing import Final

from dagster import ExecutorDefinition, in_process_executor, multiprocess_executor

from blb_migration.defs.celery_queues import find_celery_internal, read_broker
from blb_migration.defs.optional_internals import find_internal
from blb_migration.settings.machine import count_processors
from blb_migration.settings.variables import ExecutorVariables, name_variable

IN_PROCESS: Final = "in_process"
THREADS: Final = "threads"
MULTIPROCESS: Final = "multiprocess"
CELERY: Final = "celery"

# Each load keeps a processor of both servers busy too, holds some 100 MB and three sessions with the target,
# of which an untouched PostgreSQL has 97; a large table that is split takes as many again as it finds free.
MOST_AT_ONCE = 4

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class ExecutorChoice:
    """An executor by name, how many steps it carries out at once, and why this one."""

    name: str
    max_concurrent: int
    reason: str


def choose_executor(labels: Collection[str], processor_count: int) -> ExecutorChoice:
    """Return the executor for these tables on so many processors."""
    at_once = min(len(labels), processor_count, MOST_AT_ONCE)
    if at_once <= 1:
        few = "table" if processor_count > 1 else "processor"
        return ExecutorChoice(IN_PROCESS, 1, f"one {few}")
    return ExecutorChoice(THREADS, at_once, f"{len(labels)} tables, {processor_count} processors")


def read_choice(labels: Collection[str]) -> ExecutorChoice:
    """Return what the environment asks for, and the rule for what it leaves open. Raises
    ConfigurationError."""
    chosen = choose_executor(labels, count_processors())
    variables = ExecutorVariables.read()
    name, at_once = variables.executor, variables.max_concurrent
    if name is None and at_once is None:
        return chosen
    setters = " and ".join(name_variable(field) for field, value in variables if value is not None)
    max_concurrent = at_once or max(chosen.max_concurrent, min(2, len(labels)))
    name = name or (THREADS if max_concurrent > 1 else IN_PROCESS)
    return ExecutorChoice(name, 1 if name == IN_PROCESS else max(1, max_concurrent), f"set by {setters}")


def build_executor(choice: ExecutorChoice, resource: object) -> ExecutorDefinition:
    """Dagster's executor for ``choice``; one table after the other where this Dagster knows no threads.

    ``resource``: the run's MigrationResource, for an executor that must end the run itself. Raises
    ConfigurationError where what Celery needs is not there.
    """
    if choice.name == CELERY:
        build_celery_executor = find_celery_internal("celery_executor", "build_celery_executor")
        celery: ExecutorDefinition = build_celery_executor(read_broker(), resource)
        _LOG.info("Executor %s, as many at once as its workers: %s", choice.name, choice.reason)
        return celery
    _LOG.info("Executor %s, %s at once: %s", choice.name, choice.max_concurrent, choice.reason)
    settings = {"max_concurrent": choice.max_concurrent}
    if choice.name == MULTIPROCESS:
        start_method = _build_start_method()
        return multiprocess_executor.configured({**settings, "start_method": start_method}, name=MULTIPROCESS)
    threads: ExecutorDefinition | None = (
        find_internal("threads_executor", "threads_executor") if choice.name == THREADS else None
    )
    if threads is None:
        return in_process_executor
    return threads.configured({**settings, "reason": choice.reason}, name=THREADS)


def is_one_process(executor: ExecutorDefinition) -> bool:
    """Whether ``executor`` carries out all steps of a run in the process that runs it.

    ``execute_in_process_executor`` is the name of the one behind ``JobDefinition.execute_in_process``.
    """
    return executor.name in (IN_PROCESS, THREADS, "execute_in_process_executor")


def _build_start_method() -> dict[str, dict[str, list[str]]]:
    if os.name == "nt":
        return {"spawn": {}}  # Windows has nothing else
    # One warm process to fork from: importing all of this anew in every step would cost seconds each.
    return {"forkserver": {"preload_modules": ["blb_migration.defs.internals.preload"]}}
