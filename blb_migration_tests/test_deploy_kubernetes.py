"""docs/deploy/kubernetes: values that Dagster's chart takes, workers beside it, and the instance both make.

The chart itself cannot be had here. What is said of it was read in its values' schema and templates of 1.13:
the keys below, and which of them become which part of ``dagster.yaml``.
"""

from __future__ import annotations

import re
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
import yaml
from dagster import DagsterInstance, DefaultRunLauncher
from dagster._core.instance.ref import InstanceRef
from dagster._core.run_coordinator import QueuedRunCoordinator

from blb_migration.defs.celery_queues import QUEUES
from blb_migration.defs.web_guard import HEALTH_PATH, LOOPBACK_NAMES
from blb_migration.settings.variables import GROUPS, name_variable
from blb_migration_tests.test_deploy import DOCKERFILE, FOLDER

VALUES_TEXT = (FOLDER / "kubernetes" / "values.yaml").read_text(encoding="utf-8")
VALUES: dict[str, Any] = yaml.safe_load(VALUES_TEXT)
WORKERS_TEXT = (FOLDER / "kubernetes" / "workers.yaml").read_text(encoding="utf-8")
OBJECTS: list[dict[str, Any]] = list(yaml.safe_load_all(WORKERS_TEXT))
WORKERS = [each for each in OBJECTS if each["kind"] == "Deployment"]
CODE: dict[str, Any] = VALUES["dagster-user-deployments"]["deployments"][0]
RELEASE, CHART = "blb", "dagster"
# Of the chart's schema, what these values use; ``extra`` keys are forbidden there.
POD = {"image", "env", "envSecrets", "volumes", "volumeMounts"}
CHART_KEYS = {
    "": {
        *("global", "postgresql", "generatePostgresqlPasswordSecret", "generateCeleryConfigSecret"),
        *("rabbitmq", "redis", "runLauncher", "dagster-user-deployments", "dagsterWebserver"),
        *("dagsterDaemon", "concurrency", "retention", "telemetry", "additionalInstanceConfig"),
    },
    "global": {"postgresqlSecretName", "dagsterHome"},
    "postgresql": {"enabled", "postgresqlHost", "postgresqlUsername", "postgresqlDatabase", "service"},
    "runLauncher": {"type", "config"},
    "runLauncher/config": {"customRunLauncher"},
    "runLauncher/config/customRunLauncher": {"module", "class", "config"},
    "dagster-user-deployments": {"enabled", "enableSubchart", "deployments"},
    "dagsterWebserver": {*POD, "service", "readinessProbe"},
    "dagsterDaemon": {*POD, "runCoordinator", "runMonitoring"},
    "dagsterDaemon/runCoordinator": {"enabled"},
    "dagsterDaemon/runMonitoring": {"enabled", "startTimeoutSeconds", "pollIntervalSeconds"},
    "concurrency": {"enabled", "runs", "pools"},
    "concurrency/runs": {"maxConcurrentRuns"},
    "concurrency/pools": {"granularity", "defaultLimit"},
    "retention": {"enabled", "schedule", "sensor"},
    "telemetry": {"enabled"},
}


def find(path: str) -> Any:
    """Return the values at ``path``, a key within a key."""
    found: Any = VALUES
    for key in path.split("/") if path else ():
        found = found[key]
    return found


@pytest.mark.parametrize("path", CHART_KEYS)
def test_the_chart_knows_every_key(path: str) -> None:
    assert find(path).keys() == CHART_KEYS[path]


def test_the_chart_knows_every_key_of_the_code_location() -> None:
    assert CODE.keys() == {*POD, "name", "codeServerArgs", "port", "resources"}
    assert re.fullmatch(r"[a-z0-9-]+", CODE["name"])  # a Kubernetes name as well
    assert find_spec(CODE["codeServerArgs"][1]) is not None


def read_pods() -> dict[str, dict[str, Any]]:
    """Return all pods by name, as far as environment and mounts go."""
    containers = {each["metadata"]["name"]: each["spec"]["template"]["spec"] for each in WORKERS}
    pods = {name: {**pod["containers"][0], "volumes": pod["volumes"]} for name, pod in containers.items()}
    return pods | {"code": CODE, "ui": VALUES["dagsterWebserver"], "daemon": VALUES["dagsterDaemon"]}


def test_secrets_are_named_and_nowhere_spelt_out() -> None:
    documented = set(re.findall(r"^#   (blb-\w+) ", VALUES_TEXT, re.MULTILINE))
    used = {VALUES["global"]["postgresqlSecretName"]}
    for name, pod in read_pods().items():
        named = {each["name"] for each in pod.get("envSecrets", ())}
        named |= {each["secretRef"]["name"] for each in pod.get("envFrom", ())}
        assert "blb-databases" in named, name
        used |= named
        plain = {each["name"] for each in pod["env"] if "value" in each}
        assert not {each for each in plain if "PASSWORD" in each or "CONN" in each or "BROKER" in each}
    assert used == documented
    assert "://" not in re.sub(r"#.*", "", VALUES_TEXT + WORKERS_TEXT)


