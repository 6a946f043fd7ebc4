"""The ERP's source and target, a broker, Dagster and Celery workers, each on a machine of its own.

Dagster is its web server, daemon and code location with a PostgreSQL for its records; runs are launched as a
person does it, through the web server. Which machine is which: ``ROLES``; the others are workers.
"""

from __future__ import annotations

import base64
import json
import os
import secrets
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psycopg
from dagster import DagsterInstance, DagsterRun
from dagster._core.instance.ref import InstanceRef

from blb_migration.documents import INSTANCE_FILE, read_document
from blb_migration.sandbox.emulator.tds.link import Link
from blb_migration.sandbox.erp import SOURCE_DATABASE, create_target
from blb_migration_tests.benchmarks.brokers import serve_broker
from blb_migration_tests.benchmarks.namespaces import Machine, Process, running_bridge, running_machine
from blb_migration_tests.cli.served_ui import Ui

ROLES = ("source", "target", "broker", "dagster")
TARGET, REHEARSAL_TARGET = "erp", "rehearsal"
_COMES_WITHIN_SECONDS = 600.0  # on a busy machine
_HELPER_NUMBER = 200
_UI_PORT, _CODE_PORT = 3000, 4000
_WORKSPACE = f"""
load_from:
  - grpc_server: {{host: 127.0.0.1, port: {_CODE_PORT}, location_name: blb_migration}}
"""
_READY = " ready."  # Celery's own word in a worker's log


@dataclass
class Fleet:
    """All machines, and what their processes are told; ``workers`` are those that were started."""

    folder: Path
    stack: ExitStack
    machines: dict[str, Machine]
    environment: dict[str, str]
    instance: DagsterInstance
    source: Process
    workers: list[Machine] = field(default_factory=list)

    def put_source_behind(self, link: Link) -> None:
        """From now on every connection to the source is behind this line."""
        _exchange(self.source, asdict(link))

    def renew_target(self, name: str = TARGET) -> None:
        """Make the target database anew: the ERP's empty tables, and no ledger."""
        url = self.read_url(name)
        with psycopg.connect(url.rpartition("/")[0] + "/postgres", autocommit=True) as connection:
            connection.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)".encode())
            connection.execute(f"CREATE DATABASE {name}".encode())
        create_target(url)

    def read_url(self, name: str = TARGET) -> str:
        """Return the URL of a target, which this process reaches as the machines do."""
        variable = "BLB_TARGET_CONN" if name == TARGET else "BLB_REHEARSAL_TARGET_CONN"
        return self.environment[variable]

    def start_workers(self, count: int) -> list[Machine]:
        """Start so many more machines with a worker for two steps at once each, and wait for them."""
        started = []
        for _ in range(count):
            number = len(ROLES) + len(self.workers) + 1
            machine = self.stack.enter_context(running_machine(number, self.folder))
            self.workers.append(machine)
            command = [sys.executable, "-m", "celery", "-A", "blb_migration.defs.celery_worker", "worker"]
            command += ["-n", f"{machine.name}@fleet", "-c", "2", "--loglevel", "INFO"]
            log = machine.serve("worker.log", command, self.environment | _make_home(machine))
            started.append((machine, log))
        for _, log in started:
            _wait_until(lambda log=log: _READY in log.read_text(encoding="utf-8", errors="replace"), str(log))
        return [machine for machine, _ in started]

    def find_worker(self, name: str) -> Machine:
        """Return the machine of a worker."""
        return next(machine for machine in self.workers if machine.name == name)

    def start_helper(self) -> Path:
        """Start one more machine with ``blb-migrate work --wait``; returns the file of what it says."""
        machine = self.stack.enter_context(running_machine(_HELPER_NUMBER, self.folder))
        command = [str(Path(sys.executable).with_name("blb-migrate")), "work", "--wait"]
        return machine.serve("helper.log", command, self.environment)

    def launch(self, job: str = "migration", repository: str = "production") -> str:
        """Launch a job through the web server; returns the run's id."""
        return self._ui.launch(job, repository)

    def launch_again(self, run_id: str) -> str:
        """Launch what was not carried out of a run; returns the new run's id."""
        return self._ui.launch_again(run_id)

    def wait_for(self, run_id: str) -> DagsterRun:
        """Return the run once it is over."""
        _wait_until(lambda: self.read_run(run_id).is_finished, f"run {run_id}")
        return self.read_run(run_id)

    def read_run(self, run_id: str) -> DagsterRun:
        """Return the run as it stands now."""
        run = self.instance.get_run_by_id(run_id)
        assert run is not None
        return run

    def read_report(self, run_id: str) -> dict[str, Any]:
        """Return the report of a run, from the machine that wrote it first: a sensor tells it anew."""
        paths = self.folder.glob(f"machine*/.blb/reports/{run_id}/report.json")
        path = min(paths, key=lambda path: path.stat().st_mtime)
        document: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        return document

    @property
    def _ui(self) -> Ui:
        log_in = base64.b64encode(f"ana:{self.environment['BLB_UI_PASSWORD']}".encode()).decode()
        address = self.machines["dagster"].address
        return Ui(_UI_PORT, address, {"Authorization": f"Basic {log_in}"}, _COMES_WITHIN_SECONDS)


