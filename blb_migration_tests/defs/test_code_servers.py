"""The daemon's code server is kept while it is whole and the project's files are what it has read."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from dagster import DagsterInstance, instance_for_test
from dagster._core.remote_representation.grpc_server_registry import GrpcServerRegistry, ServerRegistryEntry
from dagster._core.workspace.load_target import PythonFileTarget
from dagster._daemon.controller import create_daemon_grpc_server_registry

from blb_migration.defs.internals.code_servers import keep_code_servers
from blb_migration.defs.project_files import watch_files

CODE = "from dagster import Definitions\ndefs = Definitions()\n"


@pytest.fixture
def instance() -> Iterator[DagsterInstance]:
    with instance_for_test() as instance:
        yield instance


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the folder of a project whose code servers are kept."""
    monkeypatch.setattr(
        GrpcServerRegistry, "clear_all_grpc_endpoints", GrpcServerRegistry.clear_all_grpc_endpoints
    )  # put back at the end
    folder = tmp_path / "project"
    folder.mkdir()
    (folder / "decisions.yaml").write_text("project: shop", encoding="utf-8")
    keep_code_servers(lambda: watch_files(folder))
    return folder


@pytest.fixture
def code(tmp_path: Path) -> Path:
    code = tmp_path / "code.py"
    code.write_text(CODE, encoding="utf-8")
    return code


class Minutes:
    """What the daemon does with its code server every minute."""

    def __init__(self, registry: GrpcServerRegistry, code: Path) -> None:
        self._registry = registry
        [self._origin] = PythonFileTarget(
            str(code), attribute=None, working_directory=None, location_name="shop"
        ).create_origins()

    def load(self) -> int:
        """Return the number of the process that is its code server now."""
        entry = self._registry.get_grpc_server_entry(self._origin)
        assert isinstance(entry, ServerRegistryEntry)
        return int(entry.process.pid)

    def pass_one(self) -> int:
        """Load the location again, and return the same."""
        self._registry.clear_all_grpc_endpoints()  # type: ignore[no-untyped-call]
        return self.load()


def test_a_code_server_is_kept_until_a_file_of_the_project_changes(
    instance: DagsterInstance, project: Path, code: Path
) -> None:
    with create_daemon_grpc_server_registry(instance) as registry:
        minutes = Minutes(registry, code)
        first = minutes.load()
        assert [minutes.pass_one(), minutes.pass_one()] == [first, first]
        (project / "decisions.yaml").write_text("project: another", encoding="utf-8")
        second = minutes.pass_one()
        assert second != first
        assert minutes.pass_one() == second


def test_a_code_server_that_died_is_replaced(instance: DagsterInstance, project: Path, code: Path) -> None:
    with create_daemon_grpc_server_registry(instance) as registry:
        minutes = Minutes(registry, code)
        first = minutes.load()
        psutil.Process(first).kill()
        second = minutes.pass_one()
        assert second != first
        assert minutes.pass_one() == second


def test_code_that_could_not_be_loaded_is_tried_again(
    instance: DagsterInstance, project: Path, code: Path
) -> None:
    with create_daemon_grpc_server_registry(instance) as registry:
        code.write_text("raise ConnectionError", encoding="utf-8")
        minutes = Minutes(registry, code)
        first = minutes.load()
        code.write_text(CODE, encoding="utf-8")
        second = minutes.pass_one()
        assert second != first
        assert minutes.pass_one() == second
