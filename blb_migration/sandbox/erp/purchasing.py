"""What is bought: vendors, purchase orders with lines, received lots, and what MRP plans."""

from __future__ import annotations

import numpy as np

from blb_migration.sandbox.erp import words
from blb_migration.sandbox.erp.draws import (
    chance,
    code_by_year,
    digits,
    draw,
    draw_codes,
    join,
    pick,
    round_half_up,
    tokens,
)
from blb_migration.sandbox.erp.erp_rows import Rows
from blb_migration.sandbox.erp.moments import (
    HOUR,
    NOW,
    has_come,
    hold_some_back,
    later,
    moment,
    spread,
    to_days,
    to_years,
)
from blb_migration.sandbox.erp.people import staff_ids
from blb_migration.sandbox.erp.physical import MICROSECONDS_PER_DAY, Decimals
from blb_migration.sandbox.erp.world import World

DRAFT, ORDERED, SHIPPED, RECEIVED, CANCELLED = range(5)
_STATUSES = ("draft", "ordered", "shipped", "received", "cancelled")
_DAY = 24 * HOUR
_NEVER = moment(9999, 12, 31) // MICROSECONDS_PER_DAY


def make_vendors(world: World) -> Rows:
    """Vendors; at larger scales a vendor's branches follow."""
    rows = world.start("vendors", world.count("vendors"))
    rng, count = rows.rng, len(rows)
    known = np.arange(count)
    branch = [f" ({n + 1})" if n else "" for n in range(count // len(words.VENDORS) + 1)]
    rows.put(code=join("VND-", digits(known + 1, 3)))
    rows.put(
        name=join(pick(words.VENDORS, known % len(words.VENDORS)), pick(branch, known // len(words.VENDORS)))
    )
    rows.put(rating=Decimals(rng.integers(250, 501, count), 2), null=chance(rng, count, 0.2))
    rows.put(
        payment_terms=draw(rng, words.TERMS, count), created_at=spread(rng, count, end=moment(2024, 6, 1))
    )
    rows.put(is_active=chance(rng, count, 0.92))
    return rows


def make_mrp_runs(world: World) -> Rows:
    """Nightly planning runs of this year."""
    rows = world.start("mrp_runs", world.count("mrp_runs"))
    rng, count = rows.rng, len(rows)
    status = draw_codes(rng, 3, count, (16, 2, 1))
    run = spread(rng, count, start=moment(2025, 1, 6))
    processed = rng.integers(3, 60, count)
    shortages = processed * rng.integers(0, 40, count) // 100
    rows.put(status=pick(("completed", "failed", "cancelled"), status), run_date=run)
    rows.put(orders_processed=processed, components_analyzed=processed * 4, shortages_found=shortages)
    rows.put(planned_orders_created=shortages, completed_at=run + 42_123_456, null=status > 0)
    rows.put(planning_horizon_days=rng.choice([14, 30, 90], count), error_message=None)
    rows.put(error_message="KeyError: 'qty_on_order' in explode_bom()", null=status != 1)
    rows.put(created_by=rng.choice(staff_ids(world), count), null=chance(rng, count, 0.5))
    return rows


def make_purchase_orders(world: World) -> Rows:
    """Money first: its lines are planned here, so that they add up to the order's subtotal."""
    rows = world.start("purchase_orders", world.count("purchase_orders"))
    rng, count = rows.rng, len(rows)
    created = spread(rng, count)
    shipped, lead_time = later(rng, created, 20, 120), rng.uniform(72, 400, count)
    received = shipped + (lead_time * HOUR).astype(np.int64)
    status = np.select([has_come(received), has_come(shipped)], [RECEIVED, SHIPPED], ORDERED)
    status = hold_some_back(rng, status, created, days=120, share=0.5)
    status = np.where(chance(rng, count, 0.05), CANCELLED, status)
    is_shipped, is_received = np.isin(status, (SHIPPED, RECEIVED)), status == RECEIVED
    rows.put(
        vendor_id=rng.choice(world["vendors"].ids, count), po_number=code_by_year("PO", to_years(created))
    )
    rows.put(status=pick(_STATUSES, status), created_at=created)
    rows.put(updated_at=np.where(is_received, received, np.where(is_shipped, shipped, created)))
    rows.put(order_date=to_days(created), null=status == DRAFT)
    rows.put(expected_date=to_days(created) + 14, null=chance(rng, count, 0.1))
    rows.put(shipped_date=to_days(shipped), carrier=draw(rng, words.CARRIERS, count), null=~is_shipped)
    rows.put(tracking_number=join("1Z", tokens(rng, count, 16, b"0123456789ABCDEFGH")), null=~is_shipped)
    rows.put(received_date=to_days(received), null=~is_received)
    world.facts.update({"purchase_orders.status": status, "purchase_orders.received": received})
    _plan_lines(world, rows)
    return rows


def _plan_lines(world: World, orders: Rows) -> None:
    rng, products = world.generator("purchase_order_lines.shape"), world["products"]
    bought = np.flatnonzero(~products["has_bom"])
    order = np.repeat(np.arange(len(orders)), 1 + draw_codes(rng, 5, len(orders), (3, 4, 3, 2, 1)))
    product = rng.choice(bought, len(order))
    quantity = rng.choice([1, 2, 4, 5, 10, 12, 25], len(order)) * np.where(
        products["is_raw_material"][product], 1, 40
    )
    unit_cost = products["cost"][product]  # in 1/10,000
    line_total = round_half_up(quantity * unit_cost, 100) * 100  # billed in whole cents
    subtotal = np.bincount(order, line_total, len(orders)).astype(np.int64)
    tax = round_half_up(subtotal * orders.rng.choice([0, 0, 7], len(orders)), 10_000) * 100
    shipping = orders.rng.choice([0, 0, 1_295, 2_450], len(orders)) * 100
    orders.put(
        subtotal=Decimals(subtotal, 4), tax_amount=Decimals(tax, 4), shipping_cost=Decimals(shipping, 4)
    )
    orders.put(total_amount=Decimals(subtotal + tax + shipping, 4))
    world.facts.update({"po_lines.order": order, "po_lines.product": product, "po_lines.quantity": quantity})
    world.facts.update({"po_lines.unit_cost": unit_cost, "po_lines.total": line_total})


def make_purchase_order_lines(world: World) -> Rows:
    """Make the lines planned with the orders; received in full, or one short."""
    orders, facts = world["purchase_orders"], world.facts
    order, quantity = facts["po_lines.order"], facts["po_lines.quantity"]
    rows = world.start("purchase_order_lines", len(order))
    line_number = np.arange(len(order)) - np.searchsorted(order, order, side="left") + 1
    is_received = facts["purchase_orders.status"][order] == RECEIVED
    received = np.where(is_received, quantity, 0) - (is_received & chance(rows.rng, len(rows), 0.04))
    rows.put(purchase_order_id=orders.ids[order], product_id=world["products"].ids[facts["po_lines.product"]])
    rows.put(line_number=line_number, quantity_ordered=Decimals(quantity, 0))
    rows.put(quantity_received=Decimals(received, 0), unit_cost=Decimals(facts["po_lines.unit_cost"], 4))
    rows.put(line_total=Decimals(facts["po_lines.total"], 4))
    rows.put(created_at=orders["created_at"][order], updated_at=orders["updated_at"][order])
    return rows


def make_material_lots(world: World) -> Rows:
    """One lot per received line of filament, by the day it came in."""
    orders, facts, products = world["purchase_orders"], world.facts, world["products"]
    order, product = facts["po_lines.order"], facts["po_lines.product"]
    is_lot = products["is_raw_material"][product] & (facts["purchase_orders.status"][order] == RECEIVED)
    line = np.flatnonzero(is_lot)
    line = line[np.argsort(facts["purchase_orders.received"][order[line]], kind="stable")]
    order, product = order[line], product[line]
    received = facts["purchase_orders.received"][order]
    rows = world.start("material_lots", len(line))
    rng, count = rows.rng, len(rows)
    quantity = facts["po_lines.quantity"][line] * 10_000
    consumed = quantity * rng.integers(0, 11, count) // 10
    status = np.where(consumed == quantity, 1, np.where(chance(rng, count, 0.04), 2, 0))
    day = to_days(received)
    expires = day + 730
    expires[chance(rng, count, 0.03)] = _NEVER
    rows.put(lot_number=code_by_year("LOT", to_years(received)), product_id=products.ids[product])
    rows.put(
        vendor_id=orders["vendor_id"][order],
        purchase_order_id=orders.ids[order],
        null=chance(rng, count, 0.1),
    )
    rows.put(quantity_received=Decimals(quantity, 4), quantity_consumed=Decimals(consumed, 4))
    rows.put(quantity_scrapped=Decimals(np.where(status == 2, quantity - consumed, 0), 4))
    rows.put(quantity_adjusted=Decimals(rng.integers(-3, 2, count) * chance(rng, count, 0.1) * 125, 4))
    rows.put(status=pick(("active", "depleted", "quarantine"), status), received_date=day)
    rows.put(expiration_date=expires, manufactured_date=day - 60, null=chance(rng, count, 0.3))
    rows.put(inspection_status=draw(rng, ("passed", "pending", "waived"), count, (8, 1, 1)))
    rows.put(
        unit_cost=Decimals(facts["po_lines.unit_cost"][line], 4), created_at=received, updated_at=received
    )
    rows.put(vendor_lot_number=join("V", tokens(rng, count, 10, b"0123456789")), null=chance(rng, count, 0.4))
    return rows


def make_planned_orders(world: World) -> Rows:
    """Purchases and productions that MRP proposes; the released ones name what they became."""
    rows = world.start("planned_orders", world.count("planned_orders"))
    rng, count, products = rows.rng, len(rows), world["products"]
    is_made = chance(rng, count, 0.5)
    goods, bought = np.flatnonzero(products["has_bom"]), np.flatnonzero(~products["has_bom"])
    product = np.where(is_made, rng.choice(goods, count), rng.choice(bought, count))
    status = draw_codes(rng, 4, count, (5, 3, 6, 2))
    created = spread(rng, count, start=moment(2025, 1, 6))
    firmed, released = later(rng, created, 1, 50), later(rng, created, 60, 100)
    is_released = (status == 2) & has_come(released)
    status = np.where((status == 2) & ~is_released, 0, status)
    rows.put(order_type=pick(("purchase", "production"), is_made.astype(np.int64)))
    rows.put(product_id=products.ids[product], quantity=Decimals(rng.integers(1, 400, count) * 2_500, 4))
    rows.put(start_date=to_days(created) + 2, due_date=to_days(created) + rng.integers(3, 40, count))
    rows.put(status=pick(("planned", "firmed", "released", "cancelled"), status), created_at=created)
    rows.put(mrp_run_id=rng.choice(world["mrp_runs"].ids, count), null=chance(rng, count, 0.1))
    rows.put(source_demand_type=draw(rng, ("sales_order", "reorder_point", "forecast"), count))
    rows.put(source_demand_id=rng.choice(world["sales_orders"].ids, count), null=chance(rng, count, 0.4))
    rows.put(converted_to_po_id=rng.choice(world["purchase_orders"].ids, count), null=~is_released | is_made)
    rows.put(
        converted_to_mo_id=rng.choice(world["production_orders"].ids, count), null=~is_released | ~is_made
    )
    rows.put(firmed_at=np.minimum(firmed, NOW), null=(status == 0) | (status == 3))
    rows.put(released_at=np.minimum(released, NOW), null=~is_released)
    rows.put(created_by=rng.choice(staff_ids(world), count), null=chance(rng, count, 0.6))
    rows.put(updated_at=np.minimum(released, NOW), null=status == 0)
    return rows
