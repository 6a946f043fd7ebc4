"""The process between ``ui.py`` and Dagster's servers: it ends them when its owner ends, for any reason.

Run as a script, which imports little. Its input is a pipe that the owner holds open;
when that closes, because the UI is to stop or because its owner was killed, the servers end, and with them
what they started: code servers and runs. All of them are in the session that this process leads.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from contextlib import suppress

import psutil

from blb_migration.processes import is_running, wait_for_ends

POLL_SECONDS = 0.3
STOP_SECONDS = 10  # web server and daemon
RUN_STOP_SECONDS = 60  # a run that is ended puts its foreign keys back first


def main(commands: list[list[str]]) -> int:
    """Start the commands; return when the input closes, or with the code of the first that ends."""
    owner_is_gone = threading.Event()
    threading.Thread(target=_await_end_of_input, args=(owner_is_gone,), daemon=True).start()
    servers: list[psutil.Popen] = []
    try:
        servers += [psutil.Popen(command, stdin=subprocess.DEVNULL) for command in commands]
        while not owner_is_gone.wait(POLL_SECONDS):
            for server in servers:
                if server.poll() is not None:
                    return int(server.returncode) or 1
        return 0
    finally:
        _end(servers)


def _await_end_of_input(owner_is_gone: threading.Event) -> None:
    with suppress(OSError):
        while os.read(0, 1):
            pass
    owner_is_gone.set()


def _end(servers: list[psutil.Popen]) -> None:
    started = psutil.Process().children(recursive=True)
    for server in servers:
        with suppress(OSError, psutil.Error):
            if sys.platform == "win32":
                server.terminate()
            else:
                server.send_signal(signal.SIGINT)
    wait_for_ends(servers, STOP_SECONDS)
    for ask, seconds in ((psutil.Process.terminate, RUN_STOP_SECONDS), (psutil.Process.kill, STOP_SECONDS)):
        left = _find_left(started)
        for process in left:
            with suppress(psutil.Error):
                ask(process)
        wait_for_ends(left, seconds)


def _find_left(started: list[psutil.Process]) -> list[psutil.Process]:
    """Find what still runs of what we started; what has lost its parent is still in our session."""
    if sys.platform == "win32":
        found = started
    else:
        found = [process for process in psutil.process_iter() if _is_in_our_session(process.pid)]
    return [process for process in found if is_running(process)]


def _is_in_our_session(process_id: int) -> bool:
    with suppress(OSError):
        return process_id != os.getpid() and os.getsid(process_id) == os.getpid()
    return False


if __name__ == "__main__":
    sys.exit(main(json.loads(sys.argv[1])))
