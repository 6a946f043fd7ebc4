"""Rows or checks of two sources in one target are never equal together, whoever asks."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from uuid import uuid4

import pyarrow as pa
import pytest

from blb_migration.compare.run_checks import run_check
from blb_migration.compare.verdict import read_verdict
from blb_migration.errors import OtherSource
from blb_migration.migration import RunInfo
from blb_migration.postgres.ledger.judgement import read_cutover_answer
from blb_migration.postgres.ledger.reasons import ReasonCode
from blb_migration_tests.catalogs import table
from blb_migration_tests.chain import Chain

TABLES = ("animals", "plants")
DECISIONS = "project: garden\ntables: {plants: {replace_rows: a person said so}}\n"


def fill(chain: Chain) -> Chain:
    for name in TABLES:
        chain.database.create_table(table(name, "id int not null", "name nvarchar(10)"))
        rows = {"id": pa.array([1, 2], pa.int32()), "name": ["one", "two"]}
        chain.database.load(f"dbo.{name}", pa.table(rows))
        chain.execute(f"CREATE TABLE IF NOT EXISTS {name} (id integer PRIMARY KEY, name varchar(10))")
    return chain


@pytest.fixture
def chain(new_chain: Callable[..., Chain]) -> Chain:
    return fill(new_chain())


@pytest.fixture
def other(chain: Chain, new_chain: Callable[..., Chain]) -> Chain:
    """Return the same target, and another source with the very same rows."""
    return fill(replace(new_chain(), target_url=chain.target_url))


def test_two_runs_from_two_sources_are_not_equal_together(chain: Chain, other: Chain) -> None:
    first = chain.migrate(DECISIONS)
    chain.check(first)
    second = replace(first, source=other.source, run=RunInfo(str(uuid4()), "migration"))
    other.load(second, "plants")
    for name in ("row_count", "key_totals", "content", "integrity"):
        assert run_check(second, second.project.plan.tables_by_label["plants"], name).passed
    with chain.target.connect() as connection:
        verdict = read_verdict(connection, first.project.plan)
        answer = read_cutover_answer(connection)
    assert not verdict.is_equal
    assert [reason.code for reason in verdict.by_label["animals"]] == [ReasonCode.LOADED_FROM_OTHER_SOURCE]
    assert not answer.answer
    assert "animals: loaded from another source than the tables that were loaded last" in answer.reasons


@pytest.mark.parametrize("name", ["row_count", "key_totals", "content"])
def test_a_check_refuses_another_source(chain: Chain, other: Chain, name: str) -> None:
    first = chain.migrate(DECISIONS)
    second = replace(first, source=other.source, run=RunInfo(str(uuid4()), "reconcile"))
    with pytest.raises(OtherSource, match="loaded from another source"):
        run_check(second, second.project.plan.tables_by_label["plants"], name)


def test_a_check_of_another_source_does_not_count(chain: Chain, other: Chain) -> None:
    """Even one that is on record, such as an older or a foreign writer's."""
    first = chain.migrate(DECISIONS)
    chain.check(first)
    chain.execute("INSERT INTO blb_migration.sources (address) VALUES ('elsewhere:1433/garden')")
    chain.execute(
        "UPDATE blb_migration.check_results"
        " SET source_id = (SELECT max(source_id) FROM blb_migration.sources)"
        " WHERE table_name = 'plants' AND check_name = 'content'"
    )
    with chain.target.connect() as connection:
        verdict = read_verdict(connection, first.project.plan)
    assert [reason.code for reason in verdict.by_label["plants"]] == [ReasonCode.CHECK_OF_OTHER_SOURCE]
