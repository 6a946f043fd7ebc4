"""The document keeps its contract, its seal recomputes, and it claims no more than was compared."""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import replace
from pathlib import Path

import pytest

from blb_migration.errors import ConfigurationError
from blb_migration.postgres.ledger.reasons import Reason, ReasonCode
from blb_migration.private_files import write_whole
from blb_migration.report.files import name_report_files, write_report
from blb_migration_tests.report.facts import document_of, loaded_table, metric


def test_the_contract_has_its_keys() -> None:
    document = document_of(loaded_table("users"), loaded_table("orders", 2))
    assert (
        document["stats"] | {"tables_migrated": 2, "rows_migrated": 14, "errors": 0, "warnings": 0}
        == (document["stats"])
    )
    assert document["table_results"]["users"]["rows_read"] == 7
    assert document["table_results"]["users"]["rows_inserted"] == 7
    assert document["table_results"]["users"]["errors"] == []
    assert {"generated_at", "tables", "key_totals"} <= document["reconciliation"].keys()
    assert document["key_totals"]["orders"]["source_count"] == 7
    assert document["key_totals"]["orders"]["target_count"] == 7
    assert document["key_totals"]["orders"]["match"] is True


def test_a_key_total_that_differs_stands_with_both_values() -> None:
    total = metric("sum(price)", "10.50", "10.51", difference="0.01", is_key_total=True)
    document = document_of(loaded_table("orders", key_totals=[total]))
    assert document["verdict_status"] == "not_equal"
    assert document["table_results"]["orders"]["status"] == "differs"
    [told] = document["reconciliation"]["key_totals"]["orders"]
    assert told == {
        "name": "sum(price)", "source": "10.50", "target": "10.51", "match": False, "difference": "0.01"
    }  # fmt: skip


def test_anybody_can_recompute_the_seal_from_the_file(tmp_path: Path) -> None:
    table = loaded_table(
        "users", row_count=[metric("rows", "7", "7"), metric("Größe \ud800 \u202e", "1", "1")]
    )
    files = write_report(document_of(table), tmp_path / "report.json")
    document = json.loads(files.document.read_text(encoding="utf-8"))
    sealed = document.pop("sha256")
    canonical = json.dumps(document, sort_keys=True, separators=(",", ":"))
    assert sealed == hashlib.sha256(canonical.encode()).hexdigest()
    assert files.page is not None and sealed in files.page.read_text(encoding="utf-8")


def test_whoever_changes_a_metric_breaks_the_seal(tmp_path: Path) -> None:
    files = write_report(document_of(loaded_table("users")), tmp_path / "report.json")
    text = files.document.read_text(encoding="utf-8").replace('"rows_inserted": 7', '"rows_inserted": 8')
    document = json.loads(text)
    sealed = document.pop("sha256")
    canonical = json.dumps(document, sort_keys=True, separators=(",", ":"))
    assert sealed != hashlib.sha256(canonical.encode()).hexdigest()


def test_texts_compared_by_length_only_are_not_sold_as_compared() -> None:
    metrics = [
        metric("count_non_null(name)", "7", "7"),
        metric("sum_length(name)", "70", "70"),
        metric("count_non_null(weight)", "7", "7"),
        metric("count_non_null(price)", "7", "7"),
        metric("sum(price)", "1", "1"),
    ]
    table = loaded_table("goods", key_totals=metrics)
    without_content = replace(table, checks=tuple(c for c in table.checks if c.check_name != "content"))
    coverage = document_of(without_content)["coverage"]
    assert coverage["columns_by_count_and_length_only"] == ["goods.name"]
    assert coverage["columns_by_count_only"] == ["goods.weight"]
    assert coverage["columns_by_totals"] == 1
    content = next(check for check in coverage["checks"] if check["name"] == "content")
    assert (content["tables_passed"], content["tables_not_compared"]) == (0, 1)
    assert document_of(table)["coverage"]["tables_compared_cell_by_cell"] == 1


def test_a_check_of_an_earlier_load_counts_as_not_compared() -> None:
    table = loaded_table("goods")
    assert table.load is not None
    reloaded = replace(
        table,
        load=replace(table.load, load_id=99),
        reasons=(Reason(ReasonCode.CHECK_OF_EARLIER_LOAD, "content"),),
    )
    document = document_of(reloaded)
    assert {check["tables_not_compared"] for check in document["coverage"]["checks"]} == {1}
    assert document["key_totals"]["goods"]["source_count"] is None


@pytest.mark.parametrize("name", ["report.json", "report.html", "report"])
def test_the_page_stands_beside_the_document(tmp_path: Path, name: str) -> None:
    files = write_report(document_of(), tmp_path / name)
    assert files.page == tmp_path / "report.html"
    assert json.loads(files.document.read_text(encoding="utf-8"))["stats"]["tables_migrated"] == 0


def test_a_device_gets_the_document_alone() -> None:
    assert name_report_files(Path("/dev/null" if Path("/dev/null").exists() else "NUL")).page is None


def test_a_file_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="missing"):
        write_report(document_of(), tmp_path / "missing" / "report.json")


def test_a_report_that_cannot_be_written_leaves_the_one_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    output = tmp_path / "report.json"
    output.write_text("the one before")
    output.chmod(0o640)

    def refuse(_: int) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as full:
        full.setattr(os, "fsync", refuse)
        with pytest.raises(ConfigurationError, match=r"No space left on device.*Free room there"):
            write_report({}, output)
    assert output.read_text() == "the one before"
    assert list(tmp_path.iterdir()) == [output]
    write_whole(output, b"{}")
    assert (output.read_bytes(), output.stat().st_mode & 0o777) == (b"{}", 0o640)
