"""The process between us and an embedded PostgreSQL: it ends the server when we end, however that happens.

Run as a script by ``embedded_postgres.py``, with the standard library alone: it must be small and start in
milliseconds. Its input is a pipe that the other side holds open; when that closes, because the server
is to stop or because its owner was killed, the server is ended and its temporary folder removed.
PostgreSQL refuses to run as root, so a child takes on an account first (``Account``): another user's, or
this one's under another name in a user namespace of its own.
"""

from __future__ import annotations

import ctypes
import json
import os
import select
import shutil
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Any, NoReturn

READY, ENDED = b"ready\n", b"ended\n"
POLL_SECONDS = 0.02
STOP_SECONDS = 20
_CLONE_NEWUSER = 0x10000000  # linux/sched.h
_PR_SET_PDEATHSIG = 1  # linux/prctl.h


def become(account: dict[str, Any]) -> None:
    """Take on an account: ``way`` is self, user (setuid) or namespace (this user, named ``user_id`` inside).

    Raises OSError where the system does not allow it.
    """
    if account["way"] == "user":
        os.setgroups([])
        os.setgid(account["group_id"])
        os.setuid(account["user_id"])
    elif account["way"] == "namespace":
        outside_user, outside_group = os.geteuid(), os.getegid()
        if ctypes.CDLL(None, use_errno=True).unshare(_CLONE_NEWUSER) != 0:
            raise OSError(ctypes.get_errno(), "user namespaces are not allowed")
        Path("/proc/self/setgroups").write_text("deny")
        Path("/proc/self/uid_map").write_text(f"{account['user_id']} {outside_user} 1")
        Path("/proc/self/gid_map").write_text(f"{account['group_id']} {outside_group} 1")


def run_program(account: dict[str, Any], folder: str, command: list[str]) -> NoReturn:
    """Become the account, go to a folder that it must be able to reach, and be the program from then on."""
    owner = os.getppid()
    become(account)
    os.chdir(folder)
    if sys.platform == "linux":
        # Should the guard itself be killed: last, since a change of user clears it.
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, int(signal.SIGQUIT))
        if os.getppid() != owner:
            sys.exit(1)
    os.execv(command[0], command)


def serve(order: dict[str, Any]) -> None:
    """Start the server, say READY or ENDED, and stop it when the input closes or its owner is gone."""
    owner = os.getppid()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: sys.exit(0))
    data_folder = Path(order["data_folder"])
    try:
        with Path(order["log"]).open("ab") as log:
            program = [sys.executable, "-I", "-S", __file__, "run", json.dumps(order["account"])]
            server = subprocess.Popen(
                [*program, str(data_folder), *order["command"]],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        try:
            is_ready = _wait_until_ready(server, data_folder / "postmaster.pid", order["seconds"])
            os.write(1, READY if is_ready else ENDED)
            while is_ready and server.poll() is None and os.getppid() == owner:
                if select.select([0], [], [], 1)[0] and not os.read(0, 1):
                    break
        finally:
            _end(server, signal.SIGQUIT if order["temporary_folder"] else signal.SIGINT)
    finally:
        if order["temporary_folder"]:
            shutil.rmtree(order["temporary_folder"], ignore_errors=True)


def serve_by_pg_ctl(order: dict[str, Any]) -> None:
    """Do the same on Windows, where pg_ctl gives up an administrator's rights before it starts the server."""
    pg_ctl = [order["pg_ctl"], "-w", "-D", order["data_folder"]]
    started = subprocess.run(
        [*pg_ctl, "-l", order["log"], "-o", f"-p {order['port']}", "start"], stdout=2, check=False
    )
    os.write(1, READY if started.returncode == 0 else ENDED)
    if started.returncode == 0:
        os.read(0, 1)
        mode = "immediate" if order["temporary_folder"] else "fast"
        subprocess.run([*pg_ctl, "-m", mode, "stop"], stdout=2, check=False)
    if order["temporary_folder"]:
        shutil.rmtree(order["temporary_folder"], ignore_errors=True)


def _wait_until_ready(server: subprocess.Popen[bytes], pid_file: Path, seconds: float) -> bool:
    end = time.monotonic() + seconds
    while server.poll() is None and time.monotonic() < end:
        with suppress(OSError):
            lines = pid_file.read_text(encoding="utf-8", errors="replace").splitlines()
            # A file left by a killed server names another process.
            if len(lines) >= 8 and lines[0].strip() == str(server.pid) and lines[7].strip() == "ready":
                return True
        time.sleep(POLL_SECONDS)
    return False


def _end(server: subprocess.Popen[bytes], how: signal.Signals) -> None:
    """Ask, then force: the first removes the server's shared memory, the second cannot."""
    with suppress(ProcessLookupError):
        server.send_signal(how)
    try:
        server.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        server.kill()
        server.wait()


if __name__ == "__main__":
    if sys.argv[1] == "serve":
        (serve_by_pg_ctl if os.name == "nt" else serve)(json.loads(sys.argv[2]))
    else:
        try:
            run_program(json.loads(sys.argv[2]), sys.argv[3], sys.argv[4:])
        except OSError as error:
            sys.exit(f"{error.strerror or error}")
