"""Dagster's own storage on PostgreSQL, set up by docs/deploy/dagster.yaml, runs a job."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import urlsplit

import psycopg
import pytest
from dagster import AssetCheckResult, AssetKey, DagsterInstance, asset, asset_check, materialize
from dagster._core.instance.ref import InstanceRef

from blb_migration.defs.assemble import build_defs
from blb_migration.defs.storage_place import refuse_storage_in_target
from blb_migration.documents import read_document
from blb_migration.errors import ConfigurationError
from blb_migration.postgres.connect import TargetConnector
from blb_migration.sandbox.embedded_postgres import EmbeddedPostgres
from blb_migration.settings import parse_target_url
from blb_migration_tests.defs.stages import build_shop


@pytest.fixture
def instance(
    embedded_postgres: EmbeddedPostgres, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> DagsterInstance:
    embedded_postgres.drop_database("dagster")
    url = urlsplit(embedded_postgres.create_database("dagster"))
    values = {
        "DAGSTER_POSTGRES_HOST": url.hostname,
        "DAGSTER_POSTGRES_PORT": str(url.port),
        "DAGSTER_POSTGRES_USER": url.username,
        "DAGSTER_POSTGRES_PASSWORD": url.password or "",
        "DAGSTER_POSTGRES_DB": "dagster",
    }
    for name, value in values.items():
        monkeypatch.setenv(name, value or "")
    (tmp_path / "dagster.yaml").write_text(read_document("deploy/dagster.yaml"), encoding="utf-8")
    return DagsterInstance.from_ref(InstanceRef.from_dir(str(tmp_path)))


def test_runs_and_events_are_kept_in_postgres(
    instance: DagsterInstance, embedded_postgres: EmbeddedPostgres
) -> None:
    @asset
    def spools() -> int:
        return 3

    @asset_check(asset=spools)
    def row_count(spools: int) -> AssetCheckResult:
        return AssetCheckResult(passed=spools == 3, metadata={"rows": spools})

    with instance:
        result = materialize([spools, row_count], instance=instance)
        assert result.success
        assert instance.get_latest_materialization_event(AssetKey("spools")) is not None
        assert instance.run_monitoring_enabled
    with psycopg.connect(embedded_postgres.url("dagster")) as connection:
        runs = connection.execute("SELECT run_id, status FROM runs").fetchall()
        checks = connection.execute(
            "SELECT check_name, execution_status FROM asset_check_executions"
        ).fetchall()
    assert runs == [(result.run_id, "SUCCESS")]
    assert checks == [("row_count", "SUCCEEDED")]


def test_records_in_the_target_are_refused_under_any_name(
    instance: DagsterInstance, embedded_postgres: EmbeddedPostgres
) -> None:
    own, other = embedded_postgres.url("dagster"), embedded_postgres.create_database("target_of_its_own")
    alias = own.replace("127.0.0.1", "localhost")
    with instance:
        refuse_storage_in_target(instance, TargetConnector(parse_target_url(other)))
        for url in (own, alias):
            with pytest.raises(ConfigurationError, match="it is in the target") as caught:
                refuse_storage_in_target(instance, TargetConnector(parse_target_url(url)))
            assert "CREATE DATABASE" in str(caught.value)
            assert embedded_postgres.url().split(":")[2].split("@")[0] not in str(caught.value)
    with DagsterInstance.ephemeral() as elsewhere:
        refuse_storage_in_target(elsewhere, TargetConnector(parse_target_url(own)))


def test_a_run_whose_records_are_in_its_target_ends_with_its_first_step(
    instance: DagsterInstance, embedded_postgres: EmbeddedPostgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BLB_SOURCE_CONN", "mssql+pyodbc://sa:x@127.0.0.1:1/none")
    monkeypatch.setenv("BLB_TARGET_CONN", embedded_postgres.url("dagster"))
    with instance:
        job = build_defs(build_shop()).resolve_job_def("migration")
        result = job.execute_in_process(instance=instance, raise_on_error=False)
        assert not result.success
        [failed] = [event for event in result.all_events if event.is_step_failure]
        assert failed.step_key == "preflight"  # no later step begins
        told = failed.step_failure_data.user_failure_data
        assert told is not None and "it is in the target" in (told.description or "")


def test_the_instance_is_that_of_the_repository_but_for_its_storage() -> None:
    import yaml

    own, deployed = (yaml.safe_load(read_document(name)) for name in ("dagster.yaml", "deploy/dagster.yaml"))
    assert deployed.pop("storage").keys() == {"postgres"}
    assert own.pop("event_log_storage")["class"] == "EventStorage"
    assert deployed == own
