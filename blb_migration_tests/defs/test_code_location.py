"""The code location, as `dagster dev` loads it: no database, few imports, switches from the environment."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from dagster import DagsterInstance, DefaultScheduleStatus, ScheduleDefinition
from dagster._core.instance import InstanceRef
from dagster._core.run_coordinator import QueuedRunCoordinator

import blb_migration
from blb_migration.defs.assemble import build_defs
from blb_migration.defs.event_storage import EventStorage
from blb_migration.defs.resource import CONNECTIONS_TAG, connect_from_environment
from blb_migration.errors import ConfigurationError
from blb_migration.plan.project import DEFAULT_PROJECT, load_project
from blb_migration_tests.defs.stages import build_shop

PACKAGE = Path(blb_migration.__file__).parent
TOP = PACKAGE.parent
# What a step needs and the graph does not; each costs the code location a tenth of a second or more.
NOT_TO_LOAD = ["pandas", "pyarrow", "numpy", "mssql_python", "pyodbc", "pgpq", "duckdb", "rich"]


def iterate_imports(path: Path) -> set[str]:
    names = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module)
    return names


def test_nothing_outside_its_room_imports_dagster() -> None:
    importers = {
        path.relative_to(PACKAGE).parts[0]
        for path in PACKAGE.rglob("*.py")
        if any(name.split(".")[0].startswith("dagster") for name in iterate_imports(path))
    }
    assert importers == {"defs"}


def test_dagsters_private_names_stay_in_their_room() -> None:
    importers = {
        path.relative_to(PACKAGE).parent.as_posix()
        for path in PACKAGE.rglob("*.py")
        if any(name.startswith("dagster._") for name in iterate_imports(path))
    }
    assert importers == {"defs/internals"}


def test_that_room_has_one_door() -> None:
    importers = {
        path.relative_to(PACKAGE).parent.as_posix()
        for path in PACKAGE.rglob("*.py")
        if any(name.startswith("blb_migration.defs.internals") for name in iterate_imports(path))
    }
    assert importers == {"defs/internals"}


def load_in_subprocess(statement: str) -> dict[str, object]:
    program = f"import json, sys\n{statement}\nprint(json.dumps(answer))"
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=TOP
    )
    answer: dict[str, object] = json.loads(done.stdout)
    return answer


def test_the_code_location_loads_without_a_database_and_without_the_data_path() -> None:
    answer = load_in_subprocess(
        "import socket\n"
        "def refuse(*arguments, **more): raise AssertionError('a connection was opened')\n"
        "socket.socket.connect = socket.create_connection = refuse\n"
        "from blb_migration.definitions import defs\n"
        f"loaded = sorted(set({NOT_TO_LOAD!r}) & sys.modules.keys())\n"
        "graph = defs.resolve_asset_graph()\n"
        "answer = dict(loaded=loaded, assets=len(graph.get_all_asset_keys()))"
    )
    assert answer["loaded"] == []
    assert answer["assets"] == len(load_project(DEFAULT_PROJECT).plan.tables) + 4


def test_steps_are_forked_from_a_process_that_has_loaded_what_they_need_and_runs_no_thread() -> None:
    answer = load_in_subprocess(
        "import threading\nimport blb_migration.defs.internals.preload\n"
        "loaded = sorted({'psycopg', 'pyarrow', 'pgpq', 'mssql_python', 'duckdb'} & sys.modules.keys())\n"
        "answer = dict(loaded=loaded, threads=threading.active_count())"
    )
    assert answer == {"loaded": ["mssql_python", "pgpq", "psycopg", "pyarrow"], "threads": 1}


def test_help_needs_no_dagster() -> None:
    answer = load_in_subprocess(
        "import contextlib, io\nfrom blb_migration.cli.main import main\n"
        "with contextlib.redirect_stdout(io.StringIO()): code = main(['--help'])\n"
        "answer = dict(code=code, dagster='dagster' in sys.modules)"
    )
    assert answer == {"code": 0, "dagster": False}


def find_schedule() -> ScheduleDefinition:
    schedule = build_defs(build_shop()).resolve_schedule_def("nightly_rehearsal")
    assert isinstance(schedule, ScheduleDefinition)
    return schedule


def test_the_nightly_rehearsal_is_off_until_a_rehearsal_is_configured(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert find_schedule().default_status is DefaultScheduleStatus.STOPPED
    monkeypatch.setenv("BLB_REHEARSAL_SOURCE_CONN", "mssql://copy/erp")
    assert find_schedule().default_status is DefaultScheduleStatus.STOPPED
    monkeypatch.setenv("BLB_REHEARSAL_TARGET_CONN", "postgresql://copy/erp")
    assert find_schedule().default_status is DefaultScheduleStatus.RUNNING


def test_the_nightly_rehearsal_runs_at_two_in_the_configured_time_zone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("BLB_TIMEZONE", "Europe/Berlin")
    schedule = find_schedule()
    assert (schedule.cron_schedule, schedule.execution_timezone) == ("0 2 * * *", "Europe/Berlin")
    assert schedule.job_name == "rehearsal"
    assert schedule.tags[CONNECTIONS_TAG] == "rehearsal"


def test_a_rehearsal_never_falls_back_to_the_main_databases(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BLB_SOURCE_CONN", "mssql+pyodbc://sa:x@production/erp")
    monkeypatch.setenv("BLB_TARGET_CONN", "postgresql://u:x@production/erp")
    monkeypatch.setenv("BLB_REHEARSAL_SOURCE_CONN", "mssql+pyodbc://sa:x@copy/erp")
    with pytest.raises(ConfigurationError, match="BLB_REHEARSAL_TARGET_CONN: it is not set"):
        connect_from_environment("rehearsal")


def test_an_unknown_time_zone_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BLB_TIMEZONE", "Middle/Earth")
    with pytest.raises(ConfigurationError, match=r"BLB_TIMEZONE: 'Middle/Earth'\. Expected an IANA name"):
        find_schedule()


def test_the_workspace_serves_the_code_location() -> None:
    workspace = yaml.safe_load((TOP / "workspace.yaml").read_text(encoding="utf-8"))
    assert workspace == {"load_from": [{"python_module": "blb_migration.definitions"}]}


def test_dagster_takes_the_instance_settings(tmp_path: Path) -> None:
    with DagsterInstance.from_ref(InstanceRef.from_dir(str(tmp_path), config_dir=str(TOP))) as instance:
        assert instance.get_settings("telemetry") == {"enabled": False}
        queue = instance.get_concurrency_config().run_queue_config
        assert queue is not None
        assert queue.max_concurrent_runs == 1
        assert isinstance(instance.run_coordinator, QueuedRunCoordinator)
        assert instance.run_coordinator.dequeue_interval_seconds == 1
        assert instance.run_monitoring_enabled
        assert isinstance(instance.event_log_storage, EventStorage)
