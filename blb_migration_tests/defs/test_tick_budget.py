"""A tick ends in time whatever a database does, cancels what it has begun there, and says so."""

from __future__ import annotations

import time
from collections.abc import Callable

import psycopg
import pytest

from blb_migration.defs import tick_budget
from blb_migration.defs.resource import MigrationResource
from blb_migration.defs.tick_budget import Apart, TickOverdue, ask_in_time
from blb_migration.retries import becomes_true
from blb_migration_tests.chain import Chain
from blb_migration_tests.defs.stages import build_shop

pytestmark = pytest.mark.alone  # bounds durations


@pytest.fixture
def resource(new_chain: Callable[..., Chain], monkeypatch: pytest.MonkeyPatch) -> MigrationResource:
    chain = new_chain()
    monkeypatch.setenv("BLB_SOURCE_CONN", chain.source_url)
    monkeypatch.setenv("BLB_TARGET_CONN", chain.target_url)
    return MigrationResource(build_shop())


def ask(resource: MigrationResource, statement: str) -> list[tuple[object, ...]]:
    with resource.build_migration("", "verdict").target.connect() as connection:
        return connection.execute(statement.encode()).fetchall()


def test_what_answers_in_time_is_the_answer(resource: MigrationResource) -> None:
    assert ask_in_time(resource, lambda bounded: ask(bounded, "SELECT 7"), 30.0) == [(7,)]
    with pytest.raises(psycopg.errors.DivisionByZero):
        ask_in_time(resource, lambda bounded: ask(bounded, "SELECT 1 / 0"), 30.0)


def test_what_does_not_is_cancelled_at_its_server(
    resource: MigrationResource, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tick_budget, "ASKING_SECONDS", 0.5)
    began = time.monotonic()
    with pytest.raises(TickOverdue, match=r"did not answer within 0\.5 seconds"):
        ask_in_time(resource, lambda bounded: ask(bounded, "SELECT pg_sleep(120)"))
    assert time.monotonic() - began < 0.5 + tick_budget.CANCELLING_SECONDS + 2
    busy = "SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'SELECT pg_sleep%' AND state = 'active'"
    assert becomes_true(lambda: ask(resource, busy) == [(0,)], within_seconds=5, pause_seconds=0.1)


def test_what_nobody_can_cancel_is_left(resource: MigrationResource, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tick_budget, "CANCELLING_SECONDS", 0.3)
    began = time.monotonic()
    with pytest.raises(TickOverdue):
        ask_in_time(resource, lambda _bounded: time.sleep(20), 0.2)
    assert time.monotonic() - began < 5


def test_work_apart_hands_on_its_error() -> None:
    def fail() -> None:
        raise ValueError("it failed")

    apart = Apart(fail)
    assert apart.wait(5) and apart.is_over
    with pytest.raises(ValueError, match="it failed"):
        apart.get()


def test_both_budgets_are_within_the_tick_that_dagster_gives() -> None:
    asking = tick_budget.ASKING_SECONDS + tick_budget.CANCELLING_SECONDS
    assert asking + tick_budget.TELLING_SECONDS + 10 < 60  # ten seconds for the last message
