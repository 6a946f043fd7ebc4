"""What ``celery -A blb_migration.defs.celery_worker worker`` carries out: the steps of runs of this project.

A worker of its own process model: the code location is loaded once, its children are forked from there. What
it lacks is one sentence, before it has taken a step.
"""

from __future__ import annotations

import importlib
import os
import sys

from blb_migration.defs.celery_queues import build_application, find_celery_internal, read_broker
from blb_migration.defs.executor import CELERY
from blb_migration.defs.in_process import HOME_VARIABLE
from blb_migration.errors import ConfigurationError, MigrationError
from blb_migration.settings.variables import name_variable


def _build_worker() -> object:
    """Build the application with its task. Raises MigrationError."""
    create_step_task = find_celery_internal("celery_step", "create_step_task")
    take_what_can_begin = find_celery_internal("celery_intake", "take_what_can_begin")
    application = build_application(read_broker())
    take_what_can_begin(application)
    if not os.environ.get(HOME_VARIABLE, "").strip():
        raise ConfigurationError(
            f"environment variable {HOME_VARIABLE}",
            found="it is not set",
            expected="a folder with the dagster.yaml of the run's own Dagster instance",
            next_act="Set it, then start the worker again",
        )
    os.environ[name_variable("executor")] = CELERY  # a step here is a step of several processes
    definitions = importlib.import_module("blb_migration.definitions")
    importlib.import_module("blb_migration.defs.internals.preload")
    create_step_task(application, definitions.project.plan.hash)
    return application


try:
    app = _build_worker()
except MigrationError as error:
    sys.stderr.write(f"{error}\n")
    raise SystemExit(int(error.exit_code)) from None
