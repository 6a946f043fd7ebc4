"""Dagster's own storage on PostgreSQL, set up by docs/deploy/dagster.yaml, runs a job."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import urlsplit

import psycopg
import pytest
from dagster import AssetCheckResult, AssetKey, DagsterInstance, asset, asset_check, materialize
from dagster._core.instance.ref import InstanceRef

from blb_migration.documents import read_document
from blb_migration.sandbox.embedded_postgres import EmbeddedPostgres


@pytest.fixture
def instance(
    embedded_postgres: EmbeddedPostgres, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> DagsterInstance:
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


def test_the_instance_is_that_of_the_repository_but_for_its_storage() -> None:
    import yaml

    own, deployed = (yaml.safe_load(read_document(name)) for name in ("dagster.yaml", "deploy/dagster.yaml"))
    assert deployed.pop("storage").keys() == {"postgres"}
    assert own.pop("event_log_storage")["class"] == "EventStorage"
    assert deployed == own
