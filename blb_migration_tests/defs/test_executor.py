"""Which executor a project gets: by its size and the machine, unless the operator says otherwise."""

from __future__ import annotations

import logging

import pytest
from hypothesis import given
from hypothesis import strategies as st

from blb_migration.defs import executor
from blb_migration.defs.assemble import build_defs
from blb_migration.defs.executor import (
    IN_PROCESS,
    MOST_AT_ONCE,
    MULTIPROCESS,
    THREADS,
    ExecutorChoice,
    choose_executor,
    read_choice,
)
from blb_migration.errors import ConfigurationError
from blb_migration_tests.defs.stages import build_shop

TABLES = [f"t{number}" for number in range(20)]


@pytest.fixture(autouse=True)
def four_processors(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(executor, "count_processors", lambda: 4)


@given(table_count=st.integers(0, 500), processor_count=st.integers(1, 256))
def test_never_more_at_once_than_tables_processors_or_the_limit(
    table_count: int, processor_count: int
) -> None:
    choice = choose_executor([f"t{number}" for number in range(table_count)], processor_count)
    assert 1 <= choice.max_concurrent <= max(1, min(table_count, processor_count, MOST_AT_ONCE))
    assert (choice.name == THREADS) == (choice.max_concurrent > 1)


def test_several_tables_on_several_processors_run_side_by_side() -> None:
    assert read_choice(TABLES) == ExecutorChoice(THREADS, 4, "20 tables, 4 processors")


def test_one_table_or_one_processor_needs_no_threads() -> None:
    assert choose_executor(TABLES, 1) == ExecutorChoice(IN_PROCESS, 1, "one processor")
    assert choose_executor(["only"], 8) == ExecutorChoice(IN_PROCESS, 1, "one table")


@pytest.mark.parametrize(
    ("name", "at_once", "expected"),
    [
        ("in_process", "", (IN_PROCESS, 1)),
        ("in_process", "7", (IN_PROCESS, 1)),
        ("threads", "", (THREADS, 4)),
        ("multiprocess", "3", (MULTIPROCESS, 3)),
        ("", "16", (THREADS, 16)),
        ("", "1", (IN_PROCESS, 1)),
    ],
)
def test_the_operator_overrules(
    monkeypatch: pytest.MonkeyPatch, name: str, at_once: str, expected: tuple[str, int]
) -> None:
    monkeypatch.setenv("BLB_EXECUTOR", name)
    monkeypatch.setenv("BLB_MAX_CONCURRENT", at_once)
    choice = read_choice(TABLES)
    assert (choice.name, choice.max_concurrent) == expected
    assert "set by BLB_" in choice.reason


@pytest.mark.parametrize(
    ("variable", "value", "message"),
    [
        ("BLB_EXECUTOR", "kubernetes", "Expected threads, in_process, multiprocess or celery"),
        ("BLB_MAX_CONCURRENT", "0", "Expected a whole number, 1 or more"),
        ("BLB_MAX_CONCURRENT", "many", "Expected a whole number, 1 or more"),
    ],
)
def test_what_makes_no_sense_is_refused(
    monkeypatch: pytest.MonkeyPatch, variable: str, value: str, message: str
) -> None:
    monkeypatch.setenv(variable, value)
    with pytest.raises(ConfigurationError, match=f"{variable}.*{message}"):
        read_choice(TABLES)


@pytest.mark.parametrize("name", [IN_PROCESS, THREADS, MULTIPROCESS])
def test_the_choice_is_logged_and_becomes_the_jobs(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, name: str
) -> None:
    monkeypatch.setenv("BLB_EXECUTOR", name)
    with caplog.at_level(logging.INFO, executor.__name__):
        job = build_defs(build_shop()).resolve_job_def("migration")
    assert job.executor_def.name == name
    assert f"Executor {name}, " in caplog.text
