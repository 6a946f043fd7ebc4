"""What decisions.yaml hides is nowhere to be read, where rows differ; that they differ, and which, is."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from blb_migration_tests.cli.servers import Shop, int32s
from blb_migration_tests.cli.test_no_values_in_errors import find_leaks

# A password hash that was loaded, and what the target made of it; both hold the word that is looked for.
LOADED, CHANGED = "$2b$12$ZmFtb3Vz-loaded", "$2b$12$ZmFtb3Vz-changed"


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "home"
    folder.mkdir()
    monkeypatch.setenv("DAGSTER_HOME", str(folder))
    return folder


def hide(shop: Shop, text: str) -> None:
    path = shop.folder / "decisions.yaml"
    path.write_text(
        path.read_text(encoding="utf-8").replace("tables:\n", f"tables:\n{text}"), encoding="utf-8"
    )


def test_a_hidden_value_is_nowhere_where_rows_differ(shop: Shop, home: Path) -> None:
    name = shop.source_url.rpartition("/")[2].partition("?")[0].lower()
    rows = pa.table({"id": int32s(3), "name": [LOADED]})
    shop.servers.engine.databases[name].load("dbo.customers", rows)
    hide(shop, "  customers: {columns: {name: {hide: A hash of a password.}}}\n")
    assert shop.migrate().code == 0
    shop.target(f"UPDATE customers SET name = '{CHANGED}' WHERE id = 3")
    shop.target(f"INSERT INTO customers VALUES (9, '{CHANGED}')")
    answer = shop.run("reconcile", "--output", str(shop.report_path))
    assert answer.code == 1
    files = [path.read_bytes() for path in (shop.folder / "differences").rglob("*.csv")]
    assert len(files) == 1
    assert b'"changed","id=3","name","(hidden)","(hidden)"' in files[0]
    assert b'"extra","id=9","NULL","NULL","id=9, name=(hidden)"' in files[0]
    parquet = [pq.read_table(path).to_pylist() for path in (shop.folder / "differences").rglob("*.parquet")]
    page = shop.report_path.with_suffix(".html").read_text(encoding="utf-8")
    assert find_leaks(shop, home, answer.out, answer.err, str(parquet), str(files), page) == []
    assert "id=3, name: changed; decisions.yaml hides its values" in answer.out
    assert "customers.name" in str(shop.report["decisions"])


def test_no_sum_and_no_extreme_of_a_hidden_number_is_told_but_a_key_total_is(shop: Shop) -> None:
    path = shop.folder / "decisions.yaml"
    text = path.read_text(encoding="utf-8")
    hidden = text.replace("  orders:\n", "  orders:\n    columns: {total: {hide: What people pay.}}\n", 1)
    path.write_text(hidden, encoding="utf-8")
    assert shop.migrate().code == 0
    shop.target("UPDATE orders SET total = 777.77 WHERE id = 2")
    answer = shop.run("reconcile", "--output", str(shop.report_path))
    assert answer.code == 1
    assert "777.77" not in answer.out + shop.report_path.read_text(encoding="utf-8")
    assert "max(total): expected (hidden), found (hidden)" in answer.out
    assert "788.37" in answer.out  # the sum, which the project asked for


def test_hiding_changes_no_plan(shop: Shop) -> None:
    assert shop.migrate().code == 0
    hide(shop, "  customers: {columns: {name: {hide: Personal data.}}}\n")
    assert (
        shop.run("report", "--output", str(shop.report_path), urls=["--target-conn", shop.target_url]).code
        == 0
    )
    assert shop.run("reconcile").code == 0
