"""A process that nobody has reaped has ended: in a container without init, orphans stay as zombies."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator

import psutil
import pytest

from blb_migration.processes import is_running, wait_for_ends

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
