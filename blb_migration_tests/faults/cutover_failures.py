"""Failures as people meet them in the night, planted while it is under way; the application is a tiny one.

Each is planted at a line of the journal, the command fails (or, for a server that restarts, may get through),
the failure is mended, and the next command goes on or goes back.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg

from blb_migration.sandbox.app.planted_faults import FAULTS
from blb_migration.settings import parse_source_url
from blb_migration.sqlserver.connect import SourceConnector
from blb_migration_tests.cutover.town import Town
from blb_migration_tests.faults.cutover_ground import Ground, judge, read_journal
from blb_migration_tests.faults.cutover_kills import BACK, THERE, Outcome

WAYS = (THERE, BACK)
_LOOK_SECONDS = 0.01
_SHORT = "3"
_STAYS = "import time; time.sleep(600)"


@dataclass(frozen=True)
class Failure:
    """One failure. ``says`` must stand in what the failing command says; empty where it may get through.

    ``is_final``: the night cannot be gone on with, and says so again. ``is_alone``: other nights on these
    servers would meet it, too.
    """

    name: str
    plant: Callable[[Town, Ground], AbstractContextManager[None]]
    says: str = ""
    is_final: bool = False
    is_alone: bool = False


def carry_out(ground: Ground, failure: Failure, way: str) -> Outcome:
    """Carry out a night that meets the failure, mend it, give the next command; say how it ended."""
    name = f"{failure.name}, then {way}"

    def end(why: str) -> Outcome:
        return Outcome(failure.name, name, judge(town)[0], why)

    with ground.open_night() as town:
        with failure.plant(town, ground):
            town.write()
            first = town.shop.run(THERE, "--execute")
        said = first.out + first.err
        if failure.says and (first.code == 0 or failure.says not in said):
            return end(f"exit code {first.code}, and not a word of {failure.says!r}: {said}")
        town.write()
        is_final = failure.is_final and way == THERE
        went = town.shop.run(way, "--execute")
        if is_final:
            if went.code == 0 or failure.says not in went.out + went.err:
                return end(f"exit code {went.code}, and not a word of {failure.says!r}: {went.out}{went.err}")
            went = town.shop.run(BACK, "--execute")
        if went.code != 0:
            return end(f"exit code {went.code}: {went.out}{went.err}")
        came, why = judge(town)
        wanted = "back" if way == BACK or is_final else "whole"
        return Outcome(failure.name, name, came, why or ("" if came == wanted else f"it ended {came}"))


@contextmanager
def at_line(town: Town, step: str, event: str, act: Callable[[], None]) -> Iterator[None]:
    """Do it as soon as the journal has such a line; it was done if the block ends without an error."""
    is_over = threading.Event()
    failures: list[Exception] = []

    def watch() -> None:
        while not is_over.wait(_LOOK_SECONDS):
            with suppress(ValueError):  # a line that is being written
                if any((line["step"], line["event"]) == (step, event) for line in read_journal(town)):
                    try:
                        act()
                    except Exception as error:  # noqa: BLE001  # told by the main thread
                        failures.append(error)
                    return

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        yield
    finally:
        is_over.set()
        watcher.join()
    assert not failures, failures


@contextmanager
def _take_port(town: Town, which: str, line: tuple[str, str] | None) -> Iterator[None]:
    with socket.socket() as program:

        def take() -> None:
            program.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # the last one's sessions linger
            program.bind(("127.0.0.1", getattr(town, which)))
            program.listen()
            threading.Thread(target=_hang_up, args=(program,), daemon=True).start()

        with _with_seconds(town, _SHORT):
            if line is None:
                take()
                yield
            else:
                with at_line(town, *line, take):
                    yield
        with suppress(OSError):
            program.shutdown(socket.SHUT_RDWR)


def _hang_up(program: socket.socket) -> None:
    with suppress(OSError):
        while True:
            program.accept()[0].close()


@contextmanager
def _with_seconds(town: Town, seconds: str) -> Iterator[None]:
    """Give services so long to start."""
    services: list[dict[str, Any]] = [*town.settings["services"], town.settings["smoke"]["service"]]
    for service in services:
        service["within_seconds"] = seconds
    try:
        yield
    finally:
        for service in services:
            service["within_seconds"] = "10"


@contextmanager
def _hold_folder(town: Town, ground: Ground) -> Iterator[None]:
    held: list[subprocess.Popen[bytes]] = []
    try:
        with at_line(
            town,
            "configure",
            "closed",
            lambda: held.append(subprocess.Popen([sys.executable, "-c", _STAYS], cwd=town.new)),
        ):
            yield
    finally:
        for process in held:
            process.kill()
            process.wait()


@contextmanager
def _lower_sequence(town: Town, ground: Ground) -> Iterator[None]:
    def lower() -> None:
        town.shop.target("SELECT setval('log_ins_id_seq', 1, false)")

    with at_line(town, "prove", "closed", lower):
        yield
    town.shop.target("SELECT setval('log_ins_id_seq', 50)")


@contextmanager
def _file_in_new(town: Town, name: str, line: tuple[str, str]) -> Iterator[None]:
    """Break the new application by a file in its folder, which may have production's name by the end."""
    seconds = _SHORT if name == "slow" else "10"
    with _with_seconds(town, seconds), at_line(town, *line, (town.new / name).touch):
        yield
    for folder in (town.new, town.production):
        (folder / name).unlink(missing_ok=True)


