"""Starts, stops and serves the application. What it is by then is told by its port, not by these commands."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path

import psutil

from blb_migration.processes import is_running, wait_for_ends

STOP_SECONDS = 10
_LOOK_SECONDS = 1.0
_MODULE = "blb_migration.sandbox.app"
_DETACHED = 0x00000008 | 0x00000200  # Windows: DETACHED_PROCESS, CREATE_NEW_PROCESS_GROUP


def build_command(verb: str, folder: Path, port: int, owner: int | None = None) -> list[str]:
    """Return the command that starts, stops or serves; it ends itself when process ``owner`` is gone."""
    owned = [] if owner is None else ["--owner", str(owner)]
    return [sys.executable, "-m", _MODULE, verb, "--folder", str(folder), "--port", str(port), *owned]


def start(folder: Path, port: int, owner: int | None) -> None:
    """Leave it running in a process of its own, which works in its folder."""
    (folder / "logs").mkdir(exist_ok=True)
    with (folder / "logs" / f"start-{port}.log").open("ab") as log:
        windows = sys.platform == "win32"
        subprocess.Popen(
            build_command("serve", folder, port, owner),
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=not windows,
            creationflags=_DETACHED if windows else 0,
        )


def stop(folder: Path, port: int) -> None:
    """End it, by force if it does not go; nothing happens where it does not run."""
    process = find_process(folder, port)
    if process is None:
        return
    with suppress(psutil.NoSuchProcess):
        process.terminate()
        if wait_for_ends([process], STOP_SECONDS):
            process.kill()
            wait_for_ends([process], STOP_SECONDS)


def find_process(folder: Path, port: int) -> psutil.Process | None:
    """Find the process that its file names, if it still is the application on this port."""
    with suppress(OSError, ValueError, psutil.Error):
        process = psutil.Process(int(_pid_file(folder, port).read_text(encoding="ascii")))
        line = process.cmdline()
        if is_running(process) and _MODULE in line and str(port) in line:
            return process
    return None


def serve(folder: Path, port: int, owner: int | None) -> None:
    """Serve until it is ended."""
    import uvicorn
    from dotenv import dotenv_values

    from blb_migration.sandbox.app.erp_api import ErpApi

    for name in ("logs", "run"):
        (folder / name).mkdir(exist_ok=True)
    logging.basicConfig(
        filename=folder / "logs" / "app.log",
        level=logging.INFO,
        format="%(asctime)s %(levelname)s %(name)s: %(message)s",
    )
    _pid_file(folder, port).write_text(str(os.getpid()), encoding="ascii")
    if owner is not None:
        threading.Thread(target=_end_with, args=(owner,), daemon=True).start()
    application = ErpApi(dotenv_values(folder / ".env")).build()
    uvicorn.run(application, host="127.0.0.1", port=port, log_config=None, timeout_graceful_shutdown=5)


def _end_with(owner: int) -> None:
    with suppress(psutil.NoSuchProcess):
        process = psutil.Process(owner)
        while is_running(process):
            time.sleep(_LOOK_SECONDS)
    os._exit(0)


def _pid_file(folder: Path, port: int) -> Path:
    return folder / "run" / f"{port}.pid"
