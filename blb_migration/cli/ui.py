"""``blb-migrate ui``: Dagster's web server and daemon as child processes, from any folder.

Knows how to start, await and stop them; they serve what ``workspace.yaml`` names. Not ``dagster dev``,
whose web server answers any page that is open in a browser: ``defs/web_guard.py``.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from http import HTTPStatus
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, NoReturn

from blb_migration.cli import ui_servers
from blb_migration.cli.options import Debug, Port, ProjectFolder, SourceConn, TargetConn
from blb_migration.defs.event_batches import BATCHES
from blb_migration.documents import INSTANCE_FILE, WORKSPACE_FILE, list_documents, read_document
from blb_migration.errors import ConfigurationError
from blb_migration.private_files import make_private_folder
from blb_migration.processes import build_group_options, has_shared_locks

if TYPE_CHECKING:
    from rich.console import Console

    from blb_migration.settings.environments import Environment

HOME_VARIABLE = "DAGSTER_HOME"
HOST = "127.0.0.1"
FILES_VARIABLE = "BLB_UI_FILES"
LOCATION = "blb_migration"  # as workspace.yaml names it
WEB_SERVER = "blb_migration.defs.internals.web_server"
DAEMON = "blb_migration.defs.daemon"
NEW_HOME = "blb_migration.defs.new_home"
# Dagster's records in SQLite, which is its default.
_RECORDS = ("history/runs.db", "history/runs/index.db", "schedules/schedules.db")
START_TIMEOUT_SECONDS = 900  # 2,000 tables on a busy machine took more than two minutes
_WAIT_NOTE_SECONDS = 30
_ANSWER_SECONDS = 120
STOP_TIMEOUT_SECONDS = 2 * ui_servers.STOP_SECONDS + ui_servers.RUN_STOP_SECONDS + 10
_POLL_SECONDS = 0.3
_NO_LOCKS = (
    "Warning: this user has no shared memory here, so Dagster cannot start a run from its UI, a schedule or "
    "a sensor. Next: mount -t tmpfs -o mode=1777 tmpfs /dev/shm; or run blb-migrate itself, which does "
    "without."
)


def ui(
    source_conn: SourceConn = None,
    target_conn: TargetConn = None,
    project: ProjectFolder = None,
    port: Port = 3000,
    debug: Debug = False,
) -> NoReturn:
    """Open Dagster's UI with this tool's settings until Ctrl-C."""
    from blb_migration.cli.discovery import read_project
    from blb_migration.cli.terminal import build_console
    from blb_migration.cutover.cutover_file import CUTOVER_FILE
    from blb_migration.settings import PROJECT_VARIABLE, SOURCE_VARIABLE, TARGET_VARIABLE

    refuse_used_port(port)
    folder = read_project(project).folder
    home = Path(os.environ.get(HOME_VARIABLE) or Path(".blb") / "ui").resolve()
    variables = {PROJECT_VARIABLE: str(folder.resolve())}
    variables |= {SOURCE_VARIABLE: source_conn} if source_conn else {}
    variables |= {TARGET_VARIABLE: target_conn} if target_conn else {}
    has_night = (folder / CUTOVER_FILE).is_file()
    serve_user_interface(build_console(), home, port, variables, has_night=has_night)


def refuse_used_port(port: int) -> None:
    """Raise ConfigurationError when something else listens on the port."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError as error:
            raise ConfigurationError(
                f"--port {port}",
                found=f"it cannot be used ({error.strerror})",
                expected="a free port",
                next_act="Name another one with --port",
            ) from None


def serve_user_interface(
    console: Console,
    home: Path,
    port: int,
    variables: Mapping[str, str | None],
    *,
    has_night: bool = False,
) -> NoReturn:
    """Run Dagster's web server and daemon until the person presses Ctrl-C, then stop them.

    ``variables`` are set in their environment, or taken out of it where None. ``home`` is made Dagster's
    home: its history and its settings are kept. ``has_night``: the job ``cutover`` is there, and is named.
    Raises KeyboardInterrupt at the end, and
    ConfigurationError when the folder cannot be written or the web server does not start.
    """
    _prepare_home(home)
    if not has_shared_locks():
        console.print(_NO_LOCKS, markup=False, soft_wrap=True)
    log_path = home / "dagster.log"
    # A polite kill ends the child and the databases as Ctrl-C does; and a shell that started this in the
    # background has made it, and would make the child, deaf to SIGINT.
    signal.signal(signal.SIGTERM, _interrupt)
    signal.signal(signal.SIGINT, _interrupt)
    with log_path.open("w", encoding="utf-8") as log:
        child = _start(home, port, variables, log.fileno())
        try:
            _await_server(child, port, log_path, console)
            _refuse_open_server(port, log_path)
            for line in _describe_pages(port, has_night=has_night):
                console.print(line, markup=False, soft_wrap=True)
            child.wait()
            raise _describe_end(child, log_path)
        finally:
            _stop(child)


