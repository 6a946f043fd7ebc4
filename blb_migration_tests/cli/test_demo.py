"""The first thing a newcomer runs."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from blb_migration import waiting
from blb_migration.cli.main import main


def test_the_demo_migrates_the_erp_and_says_so(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    waits: list[str] = []  # a busy machine has some
    with waiting.told_to(waits.append):
        assert main(["demo"]) == 0
    captured = capsys.readouterr()
    assert captured.err.splitlines() == [f"blb-migrate: {wait}" for wait in waits]
    assert "42 tables" in captured.out
    assert "errors 0" in captured.out
    report = json.loads((tmp_path / ".blb" / "demo-report.json").read_text(encoding="utf-8"))
    assert str(tmp_path / ".blb" / "demo-report.json") in captured.out
    assert report["stats"]["tables_migrated"] == 42
    assert report["stats"]["errors"] == 0
    assert report["reconciliation"]["equal"]
    inventory = {metric["name"]: metric["match"] for metric in report["key_totals"]["inventory"]["metrics"]}
    assert inventory["sum(on_hand_quantity)"]
