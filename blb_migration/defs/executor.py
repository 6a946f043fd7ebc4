"""How the steps of a run are carried out.

In one process by default: the largest table keeps both databases busy by itself, and a process start
per step costs an ERP of 40 small tables more than its load. ``BLB_EXECUTOR=multiprocess`` loads
independent tables side by side, worth it for several large ones.
"""

from __future__ import annotations

import os

from dagster import ExecutorDefinition, in_process_executor, multiprocess_executor

from blb_migration.errors import ConfigurationError

EXECUTOR_VARIABLE = "BLB_EXECUTOR"


def build_executor() -> ExecutorDefinition:
    """The executor that ``BLB_EXECUTOR`` names. Raises ConfigurationError for an unknown one."""
    name = os.environ.get(EXECUTOR_VARIABLE, "").strip() or "in_process"
    if name == "in_process":
        return in_process_executor
    if name == "multiprocess":
        return multiprocess_executor.configured({"start_method": _build_start_method()}, name="multiprocess")
    raise ConfigurationError(
        f"environment variable {EXECUTOR_VARIABLE}",
        found=f"{name!r}",
        expected="in_process or multiprocess",
        next_act="Correct it, or leave it out for in_process",
    )


def _build_start_method() -> dict[str, dict[str, list[str]]]:
    if os.name == "nt":
        return {"spawn": {}}  # Windows has nothing else
    # One warm process to fork from: importing Dagster anew in every step would cost seconds each.
    return {"forkserver": {"preload_modules": ["blb_migration.definitions"]}}