def _describe_pages(port: int, *, has_night: bool) -> Iterator[str]:
    from blb_migration.settings.environments import PRODUCTION, REHEARSAL, is_configured, read_target_identity

    address = f"http://{HOST}:{port}"
    has_two = is_configured(REHEARSAL)
    if has_night:
        jobs_of = f"{address}/locations/{f'{PRODUCTION}@' if has_two else ''}{LOCATION}/jobs"
        yield (
            f"The night: {jobs_of}/cutover/playground and {jobs_of}/rollback/playground; both only ask, "
            "unless the launchpad says execute: true and the target's name"
        )
    if not has_two:
        yield f"Dagster's UI: {address}/asset-groups"
        yield "Press 'Materialize all' there; Ctrl-C here ends it."
        return
    jobs: dict[Environment, str] = {PRODUCTION: "migration", REHEARSAL: "rehearsal"}
    for environment, job in jobs.items():
        target = read_target_identity(environment) or "not configured"
        page = f"{address}/locations/{environment}@{LOCATION}/jobs/{job}"
        yield f"Dagster's UI, {environment} (target {target}): {page}"
    yield "Press 'Materialize all' on one of these pages; Ctrl-C here ends it."


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _prepare_home(home: Path) -> None:
    try:
        make_private_folder(home)
        if not (home / INSTANCE_FILE).exists():
            (home / INSTANCE_FILE).write_text(read_document(INSTANCE_FILE), encoding="utf-8")
    except OSError as error:
        raise ConfigurationError(
            f"folder {home}",
            found=f"Dagster's files cannot be written there ({error.strerror})",
            next_act=f"Name a folder that may be written to in {HOME_VARIABLE}",
        ) from None


def _start(home: Path, port: int, variables: Mapping[str, str | None], log: int) -> subprocess.Popen[bytes]:
    changed = {**BATCHES, **os.environ, HOME_VARIABLE: str(home), FILES_VARIABLE: "1", **variables}
    environment = {name: value for name, value in changed.items() if value is not None}
    if not all((home / name).is_file() for name in _RECORDS):
        # What fails here fails in the servers too, which say so.
        subprocess.run(
            [sys.executable, "-m", NEW_HOME], env=environment, cwd=home, stdout=log, stderr=log, check=False
        )
    workspace = ["--workspace", str(list_documents()[WORKSPACE_FILE])]
    commands = [
        [sys.executable, "-m", WEB_SERVER, "--host", HOST, "--port", str(port), *workspace],
        [sys.executable, "-m", DAEMON, "run", *workspace],
    ]
    return subprocess.Popen(
        [sys.executable, ui_servers.__file__, json.dumps(commands)],
        env=environment,
        cwd=home,
        stdin=subprocess.PIPE,
        stdout=log,
        stderr=log,
        **build_group_options(),  # Ctrl-C is for us; what a killed run leaves is found by its session
    )


def _await_server(child: subprocess.Popen[bytes], port: int, log_path: Path, console: Console) -> None:
    began = time.monotonic()
    noted_at = began
    while child.poll() is None and (now := time.monotonic()) < began + START_TIMEOUT_SECONDS:
        if now >= noted_at + _WAIT_NOTE_SECONDS:
            noted_at = now
            note = f"Dagster's servers have been starting for {now - began:.0f} s: {log_path}"
            console.print(note, markup=False, soft_wrap=True)
        try:
            with urllib.request.urlopen(f"http://{HOST}:{port}/server_info", timeout=5):
                return
        except (urllib.error.URLError, OSError):
            time.sleep(_POLL_SECONDS)
    raise _describe_end(child, log_path)


def _refuse_open_server(port: int, log_path: Path) -> None:
    """Raise ConfigurationError if the server answers a page of another site: then it has no guard."""
    request = urllib.request.Request(f"http://{HOST}:{port}/server_info", headers={"Host": "foreign.invalid"})
    try:
        with urllib.request.urlopen(request, timeout=_ANSWER_SECONDS):
            pass
    except urllib.error.HTTPError as refused:
        if refused.code == HTTPStatus.BAD_REQUEST:
            return
    raise ConfigurationError(
        "Dagster's web server",
        found="it answers under a foreign name, so any page in a browser could start runs",
        next_act=f"Install the Dagster that requirements.lock names; {log_path} says which one ran",
    )


def _describe_end(child: subprocess.Popen[bytes], log_path: Path) -> ConfigurationError:
    code = child.poll()
    ended = f"one of them ended with code {code}"
    return ConfigurationError(
        "Dagster's servers",
        found=ended if code is not None else f"they have not answered for {START_TIMEOUT_SECONDS} s",
        next_act=f"Read {log_path}",
    )


def _stop(child: subprocess.Popen[bytes]) -> None:
    """Let go of the child's input, at which it ends all servers and itself."""
    assert child.stdin is not None
    child.stdin.close()
    try:
        child.wait(STOP_TIMEOUT_SECONDS)
    except subprocess.TimeoutExpired:
        child.kill()
        child.wait()
