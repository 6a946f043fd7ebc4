"""The two ledgers: stock movements, and the general ledger that only the source has.

The stock ledger is the largest table: it takes what the others leave of the rows that the scale
asks for.
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from blb_migration.sandbox.erp import words
from blb_migration.sandbox.erp.draws import chance, code_by_year, digits, draw, draw_codes, join, pick
from blb_migration.sandbox.erp.erp_rows import Rows
from blb_migration.sandbox.erp.moments import NOW, later, spread, to_days, to_years
from blb_migration.sandbox.erp.physical import Decimals
from blb_migration.sandbox.erp.world import World

_RECEIPT, _CONSUMPTION, _SHIPMENT, _ADJUSTMENT, _TRANSFER, _SCRAP = range(6)
_TYPES = ("receipt", "consumption", "shipment", "adjustment", "transfer", "scrap")
_REFERENCES = ("purchase_order", "production_order", "sales_order", None, None, "production_order")
_WEIGHTS = (12, 40, 25, 8, 10, 5)
_ACCOUNTS = (  # code, name, type, parent
    ("1010", "Checking", "asset", "1000"),
    ("1000", "Assets", "asset", None),
    ("1200", "Accounts Receivable", "asset", "1000"),
    ("1300", "Inventory - Raw Materials", "asset", "1000"),
    ("1320", "Inventory - Finished Goods", "asset", "1000"),
    ("2000", "Liabilities", "liability", None),
    ("2010", "Accounts Payable", "liability", "2000"),
    ("2200", "Sales Tax Payable", "liability", "2000"),
    ("3000", "Owner's Equity", "equity", None),
    ("4000", "Sales", "revenue", None),
    ("4010", "Sales - 3D Prints", "revenue", "4000"),
    ("5000", "Cost of Goods Sold", "expense", None),
    ("5010", "Filament", "expense", "5000"),
    ("6100", "Électricité & Rent", "expense", None),
)


def make_inventory_transactions(world: World, remaining: int) -> Rows:
    """``remaining`` movements: received, consumed, shipped, counted, moved, scrapped."""
    rows = world.start("inventory_transactions", remaining)
    rng, count, products = rows.rng, len(rows), world["products"]
    kind = draw_codes(rng, len(_TYPES), count, _WEIGHTS)
    bought = np.flatnonzero(~products["has_bom"])
    goods = np.flatnonzero(products["has_bom"])
    is_good = (kind == _SHIPMENT) | ((kind == _TRANSFER) & chance(rng, count, 0.5))
    product = np.where(is_good, rng.choice(goods, count), rng.choice(bought, count))
    is_weighed = products["is_raw_material"][product]
    amount = np.where(is_weighed, rng.integers(20, 25_000, count), rng.integers(1, 60, count) * 10_000)
    sign = np.select(
        [kind == _RECEIPT, np.isin(kind, (_CONSUMPTION, _SHIPMENT, _SCRAP))],
        [1, -1],
        rng.choice([-1, 1], count),
    )
    quantity = np.where((kind == _ADJUSTMENT) & chance(rng, count, 0.05), 0, amount * sign)
    cost = products["cost"][product]
    has_no_cost = chance(rng, count, 0.08)
    rows.put(product_id=products.ids[product], transaction_type=pick(_TYPES, kind))
    rows.put(location_id=rng.choice(world["inventory_locations"].ids, count))
    rows.put(quantity=Decimals(quantity, 4))
    rows.put(cost_per_unit=Decimals(cost, 4), total_cost=Decimals(quantity * cost, 8), null=has_no_cost)
    rows.put(reference_type=pick(_REFERENCES, kind))
    references = [
        rng.choice(world[table].ids, count)
        for table in ("purchase_orders", "production_orders", "sales_orders")
    ]
    has_none = np.isin(kind, (_ADJUSTMENT, _TRANSFER))
    rows.put(reference_id=np.choose(np.array([0, 1, 2, 0, 0, 1])[kind], references), null=has_none)
    rows.put(created_at=spread(rng, count), created_by=draw(rng, (*words.STAFF_NAMES, None), count))
    lots = join("LOT-2025-", digits(rng.integers(1, 400, count), 4))
    serials = join(
        "BLB-20250", digits(rng.integers(100, 1_000, count)), "-", digits(rng.integers(1, 9_999, count), 6)
    )
    rows.put(serial_number=serials, null=(kind != _SHIPMENT) | ~chance(rng, count, 0.1))
    rows.put(lot_number=lots, null=~is_weighed | chance(rng, count, 0.3))
    return rows


def make_accounts(world: World) -> Rows:
    """Make the chart of accounts; some accounts come before the one they belong to."""
    rows = world.start("accounts", len(_ACCOUNTS))
    codes, names, types, parents = (list(column) for column in zip(*_ACCOUNTS, strict=True))
    rows.put(code=pa.array(codes), name=pa.array(names), type=pa.array(types))
    parent = np.array([codes.index(code) if code else 0 for code in parents])
    rows.put(parent_id=rows.ids[parent], null=np.array([code is None for code in parents]))
    rows.put(balance=Decimals(rows.rng.integers(-900_000, 9_000_000, len(rows)) * 100, 4))
    return rows


def make_journal_entries(world: World) -> Rows:
    """Entries by day; the last few are drafts that nobody has posted."""
    rows = world.start("journal_entries", world.count("journal_entries"))
    rng, count = rows.rng, len(rows)
    created = spread(rng, count)
    is_draft = chance(rng, count, 0.1)
    posted = np.minimum(later(rng, created, 1, 100), NOW)
    rows.put(code=code_by_year("JE", to_years(created)), entry_date=to_days(created), created_at=created)
    rows.put(status=pick(("posted", "draft"), is_draft.astype(np.int64)), reference_type="sales_order")
    rows.put(reference_id=rng.choice(world["sales_orders"].ids, count), null=chance(rng, count, 0.2))
    rows.put(posted_at=posted, posted_by=draw(rng, words.STAFF_NAMES, count), null=is_draft)
    return rows


def make_journal_lines(world: World) -> Rows:
    """Two lines per entry, a debit and the credit that balances it."""
    entries, accounts = world["journal_entries"], world["accounts"].ids
    rows = world.start("journal_lines", 2 * len(entries))
    entry, is_credit = np.divmod(np.arange(len(rows)), 2)
    amount = rows.rng.integers(100, 900_000, len(entries))[entry] * 100
    rows.put(journal_entry_id=entries.ids[entry])
    rows.put(
        account_id=accounts[
            (rows.rng.integers(0, len(accounts), len(rows)) // 2 * 2 + is_credit) % len(accounts)
        ]
    )
    rows.put(debit=Decimals(np.where(is_credit == 0, amount, 0), 4))
    rows.put(credit=Decimals(np.where(is_credit == 1, amount, 0), 4))
    return rows
