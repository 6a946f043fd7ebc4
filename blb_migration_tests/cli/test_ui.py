"""Dagster's UI as the command opens it: for its own pages alone, and gone when the command is."""

from __future__ import annotations

import base64
import contextlib
import http.client
import json
import os
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import pytest
from rich.console import Console

from blb_migration.cli import ui, ui_servers
from blb_migration.errors import ConfigurationError
from blb_migration.processes import has_shared_locks
from blb_migration_tests.cli.served_ui import STATUS, Ui, serving_ui

pytestmark = pytest.mark.skipif(os.name == "nt", reason="sends the signals of a terminal and of kill -9")

NODES = "{ assetNodes { assetKey { path } jobNames } }"
MUTATION = "mutation { reloadWorkspace { __typename } }"


@dataclass(frozen=True)
class RunningUi:
    process: subprocess.Popen[str]
    output: str
    port: int

    @property
    def own(self) -> str:
        return f"127.0.0.1:{self.port}"

    def send(self, method: str, path: str, body: str = "", **headers: str) -> tuple[int, str]:
        """Send a request as it is, and return the answer's code and text."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        with contextlib.closing(connection):
            named = {name.replace("_", "-"): value for name, value in headers.items()}
            connection.request(method, path, body or None, {"Host": self.own} | named)
            answer = connection.getresponse()
            return answer.status, answer.read().decode()

    def post(self, query: str, **headers: str) -> tuple[int, str]:
        body = json.dumps({"query": query})
        return self.send("POST", "/graphql", body, Content_Type="application/json", **headers)

    def open_socket(self, origin: str) -> int:
        return self.send(
            "GET",
            "/graphql",
            Origin=origin,
            Upgrade="websocket",
            Connection="Upgrade",
            Sec_WebSocket_Version="13",
            Sec_WebSocket_Key=base64.b64encode(bytes(16)).decode(),
            Sec_WebSocket_Protocol="graphql-ws",
        )[0]


def find_processes(home: Path) -> list[psutil.Process]:
    """All processes whose Dagster home is in that folder."""
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            is_ended = process.status() == psutil.STATUS_ZOMBIE
            if not is_ended and process.environ().get("DAGSTER_HOME", "").startswith(str(home)):
                found.append(process)
    return found


def wait_until(is_so: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not is_so():
        assert time.monotonic() < deadline
        time.sleep(0.1)


@contextlib.contextmanager
def open_demo(folder: Path) -> Iterator[RunningUi]:
    with serving_ui("demo", "--ui", folder=folder) as (process, output, port):
        yield RunningUi(process, output, port)


def test_the_ui_opens_on_the_graph_answers_its_own_pages_alone_and_ends_with_ctrl_c(tmp_path: Path) -> None:
    with open_demo(tmp_path) as ui:
        assert f"http://{ui.own}/asset-groups" in ui.output
        status, text = ui.post(NODES, Origin=f"http://{ui.own}", Sec_Fetch_Site="same-origin")
        nodes: list[dict[str, Any]] = json.loads(text)["data"]["assetNodes"]
        ours = [node for node in nodes if node["assetKey"]["path"][0] != "sqlserver"]
        assert (status, len(ours), len(nodes)) == (200, 46, 46 + 42)
        assert all("migration" in node["jobNames"] for node in ours)
        assert ui.send("GET", "/", Accept="text/html")[0] == 200
        assert ui.send("GET", "/graphql", Accept="text/html")[0] == 200  # the page GraphiQL
        assert ui.post(NODES, Host=f"localhost:{ui.port}")[0] == 200

        foreign = f"rebound.example:{ui.port}"
        by_get = "/graphql?query=" + MUTATION.replace(" ", "%20")
        assert ui.send("GET", by_get, Host=foreign)[0] == 400
        assert ui.post(MUTATION, Host=foreign, Origin=f"http://{foreign}")[0] == 400
        assert ui.send("GET", "/", Host=foreign)[0] == 400
        assert ui.send("GET", by_get)[0] == 405
        assert ui.send("GET", by_get, Accept="text/html")[0] == 405
        for origin in ("http://evil.example", "null", f"http://127.0.0.1:{ui.port + 1}"):
            status, text = ui.post(MUTATION, Origin=origin)
            assert (status, origin in text) == (403, True)
            assert ui.send("POST", by_get, Origin=origin)[0] == 403
            assert ui.open_socket(origin) == 403
        assert ui.post(MUTATION, Sec_Fetch_Site="cross-site")[0] == 403
        assert ui.open_socket(f"http://{ui.own}") == 101
        assert find_processes(tmp_path) != []
    assert ui.process.returncode == 130
    assert find_processes(tmp_path) == []


TERMINATE = "mutation ($id: String!) { terminateRun(runId: $id) { __typename } }"
FORK_SERVER = "multiprocessing.forkserver"


def find_forked_runs(home: Path) -> list[psutil.Process]:
    """Find the processes that a fork server has forked: their command is its own."""
    found = []
    for process in find_processes(home):
        with contextlib.suppress(psutil.Error):
            parent = process.parent()
            commands = [each.cmdline() for each in (process, parent) if each is not None]
            if len(commands) == 2 and all(FORK_SERVER in " ".join(command) for command in commands):
                found.append(process)
    return found


@pytest.mark.skipif(sys.platform != "linux", reason="runs are forked on Linux alone")
@pytest.mark.skipif(not has_shared_locks(), reason="no /dev/shm: Dagster's code server starts no run")
def test_a_run_is_forked_from_a_process_that_is_warm_and_can_be_terminated(tmp_path: Path) -> None:
    with open_demo(tmp_path) as ui:
        server = Ui(ui.port)
        server.await_jobs()
        run_id = server.launch("migration")
        wait_until(lambda: server.ask(STATUS, id=run_id)["runOrError"]["status"] == "STARTED")
        assert len(find_forked_runs(tmp_path)) == 1
        assert server.ask(TERMINATE, id=run_id)["terminateRun"]["__typename"] == "TerminateRunSuccess"
        assert server.await_end(run_id) == "CANCELED"
        wait_until(lambda: find_forked_runs(tmp_path) == [])
        assert server.await_end(server.launch("migration", assets=["preflight"])) == "SUCCESS"
    assert find_processes(tmp_path) == []


SERVER = (
    "import subprocess, sys, time; subprocess.Popen([sys.executable, '-c', sys.argv[1]]); time.sleep(600)"
)
DEAF = "import signal, time; signal.signal(signal.SIGINT, signal.SIG_IGN); time.sleep(600)"
OWNER = (
    "import subprocess, sys, time; "
    "subprocess.Popen(sys.argv[1:], stdin=subprocess.PIPE, start_new_session=True); time.sleep(600)"
)


def test_an_owner_that_is_killed_leaves_neither_servers_nor_what_they_started(tmp_path: Path) -> None:
    commands = [[sys.executable, "-c", SERVER, DEAF]] * 2
    command = [sys.executable, "-c", OWNER, sys.executable, ui_servers.__file__, json.dumps(commands)]
    with subprocess.Popen(command, env=os.environ | {"DAGSTER_HOME": str(tmp_path)}) as owner:
        wait_until(lambda: len(find_processes(tmp_path)) == 6)  # owner, ours, two servers, what they started
        owner.kill()
    wait_until(lambda: find_processes(tmp_path) == [])


def test_when_one_server_ends_all_do(tmp_path: Path) -> None:
    commands = [[sys.executable, "-c", SERVER, DEAF], [sys.executable, "-c", "raise SystemExit(7)"]]
    command = [sys.executable, ui_servers.__file__, json.dumps(commands)]
    environment = os.environ | {"DAGSTER_HOME": str(tmp_path)}
    with subprocess.Popen(command, env=environment, stdin=subprocess.PIPE, start_new_session=True) as ours:
        assert ours.wait(60) == 7
    assert find_processes(tmp_path) == []


def test_a_new_home_has_dagsters_records_before_several_servers_open_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    start, versions = subprocess.Popen, {}

    def start_silent(command: list[str], **options: Any) -> subprocess.Popen[bytes]:
        if ui_servers.__file__ not in command:
            return start(command, **options)
        for file in tmp_path.rglob("*.db"):
            with contextlib.closing(sqlite3.connect(file)) as connection:
                versions[file.name] = connection.execute("SELECT count(*) FROM alembic_version").fetchone()
        return start([sys.executable, "-c", "input()"], **options)

    monkeypatch.setattr("subprocess.Popen", start_silent)
    monkeypatch.setattr(ui, "START_TIMEOUT_SECONDS", 0)
    monkeypatch.setattr("signal.signal", lambda *_: None)
    with pytest.raises(ConfigurationError):
        ui.serve_user_interface(Console(quiet=True), tmp_path, 1, {})
    assert versions == {"runs.db": (1,), "index.db": (1,), "schedules.db": (1,)}


def test_servers_that_do_not_answer_are_waited_for_and_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def start_silent(*_: Any) -> subprocess.Popen[bytes]:
        return subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)

    monkeypatch.setattr(ui, "_start", start_silent)
    monkeypatch.setattr(ui, "_WAIT_NOTE_SECONDS", 0.3)
    monkeypatch.setattr(ui, "START_TIMEOUT_SECONDS", 1)
    monkeypatch.setattr("signal.signal", lambda *_: None)
    said = Console(record=True, width=200)
    with socket.socket() as unheard:  # bound, and nobody listens there
        unheard.bind((ui.HOST, 0))
        with pytest.raises(ConfigurationError, match=r"have not answered for 1 s.*Read .*dagster\.log"):
            ui.serve_user_interface(said, tmp_path, unheard.getsockname()[1], {})
    assert "Dagster's servers have been starting for" in said.export_text()
