"""A run of Dagster's holds its target, whatever its processes; another one waits, or refuses by name."""

from __future__ import annotations

import os
import threading
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import psycopg
import pytest
from dagster import (
    AssetSelection,
    DagsterInstance,
    Definitions,
    JobDefinition,
    define_asset_job,
    execute_job,
    reconstructable,
)

from blb_migration.defs.assemble import build_defs
from blb_migration.plan.project import load_project, save_project
from blb_migration.postgres.target_hold import read_holder, take_hold
from blb_migration_tests.chain import Chain
from blb_migration_tests.defs.run_config import QUIET
from blb_migration_tests.defs.test_real_databases import DECISIONS, chain, run

__all__ = ["chain"]


def test_a_run_beside_another_refuses_by_name_and_its_log_says_for_whom_it_waited(
    chain: Chain,
    kept_instance: DagsterInstance,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("BLB_RUN_WAIT", "1.2")
    definitions = build_defs(chain.project(DECISIONS))
    with psycopg.connect(chain.target_url, autocommit=True) as session:
        assert take_hold(session, "0ther-run", "erp-host", 4711) is None
        result = run(definitions, "migration", kept_instance)
    assert not result.success
    [failure] = [event for event in result.all_events if event.is_step_failure]
    assert failure.step_failure_data.user_failure_data is not None
    assert "run 0ther-ru on erp-host, process 4711" in str(
        failure.step_failure_data.user_failure_data.description
    )
    said = [entry.user_message for entry in kept_instance.all_logs(result.run_id)]
    assert any("waiting for the target: run 0ther-ru on erp-host" in text for text in said)
    assert run(definitions, "migration", kept_instance).success


def build_two_tables_job() -> JobDefinition:
    """Built anew in every step's process."""
    definitions = build_defs(load_project(Path(os.environ["BLB_PROJECT"])))
    two = define_asset_job("two", AssetSelection.assets("articles", "customers").without_checks())
    return Definitions.merge(definitions, Definitions(jobs=[two])).resolve_job_def("two")


@pytest.mark.usefixtures("new_fork_server")
def test_the_processes_of_one_run_share_its_hold_and_no_other_run_comes_in_between(
    chain: Chain,
    kept_instance: DagsterInstance,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    save_project(replace(chain.project(DECISIONS), folder=tmp_path))
    for name, value in {"PROJECT": str(tmp_path), "EXECUTOR": "multiprocess", "MAX_CONCURRENT": "1"}.items():
        monkeypatch.setenv(f"BLB_{name}", value)
    chain.execute("ALTER TABLE lines DROP CONSTRAINT lines_order_id_fkey")  # so that each is loaded alone
    chain.execute("ALTER TABLE orders DROP CONSTRAINT orders_customer_id_fkey")
    has_ended = threading.Event()
    holders: list[str] = []
    intruder = threading.Thread(target=_watch_holders, args=(chain, has_ended, holders))
    intruder.start()
    try:
        with execute_job(reconstructable(build_two_tables_job), kept_instance, run_config=QUIET) as result:
            failures = [
                str(event.step_failure_data.error) for event in result.all_events if event.is_step_failure
            ]
            assert result.success, failures
    finally:
        has_ended.set()
        intruder.join()
    assert "None" not in holders
    assert len({text for text in holders if "between two of its steps" not in text}) == 2  # two processes


def _watch_holders(chain: Chain, has_ended: threading.Event, holders: list[str]) -> None:
    """Note who holds the target from the first step's ledger entry on."""
    with psycopg.connect(chain.target_url, autocommit=True) as session:
        while not has_ended.wait(0.02):
            with suppress(psycopg.Error):  # no ledger yet
                if session.execute("SELECT 1 FROM blb_migration.runs").fetchone():
                    holders.append(str(read_holder(session)))
