"""What the shop floor records of production: print jobs, serial numbers, consumed lots."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from blb_migration.sandbox.erp.draws import (
    chance,
    digits,
    draw,
    draw_codes,
    join,
    pick,
    round_half_up,
    tokens,
)
from blb_migration.sandbox.erp.erp_rows import Rows
from blb_migration.sandbox.erp.moments import NOW, later, to_calendar_numbers
from blb_migration.sandbox.erp.physical import Decimals
from blb_migration.sandbox.erp.production import COMPLETE, IN_PROGRESS
from blb_migration.sandbox.erp.quotes import goods_of
from blb_migration.sandbox.erp.world import World

_MOST_SERIALS_PER_ORDER = 3


def make_print_jobs(world: World) -> Rows:
    """One per started order, for some a second; a few calibration prints belong to no order."""
    orders, facts = world["production_orders"], world.facts
    started = np.flatnonzero(facts["mo.stage"] >= IN_PROGRESS)
    order = np.repeat(started, 1 + chance(world.generator("print_jobs.second"), len(started), 0.1))
    rows = world.start("print_jobs", len(order))
    rng, count = rows.rng, len(rows)
    is_over, start, end = (
        facts["mo.stage"][order] >= COMPLETE,
        orders["actual_start"][order],
        orders["actual_end"][order],
    )
    rows.put(production_order_id=orders.ids[order], null=chance(rng, count, 0.03))
    rows.put(printer_id=rng.choice(world["printers"].ids, count), null=chance(rng, count, 0.05))
    ended = pick(("completed", "failed"), chance(rng, count, 0.06).astype(np.int64))
    rows.put(
        status=pc.if_else(
            pa.array(is_over), ended, draw(rng, ("printing", "queued", "paused"), count, (6, 3, 1))
        )
    )
    path = join("/gcode/", digits(orders.ids[order], 6), "_plate_1.gcode.3mf")
    rows.put(gcode_file=path, null=chance(rng, count, 0.05))
    estimate = orders["estimated_time_minutes"][order]
    rows.put(estimated_time_minutes=estimate)
    rows.put(actual_time_minutes=round_half_up(estimate * rng.integers(90, 118, count), 100), null=~is_over)
    grams = (
        facts["products.grams"][goods_of(world)[facts["mo.good"][order]]] * orders["quantity_ordered"][order]
    )
    planned = grams * 10_000 + rng.integers(0, 10_000, count)
    variance = rng.integers(-600, 1_500, count)
    rows.put(estimated_material_grams=Decimals(planned, 4), null=chance(rng, count, 0.05))
    rows.put(
        actual_material_grams=Decimals(round_half_up(planned * (10_000 + variance), 10_000), 4), null=~is_over
    )
    rows.put(variance_percent=Decimals(variance, 2), null=~is_over)
    rows.put(queued_at=orders["released_at"][order], started_at=start)
    rows.put(finished_at=end, null=~is_over)
    return rows


def make_serial_numbers(world: World) -> Rows:
    """For goods that are tracked piece by piece, the first few pieces of each finished order."""
    orders, facts, products = world["production_orders"], world.facts, world["products"]
    product = goods_of(world)[facts["mo.good"]]
    is_tracked = products["track_serials"][product] & (facts["mo.stage"] == COMPLETE)
    pieces = np.where(is_tracked, np.minimum(facts["mo.done"], _MOST_SERIALS_PER_ORDER), 0)
    order = np.repeat(np.arange(len(orders)), pieces)
    rows = world.start("serial_numbers", len(order))
    rng, count, made = rows.rng, len(rows), orders["actual_end"][order]
    rows.put(
        serial_number=join("BLB-", digits(to_calendar_numbers(made)), "-", digits(rows.ids, 6)),
        product_id=orders["product_id"][order],
    )
    rows.put(production_order_id=orders.ids[order], manufactured_at=made, created_at=made)
    for_sale = ~orders.is_null("sales_order_id")[order]
    status = np.where(for_sale, draw_codes(rng, 3, count, (2, 10, 1)), 0)
    sold = np.minimum(later(rng, made, 1, 90), NOW)
    rows.put(status=pick(("manufactured", "sold", "returned"), status), qc_passed=chance(rng, count, 0.98))
    rows.put(qc_date=made, null=chance(rng, count, 0.2))
    for column in ("sales_order_id", "sales_order_line_id"):
        rows.put(**{column: orders[column][order]}, null=status == 0)
    tracking = join("9400", tokens(rng, count, 18, b"0123456789"))
    rows.put(sold_at=sold, shipped_at=sold, tracking_number=tracking, null=status == 0)
    rows.put(returned_at=np.minimum(later(rng, sold, 100, 500), NOW), null=status != 2)
    rows.put(
        return_reason=draw(rng, ("Does not fit", "Broke after a week", "色が違う"), count), null=status != 2
    )
    return rows


def make_production_lot_consumptions(world: World) -> Rows:
    """Which lot's filament went into which order, by the order's bill of materials."""
    orders, facts = world["production_orders"], world.facts
    lines, lots, rng = world["bom_lines"], world["material_lots"], world.generator("consumption.shape")
    started = np.flatnonzero((facts["mo.stage"] >= IN_PROGRESS) & ~orders.is_null("bom_id"))
    first_line = np.searchsorted(
        lines["bom_id"], orders["bom_id"][started]
    )  # a bill starts with its filament
    by_product = np.argsort(lots["product_id"], kind="stable")
    sorted_products = lots["product_id"][by_product]
    low = np.searchsorted(sorted_products, lines["component_id"][first_line], side="left")
    high = np.searchsorted(sorted_products, lines["component_id"][first_line], side="right")
    is_in_stock = high > low
    lot = by_product[np.where(is_in_stock, low + (rng.random(len(low)) * (high - low)).astype(np.int64), 0)]
    order, line, lot = started[is_in_stock], first_line[is_in_stock], lot[is_in_stock]
    rows = world.start("production_lot_consumptions", len(order))
    pieces = np.maximum(facts["mo.done"][order] + facts["mo.lost"][order], 1)
    rows.put(production_order_id=orders.ids[order], material_lot_id=lots.ids[lot])
    rows.put(
        quantity_consumed=Decimals(lines["quantity"][line] * pieces, 4),
        consumed_at=orders["actual_start"][order],
    )
    rows.put(bom_line_id=lines.ids[line], null=chance(rows.rng, len(rows), 0.1))
    serials = world["serial_numbers"]
    match = np.searchsorted(serials["production_order_id"], orders.ids[order])
    clipped = np.minimum(match, len(serials) - 1)
    is_match = serials["production_order_id"][clipped] == orders.ids[order]
    rows.put(serial_number_id=serials.ids[clipped], null=~is_match)
    return rows
