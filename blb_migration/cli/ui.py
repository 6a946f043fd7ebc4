"""``blb-migrate ui``: Dagster's web server and daemon as a child process, from any folder.

Knows how to start, await and stop ``dagster dev``; what it serves is ``blb_migration.definitions``.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from types import FrameType
from typing import NoReturn

from rich.console import Console

from blb_migration.cli.discovery import read_project
from blb_migration.cli.options import Debug, Port, ProjectFolder, SourceConn, TargetConn
from blb_migration.cli.terminal import build_console
from blb_migration.documents import INSTANCE_FILE, read_document
from blb_migration.errors import ConfigurationError
from blb_migration.settings import PROJECT_VARIABLE, SOURCE_VARIABLE, TARGET_VARIABLE

HOME_VARIABLE = "DAGSTER_HOME"
HOST = "127.0.0.1"
START_TIMEOUT_SECONDS = 120
STOP_TIMEOUT_SECONDS = 10  # dagster dev itself waits a few seconds for its children
_POLL_SECONDS = 0.3


def ui(
    source_conn: SourceConn = None,
    target_conn: TargetConn = None,
    project: ProjectFolder = None,
    port: Port = 3000,
    debug: Debug = False,
) -> NoReturn:
    """Run ``dagster dev`` with this tool's settings until Ctrl-C."""
    refuse_used_port(port)
    folder = read_project(project).folder
    home = Path(os.environ.get(HOME_VARIABLE) or Path(".blb") / "ui").resolve()
    variables = {PROJECT_VARIABLE: str(folder.resolve())}
    variables |= {SOURCE_VARIABLE: source_conn} if source_conn else {}
    variables |= {TARGET_VARIABLE: target_conn} if target_conn else {}
    serve_user_interface(build_console(), home, port, variables)


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
    console: Console, home: Path, port: int, variables: Mapping[str, str | None]
) -> NoReturn:
    """Run ``dagster dev`` until the person presses Ctrl-C, then stop it.

    ``variables`` are set in its environment, or taken out of it where None. ``home`` is made Dagster's
    home: its history and its settings are kept. Raises KeyboardInterrupt at the end, and
    ConfigurationError when the folder cannot be written or the web server does not start.
    """
    _prepare_home(home)
    log_path = home / "dagster-dev.log"
    # A polite kill ends the child and the databases as Ctrl-C does; and a shell that started this in the
    # background has made it, and would make the child, deaf to SIGINT.
    signal.signal(signal.SIGTERM, _interrupt)
    signal.signal(signal.SIGINT, _interrupt)
    with log_path.open("w", encoding="utf-8") as log:
        child = _start(home, port, variables, log.fileno())
        try:
            _await_server(child, port, log_path)
            console.print(f"Dagster's UI: http://{HOST}:{port}/asset-groups", markup=False)
            console.print("Press 'Materialize all' there; Ctrl-C here ends it.")
            child.wait()
            raise _describe_end(child, log_path)
        finally:
            _stop(child)


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _prepare_home(home: Path) -> None:
    try:
        home.mkdir(parents=True, exist_ok=True)
        if not (home / INSTANCE_FILE).exists():
            (home / INSTANCE_FILE).write_text(read_document(INSTANCE_FILE), encoding="utf-8")
    except OSError as error:
        raise ConfigurationError(
            f"folder {home}",
            found=f"Dagster's files cannot be written there ({error.strerror})",
            next_act=f"Name a folder that may be written to in {HOME_VARIABLE}",
        ) from None


def _start(home: Path, port: int, variables: Mapping[str, str | None], log: int) -> subprocess.Popen[bytes]:
    changed = {**os.environ, HOME_VARIABLE: str(home), **variables}
    environment = {name: value for name, value in changed.items() if value is not None}
    command = [sys.executable, "-m", "dagster", "dev", "--module-name", "blb_migration.definitions"]
    command += ["--host", HOST, "--port", str(port)]
    # In a group of its own: Ctrl-C reaches it once, through us, and not twice.
    if sys.platform == "win32":
        return subprocess.Popen(
            command,
            env=environment,
            cwd=home,
            stdout=log,
            stderr=log,
            creationflags=subprocess.CREATE_NEW_PROCESS_GROUP,
        )
    return subprocess.Popen(
        command, env=environment, cwd=home, stdout=log, stderr=log, start_new_session=True
    )


def _await_server(child: subprocess.Popen[bytes], port: int, log_path: Path) -> None:
    deadline = time.monotonic() + START_TIMEOUT_SECONDS
    while child.poll() is None and time.monotonic() < deadline:
        try:
            with urllib.request.urlopen(f"http://{HOST}:{port}/server_info", timeout=5):
                return
        except (urllib.error.URLError, OSError):
            time.sleep(_POLL_SECONDS)
    raise _describe_end(child, log_path)


def _describe_end(child: subprocess.Popen[bytes], log_path: Path) -> ConfigurationError:
    code = child.poll()
    return ConfigurationError(
        "dagster dev",
        found="it does not answer" if code is None else f"it ended with code {code}",
        next_act=f"Read {log_path}",
    )


def _stop(child: subprocess.Popen[bytes]) -> None:
    """Ask the child to end its own children and itself; end the whole group when it does not."""
    if child.poll() is not None:
        return
    if sys.platform == "win32":
        child.send_signal(signal.CTRL_BREAK_EVENT)
        if not _has_ended(child):
            child.kill()
    else:
        child.send_signal(signal.SIGINT)
        for last_resort in (signal.SIGTERM, signal.SIGKILL):
            if _has_ended(child):
                return
            os.killpg(child.pid, last_resort)
    child.wait()


def _has_ended(child: subprocess.Popen[bytes]) -> bool:
    try:
        child.wait(STOP_TIMEOUT_SECONDS)
    except subprocess.TimeoutExpired:
        return False
    return True