@contextmanager
def running_fleet(
    folder: Path,
    scale: int,
    broker: str,
    variables: Mapping[str, str],
    consumer_timeout_seconds: float | None = None,
) -> Iterator[Fleet]:
    """Yield machines with everything but workers; ``variables`` are for all of them."""
    with ExitStack() as stack:
        stack.enter_context(running_bridge())
        machines = {
            role: stack.enter_context(running_machine(number, folder)) for number, role in enumerate(ROLES, 1)
        }
        source, urls = _serve_source(stack, machines["source"], scale)
        targets = _serve_databases(stack, machines["target"], TARGET, REHEARSAL_TARGET)
        records = urlsplit(_serve_databases(stack, machines["dagster"], "dagster")["dagster"])
        environment = {
            "BLB_EXECUTOR": "celery",
            "BLB_CELERY_BROKER": serve_broker(machines["broker"], broker, consumer_timeout_seconds),
            "BLB_SOURCE_CONN": urls[SOURCE_DATABASE],
            "BLB_TARGET_CONN": targets[TARGET],
            "BLB_REHEARSAL_SOURCE_CONN": urls[SOURCE_DATABASE],
            "BLB_REHEARSAL_TARGET_CONN": targets[REHEARSAL_TARGET],
            "BLB_UI_PASSWORD": secrets.token_hex(12),
            "BLB_UI_HOSTS": machines["dagster"].address,
            "DAGSTER_POSTGRES_HOST": str(records.hostname),
            "DAGSTER_POSTGRES_PORT": str(records.port),
            "DAGSTER_POSTGRES_DB": "dagster",
            "DAGSTER_POSTGRES_USER": str(records.username),
            "DAGSTER_POSTGRES_PASSWORD": str(records.password),
            **variables,
        }
        home = _serve_dagster(machines["dagster"], environment)
        os.environ.update({name: value for name, value in environment.items() if name.startswith("DAGSTER")})
        instance = stack.enter_context(DagsterInstance.from_ref(InstanceRef.from_dir(home)))
        fleet = Fleet(folder, stack, machines, environment, instance, source)
        fleet.renew_target()
        fleet.renew_target(REHEARSAL_TARGET)
        yield fleet


def _serve_source(stack: ExitStack, machine: Machine, scale: int) -> tuple[Process, dict[str, str]]:
    process = machine.run(["-m", "blb_migration_tests.benchmarks.source_process"], stdin=subprocess.PIPE)
    stack.callback(_end, process)
    return process, _exchange(process, {"tables": [], "erp_scale": scale, "host": machine.address})


def _serve_databases(stack: ExitStack, machine: Machine, *names: str) -> dict[str, str]:
    process = machine.run(["-m", "blb_migration_tests.benchmarks.target_process"], stdin=subprocess.PIPE)
    stack.callback(_end, process)
    order = {"folder": str(machine.folder / "postgres"), "address": machine.address, "databases": names}
    urls: dict[str, str] = _exchange(process, order)
    return urls


def _serve_dagster(machine: Machine, environment: dict[str, str]) -> str:
    """Start code location, web server and daemon; returns their home once the web server has loaded it."""
    home = _make_home(machine)
    environment = environment | home
    (machine.folder / "workspace.yaml").write_text(_WORKSPACE, encoding="utf-8")
    tool = Path(sys.executable)
    serve_code = [str(tool.with_name("dagster")), "code-server", "start", "--host", "127.0.0.1"]
    serve_code += ["--port", str(_CODE_PORT), "--module-name", "blb_migration.definitions"]
    machine.serve("code.log", serve_code, environment)
    serve_ui = [str(tool), "-m", "blb_migration.defs.internals.web_server", "--workspace", "workspace.yaml"]
    serve_ui += ["--host", "0.0.0.0", "--port", str(_UI_PORT)]
    time.sleep(2)  # the first process makes the tables of Dagster's records
    ui_log = machine.serve("ui.log", serve_ui, environment)
    run_daemon = [str(tool.with_name("dagster-daemon")), "run", "--workspace", "workspace.yaml"]
    _wait_until(lambda: "Serving dagster-webserver" in ui_log.read_text(encoding="utf-8"), str(ui_log))
    machine.serve("daemon.log", run_daemon, environment)
    return home["DAGSTER_HOME"]


def _make_home(machine: Machine) -> dict[str, str]:
    home = machine.folder / "home"
    home.mkdir()
    (home / INSTANCE_FILE).write_text(read_document(f"deploy/{INSTANCE_FILE}"), encoding="utf-8")
    return {"DAGSTER_HOME": str(home)}


def _exchange(process: Process, document: dict[str, Any]) -> Any:
    assert process.stdin is not None and process.stdout is not None
    process.stdin.write(json.dumps(document) + "\n")
    process.stdin.flush()
    return json.loads(process.stdout.readline())


def _end(process: Process) -> None:
    assert process.stdin is not None and process.stdout is not None
    process.stdin.close()
    process.stdout.close()
    process.wait(60)


def _wait_until(is_so: Any, subject: str) -> None:
    give_up_at = time.monotonic() + _COMES_WITHIN_SECONDS
    while not is_so():
        assert time.monotonic() < give_up_at, f"{subject}: waited in vain"
        time.sleep(0.25)
