"""docs/deploy names what exists: services, variables, modules, commands, files."""

from __future__ import annotations

import re
from importlib.metadata import entry_points
from importlib.util import find_spec
from itertools import pairwise
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import yaml

import blb_migration
from blb_migration.defs.celery_queues import QUEUES
from blb_migration.sandbox.filling.__main__ import FILL_VARIABLE, build_reader
from blb_migration.settings import parse_source_url, parse_target_url

PACKAGE = Path(blb_migration.__file__).parent
TOP = PACKAGE.parent
FOLDER = TOP / "docs" / "deploy"
TEXT = (FOLDER / "compose.yaml").read_text(encoding="utf-8")
COMPOSE: dict[str, Any] = yaml.safe_load(TEXT)
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
DOCKERFILE = (FOLDER / "Dockerfile").read_text(encoding="utf-8")
_REFERENCE = re.compile(r"(?<!\$)\$\{(\w+)(:[?-][^}]*)?\}")


def fill_in(value: str) -> str:
    """As compose does it, with a password for every variable."""
    return _REFERENCE.sub("Secret-1", value).replace("$$", "$")


def test_what_depends_on_what_is_there() -> None:
    assert SERVICES.keys() == {
        *("sqlserver", "postgres", "sample", "code", "webserver", "daemon"),
        *("redis", "loads", "others"),
    }
    for name, service in SERVICES.items():
        assert service.get("profiles", []) == (["celery"] if name in ("redis", "loads", "others") else [])
    for service in SERVICES.values():
        assert service.get("depends_on", {}).keys() <= SERVICES.keys()
        for other, wanted in service.get("depends_on", {}).items():
            if wanted["condition"] == "service_healthy":
                assert "healthcheck" in SERVICES[other]
            else:
                assert (wanted["condition"], other) == ("service_completed_successfully", "sample")


@pytest.mark.parametrize("name", [name for name in SERVICES if name != "sample"])
def test_what_keeps_running_is_watched_and_no_root(name: str) -> None:
    assert SERVICES[name]["healthcheck"]["test"][0] in ("CMD", "CMD-SHELL")
    assert SERVICES[name]["restart"] == "unless-stopped"
    runs_as = SERVICES[name].get("user") or re.findall(r"^USER (\w+)$", DOCKERFILE, re.MULTILINE)[-1]
    assert runs_as in ("mssql", "postgres", "redis", "blb")


def test_images_are_pinned_to_a_version() -> None:
    foreign = [each["image"] for each in SERVICES.values() if "build" not in each]
    for image in [*foreign, *re.findall(r"^FROM (\S+)", DOCKERFILE, re.MULTILINE)]:
        tag = image.partition(":")[2]
        assert "latest" not in tag
        assert re.search(r"\d+\.\d+|CU\d+", tag), image


def test_every_secret_comes_from_the_env_file() -> None:
    example = re.findall(r"^(\w+)=(.*)$", (FOLDER / "env.example").read_text(encoding="utf-8"), re.MULTILINE)
    used = {name for name, _ in _REFERENCE.findall(TEXT)} | {"COMPOSE_PROJECT_NAME", "COMPOSE_PROFILES"}
    assert used == {name for name, _ in example}
    assert all(not value for name, value in example if "PASSWORD" in name or name == "ACCEPT_EULA")
    for service in SERVICES.values():
        for name, value in service["environment"].items():
            if "PASSWORD" in name:
                assert _REFERENCE.fullmatch(value), name
    assert ".env\n" in (TOP / ".gitignore").read_text(encoding="utf-8")


def test_its_variables_are_the_products() -> None:
    source = "\n".join(path.read_text(encoding="utf-8") for path in PACKAGE.rglob("*.py"))
    named = {name for service in SERVICES.values() for name in service["environment"]} | set(
        re.findall(r"\b(BLB_\w+|DAGSTER_HOME)=", DOCKERFILE)
    )
    for name in named:
        if name.startswith("BLB_"):
            assert re.search(rf"\b{name}\b", source), name
    assert FILL_VARIABLE in SERVICES["sample"]["environment"]
    storage = yaml.safe_load((FOLDER / "dagster.yaml").read_text(encoding="utf-8"))["storage"]
    wanted = {each["env"] for each in storage["postgres"]["postgres_db"].values()}
    assert wanted == {
        name for name in SERVICES["daemon"]["environment"] if name.startswith("DAGSTER_POSTGRES_")
    }


