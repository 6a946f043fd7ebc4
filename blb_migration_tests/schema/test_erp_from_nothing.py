"""The ERP into an empty PostgreSQL database: no table made by hand, every one of the 49 equal."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from blb_migration.cli.main import main
from blb_migration.findings import Severity
from blb_migration.plan.project import load_project
from blb_migration.postgres.catalog import read_catalog as read_target
from blb_migration_tests.chain import Chain


@pytest.fixture
def chain(new_chain: Callable[..., Chain], erp_source: str) -> Chain:
    return new_chain(erp_source)


def databases(chain: Chain) -> list[str]:
    return ["--source-conn", chain.source_url, "--target-conn", chain.target_url]


def test_init_schema_and_migrate_need_no_hand_written_file(
    chain: Chain, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "erp"
    assert main([*databases(chain), "init", str(folder)]) == 0
    assert {path.name for path in folder.iterdir()} == {
        "decisions.yaml",
        "catalog.json",
        "schema.sql",
        "not-migrated.sql",
    }
    assert main([*databases(chain), "schema", "--project", str(folder), "--apply"]) == 0
    assert "Created 49 tables" in capsys.readouterr().out

    planned = load_project(folder)
    with chain.target.connect() as connection:
        live = planned.with_catalogs(planned.source, read_target(connection))
    assert live.plan.hash == planned.plan.hash
    assert {finding.severity for finding in live.plan.findings} <= {Severity.NOTE}
    assert len(live.plan.tables) == 49

    migration = chain.migrate(planned.decisions_file.text)
    results = chain.check(migration)
    assert len({label for label, _ in results}) == 49
    assert [key for key, result in results.items() if not result.passed] == []
    [(keys,)] = chain.execute(
        "SELECT count(*) FROM pg_constraint WHERE contype = 'f' AND convalidated"
        " AND connamespace = 'public'::regnamespace"
    )
    assert keys == 82
