"""Works on a whole project, the sample ERP by default: its stages one after the other, and as Dagster's jobs.

Each function runs in a process of its own (see ``worker``) and returns its seconds and its own metrics.
The bare engine does what the job does, with no Dagster in the process; what the job takes beyond it is
orchestration.
"""

from __future__ import annotations

import os
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from blb_migration.checks import CHECK_NAMES
from blb_migration.migration import Migration, RunInfo
from blb_migration.plan.project import DEFAULT_PROJECT, load_project
from blb_migration.postgres.connect import TargetConnector
from blb_migration.settings import parse_source_url, parse_target_url
from blb_migration.sqlserver.connect import SourceConnector
from blb_migration_tests.benchmarks.one_table import Outcome

_AFTER_FINISH = "integrity"
PROCESSORS = "processors"  # seconds of this process without its imports and the plan
TABLE_CHECKS = tuple(name for name in CHECK_NAMES if name != _AFTER_FINISH)


def bare_engine(source_url: str, target_url: str, project: str | None = None) -> Outcome:
    """Every stage and every check, called in a loop; ``project`` is a folder."""
    migration = _build_migration(source_url, target_url, project)
    parts: dict[str, Any] = {}
    started, spent = time.perf_counter(), time.process_time()
    with migration.source.keeping_sessions(), migration.target.keeping_sessions():
        report_is_equal = _run_stages(migration, parts)
    seconds = time.perf_counter() - started
    parts[PROCESSORS] = time.process_time() - spent
    _refuse_failure(report_is_equal)
    return seconds, parts


def _run_stages(migration: Migration, parts: dict[str, Any]) -> bool:
    from blb_migration.compare.run_checks import run_check
    from blb_migration.load.finish import restore_constraints
    from blb_migration.load.prepare import prepare_target
    from blb_migration.load.table import load_table
    from blb_migration.preflight.stage import refuse_if_errors, run_preflight
    from blb_migration.report.document import build_report

    tables = migration.project.plan.tables
    with _timed(parts, "preflight"):
        result = run_preflight(migration)
        refuse_if_errors(result)
        migration = replace(migration, project=result.live_project)
    with _timed(parts, "prepare"):
        prepare_target(migration, result.findings)
    with _timed(parts, "load"):
        rows = sum(load_table(migration, table).rows_written for table in tables)
    with _timed(parts, "reconcile"):
        results = [run_check(migration, table, name) for table in tables for name in TABLE_CHECKS]
    with _timed(parts, "finish"):
        restore_constraints(migration)
    with _timed(parts, "integrity"):
        results += [run_check(migration, table, _AFTER_FINISH) for table in tables]
    with _timed(parts, "report"):
        report = build_report(migration, result.findings)
    parts["rows"] = rows
    return all(check.passed for check in results) and bool(report["reconciliation"]["equal"])


def job_in_process(
    source_url: str, target_url: str, home: str | None = None, project: str | None = None
) -> Outcome:
    """Return the job as the command runs it; ``home`` is a DAGSTER_HOME that keeps its events, None keeps
    none."""
    from blb_migration.defs.in_process import run_in_process
    from blb_migration.defs.observer import RunObserver

    if home is not None:
        os.environ["DAGSTER_HOME"] = home
    migration = _build_migration(source_url, target_url, project)
    started, spent = time.perf_counter(), time.process_time()
    outcome = run_in_process(migration, RunObserver())
    seconds = time.perf_counter() - started
    parts = {PROCESSORS: time.process_time() - spent}
    _refuse_failure(outcome.is_success)
    return seconds, parts


def jobs_in_process(source_url: str, target_url: str, home: str | None, count: int) -> Outcome:
    """Return that job, so many times in one process."""
    return sum(job_in_process(source_url, target_url, home)[0] for _ in range(count)), {}


def job_as_launched(source_url: str, target_url: str, home: str, executor: str) -> Outcome:
    """Return the job as the UI's run worker executes it, with ``BLB_EXECUTOR`` naming the executor, if any.

    The run worker's own start is in it: the UI's user waits for that as well.
    """
    import subprocess
    import sys

    from dagster import DagsterInstance

    os.environ |= {
        "DAGSTER_HOME": home,
        "BLB_SOURCE_CONN": source_url,
        "BLB_TARGET_CONN": target_url,
        "BLB_EXECUTOR": executor,
    }
    started = time.perf_counter()
    command = [sys.executable, "-m", "dagster", "job", "execute"]
    command += ["--module-name", "blb_migration.definitions", "--job", "migration"]
    done = subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False)
    seconds = time.perf_counter() - started
    with DagsterInstance.get() as instance:
        run = instance.get_runs(limit=1)[0]
    _refuse_failure(done.returncode == 0 and run.is_success)
    return seconds, {}


def load_definitions(project: str) -> Outcome:
    """Load the code location as the UI and every run of it do: its definitions and its jobs."""
    os.environ["BLB_PROJECT"] = project
    started = time.perf_counter()
    from blb_migration.definitions import defs

    imported = time.perf_counter()
    jobs = [job.name for job in defs.get_repository_def().get_all_jobs()]
    _refuse_failure("migration" in jobs)
    seconds = time.perf_counter() - started
    return seconds, {"defined": imported - started, "resolved": seconds - (imported - started)}


def _build_migration(source_url: str, target_url: str, folder: str | None) -> Migration:
    project = load_project(DEFAULT_PROJECT if folder is None else Path(folder))
    _ = project.plan.hash
    return Migration(
        project,
        SourceConnector(parse_source_url(source_url)),
        TargetConnector(parse_target_url(target_url)),
        RunInfo(str(uuid.uuid4()), "rehearsal"),
    )


@contextmanager
def _timed(parts: dict[str, Any], name: str) -> Iterator[None]:
    started = time.perf_counter()
    yield
    parts[name] = time.perf_counter() - started


def _refuse_failure(is_good: bool) -> None:
    if not is_good:
        raise RuntimeError("the project was not moved and proven equal; its time means nothing")