@pytest.mark.parametrize("name", ["sample", "code", "webserver", "daemon", "loads", "others"])
def test_its_urls_are_understood_and_lead_to_its_services(name: str) -> None:
    environment = SERVICES[name]["environment"]
    source = parse_source_url(fill_in(environment["BLB_SOURCE_CONN"]))
    target = parse_target_url(fill_in(environment["BLB_TARGET_CONN"]))
    assert (source.host, source.database, source.password) == ("sqlserver", "BLB3D_ERP", "Secret-1")
    assert (target.host, target.database) == ("postgres", SERVICES["postgres"]["environment"]["POSTGRES_DB"])
    assert target.username == SERVICES["postgres"]["environment"]["POSTGRES_USER"]


@pytest.mark.parametrize("name", ["sample", "code", "webserver", "daemon", "loads", "others"])
def test_its_commands_exist(name: str) -> None:
    scripts = {entry.name for entry in entry_points(group="console_scripts")} | {"python"}
    healthcheck = SERVICES[name].get("healthcheck", {}).get("test", ["CMD", "python"])
    probe = healthcheck[1].split() if healthcheck[0] == "CMD-SHELL" else healthcheck[1:]
    for command in (SERVICES[name]["command"], probe):
        assert command[0] in scripts
        for option, module in pairwise(command):
            if option in ("-m", "--module-name", "-A"):
                assert find_spec(module) is not None
            if option == "--workspace":
                assert (FOLDER / module).exists()


def test_every_queue_has_workers_that_reach_the_broker() -> None:
    served = [SERVICES[name]["command"] for name in ("loads", "others")]
    assert {command[command.index("-Q") + 1] for command in served} == set(QUEUES)
    broker = urlsplit(fill_in(SERVICES["code"]["environment"]["BLB_CELERY_BROKER"]))
    assert (broker.scheme, broker.hostname, broker.password) == ("redis", "redis", "Secret-1")


def test_the_workspace_is_the_code_service() -> None:
    workspace = yaml.safe_load((FOLDER / "workspace.yaml").read_text(encoding="utf-8"))
    server = workspace["load_from"][0]["grpc_server"]
    command = SERVICES[server["host"]]["command"]
    assert command[command.index("--port") + 1] == str(server["port"])


def test_its_files_and_volumes_are_there() -> None:
    used = [volume.partition(":")[0] for service in SERVICES.values() for volume in service["volumes"]]
    assert {name for name in used if not name.startswith(".")} == COMPOSE["volumes"].keys()
    assert all((FOLDER / name).is_file() for name in used if name.startswith("."))
    for line in re.findall(r"^COPY (?!--from)(.*) \S+$", DOCKERFILE, re.MULTILINE):
        assert all((TOP / name).exists() for name in line.split()), line


def test_the_image_is_built_with_what_the_lock_names() -> None:
    lock = (TOP / "requirements.lock").read_text(encoding="utf-8")
    (pinned,) = re.findall(r"uv==([\d.]+)", DOCKERFILE)
    assert f"\nuv=={pinned} " in f"\n{lock}"
    assert "--require-hashes" in DOCKERFILE


def test_the_reader_may_read_one_database_and_its_definitions() -> None:
    assert build_reader("blb_reader", "a'b") == [
        "CREATE LOGIN [blb_reader] WITH PASSWORD = N'a''b'",
        "CREATE USER [blb_reader] FOR LOGIN [blb_reader]",
        "ALTER ROLE [db_datareader] ADD MEMBER [blb_reader]",
        "GRANT VIEW DEFINITION TO [blb_reader]",
    ]
