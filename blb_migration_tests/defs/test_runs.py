"""What a run does when all is well, when a check differs, when a load fails, and when it is run again."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Mapping

import pytest
from dagster import (
    AssetCheckKey,
    AssetKey,
    AssetSelection,
    DagsterInstance,
    Definitions,
    ExecuteInProcessResult,
    JobDefinition,
    ReexecutionOptions,
    TableMetadataValue,
    define_asset_job,
    execute_job,
    reconstructable,
)

from blb_migration.checks import CHECK_NAMES
from blb_migration.defs import step_failures
from blb_migration.defs.assemble import build_defs
from blb_migration.defs.dead_runs import PROCESS_TAG
from blb_migration.defs.in_process import build_run_id, run_in_process
from blb_migration.defs.observer import RunObserver
from blb_migration.defs.resource import MigrationResource
from blb_migration.defs.run_tags import TARGET_TAG
from blb_migration.errors import SourceUnreachable, TableFailed, TargetError
from blb_migration.findings import Code, Finding, Severity
from blb_migration.migration import Migration, ProgressListener, RunInfo, TableProgress
from blb_migration.plan.table_plans import TablePlan
from blb_migration.waiting import told_to
from blb_migration_tests.defs.run_config import QUIET
from blb_migration_tests.defs.stages import Stages, build_shop, connect_to_nothing

PASSWORD = "hunter2"
PLACES = ("environment", "source", "target")


def build_shop_defs() -> Definitions:
    project = build_shop()
    return build_defs(project, resource=MigrationResource(project, connect_to_nothing))


def build_rehearsal() -> JobDefinition:
    return build_shop_defs().resolve_job_def("migration")


def run(job: JobDefinition, instance: DagsterInstance) -> ExecuteInProcessResult:
    return job.execute_in_process(run_config=QUIET, instance=instance, raise_on_error=False)


def test_a_rehearsal_runs_everything_in_order(stages: Stages, instance: DagsterInstance) -> None:
    result = run(build_rehearsal(), instance)
    assert result.success
    assert stages.others == ["preflight", "target_prepared", "constraints_restored", "reconciliation_report"]
    assert sorted(stages.loads) == ["articles", "customers", "lines", "orders"]
    assert [label for label in stages.loads if label != "articles"] == ["customers", "orders", "lines"]
    assert len(stages.checks) == 16
    assert {name for _, name in stages.checks[-4:]} == {"integrity"}


def test_a_run_is_given_its_tags_once(
    stages: Stages, instance: DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = []
    add = DagsterInstance.add_run_tags

    def add_and_note(self: DagsterInstance, run_id: str, new_tags: Mapping[str, str]) -> None:
        given.append(new_tags)
        add(self, run_id, new_tags)

    monkeypatch.setattr(DagsterInstance, "add_run_tags", add_and_note)
    result = run(build_rehearsal(), instance)
    [tags] = given  # each writes the run's record anew, three transactions in Dagster's SQLite files
    stored = instance.get_run_by_id(result.run_id)
    assert stored is not None
    assert tags.items() <= stored.tags.items()
    assert {PROCESS_TAG, TARGET_TAG} <= tags.keys()


def test_the_ledger_gets_dagsters_run_id_and_the_kind(stages: Stages, instance: DagsterInstance) -> None:
    result = run(build_rehearsal(), instance)
    assert {migration.run for migration in stages.migrations} == {RunInfo(result.run_id, "migration")}


def test_a_load_reports_rows_bytes_and_speed(stages: Stages, instance: DagsterInstance) -> None:
    result = run(build_rehearsal(), instance)
    [materialization] = result.asset_materializations_for_node("orders")
    metadata = {key: value.value for key, value in materialization.metadata.items()}
    assert metadata["dagster/row_count"] == 3
    assert metadata["source_bytes"] == 100
    assert metadata["copy_bytes"] == 90
    assert metadata["seconds"] == 0.5
    assert metadata["rows_per_second"] == 6


def test_a_check_that_differs_stops_the_descendants_alone(stages: Stages, instance: DagsterInstance) -> None:
    stages.failing_checks = {("customers", "row_count")}
    result = run(build_rehearsal(), instance)
    assert not result.success
    assert sorted(stages.loads) == ["articles", "customers"]
    assert ("articles", "key_totals") in stages.checks
    assert "constraints_restored" not in stages.others


def test_a_check_that_differs_is_compared_once_and_shows_what_it_expected(
    stages: Stages, instance: DagsterInstance
) -> None:
    stages.failing_checks = {("customers", "row_count")}
    result = run(build_rehearsal(), instance)
    assert stages.checks.count(("customers", "row_count")) == 1
    [evaluation] = [item for item in result.get_asset_check_evaluations() if not item.passed]
    assert evaluation.severity.value == "ERROR"
    assert (evaluation.description or "").startswith("rows: expected 3, found 2, difference -1. Next: ")
    metrics = evaluation.metadata["differing_metrics"]
    assert isinstance(metrics, TableMetadataValue)
    assert [record.data for record in metrics.records] == [
        {"metric": "rows", "expected": "3", "found": "2", "difference": "-1"}
    ]


def test_of_what_is_equal_only_a_count_is_shown(stages: Stages, instance: DagsterInstance) -> None:
    result = run(build_rehearsal(), instance)
    shown = {
        evaluation.check_name: (evaluation.description, {*evaluation.metadata} - {*PLACES})
        for evaluation in result.get_asset_check_evaluations()
        if evaluation.asset_key == AssetKey(["orders"])
    }
    assert shown["row_count"] == ("Equal: 3 rows.", {"metrics_compared"})
    assert shown.keys() == {*CHECK_NAMES}
    whole = AssetCheckKey(AssetKey("constraints_restored"), "integrity")
    [over_all] = [each for each in result.get_asset_check_evaluations() if each.asset_check_key == whole]
    assert over_all.description == "All 4 tables keep what the target promises of them."


def test_one_broken_promise_is_red_with_its_table_and_over_all(
    stages: Stages, instance: DagsterInstance
) -> None:
    stages.failing_checks = {("orders", "integrity")}
    result = run(build_rehearsal(), instance)
    red = {each.asset_check_key: each for each in result.get_asset_check_evaluations() if not each.passed}
    whole = AssetCheckKey(AssetKey("constraints_restored"), "integrity")
    assert red.keys() == {AssetCheckKey(AssetKey("orders"), "integrity"), whole}
    assert (red[whole].description or "").startswith(
        "1 of 4 tables differ from what the target promised: orders"
    )


def test_a_table_loaded_alone_is_not_judged_while_its_keys_are_off(
    stages: Stages, instance: DagsterInstance
) -> None:
    job = build_rehearsal()
    key = AssetKey("orders")
    alone = job.execute_in_process(
        instance=instance, asset_selection=[key], run_config=QUIET, raise_on_error=False
    )
    assert alone.success
    assert ("orders", "integrity") not in stages.checks
    assert ("orders", "content") in stages.checks


def test_keys_restored_alone_show_the_integrity_of_each_table(
    stages: Stages, instance: DagsterInstance
) -> None:
    job = build_rehearsal()
    restored = AssetKey("constraints_restored")
    assert job.execute_in_process(
        instance=instance, asset_selection=[restored], run_config=QUIET, raise_on_error=False
    ).success
    for label in ("articles", "orders"):
        key = AssetCheckKey(AssetKey(label), "integrity")
        record = instance.get_latest_asset_check_evaluation_record(key)
        assert record is not None


def test_a_warning_is_yellow_and_holds_nothing_up(stages: Stages, instance: DagsterInstance) -> None:
    stages.findings = (Finding(Code.INDEX_TOO_WIDE, Severity.WARNING, "orders", "an index is too wide"),)
    result = run(build_rehearsal(), instance)
    assert result.success
    [yellow] = [each for each in result.get_asset_check_evaluations() if not each.passed]
    assert (yellow.check_name, yellow.severity.value) == ("catalogs_match", "WARN")
    assert (yellow.description or "").startswith("1 warning, reported, and the load goes on. First: orders")


def test_a_table_that_fails_stops_its_descendants_alone(stages: Stages, instance: DagsterInstance) -> None:
    stages.load_errors = {"orders": [TableFailed("table orders", found="row 7 cannot be read")]}
    result = run(build_rehearsal(), instance)
    assert not result.success
    assert sorted(stages.loads) == ["articles", "customers", "orders"]
    [failure] = result.get_step_failure_events()
    data = failure.step_failure_data.user_failure_data
    assert data is not None
    assert data.description == "table orders: row 7 cannot be read."
    assert data.metadata["exit_code"].value == 1
    assert data.metadata["error_type"].value == "TableFailed"


def test_a_check_can_be_run_alone_without_a_load(stages: Stages, instance: DagsterInstance) -> None:
    definitions = build_shop_defs()
    check = AssetCheckKey(AssetKey("orders"), "key_totals")
    alone = define_asset_job("alone", selection=AssetSelection.checks(check))
    result = run(Definitions.merge(definitions, Definitions(jobs=[alone])).resolve_job_def("alone"), instance)
    assert result.success
    assert stages.checks == [("orders", "key_totals")]
    assert stages.loads == []


def test_reconcile_runs_every_check_and_loads_nothing(stages: Stages, instance: DagsterInstance) -> None:
    stages.failing_checks = {("customers", "row_count")}
    run(build_shop_defs().resolve_job_def("reconcile"), instance)
    assert len(stages.checks) == 16
    assert stages.loads == []
    assert stages.others == []


@pytest.mark.parametrize("broken", ["load", "check"])
def test_reexecution_from_failure_runs_only_the_rest(
    stages: Stages, kept_instance: DagsterInstance, broken: str
) -> None:
    if broken == "load":
        stages.load_errors = {"orders": [TableFailed("table orders", found="row 7 cannot be read")]}
    else:
        stages.failing_checks = {("orders", "row_count")}
    job = reconstructable(build_rehearsal)
    with execute_job(job, kept_instance, run_config=QUIET) as first:
        assert not first.success
    stages.loads.clear()
    stages.others.clear()
    stages.failing_checks.clear()
    options = ReexecutionOptions.from_failure(first.run_id, kept_instance)
    with execute_job(job, kept_instance, run_config=QUIET, reexecution_options=options) as second:
        assert second.success
    assert stages.loads == (["orders", "lines"] if broken == "load" else ["lines"])
    assert stages.others == ["constraints_restored", "reconciliation_report"]


def test_a_permanent_error_is_not_tried_again(stages: Stages, instance: DagsterInstance) -> None:
    stages.load_errors = {"orders": [TableFailed("table orders", found="broken") for _ in range(3)]}
    run(build_rehearsal(), instance)
    assert stages.loads.count("orders") == 1


def test_a_bug_is_not_tried_again_and_says_that_it_is_one(stages: Stages, instance: DagsterInstance) -> None:
    stages.load_errors = {"orders": [KeyError("nothing") for _ in range(3)]}
    result = run(build_rehearsal(), instance)
    assert stages.loads.count("orders") == 1
    [failure] = result.get_step_failure_events()
    assert failure.step_failure_data.user_failure_data is not None
    assert "bug in blb_migration" in str(failure.step_failure_data.user_failure_data.description)


def test_a_transient_error_is_tried_again(
    stages: Stages, instance: DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(step_failures, "FIRST_RETRY_SECONDS", 0)
    stages.load_errors = {"orders": [SourceUnreachable("mssql://h/db", found="refused") for _ in range(2)]}
    assert run(build_rehearsal(), instance).success
    assert stages.loads.count("orders") == 3


def test_the_pause_before_another_try_is_said(
    stages: Stages, instance: DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(step_failures, "FIRST_RETRY_SECONDS", 0.1)
    stages.load_errors = {"orders": [SourceUnreachable("mssql://h/db", found="refused")]}
    sentences: list[str] = []
    with told_to(sentences.append):
        assert run(build_rehearsal(), instance).success
    assert [text for text in sentences if "orders" in text] == [
        "orders: it is tried again in 0.1 s, since it failed: mssql://h/db: refused."
    ]


def test_a_lock_that_was_waited_for_is_not_waited_for_again(
    stages: Stages, instance: DagsterInstance
) -> None:
    locked = TargetError("table orders", found="canceling statement due to lock timeout")
    locked.is_transient = locked.was_waited_out = True
    stages.load_errors = {"orders": [locked]}
    assert not run(build_rehearsal(), instance).success
    assert stages.loads.count("orders") == 1


def test_a_server_that_stays_away_fails_the_table_after_three_tries(
    stages: Stages, instance: DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(step_failures, "FIRST_RETRY_SECONDS", 0)
    stages.load_errors = {"orders": [SourceUnreachable("mssql://h/db", found="refused") for _ in range(9)]}
    heard = Heard()
    outcome = run_in_process(build_migration("migration"), heard)
    assert not outcome.is_success
    assert stages.loads.count("orders") == 3
    assert [step for step, _ in heard.failures] == ["orders"]
    assert isinstance(heard.failures[0][1], SourceUnreachable)


def test_findings_travel_from_preflight_to_the_ledger(stages: Stages, instance: DagsterInstance) -> None:
    finding = Finding(Code.IS_NULL, Severity.WARNING, "orders.total", "message", "decision", 3, ("1", "2"))
    stages.findings = (finding,)
    run(build_rehearsal(), instance)
    assert stages.recorded_findings == [finding]


def test_preflight_errors_refuse_before_the_target_is_prepared(
    stages: Stages, instance: DagsterInstance
) -> None:
    stages.findings = (Finding(Code.IS_NULL, Severity.ERROR, "orders.total", "does not fit"),)
    result = run(build_rehearsal(), instance)
    assert stages.others == ["preflight"]
    assert stages.loads == []
    [failure] = result.get_step_failure_events()
    assert failure.step_failure_data.user_failure_data is not None
    assert failure.step_failure_data.user_failure_data.metadata["exit_code"].value == 3


def test_a_target_is_never_prepared_without_a_preflight(stages: Stages, instance: DagsterInstance) -> None:
    job = build_rehearsal()
    run(job, instance)
    stages.others.clear()
    alone = [AssetKey("target_prepared")]
    job.execute_in_process(run_config=QUIET, instance=instance, asset_selection=alone)
    assert stages.others == ["preflight", "target_prepared"]


def test_a_missing_url_fails_the_step_that_needs_it(stages: Stages, instance: DagsterInstance) -> None:
    result = run(build_defs(build_shop()).resolve_job_def("migration"), instance)
    [failure] = result.get_step_failure_events()
    assert failure.step_key == "preflight"
    assert failure.step_failure_data.user_failure_data is not None
    description = str(failure.step_failure_data.user_failure_data.description)
    assert description.startswith("environment variable BLB_SOURCE_CONN: it is not set.")


def test_no_event_shows_a_password(
    stages: Stages, instance: DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = f"mssql+pyodbc://sa:{PASSWORD}@localhost:1/erp?driver=ODBC+Driver+18+for+SQL+Server"
    monkeypatch.setenv("BLB_SOURCE_CONN", source)
    monkeypatch.setenv("BLB_TARGET_CONN", f"postgresql://u:{PASSWORD}@localhost:1/erp")
    stages.load_errors = {"orders": [TableFailed("table orders", found="broken")]}
    result = run(build_defs(build_shop()).resolve_job_def("migration"), instance)
    assert "articles" in stages.loads
    assert all(PASSWORD not in str(record) for record in instance.all_logs(result.run_id))
    assert PASSWORD not in str(instance.get_runs())


def test_an_interrupt_ends_the_run_and_is_not_tried_again(
    stages: Stages, monkeypatch: pytest.MonkeyPatch
) -> None:
    def wait(_migration: Migration, planned: TablePlan, on_progress: ProgressListener) -> object:
        stages.loads.append("interrupted")
        threading.Timer(0.1, os.kill, (os.getpid(), signal.SIGINT)).start()
        for _ in range(1000):
            time.sleep(0.03)
            on_progress(TableProgress(planned.label, 3, 3, 100, 0.5))  # a batch
        raise AssertionError("the interrupt did not arrive")

    monkeypatch.setenv("BLB_EXECUTOR", "in_process")  # the others: test_threads_executor
    monkeypatch.setattr("blb_migration.load.table.load_table", wait)
    outcome = run_in_process(build_migration("migration"), RunObserver())
    assert outcome.is_interrupted
    assert not outcome.is_success
    assert stages.loads == ["interrupted"]


def test_a_preflight_stops_after_preflight(stages: Stages) -> None:
    assert run_in_process(build_migration("preflight"), RunObserver()).is_success
    assert stages.others == ["preflight"]
    assert stages.loads == []


def test_a_reconciliation_of_some_tables_compares_only_these(stages: Stages) -> None:
    assert run_in_process(build_migration("reconcile"), RunObserver(), labels=["orders"]).is_success
    assert sorted(name for label, name in stages.checks if label == "orders") == sorted(CHECK_NAMES)
    assert len(stages.checks) == len(CHECK_NAMES)


def test_a_reconciliation_can_be_kept_to_some_checks(stages: Stages) -> None:
    migration = build_migration("reconcile")
    assert run_in_process(migration, RunObserver(), labels=["orders"], checks=["content"]).is_success
    assert stages.checks == [("orders", "content")]


def test_tables_whose_integrity_fails_get_no_report(stages: Stages) -> None:
    stages.failing_checks = {("orders", "integrity")}
    assert not run_in_process(build_migration("migration"), RunObserver()).is_success
    assert "reconciliation_report" not in stages.others


class Heard(RunObserver):
    def __init__(self) -> None:
        self.failures: list[tuple[str, BaseException]] = []

    def step_failed(self, step: str, error: BaseException) -> None:
        self.failures.append((step, error))


def build_migration(kind: str) -> Migration:
    nothing = connect_to_nothing("production")
    return Migration(build_shop(), nothing.source, nothing.target, RunInfo(build_run_id(), kind))  # type: ignore[arg-type]
