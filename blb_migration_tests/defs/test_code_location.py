"""The code location, as `dagster dev` loads it: no database, few imports, switches from the environment."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml
from dagster import AssetKey, DagsterInstance, DefaultScheduleStatus, ScheduleDefinition
from dagster._core.instance import InstanceRef
from dagster._core.instance.config import PoolGranularity
from dagster._core.remote_representation.external_data import RepositorySnap
from dagster._core.run_coordinator import QueuedRunCoordinator

import blb_migration
from blb_migration.defs.assemble import build_defs
from blb_migration.defs.connectors import connect_from_environment
from blb_migration.defs.database_pair import DatabasePair
from blb_migration.defs.event_storage import EventStorage
from blb_migration.defs.run_tags import ENVIRONMENT_TAG
from blb_migration.documents import WORKSPACE_FILE, read_document
from blb_migration.errors import ConfigurationError
from blb_migration.plan.project import DEFAULT_PROJECT, load_project
from blb_migration.settings.environments import Environment
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
        "import gc, socket\n"
        "def refuse(*arguments, **more): raise AssertionError('a connection was opened')\n"
        "socket.socket.connect = socket.create_connection = refuse\n"
        "from blb_migration.definitions import defs\n"
        "collections = gc.get_stats()[2]['collections']\n"
        f"loaded = sorted(set({NOT_TO_LOAD!r}) & sys.modules.keys())\n"
        "graph = defs.resolve_asset_graph()\n"
        "answer = dict(loaded=loaded, assets=len(graph.materializable_asset_keys), collections=collections)"
    )
    assert answer["loaded"] == []
    assert answer["collections"] == 0  # of all that is loaded nothing goes, and looking for it takes its time
    assert answer["assets"] == len(load_project(DEFAULT_PROJECT).plan.tables) + 4


@pytest.mark.parametrize("has_rehearsal", [False, True])
def test_steps_are_forked_from_a_process_that_has_loaded_what_they_need_and_runs_no_thread(
    monkeypatch: pytest.MonkeyPatch, has_rehearsal: bool
) -> None:
    if has_rehearsal:
        monkeypatch.setenv("BLB_REHEARSAL_SOURCE_CONN", "mssql://copy/erp")
        monkeypatch.setenv("BLB_REHEARSAL_TARGET_CONN", "postgresql://copy/erp")
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


PRODUCTION_JOBS = ["cutover", "migration", "reconcile", "rollback", "watch_once"]


def find_schedule() -> ScheduleDefinition:
    schedule = build_defs(build_shop(), environment="rehearsal").resolve_schedule_def("nightly_rehearsal")
    assert isinstance(schedule, ScheduleDefinition)
    return schedule


def serve() -> dict[str, dict[str, object]]:
    """Load what `dagster dev` loads, in a process of its own; return what each repository of it has."""
    return load_in_subprocess(  # type: ignore[return-value]
        "from dagster._core.workspace.autodiscovery import loadable_targets_from_python_module as find\n"
        "from dagster._core.definitions.reconstruct import repository_def_from_target_def as resolve\n"
        "answer = {}\n"
        "for target in find('blb_migration.definitions', None):\n"
        "    repository = resolve(target.target_definition)\n"
        "    keys = repository.asset_graph.get_all_asset_keys()\n"
        "    answer[repository.name] = dict(\n"
        "        jobs=sorted(repository.job_names), \n"
        "        schedules=sorted(s.name for s in repository.schedule_defs),\n"
        "        sensors=sorted(s.name for s in repository.sensor_defs),\n"
        "        keys=sorted(key.to_user_string() for key in keys))"
    )


def test_a_job_says_which_databases_it_is_for_or_which_variable_is_missing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def describe() -> str:
        return str(build_defs(build_shop()).resolve_job_def("migration").description)

    monkeypatch.setenv("BLB_SOURCE_CONN", "mssql+pyodbc://sa:secret@copy/erp")
    assert "BLB_TARGET_CONN: it is not set" in describe()
    monkeypatch.setenv("BLB_TARGET_CONN", "postgresql://u:secret@new/erp")
    assert "SQL Server copy:1433/erp to PostgreSQL new:5432/erp." in describe()
    assert "secret" not in describe()


def test_what_is_not_configured_stands_in_the_graph_before_the_first_stage(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def find_nodes() -> dict[str, str]:
        graph = build_defs(build_shop()).resolve_asset_graph()
        parents = graph.get(AssetKey("preflight")).parent_keys
        assert parents == {key for key in graph.get_all_asset_keys() if "usable" in key.to_user_string()}
        assert not parents & graph.materializable_asset_keys
        return {key.to_user_string(): str(graph.get(key).description) for key in parents}

    nodes = find_nodes()
    assert [*sorted(nodes)] == ["BLB_SOURCE_CONN_is_not_usable", "BLB_TARGET_CONN_is_not_usable"]
    assert "No run can begin" in nodes["BLB_SOURCE_CONN_is_not_usable"]
    assert "BLB_SOURCE_CONN: it is not set" in nodes["BLB_SOURCE_CONN_is_not_usable"]
    monkeypatch.setenv("BLB_SOURCE_CONN", "mssql+pyodbc://sa:secret@copy/erp")
    monkeypatch.setenv("BLB_TARGET_CONN", "oracle://u:secret@new/erp")
    [(name, description)] = find_nodes().items()
    assert name == "BLB_TARGET_CONN_is_not_usable" and "secret" not in description
    monkeypatch.setenv("BLB_TARGET_CONN", "postgresql://u:secret@new/erp")
    assert find_nodes() == {}


def test_with_production_alone_there_is_one_graph_and_no_nightly_rehearsal() -> None:
    [(name, served)] = serve().items()
    assert name == "__repository__"
    assert served["schedules"] == ["post_cutover_watch"]
    assert [job for job in served["jobs"] if not job.startswith("__")] == PRODUCTION_JOBS  # type: ignore[attr-defined]


def test_a_rehearsal_beside_production_shares_no_asset_and_no_job_with_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("BLB_REHEARSAL_SOURCE_CONN", "mssql://copy/erp")
    assert [*serve()] == ["__repository__"]
    monkeypatch.setenv("BLB_REHEARSAL_TARGET_CONN", "postgresql://copy/erp")
    monkeypatch.setenv("BLB_SOURCE_CONN", "mssql://real/erp")
    monkeypatch.setenv("BLB_TARGET_CONN", "postgresql://real/erp")
    served = serve()
    assert sorted(served) == ["production", "rehearsal"]
    production, rehearsal = served["production"], served["rehearsal"]
    assert rehearsal["keys"] == [f"rehearsal/{key}" for key in production["keys"]]  # type: ignore[attr-defined]
    names = {"production": PRODUCTION_JOBS, "rehearsal": ["reconcile_rehearsal", "rehearsal"]}
    for name, expected in names.items():
        assert [job for job in served[name]["jobs"] if not job.startswith("__")] == expected  # type: ignore[attr-defined]
    assert (production["schedules"], rehearsal["schedules"]) == (
        ["post_cutover_watch"],
        ["nightly_rehearsal"],
    )
    assert find_schedule().default_status is DefaultScheduleStatus.RUNNING


def test_the_nightly_rehearsal_runs_at_two_in_the_configured_time_zone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("BLB_TIMEZONE", "Europe/Berlin")
    schedule = find_schedule()
    assert (schedule.cron_schedule, schedule.execution_timezone) == ("0 2 * * *", "Europe/Berlin")
    assert schedule.job_name == "rehearsal"
    assert schedule.tags[ENVIRONMENT_TAG] == "rehearsal"


def test_a_rehearsal_never_falls_back_to_the_main_databases(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BLB_SOURCE_CONN", "mssql+pyodbc://sa:x@production/erp")
    monkeypatch.setenv("BLB_TARGET_CONN", "postgresql://u:x@production/erp")
    monkeypatch.setenv("BLB_REHEARSAL_SOURCE_CONN", "mssql+pyodbc://sa:x@copy/erp")
    with pytest.raises(ConfigurationError, match="BLB_REHEARSAL_TARGET_CONN: it is not set"):
        connect_from_environment("rehearsal")


@pytest.mark.parametrize("environment", ["production", "rehearsal"])
def test_one_target_for_both_environments_is_refused_in_either(
    monkeypatch: pytest.MonkeyPatch, environment: Environment
) -> None:
    for prefix in ("BLB_", "BLB_REHEARSAL_"):
        monkeypatch.setenv(f"{prefix}SOURCE_CONN", "mssql+pyodbc://sa:x@production/erp")
    monkeypatch.setenv("BLB_TARGET_CONN", "postgresql://u:x@localhost/erp")
    monkeypatch.setenv("BLB_REHEARSAL_TARGET_CONN", "postgresql://other:y@127.0.0.1:5432/erp")
    with pytest.raises(ConfigurationError, match=r"both mean the database localhost:5432/erp"):
        connect_from_environment(environment)


def test_an_unknown_time_zone_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BLB_TIMEZONE", "Middle/Earth")
    with pytest.raises(ConfigurationError, match=r"BLB_TIMEZONE: 'Middle/Earth'\. Expected an IANA name"):
        find_schedule()


def test_the_workspace_serves_the_code_location() -> None:
    served = {"module_name": "blb_migration.definitions", "location_name": "blb_migration"}
    assert yaml.safe_load(read_document(WORKSPACE_FILE)) == {"load_from": [{"python_module": served}]}
    project = tomllib.loads((TOP / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["dg"]["project"]
    assert project["code_location_target_module"] == served["module_name"]
    assert project["code_location_name"] == served["location_name"]
    deployed = yaml.safe_load(read_document("deploy/workspace.yaml"))
    assert deployed["load_from"][0]["grpc_server"]["location_name"] == served["location_name"]


def test_dagster_takes_the_instance_settings(tmp_path: Path) -> None:
    with DagsterInstance.from_ref(InstanceRef.from_dir(str(tmp_path), config_dir=str(TOP))) as instance:
        assert instance.get_settings("telemetry") == {"enabled": False}
        concurrency = instance.get_concurrency_config()
        queue, pools = concurrency.run_queue_config, concurrency.pool_config
        assert queue is not None
        assert queue.max_concurrent_runs == 1
        assert (pools.pool_granularity, pools.default_pool_limit) == (PoolGranularity.RUN, 1)
        assert isinstance(instance.run_coordinator, QueuedRunCoordinator)
        assert instance.run_coordinator.dequeue_interval_seconds == 1
        assert instance.run_monitoring_enabled
        assert isinstance(instance.event_log_storage, EventStorage)


def describe_resource(environment: Environment) -> dict[str, str]:
    """Return what Dagster's Resources page shows of ``databases``, as the UI's server is told it."""
    repository = build_defs(build_shop(), environment=environment).get_repository_def()
    told = RepositorySnap.from_def(repository).resources or []
    [databases] = [resource for resource in told if resource.name == "databases"]
    assert databases.is_top_level
    return {
        name: value if isinstance(value, str) else value.name
        for name, value in databases.configured_values.items()
    }


@pytest.mark.parametrize(("environment", "prefix"), [("production", "BLB_"), ("rehearsal", "BLB_REHEARSAL_")])
@pytest.mark.filterwarnings("ignore:Property `ScheduleDefinition.environment_vars`:DeprecationWarning")
def test_the_resources_page_names_the_variables_and_shows_no_value(
    monkeypatch: pytest.MonkeyPatch, environment: Environment, prefix: str
) -> None:
    unset = describe_resource(environment)
    assert set(unset.values()) == {'""'}
    monkeypatch.setenv(f"{prefix}SOURCE_CONN", "mssql+pyodbc://sa:geheim@copy/erp")
    monkeypatch.setenv(f"{prefix}TARGET_CONN", "postgresql://u:geheim@new/erp")
    assert describe_resource(environment) == {
        "source_conn": f"{prefix}SOURCE_CONN", "target_conn": f"{prefix}TARGET_CONN"
    }  # fmt: skip
    pair = DatabasePair(
        source_conn="mssql+pyodbc://sa:geheim@copy/erp", target_conn="postgresql://u:geheim@new/erp"
    )
    assert "geheim" not in f"{pair} {pair!r}"
    assert str(pair.connect(environment).target.settings.identity) == "new:5432/erp"
