"""Dagster's SQLite files while a run lasts: open, complete for other readers, let go of afterwards."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import sqlalchemy
from sqlalchemy.pool import NullPool

from blb_migration.defs.event_files import kept_event_files


def write(file: Path, value: int) -> None:
    """As Dagster does it: a new connection for every event."""
    engine = sqlalchemy.create_engine(f"sqlite:///{file}", poolclass=NullPool)
    with engine.begin() as connection:
        connection.execute(sqlalchemy.text("PRAGMA journal_mode=WAL"))
        connection.execute(sqlalchemy.text("CREATE TABLE IF NOT EXISTS events (value integer)"))
        connection.execute(sqlalchemy.text(f"INSERT INTO events VALUES ({value})"))


def read(file: Path) -> list[int]:
    with closing(sqlite3.connect(file)) as connection:
        return [row[0] for row in connection.execute("SELECT value FROM events ORDER BY 1")]


def test_another_reader_sees_every_event_at_once(tmp_path: Path) -> None:
    file = tmp_path / "events.db"
    with kept_event_files():
        for value in range(3):
            write(file, value)
            assert read(file) == list(range(value + 1))


def test_the_log_is_merged_and_gone_when_the_run_is_over(tmp_path: Path) -> None:
    file = tmp_path / "events.db"
    write(file, 0)
    with kept_event_files():
        write(file, 1)
        write(file, 2)
        assert Path(f"{file}-wal").exists()
    assert not Path(f"{file}-wal").exists()
    assert read(file) == [0, 1, 2]


def test_after_the_run_files_are_opened_as_before(tmp_path: Path) -> None:
    with kept_event_files():
        pass
    file = tmp_path / "events.db"
    write(file, 1)
    assert not Path(f"{file}-wal").exists()


def test_nested_runs_do_not_disturb_each_other(tmp_path: Path) -> None:
    file = tmp_path / "events.db"
    with kept_event_files():
        write(file, 1)
        with kept_event_files():
            write(file, 2)
        write(file, 3)
    assert read(file) == [1, 2, 3]


def test_other_databases_are_not_touched() -> None:
    with kept_event_files():
        engine = sqlalchemy.create_engine("sqlite://")
        with engine.connect() as connection:
            assert connection.execute(sqlalchemy.text("SELECT 1")).scalar() == 1
        engine.dispose()
