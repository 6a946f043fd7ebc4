"""The stages' replacements, and a Dagster instance that is gone after the test."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from dagster import DagsterInstance, instance_for_test

from blb_migration_tests.defs.stages import Stages


@pytest.fixture
def stages(monkeypatch: pytest.MonkeyPatch) -> Stages:
    stages = Stages()
    stages.take_the_place_of_the_real_ones(monkeypatch)
    return stages


@pytest.fixture
def instance() -> Iterator[DagsterInstance]:
    with DagsterInstance.ephemeral() as instance:
        yield instance


@pytest.fixture
def kept_instance() -> Iterator[DagsterInstance]:
    """Yield an instance with storage on disk, which other processes can open."""
    with instance_for_test() as instance:
        yield instance


@pytest.fixture
def new_fork_server() -> None:
    """Stop the process that steps are forked from: its environment is that of the test that started it."""
    if os.name != "nt":
        from multiprocessing import forkserver

        forkserver._forkserver._stop()  # type: ignore[attr-defined]


@pytest.fixture(autouse=True)
def no_configuration(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Clear the environment: tests say themselves what is in it. Reports go where the test's files go."""
    monkeypatch.setenv("BLB_REPORTS", str(tmp_path / "reports"))
    for name in (
        "BLB_SOURCE_CONN",
        "BLB_TARGET_CONN",
        "BLB_REHEARSAL_SOURCE_CONN",
        "BLB_REHEARSAL_TARGET_CONN",
        "BLB_PROJECT",
        "BLB_EXECUTOR",
        "BLB_MAX_CONCURRENT",
        "BLB_TIMEZONE",
        "BLB_ALERT_URLS",
        "BLB_UI_URL",
        "BLB_NIGHT_BEGINS_WITHIN",
        "BLB_NIGHT_ENDS_WITHIN",
        "DAGSTER_HOME",
    ):
        monkeypatch.delenv(name, raising=False)
