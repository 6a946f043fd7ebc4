"""The ERP whose values do not fit its new home: refused as a whole, or carried by decisions, to the cent."""

from __future__ import annotations

from collections.abc import Mapping

import pyarrow as pa
import pytest
import yaml

from blb_migration.errors import ExitCode, PreflightRefused
from blb_migration.findings import Severity
from blb_migration.plan.project import DECISIONS_FILE, DEFAULT_PROJECT
from blb_migration.report.document import build_report
from blb_migration.sandbox.erp import create_target
from blb_migration.sandbox.erp.sample import DEFAULT_SEED, ErpSample
from blb_migration_tests.chain import Chain
from blb_migration_tests.hazards.planting import NewChain

# Columns that are numeric(10,2) at the target.
NARROWED = {
    "inventory": ("on_hand_quantity", "allocated_quantity"),
    "sales_order_lines": (
        *("quantity", "unit_price", "discount", "total", "allocated_quantity", "shipped_quantity"),
    ),
}
# Columns that are NOT NULL at the target only, with what is decided for them.
REQUIRED: dict[str, dict[str, str]] = {
    "bom_lines": {"unit": "EA", "is_cost_only": "0"},
    "boms": {"active": "1", "created_at": "2020-01-01"},
    "inventory": {"on_hand_quantity": "0", "allocated_quantity": "0"},
    "inventory_transactions": {"created_at": "2020-01-01"},
    "print_jobs": {"status": "queued"},
    "printers": {"model": "unknown", "created_at": "2020-01-01", "updated_at": "2020-01-01"},
    "products": {"item_type": "finished_good", "created_at": "2020-01-01", "updated_at": "2020-01-01"},
    "sales_order_lines": {"total": "0"},
}


def fill_source(chain: Chain) -> dict[tuple[str, str, str], int]:
    """Return the sample with 1.2345 in one half of such a column's rows, NULL in the other; what that
    makes."""
    expected: dict[tuple[str, str, str], int] = {}
    for table, sample in ErpSample(1, DEFAULT_SEED).tables():
        data = sample
        name = table.name.name
        chain.database.create_table(table)
        narrowed, required = NARROWED.get(name, ()), REQUIRED.get(name, {})
        for column in dict.fromkeys((*narrowed, *required)):
            field = data.schema.field(column)
            rows = data.num_rows
            fine = [column in narrowed and (row % 2 == 0 or column not in required) for row in range(rows)]
            empty = [column in required and not is_fine for is_fine in fine]
            value = pa.scalar("1.2345").cast(field.type) if any(fine) else pa.scalar(None, field.type)
            old = data.column(column)
            new = [
                None if is_empty else value if is_fine else old[row]
                for row, (is_fine, is_empty) in enumerate(zip(fine, empty, strict=True))
            ]
            array = pa.array([item.as_py() if item is not None else None for item in new], field.type)
            data = data.set_column(data.schema.get_field_index(column), field, array)
            if any(fine):
                expected["decimal_finer_than", name, column] = sum(fine)
            if any(empty):
                expected["is_null", name, column] = sum(empty)
        chain.database.load(str(table.name), data)
    return expected


def decide_everything() -> str:
    """Return the ERP's own decisions, and rounding and filling on top."""
    document = yaml.safe_load((DEFAULT_PROJECT / DECISIONS_FILE).read_text(encoding="utf-8"))
    for table in {**NARROWED, **REQUIRED}:
        columns = document["tables"].setdefault(table, {}).setdefault("columns", {})
        for column in NARROWED.get(table, ()):
            columns.setdefault(column, {"reason": "the new ERP keeps two digits"})["on_too_precise"] = "round"
        for column, value in REQUIRED.get(table, {}).items():
            decision = columns.setdefault(column, {"reason": "nobody had filled it in"})
            decision["on_null"] = {"fill": value}
    return yaml.safe_dump(document)


@pytest.fixture
def unfit(new_chain: NewChain) -> tuple[Chain, Mapping[tuple[str, str, str], int]]:
    chain = new_chain()
    expected = fill_source(chain)
    create_target(chain.target_url)
    return chain, expected


def test_26_the_erp_is_refused_with_every_offender_counted_and_passes_by_decision(
    unfit: tuple[Chain, Mapping[tuple[str, str, str], int]],
) -> None:
    chain, expected = unfit
    with pytest.raises(PreflightRefused) as refused:
        chain.migrate()
    assert refused.value.exit_code is ExitCode.PREFLIGHT_REFUSED
    errors = [finding for finding in chain.preflight().findings if finding.severity is Severity.ERROR]
    assert {(f.code, *f.subject.split(".")): f.row_count for f in errors} == expected
    assert len(expected) == 15 + 8
    assert chain.execute("SELECT to_regclass('blb_migration.runs') IS NULL") == [(True,)]
    assert chain.execute("SELECT count(*) FROM inventory") == [(0,)]

    migration = chain.migrate(decide_everything())
    differing = {
        key: [comparison for comparison in result.comparisons if not comparison.match]
        for key, result in chain.check(migration).items()
        if not result.passed
    }
    assert differing == {}
    report = build_report(migration)
    touched = {(item["subject"], item["decision"]): item["row_count"] for item in report["decisions"]}
    for (code, table, column), row_count in expected.items():
        fill = REQUIRED.get(table, {}).get(column, "")
        words = "rounded to 2 digits" if code == "decimal_finer_than" else "NULL filled"
        counts = [
            count
            for (subject, decision), count in touched.items()
            if subject == f"{table}.{column}" and decision.startswith(words)
        ]
        assert counts == [row_count], (table, column, fill)
