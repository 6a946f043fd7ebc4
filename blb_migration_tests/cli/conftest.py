"""Both servers once for the room; a shop of its own for each test."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path

import pytest

from blb_migration.sandbox.embedded_postgres import EmbeddedPostgres
from blb_migration.sandbox.emulator.server import SqlServerEmulator
from blb_migration.sandbox.emulator.tsql import TsqlEngine
from blb_migration.settings.variable_list import iterate_variables
from blb_migration_tests.cli.servers import (
    DECISIONS,
    PASSWORD,
    TARGET_TABLES,
    USER,
    Servers,
    Shop,
    fill_source,
)

_numbers = itertools.count()


@pytest.fixture(scope="session")
def servers(engine: TsqlEngine, emulator: SqlServerEmulator, embedded_postgres: EmbeddedPostgres) -> Servers:
    engine.add_login(USER, PASSWORD)
    return Servers(engine, emulator, embedded_postgres)


@pytest.fixture
def shop(servers: Servers, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Iterator[Shop]:
    name = f"shop_{next(_numbers)}"
    fill_source(servers.engine, name)
    target_url = servers.postgres.create_database(name)
    (tmp_path / "decisions.yaml").write_text(DECISIONS, encoding="utf-8")
    source_url = servers.sql_server.url(name, USER, PASSWORD)
    shop = Shop(servers, source_url, target_url, tmp_path, capsys)
    shop.target(TARGET_TABLES)
    planned = shop.run("plan")
    assert planned.code == 0, planned.err
    yield shop
    servers.sql_server.faults.clear()
    servers.postgres.drop_database(name)
    servers.engine.drop_database(name)  # the engine looks through its databases at every statement


@pytest.fixture(autouse=True)
def no_configuration(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let tests say themselves what is in the environment."""
    for variable in iterate_variables():
        monkeypatch.delenv(variable.name, raising=False)
