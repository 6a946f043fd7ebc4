"""A Dagster in which nothing is left of what it does not promise: the whole ERP moves all the same."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from blb_migration.documents import INSTANCE_FILE, read_document
from blb_migration_tests.chain import Chain

# Python runs this at every start, in the processes that Dagster starts too.
HIDING = """
import importlib.abc, sys

class Hidden(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.startswith("blb_migration.defs.internals"):
            raise ImportError(f"{name} was hidden by the test")

sys.meta_path.insert(0, Hidden())
"""
WARNING = "This Dagster differs from the ones blb_migration was tested with"
SUCCESS = "SELECT outcome FROM blb_migration.runs"


@pytest.fixture
def hidden(tmp_path: Path) -> Mapping[str, str]:
    """Return the environment of a process in which every module of ``internals`` fails to be imported."""
    folder = tmp_path / "hiding"
    folder.mkdir()
    (folder / "sitecustomize.py").write_text(HIDING, encoding="utf-8")
    return os.environ | {"PYTHONPATH": str(folder)}


def run(command: Sequence[str], environment: Mapping[str, str], folder: Path) -> str:
    """Return what it says on stderr; it must succeed."""
    done = subprocess.run(
        [sys.executable, *command], env=environment, cwd=folder, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stderr


def test_the_command_migrates_the_erp_with_one_warning(
    erp_chain: Chain, hidden: Mapping[str, str], tmp_path: Path
) -> None:
    urls = ["--source-conn", erp_chain.source_url, "--target-conn", erp_chain.target_url]
    said = run(["-m", "blb_migration", *urls], hidden, tmp_path)
    assert said.count(WARNING) == 1
    assert "was hidden by the test" in said
    assert erp_chain.execute(SUCCESS) == [("equal",)]


def test_a_run_of_dagsters_migrates_the_erp_with_one_warning(
    erp_chain: Chain, hidden: Mapping[str, str], tmp_path: Path
) -> None:
    home = tmp_path / "home"
    home.mkdir()
    (home / INSTANCE_FILE).write_text(read_document(INSTANCE_FILE), encoding="utf-8")
    environment = {
        **hidden,
        "DAGSTER_HOME": str(home),
        "BLB_SOURCE_CONN": erp_chain.source_url,
        "BLB_TARGET_CONN": erp_chain.target_url,
        "BLB_EXECUTOR": "threads",
    }
    job = ["--module-name", "blb_migration.definitions", "--job", "migration"]
    said = run(["-m", "dagster", "job", "execute", *job], environment, tmp_path)
    assert said.count(WARNING) == 1
    assert erp_chain.execute(SUCCESS) == [("equal",)]
    assert list((home / "history" / "runs").glob("*-*.db"))
