"""The sample's rows: the same every time, whole, and full of what makes a migration hard."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from blb_migration.model import Column, ForeignKey, Table
from blb_migration.sandbox.erp import ErpSample, build_source_catalog
from blb_migration.sandbox.erp.erp_schema import read_schema
from blb_migration_tests.sandbox.erp_values import to_python

Sample = dict[str, tuple[Table, pa.Table]]
SOURCE_ONLY = {"accounts", "customers", "journal_entries", "journal_lines", "licenses", "quote_items"}
FOREIGN_KEYS = [(table.name.name, key) for table in build_source_catalog() for key in table.foreign_keys]
TEXT_COLUMNS = [
    (table.name.name, column)
    for table in build_source_catalog()
    for column in table.columns
    if column.type.name in ("varchar", "nvarchar")
]


def read_sample(scale: int = 1, seed: int = 2025) -> Sample:
    return {table.name.name: (table, rows) for table, rows in ErpSample(scale, seed).tables()}


@pytest.fixture(scope="module")
def sample() -> Sample:
    return read_sample()


def values(sample: Sample, table: str, column: str) -> list[object]:
    model, rows = sample[table]
    return to_python(rows[column], model.columns_by_name[column].type)


def test_the_same_scale_and_seed_give_the_same_rows(sample: Sample) -> None:
    again = read_sample()
    assert again.keys() == sample.keys()
    for name, (table, rows) in sample.items():
        assert again[name][0] == table
        assert again[name][1].equals(rows), name


def test_another_seed_gives_other_rows(sample: Sample) -> None:
    assert not read_sample(seed=7)["users"][1].equals(sample["users"][1])


def test_all_tables_come_once_with_all_their_columns(sample: Sample) -> None:
    catalog = build_source_catalog()
    assert sample.keys() == {table.name.name for table in catalog}
    for table in catalog:
        assert sample[table.name.name][1].column_names == [column.name for column in table.columns]


def test_a_scale_below_one_is_an_error() -> None:
    with pytest.raises(ValueError, match="from 1"):
        ErpSample(scale=0)


@pytest.mark.parametrize("scale", [1, 6])
def test_business_grows_with_the_scale(scale: int) -> None:
    row_counts = {name: len(rows) for name, (_, rows) in read_sample(scale).items()}
    migrated = {
        name: count for name, count in row_counts.items() if name not in {*SOURCE_ONLY, "alembic_version"}
    }
    assert 5_000 * scale <= sum(migrated.values()) <= 5_000 * scale + 100
    assert len(migrated) == 42 and min(migrated.values()) > 0
    assert row_counts["sales_orders"] == 130 * scale
    assert row_counts["units_of_measure"] == 19
    assert row_counts["inventory_transactions"] == max(row_counts.values())


@pytest.mark.parametrize(("table", "key"), FOREIGN_KEYS, ids=[f"{t}.{k.columns[0]}" for t, k in FOREIGN_KEYS])
def test_every_foreign_key_of_the_source_holds(sample: Sample, table: str, key: ForeignKey) -> None:
    children = sample[table][1][key.columns[0]].drop_null()
    parents = sample[key.referred_table.name][1][key.referred_columns[0]]
    assert len(children) > 0
    assert pc.all(pc.is_in(children, value_set=parents.combine_chunks())).as_py()


def test_primary_and_unique_keys_hold_under_the_sources_collation(sample: Sample) -> None:
    for name, (table, rows) in sample.items():
        assert table.primary_key is not None
        keys = [(key.columns, False) for key in (table.primary_key, *table.unique_keys)]
        keys += [
            (tuple(column.name for column in index.columns), index.filter is not None)
            for index in table.indexes
            if index.unique
        ]
        for columns, is_filtered in keys:
            found = list(zip(*(rows[column].to_pylist() for column in columns), strict=True))
            # Case and trailing spaces make no difference; one NULL is allowed, any number if filtered.
            folded = [
                tuple(v.casefold().rstrip(" ") if isinstance(v, str) else v for v in row) for row in found
            ]
            kept = [row for row in folded if not (is_filtered and None in row)]
            assert len(set(kept)) == len(kept), f"{name}{columns}"


def test_columns_that_must_not_be_null_are_not(sample: Sample) -> None:
    target = read_schema("target")
    for name, (table, rows) in sample.items():
        at_target = {c["name"]: c["nullable"] for c in target.get(name, {"columns": []})["columns"]}
        for column in table.columns:
            if not column.nullable or not at_target.get(column.name, True):
                assert rows[column.name].null_count == 0, f"{name}.{column.name}"


def test_most_columns_that_may_be_null_sometimes_are(sample: Sample) -> None:
    target = read_schema("target")
    nullable = [
        rows[column["name"]].null_count > 0
        for name, (table, rows) in sample.items()
        if len(rows) > 100 and name in target
        for column in target[name]["columns"]
        if column["nullable"] and table.columns_by_name[column["name"]].nullable
    ]
    assert np.mean(nullable) > 0.85


@pytest.mark.parametrize(("table", "column"), TEXT_COLUMNS, ids=[f"{t}.{c.name}" for t, c in TEXT_COLUMNS])
def test_text_fits_the_code_page_and_both_lengths(sample: Sample, table: str, column: Column) -> None:
    texts = [text for text in sample[table][1][column.name].to_pylist() if text is not None]
    at_target = {c["name"]: c["type"] for c in read_schema("target").get(table, {"columns": []})["columns"]}
    target_length = at_target.get(column.name, "text").removeprefix("character varying(").removesuffix(")")
    for text in texts:
        stored = text.encode("cp1252") if column.type.name == "varchar" else text.encode("utf-16-le")[::2]
        assert column.type.length is None or len(stored) <= column.type.length, text
        assert not target_length.isdigit() or len(text) <= int(target_length), text
        assert "\0" not in text


def test_moments_fit_their_types(sample: Sample) -> None:
    for name, (table, rows) in sample.items():
        for column in table.columns:
            if column.type.name == "datetime":
                for moment in to_python(rows[column.name].drop_null(), column.type):
                    assert moment.year >= 1753, f"{name}.{column.name}"
                    assert moment.microsecond % 1000 == 0 and moment.microsecond // 1000 % 10 in (0, 3, 7)


def test_most_moments_have_no_fraction_of_a_second(sample: Sample) -> None:
    ticks = sample["inventory_transactions"][1]["created_at"].to_numpy()
    assert 0.5 < np.mean(ticks % 10_000_000 == 0) < 0.8
    assert 0 < np.mean(ticks % 10_000 != 0) < 0.15


def test_numbers_have_gaps_and_identity_counters_run_ahead(sample: Sample) -> None:
    for name, (table, rows) in sample.items():
        if name == "alembic_version":
            continue
        ids = rows["id"].to_numpy()
        identity = table.columns_by_name["id"].identity
        assert identity is not None and identity.last_value is not None and identity.last_value > ids.max()
        assert np.all(np.diff(ids) > 0)
        if len(ids) > 100:
            assert ids.max() > len(ids), f"{name} has no gaps"


@pytest.mark.parametrize(
    ("table", "column"),
    [
        ("accounts", "parent_id"),
        ("inventory_locations", "parent_id"),
        ("item_categories", "parent_id"),
        ("production_orders", "parent_order_id"),
        ("production_orders", "remake_of_id"),
        ("routing_operations", "predecessor_operation_id"),
        ("units_of_measure", "base_unit_id"),
    ],
)
def test_self_references_point_back_and_ahead(sample: Sample, table: str, column: str) -> None:
    rows = sample[table][1].filter(pc.field(column).is_valid())
    ahead = pc.greater(rows[column], rows["id"])
    assert pc.any(ahead).as_py()
    assert not pc.any(pc.equal(rows[column], rows["id"])).as_py()
    assert not pc.all(ahead).as_py()


def test_quotes_and_sales_orders_refer_to_each_other(sample: Sample) -> None:
    quotes, orders = sample["quotes"][1], sample["sales_orders"][1]
    by_quote = dict(zip(quotes["id"].to_pylist(), quotes["sales_order_id"].to_pylist(), strict=True))
    pairs = [
        (order, quote)
        for order, quote in zip(orders["id"].to_pylist(), orders["quote_id"].to_pylist(), strict=True)
        if quote is not None
    ]
    assert len(pairs) > 20
    assert all(by_quote[quote] == order for order, quote in pairs)
    converted = pc.equal(quotes["status"], "converted").combine_chunks()
    assert quotes["sales_order_id"].is_valid().combine_chunks().equals(converted)


def test_operations_name_resources_that_are_machines_too(sample: Sample) -> None:
    used = set(sample["production_order_operations"][1]["resource_id"].drop_null().to_pylist())
    resources, machines = (set(sample[name][1]["id"].to_pylist()) for name in ("resources", "machines"))
    assert used <= resources & machines
    assert resources - machines and machines - resources


def test_computed_columns_are_exact(sample: Sample) -> None:
    inventory, movements = sample["inventory"][1], sample["inventory_transactions"][1]
    available = pc.subtract(inventory["on_hand_quantity"], inventory["allocated_quantity"])
    assert available.cast(pa.decimal128(19, 4)).equals(inventory["available_quantity"])
    cost = pc.multiply(movements["quantity"], movements["cost_per_unit"])
    assert cost.cast(pa.decimal128(37, 8)).equals(movements["total_cost"])


def test_the_money_of_an_order_adds_up(sample: Sample) -> None:
    orders, lines = sample["sales_orders"][1], sample["sales_order_lines"][1]
    per_order = lines.group_by("sales_order_id").aggregate([("total", "sum"), ("quantity", "sum")])
    joined = orders.join(per_order, "id", "sales_order_id").sort_by("id")
    assert joined["total_sum"].to_pylist() == joined["total_price"].to_pylist()
    parts = [
        joined[name].to_pylist() for name in ("total_price", "tax_amount", "shipping_cost", "grand_total")
    ]
    assert all(
        total + (tax or 0) + (shipping or 0) == grand
        for total, tax, shipping, grand in zip(*parts, strict=True)
    )
    line_parts = [lines[name].to_pylist() for name in ("quantity", "unit_price", "discount", "total")]
    assert all(
        q * price - (discount or 0) == total for q, price, discount, total in zip(*line_parts, strict=True)
    )


def test_a_journal_entry_balances(sample: Sample) -> None:
    lines = (
        sample["journal_lines"][1]
        .group_by("journal_entry_id")
        .aggregate([("debit", "sum"), ("credit", "sum")])
    )
    assert lines["debit_sum"].equals(lines["credit_sum"])


def test_orders_run_their_course(sample: Sample) -> None:
    columns = ["created_at", "confirmed_at", "shipped_at", "delivered_at", "actual_completion_date"]
    stages = [values(sample, "sales_orders", column) for column in columns]
    for row in zip(*stages, strict=True):
        reached = [moment for moment in row if isinstance(moment, datetime)]
        assert reached == sorted(reached)
        assert reached[0].weekday() < 5 and 8 <= reached[0].hour < 18
    statuses = set(sample["sales_orders"][1]["status"].to_pylist())
    assert {"pending", "confirmed", "in_production", "completed", "cancelled"} <= statuses
    assert "in_progress" in sample["production_orders"][1]["status"].to_pylist()


def test_values_that_are_hard_to_carry_are_there(sample: Sample) -> None:
    texts = {
        text
        for table, column in TEXT_COLUMNS
        for text in sample[table][1][column.name].to_pylist()
        if text is not None
    }
    assert {"", r"\N", r"\.", "NULL", "ends in three spaces   "} <= texts
    assert any("\t" in text and "\r\n" in text for text in texts)
    assert any(ord(letter) > 0xFFFF for text in texts for letter in text)
    assert any("ü" in text for text in texts) and any("王" in text for text in texts)
    assert max(len(text) for text in sample["quotes"][1]["customer_notes"].drop_null().to_pylist()) == 1000
    assert min(sample["payments"][1]["amount"].to_pylist()) < 0
    assert datetime(9999, 12, 31, 23, 59, 59, 997_000) in values(sample, "refresh_tokens", "expires_at")


def test_binary_columns_hold_pictures(sample: Sample) -> None:
    pictures = [*sample["quotes"][1]["image_data"].drop_null().to_pylist()]
    pictures += sample["company_settings"][1]["logo_data"].to_pylist()
    assert len(pictures) > 5
    assert all(
        picture.startswith(b"\x89PNG\r\n\x1a\n") and picture.endswith(b"IEND\xaeB\x60\x82")
        for picture in pictures
    )


def test_codes_read_like_the_erps_own(sample: Sample) -> None:
    expected = {
        ("sales_orders", "order_number"): r"^SO-20\d\d-\d{4,}$",
        ("production_orders", "code"): r"^PO-20\d\d-\d{4,}$",
        ("purchase_orders", "po_number"): r"^PO-20\d\d-\d{4,}$",
        ("users", "password_hash"): r"^\$2b\$12\$[./A-Za-z0-9]{53}$",
        ("colors", "code"): r"^[A-Z-]+$",
    }
    for (table, column), pattern in expected.items():
        assert pc.all(pc.match_substring_regex(sample[table][1][column], pattern)).as_py(), (
            f"{table}.{column}"
        )


@pytest.fixture
def large() -> Iterator[Sample]:
    yield read_sample(scale=20)


def test_a_larger_sample_holds_together_too(large: Sample) -> None:
    for table, key in FOREIGN_KEYS:
        test_every_foreign_key_of_the_source_holds(large, table, key)
    test_primary_and_unique_keys_hold_under_the_sources_collation(large)
    test_columns_that_must_not_be_null_are_not(large)
    test_numbers_have_gaps_and_identity_counters_run_ahead(large)
