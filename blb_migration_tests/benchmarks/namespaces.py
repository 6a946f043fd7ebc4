"""Machines made of network namespaces: a bridge, and behind it an address and a folder for each.

Needs Linux, root and ``ip``. What runs on a machine shares nothing of the network with another one: it is
reached by its address alone, and not at all once its link is down.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from blb_migration_tests.benchmarks.worker import build_environment

BRIDGE_ADDRESS = "10.77.0.1"  # this process itself, for every machine
NETWORK = "10.77.0.0/24"
_BRIDGE = "blb0"

Process = subprocess.Popen[str]


@dataclass(frozen=True)
class Machine:
    """A network namespace with one address, and a folder that no other machine uses."""

    name: str
    link: str
    address: str
    folder: Path

    def run(
        self,
        command: Sequence[str],
        *,
        stdin: int | None = None,
        stderr: int | None = None,
        environment: Mapping[str, str] | None = None,
    ) -> Process:
        """Start Python with ``command`` there; its output is a pipe."""
        return subprocess.Popen(
            ["ip", "netns", "exec", self.name, sys.executable, *command],
            stdin=stdin,
            stdout=subprocess.PIPE,
            stderr=stderr,
            text=True,
            cwd=self.folder,
            env={**build_environment(), **(environment or {})},
        )

    def serve(self, log_name: str, command: Sequence[str], environment: Mapping[str, str]) -> Path:
        """Start a program there that goes on until the machine ends; returns the file of what it says."""
        log = self.folder / log_name
        with log.open("ab") as said:
            subprocess.Popen(
                ["ip", "netns", "exec", self.name, *command],
                stdin=subprocess.DEVNULL,
                stdout=said,
                stderr=said,
                cwd=self.folder,
                env={**build_environment(), **environment},
                start_new_session=True,
            )
        return log

    def cut_off(self) -> None:
        """Take its link down: what it has sent is lost, and nobody is told."""
        _ip("link", "set", self.link, "down")

    def kill(self) -> None:
        """Kill all that runs there, as a machine that loses its power."""
        for pid in self._list_processes():
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    def _list_processes(self) -> list[int]:
        found = subprocess.run(
            ["ip", "netns", "pids", self.name], stdout=subprocess.PIPE, text=True, check=False
        )
        return [int(pid) for pid in found.stdout.split()]


@contextmanager
def running_bridge() -> Iterator[None]:
    """Make the bridge that all machines are at; this process is there by ``BRIDGE_ADDRESS``."""
    _ip("link", "add", _BRIDGE, "type", "bridge")
    try:
        _ip("addr", "add", f"{BRIDGE_ADDRESS}/24", "dev", _BRIDGE)
        _ip("link", "set", _BRIDGE, "up")
        yield
    finally:
        _ip("link", "delete", _BRIDGE)


@contextmanager
def running_machine(number: int, folder: Path) -> Iterator[Machine]:
    """Make machine ``number`` (1 to 244), whose folder is below ``folder``; what runs there is killed at
    the end."""
    address = f"{BRIDGE_ADDRESS.rpartition('.')[0]}.{10 + number}"
    machine = Machine(f"blb-{number}", f"blb-link{number}", address, folder / f"machine{number}")
    machine.folder.mkdir()
    _ip("netns", "add", machine.name)
    try:
        _ip("link", "add", machine.link, "type", "veth", "peer", "name", "eth0", "netns", machine.name)
        _ip("link", "set", machine.link, "master", _BRIDGE, "up")
        _ip("-n", machine.name, "addr", "add", f"{address}/24", "dev", "eth0")
        _ip("-n", machine.name, "link", "set", "eth0", "up")
        _ip("-n", machine.name, "link", "set", "lo", "up")
        yield machine
    finally:
        machine.kill()
        with suppress(subprocess.CalledProcessError):
            _ip("link", "delete", machine.link)  # its other end keeps the namespace a while
        _ip("netns", "delete", machine.name)


def _ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True)