def test_all_pods_run_one_image_with_the_same_variables_of_the_product() -> None:
    known = {name_variable(field) for group in GROUPS for field in group.model_fields}
    environments = []
    for pod in read_pods().values():
        image = pod["image"]
        if isinstance(image, dict):
            image = f"{image['repository']}:{image['tag']}"
        assert image == "registry.example/blb-migration:1.0.0"
        environment = {each["name"]: each["value"] for each in pod["env"] if "value" in each}
        assert environment.keys() <= known
        environments.append(environment)
    assert all(each == environments[0] for each in environments)
    for line in re.findall(r"^#   blb-(?:databases|ui) +(.*)$", VALUES_TEXT, re.MULTILINE):
        assert set(line.split(", ")) <= known


def test_every_queue_is_served_and_every_pod_has_the_shared_folder_and_the_charts_instance() -> None:
    commands = [each["spec"]["template"]["spec"]["containers"][0]["command"] for each in WORKERS]
    assert {command[command.index("-Q") + 1] for command in commands} == set(QUEUES)
    assert all(find_spec(command[command.index("-A") + 1]) is not None for command in commands)
    claim = next(each for each in OBJECTS if each["kind"] == "PersistentVolumeClaim")
    for name, pod in read_pods().items():
        volumes = {each["name"]: each for each in pod["volumes"]}
        assert volumes["storage"]["persistentVolumeClaim"]["claimName"] == claim["metadata"]["name"]
        assert volumes.keys() == {each["name"] for each in pod["volumeMounts"]}
        if name not in ("ui", "daemon"):  # which have it by the chart
            assert volumes["instance"]["configMap"]["name"] == f"{RELEASE}-{CHART}-instance"
    for each in WORKERS:
        spec = each["spec"]
        assert spec["selector"]["matchLabels"] == spec["template"]["metadata"]["labels"]


def test_the_web_server_is_the_guarded_one_and_its_probe_is_answered() -> None:
    asked = VALUES["dagsterWebserver"]["readinessProbe"]["httpGet"]
    assert asked["path"] == HEALTH_PATH
    assert asked["port"] == VALUES["dagsterWebserver"]["service"]["port"]
    assert [each["value"] for each in asked["httpHeaders"] if each["name"] == "Host"] == [LOOPBACK_NAMES[0]]
    (module,) = re.findall(r"exec python -m (\S+) \"\$@\".*> /opt/guarded/dagster-webserver", DOCKERFILE)
    assert find_spec(module) is not None
    assert re.search(r"^ENV PATH=/opt/guarded:/opt/blb/bin:", DOCKERFILE, re.MULTILINE)


def build_instance() -> dict[str, Any]:
    """Build the ``dagster.yaml`` that the chart's template makes of these values, storage left out."""
    monitoring, pools = VALUES["dagsterDaemon"]["runMonitoring"], VALUES["concurrency"]["pools"]
    return {
        "run_launcher": VALUES["runLauncher"]["config"]["customRunLauncher"],
        "run_monitoring": {
            "enabled": monitoring["enabled"],
            "start_timeout_seconds": monitoring["startTimeoutSeconds"],
            "poll_interval_seconds": monitoring["pollIntervalSeconds"],
        },
        "telemetry": VALUES["telemetry"],
        "concurrency": {
            "pools": {"granularity": pools["granularity"], "default_limit": pools["defaultLimit"]},
            "runs": {"max_concurrent_runs": VALUES["concurrency"]["runs"]["maxConcurrentRuns"]},
        },
        "retention": {
            kind: {"purge_after_days": VALUES["retention"][kind]["purgeAfterDays"]}
            for kind in ("sensor", "schedule")
        },
        **VALUES["additionalInstanceConfig"],
    }


def test_dagster_takes_the_instance_that_the_chart_makes_and_it_is_the_deployments_own(
    tmp_path: Path,
) -> None:
    made = build_instance()
    (tmp_path / "dagster.yaml").write_text(yaml.safe_dump(made), encoding="utf-8")
    with DagsterInstance.from_ref(InstanceRef.from_dir(str(tmp_path))) as instance:
        assert isinstance(instance.run_coordinator, QueuedRunCoordinator)
        assert isinstance(instance.run_launcher, DefaultRunLauncher)
        assert instance.run_monitoring_enabled
        limits = instance.get_concurrency_config()
        assert limits.pool_config.default_pool_limit == 1
        assert limits.run_queue_config is not None
        assert limits.run_queue_config.max_concurrent_runs == 1
    own = yaml.safe_load((FOLDER / "dagster.yaml").read_text(encoding="utf-8"))
    for name in ("concurrency", "telemetry", "nux", "run_queue"):
        assert made[name] == own[name]
    assert made["retention"]["schedule"] == own["retention"]["schedule"]
    assert made["run_monitoring"].items() >= own["run_monitoring"].items()
