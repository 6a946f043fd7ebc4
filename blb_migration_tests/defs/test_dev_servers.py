"""`dg dev` and `dagster dev` in a clone: they serve the code location, and warn of nothing of ours."""

from __future__ import annotations

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import pytest

import blb_migration

pytestmark = pytest.mark.skipif(os.name == "nt", reason="ends them as a terminal's Ctrl-C does")
PACKAGE = Path(blb_migration.__file__).parent
STARTS_WITHIN_SECONDS = 150
# From there on `dg dev` is `dagster dev`.
UNTIL = {"dg": "Launching Dagster services", "dagster": "Serving dagster-webserver"}
WARNING = re.compile(r"warn|error|traceback|deprecat|supersed", re.IGNORECASE)
# Dagster's word about its own command, from 1.12 on, said before anything of a project is read.
OF_DAGSTER = re.compile(
    r".*SupersessionWarning: Function `dev_command` is superseded .* Use 'dg dev' instead\.$"
)


@contextmanager
def start(name: str, folder: Path, log: Path) -> Iterator[subprocess.Popen[str]]:
    """Start ``dg dev`` or ``dagster dev`` as somebody does who has set nothing."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    environment = os.environ | {
        "HOME": str(folder),
        "NO_COLOR": "1",
        "DAGSTER_DG_UPDATE_CHECK_ENABLED": "0",  # asks the package index, which says nothing of us
    }
    command = [str(Path(sys.executable).with_name(name)), "dev", "--port", str(port)]
    with (
        log.open("w", encoding="utf-8") as said,
        subprocess.Popen(
            command, cwd=folder, env=environment, stdout=said, stderr=said, text=True, start_new_session=True
        ) as process,
    ):
        try:
            yield process
        finally:
            with suppress(ProcessLookupError):
                process.send_signal(signal.SIGINT)
            try:
                process.wait(60)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)


def read_until(process: subprocess.Popen[str], log: Path, words: str) -> list[str]:
    deadline = time.monotonic() + STARTS_WITHIN_SECONDS
    while words not in (said := log.read_text(encoding="utf-8")):
        assert process.poll() is None and time.monotonic() < deadline, said
        time.sleep(0.2)
    return said.splitlines()


def test_neither_dg_dev_nor_dagster_dev_warns_of_anything_of_ours(tmp_path: Path) -> None:
    clone = tmp_path / "clone"
    clone.mkdir()
    for name in ("pyproject.toml", "workspace.yaml", "dagster.yaml"):
        shutil.copy(PACKAGE.parent / name, clone)
    (clone / "blb_migration").symlink_to(PACKAGE)
    (clone / ".venv").symlink_to(sys.prefix)
    with ExitStack() as stack:
        logs = {name: tmp_path / name for name in UNTIL}
        started = {name: stack.enter_context(start(name, clone, log)) for name, log in logs.items()}
        said = {name: read_until(process, logs[name], UNTIL[name]) for name, process in started.items()}
    for lines in said.values():
        assert [line for line in lines if WARNING.search(line) and not OF_DAGSTER.match(line)] == []
