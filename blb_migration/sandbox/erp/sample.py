"""The sample ERP as a whole: all 49 source tables of one scale and seed, as Arrow tables.

The order of making is the order in which later tables need earlier ones; the tables' own rooms are
``masters``, ``people``, ``products``, ``recipes``, ``purchasing``, ``quotes``, ``orders``,
``production``, ``shop_floor`` and ``bookkeeping``. Nothing is written anywhere from here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pyarrow as pa

from blb_migration.model import Table
from blb_migration.sandbox.erp import (
    bookkeeping,
    masters,
    orders,
    people,
    production,
    products,
    purchasing,
    quotes,
    recipes,
    shop_floor,
)
from blb_migration.sandbox.erp.erp_rows import Rows
from blb_migration.sandbox.erp.erp_schema import read_schema
from blb_migration.sandbox.erp.meanings import fill_by_meaning
from blb_migration.sandbox.erp.traps import set_traps
from blb_migration.sandbox.erp.world import ROWS_PER_SCALE, World

DEFAULT_SEED = 2025

_MAKERS: tuple[Callable[[World], Rows], ...] = (
    masters.make_units_of_measure,
    masters.make_item_categories,
    masters.make_inventory_locations,
    masters.make_colors,
    masters.make_material_types,
    masters.make_material_colors,
    masters.make_work_centers,
    masters.make_machines,
    masters.make_resources,
    masters.make_printers,
    masters.make_scrap_reasons,
    masters.make_alembic_version,
    masters.make_company_settings,
    people.make_users,
    people.make_refresh_tokens,
    people.make_password_reset_requests,
    people.make_customer_traceability_profiles,
    people.make_customers,
    people.make_licenses,
    purchasing.make_vendors,
    products.make_products,
    products.make_material_inventory,
    products.make_inventory,
    recipes.make_boms,
    recipes.make_bom_lines,
    recipes.make_routings,
    recipes.make_routing_operations,
    purchasing.make_mrp_runs,
    quotes.make_quotes,
    quotes.make_quote_files,
    quotes.make_quote_materials,
    quotes.make_quote_items,
    orders.make_sales_orders,
    orders.make_sales_order_lines,
    orders.make_payments,
    orders.make_order_events,
    production.make_production_orders,
    production.make_production_order_operations,
    shop_floor.make_print_jobs,
    shop_floor.make_serial_numbers,
    purchasing.make_purchase_orders,
    purchasing.make_purchase_order_lines,
    purchasing.make_material_lots,
    shop_floor.make_production_lot_consumptions,
    purchasing.make_planned_orders,
    bookkeeping.make_accounts,
    bookkeeping.make_journal_entries,
    bookkeeping.make_journal_lines,
)

_REFERRED_TEXT = frozenset({"products", "routing_operations"})  # names that later tables repeat


@dataclass(frozen=True)
class ErpSample:
    """The same rows, byte for byte, for the same scale and seed.

    ``scale`` 1 makes about 5,000 rows in the migrated tables, 200 about a million: business grows
    with the scale, master data with its square root or not at all.
    """

    scale: int = 1
    seed: int = DEFAULT_SEED

    def __post_init__(self) -> None:
        if self.scale < 1:
            raise ValueError(f"the scale is a whole number from 1, not {self.scale}")

    def tables(self) -> Iterator[tuple[Table, pa.Table]]:
        """Each source table with its rows, one after the other: only one table's text is in memory.

        The model table carries the identity counter, ahead of the highest id. Columns are in the
        table's order and in the forms of ``sandbox/results.py``, computed ones included; rows
        are in the order of their ids.
        """
        world = World(self.scale, self.seed)
        migrated = read_schema("target").keys() - {"alembic_version"}
        migrated_row_count = 0
        for make in _MAKERS:
            rows = make(world)
            if rows.table.name.name in migrated:
                migrated_row_count += len(rows)
            yield _finish(rows)
        a_few = int(world.generator("remaining").integers(5, 60))
        remaining = ROWS_PER_SCALE * self.scale - migrated_row_count + a_few
        yield _finish(bookkeeping.make_inventory_transactions(world, remaining))


def _finish(rows: Rows) -> tuple[Table, pa.Table]:
    fill_by_meaning(rows)
    set_traps(rows)
    finished = rows.describe_table(), rows.to_arrow()
    if rows.table.name.name not in _REFERRED_TEXT:
        rows.forget_text()
    return finished
