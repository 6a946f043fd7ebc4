"""How the steps of a run are carried out: which of Dagster's executors, and how many steps at once.

Chosen when the code location is loaded, from the project's tables and the processors of this machine;
``BLB_EXECUTOR`` and ``BLB_MAX_CONCURRENT`` overrule it. The command chooses by the same rule.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Collection
from dataclasses import dataclass

from dagster import ExecutorDefinition, in_process_executor, multiprocess_executor

from blb_migration.defs.optional_internals import find_internal
from blb_migration.errors import ConfigurationError
from blb_migration.settings.machine import count_processors

EXECUTOR_VARIABLE = "BLB_EXECUTOR"
MAX_CONCURRENT_VARIABLE = "BLB_MAX_CONCURRENT"
IN_PROCESS, THREADS, MULTIPROCESS = "in_process", "threads", "multiprocess"

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
    """The executor for these tables on so many processors."""
    at_once = min(len(labels), processor_count, MOST_AT_ONCE)
    if at_once <= 1:
        few = "table" if processor_count > 1 else "processor"
        return ExecutorChoice(IN_PROCESS, 1, f"one {few}")
    return ExecutorChoice(THREADS, at_once, f"{len(labels)} tables, {processor_count} processors")


def read_choice(labels: Collection[str]) -> ExecutorChoice:
    """What the environment asks for, and the rule for what it leaves open. Raises ConfigurationError."""
    chosen = choose_executor(labels, count_processors())
    name = os.environ.get(EXECUTOR_VARIABLE, "").strip()
    at_once = os.environ.get(MAX_CONCURRENT_VARIABLE, "").strip()
    if name not in ("", IN_PROCESS, THREADS, MULTIPROCESS):
        raise ConfigurationError(
            f"environment variable {EXECUTOR_VARIABLE}",
            found=f"{name!r}",
            expected=f"{IN_PROCESS}, {THREADS} or {MULTIPROCESS}",
            next_act="Correct it, or leave it out to have one chosen",
        )
    if at_once and not (at_once.isascii() and at_once.isdecimal() and int(at_once) > 0):
        raise ConfigurationError(
            f"environment variable {MAX_CONCURRENT_VARIABLE}",
            found=f"{at_once!r}",
            expected="a number of tables, 1 or more",
            next_act="Correct it, or leave it out to have it derived from the machine",
        )
    if not name and not at_once:
        return chosen
    variables = ((EXECUTOR_VARIABLE, name), (MAX_CONCURRENT_VARIABLE, at_once))
    setters = " and ".join(variable for variable, value in variables if value)
    max_concurrent = int(at_once) if at_once else max(chosen.max_concurrent, min(2, len(labels)))
    name = name or (THREADS if max_concurrent > 1 else IN_PROCESS)
    return ExecutorChoice(name, 1 if name == IN_PROCESS else max(1, max_concurrent), f"set by {setters}")


def build_executor(choice: ExecutorChoice) -> ExecutorDefinition:
    """Dagster's executor for ``choice``; one table after the other where this Dagster knows no threads."""
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
