"""`blb-migrate report` writes the report again, from the target alone; a migration writes the page too."""

from __future__ import annotations

import json
from html import escape
from pathlib import Path

import pytest

from blb_migration.sqlserver.drivers import load_driver
from blb_migration_tests.cli.servers import Shop


def test_the_page_stands_beside_the_document_and_both_are_rebuilt_without_the_source(
    shop: Shop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    answer = shop.migrate()
    page = shop.report_path.with_suffix(".html")
    assert "Dübel" not in page.read_text(encoding="utf-8")  # metrics, not the data itself
    assert "EQUAL" in page.read_text(encoding="utf-8")
    told = answer.out.replace("\n", "")
    assert str(shop.report_path) in told and str(page) in told

    folder = tmp_path / "elsewhere"
    folder.mkdir()
    monkeypatch.chdir(folder)
    answer = shop.run("report", urls=["--target-conn", shop.target_url])
    assert answer.code == 0
    rebuilt = json.loads((folder / "report.json").read_text(encoding="utf-8"))
    assert rebuilt["verdict"] in answer.out.replace("\n", " ")
    assert rebuilt["stats"]["tables_migrated"] == 4
    driver = str(load_driver(None))
    assert rebuilt["run"]["source_driver"] == driver
    assert escape(driver) in (folder / "report.html").read_text(encoding="utf-8")


def test_what_is_not_equal_is_told_by_the_exit_code(shop: Shop, tmp_path: Path) -> None:
    shop.migrate()
    shop.target("UPDATE orders SET total = 0.11 WHERE id = 5")
    shop.run("reconcile")
    answer = shop.run("report", "--output", str(tmp_path / "again.json"))
    assert answer.code == 1
    page = (tmp_path / "again.html").read_text(encoding="utf-8")
    assert "NOT EQUAL" in page and "30.86" in page


def test_a_target_that_was_never_loaded_has_none(shop: Shop, tmp_path: Path) -> None:
    answer = shop.run("report", "--output", str(tmp_path / "none.json"))
    assert answer.code == 5
    assert "holds no ledger" in answer.err
    assert not (tmp_path / "none.json").exists()
