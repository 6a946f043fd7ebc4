"""A Babelfish source and its target: one database only if the target has the source's sessions."""

from __future__ import annotations

import uuid
from collections.abc import Iterator

import psycopg
import pytest

from blb_migration.errors import ConfigurationError, ExitCode
from blb_migration.postgres.connect import TargetConnector
from blb_migration.preflight.same_database import refuse_same_database
from blb_migration.sandbox.embedded_postgres import EmbeddedPostgres
from blb_migration.settings import parse_target_url
from blb_migration.sqlserver.connect import SourceConnector
from blb_migration_tests.sqlserver.conftest import SettingsMaker
from blb_migration_tests.sqlserver.scripted import INT, Script

SET_UP = "CREATE SCHEMA sys CREATE TABLE babelfish_sysdatabases (name text)"


@pytest.fixture
def target_url(embedded_postgres: EmbeddedPostgres) -> Iterator[str]:
    name = f"t_{uuid.uuid4().hex[:12]}"
    yield embedded_postgres.create_database(name)
    embedded_postgres.drop_database(name)


def check(settings: SettingsMaker, target_url: str) -> None:
    refuse_same_database(SourceConnector(settings()), TargetConnector(parse_target_url(target_url)))


def test_a_target_without_babelfish_is_another_database(
    settings: SettingsMaker, script: Script, target_url: str
) -> None:
    check(settings, target_url)


def test_the_very_same_database_is_refused(settings: SettingsMaker, script: Script, target_url: str) -> None:
    with psycopg.connect(target_url, autocommit=True) as serving:
        serving.execute(SET_UP.encode())
        script.answer(r"SELECT CAST\(@@SPID", [INT], [(serving.info.backend_pid,)])
        with pytest.raises(ConfigurationError, match="the same database") as caught:
            check(settings, target_url)
    assert caught.value.exit_code is ExitCode.BAD_USAGE
    check(settings, target_url)  # the session is gone: whatever answers there is another server


def test_a_source_that_does_not_tell_is_refused_and_says_why(
    settings: SettingsMaker, script: Script, target_url: str
) -> None:
    with psycopg.connect(target_url, autocommit=True) as connection:
        connection.execute(SET_UP.encode())
    with pytest.raises(ConfigurationError, match="Name a target database without Babelfish"):
        check(settings, target_url)
