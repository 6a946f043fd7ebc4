"""The collector rests while modules are loaded, and at the process's end."""

from __future__ import annotations

import gc
import subprocess
import sys

from blb_migration.collector import resting_collector

# What is registered first runs last.
_TELL_AT_EXIT = """
import atexit, gc, sys
atexit.register(lambda: print("left alone:", gc.get_freeze_count() > 0))
"""


def test_it_rests_within_the_block_alone() -> None:
    with resting_collector():
        assert not gc.isenabled()
    assert gc.isenabled()


def test_the_command_does_not_take_its_memory_apart_when_it_exits() -> None:
    command = _TELL_AT_EXIT + "from blb_migration.cli.main import main; sys.exit(main(['--version']))"
    done = subprocess.run([sys.executable, "-c", command], capture_output=True, text=True, check=True)
    assert "left alone: True" in done.stdout


def test_nor_does_a_process_of_dagster_that_has_loaded_the_graph() -> None:
    command = _TELL_AT_EXIT + "import blb_migration.definitions"
    done = subprocess.run([sys.executable, "-c", command], capture_output=True, text=True, check=True)
    assert "left alone: True" in done.stdout


def test_the_emulators_process_says_nothing_of_leaks() -> None:
    command = "import sys, duckdb; from blb_migration.cli.main import main; sys.exit(main(['--version']))"
    done = subprocess.run([sys.executable, "-c", command], capture_output=True, text=True, check=True)
    assert done.stderr == ""
