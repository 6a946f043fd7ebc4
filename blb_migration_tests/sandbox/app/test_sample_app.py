"""The sample application as a process: started, asked, stopped by its commands."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest
import requests

from blb_migration import retries
from blb_migration.cutover.cutover_file import read_cutover_file, read_smoke_file
from blb_migration.cutover.smoke_run import run_smoke_test
from blb_migration.plan.project import DEFAULT_PROJECT
from blb_migration.sandbox.app.app_process import build_command, find_process
from blb_migration.sandbox.app.planted_faults import FAULTS
from blb_migration.sandbox.app.sample_night import SampleNight, build_sample_night
from blb_migration.sandbox.embedded_postgres import EmbeddedPostgres
from blb_migration.sandbox.emulator.server import SqlServerEmulator
from blb_migration.sandbox.emulator.tsql import TsqlEngine
from blb_migration.sandbox.erp import SOURCE_DATABASE, create_source

PASSWORD = "p}w{ #1"


@pytest.fixture(scope="module")
def source_url() -> Iterator[str]:
    engine = TsqlEngine()
    engine.add_login("sa", PASSWORD)
    create_source(engine)
    with SqlServerEmulator(engine) as server:
        yield server.url(SOURCE_DATABASE, "sa", PASSWORD)
    engine.close()


@pytest.fixture
def night(source_url: str, embedded_postgres: EmbeddedPostgres, tmp_path: Path) -> Iterator[SampleNight]:
    target_url = embedded_postgres.url("postgres")  # nobody works there
    night = build_sample_night(tmp_path / "night", source_url, target_url, DEFAULT_PROJECT, os.getpid())
    yield night
    night.stop()


def becomes_true(condition: Callable[[], bool]) -> bool:
    return retries.becomes_true(condition, within_seconds=60, pause_seconds=0.05)


def run(verb: str, folder: Path, port: int) -> subprocess.CompletedProcess[str]:
    return subprocess.run(build_command(verb, folder, port), capture_output=True, text=True, check=False)


def test_it_does_what_the_erps_own_smoke_test_asks(
    night: SampleNight, monkeypatch: pytest.MonkeyPatch
) -> None:
    night.port, night.test_port = night.test_port, night.port  # so that production is what is tested
    night.start()
    assert night.name_database() == "sqlserver"
    for name, value in night.variables.items():
        monkeypatch.setenv(name, value)
    test, _ = read_smoke_file(night.project / "smoke.yaml")
    results = run_smoke_test(test, str, night.project)
    assert [str(one) for one in results if not one.is_good] == []
    assert len(results) == len(test.steps) + 1
    assert results[-1].is_undo and results[-1].status == 204

    base = f"http://127.0.0.1:{night.port}/api/v1"
    wrong = {"username": night.variables["ERP_USER"], "password": "another"}
    assert requests.post(f"{base}/auth/login", data=wrong, timeout=5).status_code == 401
    assert requests.get(f"{base}/items", timeout=5).status_code == 401
    forged = {"Authorization": f"Bearer 1.{int(time.time()) + 99}.{'0' * 64}"}
    assert requests.get(f"{base}/items", headers=forged, timeout=5).status_code == 401
    log = (night.production / "logs" / "app.log").read_text(encoding="utf-8")
    assert f"log-in of {night.variables['ERP_USER']} refused" in log


def test_a_database_that_has_no_such_tables_is_an_error_in_its_log(night: SampleNight) -> None:
    env = night.production / ".env"
    kept = {name.removeprefix("NEW_"): value for name, value in night.variables.items() if "DB_" in name}
    env.write_text("".join(f"{name}='{value}'\n" for name, value in kept.items()), encoding="utf-8")
    assert run("start", night.production, night.port).returncode == 0
    answers: list[int] = []

    def is_answered() -> bool:
        try:
            answers.append(requests.get(f"http://127.0.0.1:{night.port}/health", timeout=5).status_code)
        except requests.ConnectionError:
            return False
        return True

    assert becomes_true(is_answered)
    assert answers == [500]
    assert "ERROR" in (night.production / "logs" / "app.log").read_text(encoding="utf-8")


def test_it_stops_once_and_a_stop_of_what_does_not_run_is_no_error(night: SampleNight) -> None:
    night.start()
    assert find_process(night.production, night.port) is not None
    for _ in range(2):
        assert run("stop", night.production, night.port).returncode == 0
        assert night.name_database() is None and find_process(night.production, night.port) is None


def test_another_process_with_the_number_of_the_old_one_is_left_alone(night: SampleNight) -> None:
    (night.production / "run").mkdir()
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as stranger:
        file = night.production / "run" / f"{night.port}.pid"
        file.write_text(str(stranger.pid), encoding="ascii")
        assert run("stop", night.production, night.port).returncode == 0
        assert stranger.poll() is None


def test_it_ends_with_its_owner(night: SampleNight) -> None:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as owner:
        night.owner = owner.pid
        night.start()
        process = find_process(night.production, night.port)
        assert process is not None
    assert becomes_true(lambda: not psutil.pid_exists(process.pid) or process.status() == "zombie")


def test_its_administrator_can_take_a_backup(night: SampleNight) -> None:
    answer = run("backup", night.production, night.port)
    assert answer.stdout == f"{SOURCE_DATABASE}_cutover.bak\n", answer.stderr


# That of migrate changes a row of the ERP on the target, which only the demo has.
@pytest.mark.parametrize("step", [step for step in FAULTS if step != "migrate"])
def test_with_each_fault_cutover_yaml_can_be_read(
    night: SampleNight, step: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in night.variables.items():
        monkeypatch.setenv(name, value)
    with FAULTS[step](night) as said:
        night.write()
        file = read_cutover_file(night.project)
    assert said and str(night.records) == str(file.settings.records)
    assert night.variables["ERP_PASSWORD"] not in file.path.read_text(encoding="utf-8")
    assert night.variables["NEW_DB_PASSWORD"] not in file.path.read_text(encoding="utf-8")
