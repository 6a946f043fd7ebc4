"""Servers for the source side's tests, reached through Microsoft's real driver."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import quote

import pytest

from blb_migration.sandbox.emulator.server import SqlServerEmulator
from blb_migration.sandbox.emulator.tsql import TsqlEngine
from blb_migration.settings import SourceSettings, parse_source_url
from blb_migration.sqlserver.connect import SourceConnector, SourceSession
from blb_migration_tests import real_server
from blb_migration_tests.catalogs import COLLATION
from blb_migration_tests.sqlserver.scripted import DATABASE, INT, PASSWORD, USER, Script, ScriptedEngine
from blb_migration_tests.sqlserver.workshop import (
    LOT_ROWS,
    LOTS,
    MATERIAL_ROWS,
    MATERIALS,
    TABLES,
    VARIANT_ROWS,
    VARIANTS,
)

CLERK = "clerk"  # may not read the materials
GERMAN_CLERK = "verkauf"  # nor may this one, whose messages are in German
ISOLATION_STATEMENT = "snapshot_isolation_state"

SettingsMaker = Callable[..., SourceSettings]


@pytest.fixture(scope="package")
def scripted_engine() -> ScriptedEngine:
    return ScriptedEngine(Script())


@pytest.fixture(scope="package")
def scripted_server(scripted_engine: ScriptedEngine) -> Iterator[SqlServerEmulator]:
    if real_server.is_wanted():
        real_server.skip("answers come from a script")
    with SqlServerEmulator(scripted_engine) as server:
        yield server


@pytest.fixture
def server(scripted_server: SqlServerEmulator) -> Iterator[SqlServerEmulator]:
    """Yield the scripted server, sound and with an empty list of statements."""
    scripted_server.faults.clear()
    scripted_server.statements.clear()
    yield scripted_server
    scripted_server.faults.clear()


@pytest.fixture
def script(scripted_engine: ScriptedEngine) -> Script:
    """Return a new script, in which the database allows no snapshots."""
    scripted_engine.script = Script()
    scripted_engine.script.answer(ISOLATION_STATEMENT, [INT, INT, INT], [(0, 0, 51)])
    return scripted_engine.script


@pytest.fixture
def settings(server: SqlServerEmulator) -> SettingsMaker:
    """Make settings of the scripted server; any part can be replaced."""

    def make(
        *,
        user: str = USER,
        password: str = PASSWORD,
        database: str = DATABASE,
        options: str = "Encrypt=no",
    ) -> SourceSettings:
        encoded = quote(password, safe="")
        return parse_source_url(
            f"mssql://{user}:{encoded}@{server.host}:{server.port}/{database}?timeout=30&{options}"
        )

    return make


@pytest.fixture
def session(settings: SettingsMaker, script: Script) -> Iterator[SourceSession]:
    with SourceConnector(settings()).connect() as opened:
        yield opened


@pytest.fixture(scope="package")
def started_workshop() -> Iterator[Any]:
    real = real_server.RealEngine() if real_server.is_wanted() else None
    engine: Any = real or TsqlEngine()
    engine.add_login(USER, PASSWORD)
    if real is None:
        denied = [str(MATERIALS.name)]
        engine.add_login(CLERK, PASSWORD, denied_tables=denied)
        engine.add_login(GERMAN_CLERK, PASSWORD, denied_tables=denied, language="Deutsch")
    database = engine.create_database("workshop", collation=COLLATION)
    for table in TABLES:
        database.create_table(table)
    database.load(MATERIALS.name, MATERIAL_ROWS)
    database.load(LOTS.name, LOT_ROWS)
    database.load(VARIANTS.name, VARIANT_ROWS)
    if real is not None:
        yield real_server.RealServer(real)
    else:
        with SqlServerEmulator(engine) as server:
            yield server
    engine.close()


@pytest.fixture
def workshop_server(started_workshop: SqlServerEmulator) -> Iterator[SqlServerEmulator]:
    """Yield the workshop's server, sound again after every test."""
    yield started_workshop
    started_workshop.faults.clear()


@pytest.fixture
def workshop(workshop_server: SqlServerEmulator) -> Iterator[SourceSession]:
    """Yield a session with the workshop, a database of the emulator's own engine."""
    with SourceConnector(
        parse_source_url(workshop_server.url("workshop", USER, PASSWORD))
    ).connect() as opened:
        yield opened
