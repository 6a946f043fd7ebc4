"""The stages' replacements, and a Dagster instance that is gone after the test."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from dagster import DagsterInstance

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


@pytest.fixture(autouse=True)
def no_configuration(monkeypatch: pytest.MonkeyPatch) -> None:
    """Clear the environment: tests say themselves what is in it."""
    for name in (
        "BLB_SOURCE_CONN",
        "BLB_TARGET_CONN",
        "BLB_REHEARSAL_SOURCE_CONN",
        "BLB_REHEARSAL_TARGET_CONN",
        "BLB_PROJECT",
        "BLB_EXECUTOR",
        "BLB_MAX_CONCURRENT",
        "BLB_TIMEZONE",
        "DAGSTER_HOME",
    ):
        monkeypatch.delenv(name, raising=False)
