"""The zoo goes into tables that this tool creates, with commands alone and no hand-written file."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from blb_migration.cli.main import main
from blb_migration.plan.target_names import build_target_name
from blb_migration_tests.chain import Chain
from blb_migration_tests.zoo.cells import find_differences
from blb_migration_tests.zoo.test_zoo_migrates import FEWEST_CELLS, SCHEMAS


@pytest.fixture
def chain(
    new_chain: Callable[..., Chain], zoo: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Chain:
    """From the zoo to an empty database, both named by the environment as an operator does it."""
    chain = new_chain(zoo)
    monkeypatch.setenv("BLB_SOURCE_CONN", chain.source_url)
    monkeypatch.setenv("BLB_TARGET_CONN", chain.target_url)
    monkeypatch.setenv("BLB_PROJECT", str(tmp_path / "zoo"))
    monkeypatch.delenv("DAGSTER_HOME", raising=False)
    return chain


def test_init_schema_plan_and_a_migration_need_no_hand_written_file(
    chain: Chain,
    zoo: str,
    connection_string: Callable[[str], str],
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
) -> None:
    report = tmp_path / "report.json"
    commands = (["init", str(tmp_path / "zoo")], ["schema", "--apply"], ["plan"], ["--output", str(report)])
    for arguments in commands:
        exit_code = main(arguments)
        output = capfd.readouterr()
        assert exit_code == 0, f"{arguments}: {output.out[-3000:]}{output.err[-3000:]}"

    differences, cell_count = find_differences(
        connection_string(zoo), chain.target_url, build_target_name, SCHEMAS
    )
    assert not differences, "\n".join(map(str, differences))
    assert cell_count > FEWEST_CELLS * 3 // 4
    stats = json.loads(report.read_text(encoding="utf-8"))["stats"]
    assert (stats["tables_migrated"], stats["errors"]) == (34, 0)
    statement = "SELECT count(*) FROM pg_constraint WHERE contype = 'f' AND conname LIKE 'FK%%'"
    assert chain.execute(statement) == [(11,)]