@contextmanager
def _read_only(town: Town, ground: Ground) -> Iterator[None]:
    file = town.new / ".env"
    with at_line(town, "freeze", "closed", lambda: file.chmod(0o444)):
        yield
    file.chmod(0o644)


@contextmanager
def _stay_connected(town: Town, ground: Ground) -> Iterator[None]:
    with SourceConnector(parse_source_url(town.shop.source_url)).connect():
        yield


@contextmanager
def _deaf_stop(town: Town, ground: Ground) -> Iterator[None]:
    stop = town.settings["services"][0]["stop"]
    town.settings["services"][0]["stop"] = [sys.executable, "-c", "print('stopped')"]
    with _with_seconds(town, _SHORT):
        yield
    town.settings["services"][0]["stop"] = stop


@contextmanager
def _write_late(town: Town, ground: Ground, line: tuple[str, str]) -> Iterator[None]:
    try:
        with at_line(town, *line, lambda: ground.write_source("INSERT INTO articles VALUES (9, 'late')")):
            yield
    finally:
        ground.write_source("DELETE FROM articles WHERE id = 9")


@contextmanager
def _restart_target(town: Town, line: tuple[str, str], pause_seconds: float) -> Iterator[None]:
    """Have the server restart, as after a crash: one of its processes is gone, it ends all others."""

    def crash() -> None:
        time.sleep(pause_seconds)
        with psycopg.connect(town.shop.target_url) as connection, suppress(psycopg.Error):
            os.kill(connection.info.backend_pid, signal.SIGKILL)
            connection.execute("SELECT 1")

    with at_line(town, *line, crash):
        yield
    _wait_for_target(town)


def _wait_for_target(town: Town) -> None:
    for _ in range(200):
        with suppress(psycopg.OperationalError):
            town.shop.target("SELECT 1")
            return
        time.sleep(0.05)
    raise AssertionError("the target does not come back")


def try_demo(step: str) -> Outcome:
    """Carry out ``demo --cutover --fail-at STEP``: the night is broken there, and taken back."""
    with tempfile.TemporaryDirectory(prefix="blb-demo-") as folder:
        done = subprocess.run(
            [sys.executable, "-m", "blb_migration", "demo", "--cutover", "--fail-at", step],
            cwd=folder,
            env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
            capture_output=True,
            text=True,
            check=False,
        )
        said = done.stdout + done.stderr
        is_named = f"Amiss at step {step}" in said and "Error: " in said
        is_back = done.returncode == 0 and "answers again from SQL Server" in said
        why = "" if is_named and is_back else said
        return Outcome(
            "demo --fail-at, each step", f"demo --fail-at {step}", "back" if is_back else "between", why
        )


DEMO_STEPS = tuple(FAULTS)
FAILURES = (
    Failure(
        "the test backend's port taken",
        lambda town, _: _take_port(town, "test_port", None),
        "another program listens",
    ),
    Failure(
        "production's port taken",
        lambda town, _: _take_port(town, "port", ("smoke", "closed")),
        "after its start command",
    ),
    Failure("a folder held open", _hold_folder, "have it leave the folder"),
    Failure("a sequence too low: log-in answers 500", _lower_sequence, "its sequence stands too low"),
    Failure(
        "the test backend starts slowly",
        lambda town, _: _file_in_new(town, "slow", ("configure", "closed")),
        "after its start command",
    ),
    Failure(
        "production starts slowly",
        lambda town, _: _file_in_new(town, "slow", ("smoke", "closed")),
        "after its start command",
    ),
    Failure(
        "production's health answers 500",
        lambda town, _: _file_in_new(town, "broken", ("smoke", "closed")),
        "answers 500",
    ),
    Failure(
        "production's log-in answers 500",
        lambda town, _: _file_in_new(town, "no_login", ("smoke", "closed")),
        "the application, step log in",
    ),
    Failure(".env read-only", _read_only, "read-only"),
    Failure("a session stays on the source", _stay_connected, "still on the source after"),
    Failure("a service does not stop", _deaf_stop, "after its stop command"),
    Failure(
        "a write at the source after the freeze",
        lambda town, ground: _write_late(town, ground, ("freeze", "closed")),
        "dbo.articles",
        is_final=True,
    ),
    Failure(
        "a write at the source after the load",
        lambda town, ground: _write_late(town, ground, ("migrate", "closed")),
        "dbo.articles",
        is_final=True,
    ),
    Failure(
        "a write at the source after the proof",
        lambda town, ground: _write_late(town, ground, ("prove", "closed")),
        "dbo.articles",
        is_final=True,
    ),
    *(
        Failure(
            f"the target restarted: {step} {event}",
            lambda town, _, line=(step, event), pause=pause: _restart_target(town, line, pause),  # type: ignore[misc]
            is_alone=True,
        )
        for step, event, pause in (
            ("freeze", "opened", 0.0),
            ("migrate", "intent", 0.3),
            ("prove", "opened", 0.2),
            ("smoke", "intent", 0.1),
            ("switch", "opened", 0.1),
            ("switch", "intent", 0.0),
            ("live", "opened", 0.1),
        )
    ),
)
