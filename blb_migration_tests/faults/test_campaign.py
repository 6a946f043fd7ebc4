"""The short form of the campaign: one try of some kinds of faults. The long form is ``faults``' command."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from blb_migration.sandbox.embedded_postgres import EmbeddedPostgres
from blb_migration.sandbox.emulator.server import SqlServerEmulator
from blb_migration.sandbox.emulator.tsql import TsqlEngine
from blb_migration_tests.faults.__main__ import render, run_campaign
from blb_migration_tests.faults.ground import Servers
from blb_migration_tests.faults.judge import FALSE_EQUAL, WRONGS, Wrong
from blb_migration_tests.faults.kinds import KINDS

pytestmark = [
    pytest.mark.skipif(os.name == "nt", reason="there is no SIGKILL, and no process is forked"),
    pytest.mark.alone,
]
SHORT = ("killed", "back ends terminated", "target hangs and comes back", "secrets in failing rows")


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Servers]:
    """Yield servers of their own: faults hit them whole, and they are started again with what they hold."""
    engine = TsqlEngine()
    folder = tmp_path_factory.mktemp("faults")
    with SqlServerEmulator(engine) as server, EmbeddedPostgres(folder) as postgres:
        servers = Servers(engine, server, postgres)
        yield servers
        servers.close()
    engine.close()


def test_one_try_of_some_kinds_leaves_nothing_wrong(servers: Servers, tmp_path: Path) -> None:
    kinds = [kind for kind in KINDS if kind.name in SHORT]
    record = tmp_path / "tries.jsonl"
    outcomes = run_campaign(servers, kinds, len(SHORT), 5, record=record)
    assert [outcome["wrongs"] for outcome in outcomes] == [()] * len(SHORT), outcomes
    kept = [json.loads(line) for line in record.read_text(encoding="utf-8").splitlines()]
    assert {each["kind"] for each in kept} == set(SHORT)
    assert f"| **all** | {len(SHORT)} | {len(SHORT)} |" in render(kept)


def test_a_wrong_has_its_column() -> None:
    wrong = {"what": FALSE_EQUAL, "how": "…"}
    table = render([{"kind": "killed", "wrongs": []}, {"kind": "killed", "wrongs": [wrong, wrong]}])
    counts = " | ".join("1" if each == FALSE_EQUAL else "0" for each in WRONGS)
    assert f"| killed | 2 | 1 | {counts} |" in table
    assert Wrong(**wrong).what in WRONGS
