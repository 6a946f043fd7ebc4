"""A process that nobody has reaped has ended: in a container without init, orphans stay as zombies."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator

import psutil
import pytest

from blb_migration.processes import (
    build_group_options,
    has_shared_locks,
    interrupt,
    is_running,
    wait_for_ends,
)

SECONDS = 20.0


@pytest.fixture
def sleeper() -> Iterator[subprocess.Popen[bytes]]:
    """Start a child that this process reaps only afterwards."""
    process = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    yield process
    process.kill()
    process.communicate()


def test_one_that_nobody_has_reaped_has_ended(sleeper: subprocess.Popen[bytes]) -> None:
    process = psutil.Process(sleeper.pid)
    assert is_running(process)
    process.terminate()
    assert wait_for_ends([process], SECONDS) == []
    assert sys.platform == "win32" or process.status() == psutil.STATUS_ZOMBIE
    assert not is_running(process)


def test_one_that_goes_on_is_returned_when_the_time_is_up(sleeper: subprocess.Popen[bytes]) -> None:
    process = psutil.Process(sleeper.pid)
    assert wait_for_ends([process], 0.2) == [process]
    assert wait_for_ends([], SECONDS) == []


class RecordedProcess(subprocess.Popen[bytes]):
    """A process that notes what it is told; ``has_console``: whether Windows could send it Ctrl-Break."""

    def __init__(self, *, has_console: bool) -> None:
        self.has_console = has_console
        self.told: list[int | str] = []

    def __del__(self) -> None:
        pass

    def send_signal(self, sig: int) -> None:
        if not self.has_console:
            raise OSError(6, "The handle is invalid")
        self.told.append(sig)

    def terminate(self) -> None:
        self.told.append("terminated")


@pytest.mark.parametrize(
    ("system", "has_console", "options", "told"),
    [
        ("linux", True, {"start_new_session": True}, signal.SIGINT),
        ("win32", True, {"creationflags": 0x200}, 1),  # CTRL_BREAK_EVENT
        ("win32", False, {"creationflags": 0x200}, "terminated"),
    ],
)
def test_a_process_out_of_a_terminal_s_reach_is_asked_to_end_by_either_system_s_rules(
    system: str, has_console: bool, options: dict[str, object], told: int | str
) -> None:
    assert build_group_options(system) == options
    process = RecordedProcess(has_console=has_console)
    interrupt(process, system)
    assert process.told == [told]


def test_one_that_is_asked_to_end_says_farewell() -> None:
    program = (
        "import time\ntry: print('here', flush=True); time.sleep(60)\nexcept KeyboardInterrupt: print('bye')"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program], stdout=subprocess.PIPE, **build_group_options()
    ) as process:
        assert process.stdout is not None and process.stdout.readline().strip() == b"here"
        interrupt(process)
        assert process.stdout.read().strip() == b"bye" and process.wait(SECONDS) == 0


def test_no_place_for_shared_locks_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    assert has_shared_locks()

    def refuse(*_arguments: object) -> None:
        raise FileNotFoundError(2, "No such file or directory")  # as sem_open does without /dev/shm

    monkeypatch.setattr("multiprocessing.synchronize._multiprocessing.SemLock", refuse)
    assert sys.platform == "win32" or not has_shared_locks()
