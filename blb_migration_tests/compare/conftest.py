"""The samples whose targets are mutated; the sources are read only, so sessions share them."""

from __future__ import annotations

import os

import pytest

from blb_migration.sandbox.emulator.tsql import TsqlEngine
from blb_migration.sandbox.erp import create_source
from blb_migration.sandbox.zoo import create_zoo


@pytest.fixture(scope="session")
def mutated_erp_source(engine: TsqlEngine, request: pytest.FixtureRequest) -> str:
    """Return the ERP at BLB_MUTATION_SCALE, or the session's own at scale 1."""
    scale = int(os.environ.get("BLB_MUTATION_SCALE", "1"))
    if scale == 1:
        name: str = request.getfixturevalue("erp_source")
        return name
    create_source(engine, scale)
    return "BLB3D_ERP"


@pytest.fixture(scope="session")
def mutated_zoo_source(engine: TsqlEngine) -> str:
    """Return a zoo of its own."""
    return create_zoo(engine, "ZOO_MUTATED").name
