"""What is made: production orders with their progress, costs and operations."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from blb_migration.sandbox.erp import words
from blb_migration.sandbox.erp.draws import (
    chance,
    code_by_year,
    draw,
    draw_codes,
    pick,
    round_half_up,
    tokens,
)
from blb_migration.sandbox.erp.erp_rows import Rows
from blb_migration.sandbox.erp.moments import (
    NOW,
    has_come,
    hold_some_back,
    later,
    spread,
    to_days,
    to_years,
)
from blb_migration.sandbox.erp.orders import CANCELLED, PENDING
from blb_migration.sandbox.erp.people import staff_ids
from blb_migration.sandbox.erp.physical import BoolArray, Decimals, IntArray
from blb_migration.sandbox.erp.quotes import goods_of
from blb_migration.sandbox.erp.world import World

DRAFT, RELEASED, IN_PROGRESS, COMPLETE, SCRAPPED = range(5)
_STATUSES = ("draft", "released", "in_progress", "complete", "scrapped")
_SHARE_FOR_SALES = 0.75


def make_production_orders(world: World) -> Rows:
    """For the lines of sales orders, and for stock."""
    created, line, good, quantity = _plan_production(world)
    rows = world.start("production_orders", len(created))
    rng, count, facts = rows.rng, len(rows), world.facts
    for_sale = line >= 0
    boms, routings = world["boms"], world["routings"]
    made = world["products"].ids[goods_of(world)[good]]
    rows.put(code=code_by_year("PO", to_years(created)), product_id=made, created_at=created)
    rows.put(bom_id=boms.ids[boms["active"]][good], null=chance(rng, count, 0.01))
    routing = np.flatnonzero(routings["is_active"] & ~routings["is_template"])[good]
    rows.put(routing_id=routings.ids[routing], null=chance(rng, count, 0.01))
    rows.put(sales_order_line_id=world["sales_order_lines"].ids[line], null=~for_sale)
    rows.put(sales_order_id=world["sales_orders"].ids[facts["lines.order"][line]], null=~for_sale)
    rows.put(source=pick(("manual", "sales_order"), for_sale.astype(np.int64)))
    rows.put(quantity_ordered=Decimals(quantity, 0), priority=rng.choice([1, 2, 3, 3, 3, 4, 5], count))
    rows.put(due_date=to_days(created) + rng.integers(3, 25, count), null=chance(rng, count, 0.1))
    facts.update({"mo.good": good, "mo.routing": routing})
    _put_progress(world, rows)
    _put_costs(world, rows)
    _put_relatives(rows, "parent_order_id", 0.05)
    rows.put(split_sequence=1 + rng.integers(0, 3, count), null=rows.is_null("parent_order_id"))
    _put_relatives(rows, "remake_of_id", 0.04)
    return rows


def _plan_production(world: World) -> tuple[IntArray, IntArray, IntArray, IntArray]:
    """Ascending times, the sales order line or -1, the good's number, the quantity."""
    rng, facts, count = (
        world.generator("production_orders.plan"),
        world.facts,
        world.count("production_orders"),
    )
    stage = facts["orders.stage"][facts["lines.order"]]
    wanted = np.flatnonzero((stage != PENDING) & (stage != CANCELLED))
    for_sale = min(len(wanted), int(count * _SHARE_FOR_SALES))
    line = np.concatenate(
        [np.sort(rng.choice(wanted, for_sale, replace=False)), np.full(count - for_sale, -1)]
    )
    confirmed = world["sales_orders"]["confirmed_at"][facts["lines.order"][line]]
    created = np.where(line >= 0, np.minimum(later(rng, confirmed, 0, 8), NOW), spread(rng, count))
    in_order = np.argsort(created, kind="stable")
    created, line = created[in_order], line[in_order]
    goods = goods_of(world)
    good = np.where(
        line >= 0, np.searchsorted(goods, facts["lines.product"][line]), rng.integers(0, len(goods), count)
    )
    quantity = np.where(line >= 0, facts["lines.quantity"][line], rng.choice([5, 10, 20, 50], count))
    return created, line, good, quantity


def _put_progress(world: World, rows: Rows) -> None:
    rng, count, created = rows.rng, len(rows), rows["created_at"]
    quantity = rows["quantity_ordered"]
    released = later(rng, created, 0, 24)
    started = later(rng, released, 0, 48)
    ended = later(rng, started, 1, 72)
    stage = sum(has_come(times).astype(np.int64) for times in (released, started, ended)) * np.ones(
        1, np.int64
    )
    stage = hold_some_back(rng, stage, created, days=120, share=0.45)
    stage = np.where((stage == COMPLETE) & chance(rng, count, 0.03), SCRAPPED, stage)
    is_over, is_scrapped = stage >= COMPLETE, stage == SCRAPPED
    lost = np.where(
        is_over & chance(rng, count, 0.12), np.minimum(quantity - 1, rng.integers(1, 3, count)), 0
    )
    lost = np.where(is_scrapped, quantity, lost)
    part_done = quantity * rng.integers(0, 100, count) // 100
    done = np.select([stage == COMPLETE, stage == IN_PROGRESS], [quantity - lost, part_done], 0)
    rows.put(quantity_completed=Decimals(done, 0), quantity_scrapped=Decimals(lost, 0))
    rows.put(status=pick(_STATUSES, stage))
    rows.put(released_at=released, null=stage < RELEASED)
    rows.put(scheduled_start=started, scheduled_end=ended, null=stage < RELEASED)
    rows.put(actual_start=started, null=stage < IN_PROGRESS)
    rows.put(actual_end=ended, completed_at=ended, null=~is_over)
    rows.put(
        updated_at=np.select(
            [is_over, stage == IN_PROGRESS, stage == RELEASED], [ended, started, released], created
        )
    )
    rows.put(scrap_reason=draw(rng, ("ADHESION", "LAYER_SHIFT", "WARPING", "CLOG"), count), null=lost == 0)
    rows.put(scrapped_at=np.minimum(ended, NOW), null=lost == 0)
    passed = (stage == COMPLETE) & chance(rng, count, 0.7)
    rows.put(qc_status=pick(("not_required", "passed"), passed.astype(np.int64)))
    rows.put(qc_inspected_by=draw(rng, words.STAFF_NAMES, count), qc_inspected_at=ended, null=~passed)
    world.facts.update({"mo.stage": stage, "mo.lost": lost, "mo.done": done})


def _put_costs(world: World, rows: Rows) -> None:
    """Estimates from the bill of materials and the routing; actual costs near them."""
    rng, count, facts = rows.rng, len(rows), world.facts
    products = goods_of(world)[facts["mo.good"]]
    quantity, boms, is_open = rows["quantity_ordered"], world["boms"], facts["mo.stage"] < COMPLETE
    minutes = world.facts["products.print_minutes"][products] * quantity
    material = boms["total_cost"][boms["active"]][facts["mo.good"]] * quantity
    labor = round_half_up(minutes * 10_000, 12)
    unknown = chance(rng, count, 0.04)
    rows.put(estimated_time_minutes=minutes, estimated_material_cost=Decimals(material, 4), null=unknown)
    rows.put(estimated_labor_cost=Decimals(labor, 4), null=unknown)
    rows.put(estimated_total_cost=Decimals(material + labor, 4), null=unknown)
    actual = round_half_up(material * rng.integers(92, 115, count), 100)
    rows.put(actual_time_minutes=round_half_up(minutes * rng.integers(90, 120, count), 100), null=is_open)
    rows.put(actual_material_cost=Decimals(actual, 4), actual_labor_cost=Decimals(labor, 4), null=is_open)
    rows.put(actual_total_cost=Decimals(actual + labor, 4), null=is_open)


def _put_relatives(rows: Rows, column: str, share: float) -> None:
    """Another order nearby, for about ``share`` of the rows: in half the cases a later one."""
    count = len(rows)
    chosen = rows.rng.choice(count, int(count * share), replace=False)
    distance = rows.rng.integers(1, 15, len(chosen)) * np.where(np.arange(len(chosen)) % 2, 1, -1)
    relative, is_chosen = np.zeros(count, dtype=np.int64), np.zeros(count, dtype=bool)
    relative[chosen], is_chosen[chosen] = (chosen + distance) % count, True
    rows.put(**{column: rows.ids[relative]}, null=~is_chosen)


def make_production_order_operations(world: World) -> Rows:
    """Make the operations of each order's routing, copied when the order was made."""
    orders, facts = world["production_orders"], world.facts
    of_routing = np.searchsorted(facts["operations.routing"], np.arange(len(world["routings"]) + 1))
    first, last = of_routing[facts["mo.routing"]], of_routing[facts["mo.routing"] + 1]
    per_order = np.where(facts["mo.stage"] >= RELEASED, last - first, 0)
    order = np.repeat(np.arange(len(orders)), per_order)
    place = np.arange(len(order)) - np.repeat(np.cumsum(per_order) - per_order, per_order)
    operation = first[order] + place
    rows = world.start("production_order_operations", len(order))
    rng, count, template = rows.rng, len(rows), world["routing_operations"]
    stage, step = facts["mo.stage"][order], facts["operations.step"][operation]
    is_printing = step == 0
    rows.put(production_order_id=orders.ids[order])
    rows.put(routing_operation_id=template.ids[operation], null=chance(rng, count, 0.02))
    rows.put(work_center_id=template["work_center_id"][operation], sequence=template["sequence"][operation])
    rows.put(operation_code=template["operation_code"].take(pa.array(operation)))
    rows.put(operation_name=template["operation_name"].take(pa.array(operation)))
    # The target's key points to machines, the source's to resources: numbers that are in both.
    shared = np.intersect1d(world["machines"].ids, world["resources"].ids)
    rows.put(resource_id=rng.choice(shared, count), null=~is_printing)
    is_over, is_running = stage >= COMPLETE, (stage == IN_PROGRESS) & (place == 0)
    rows.put(
        status=pick(("pending", "running", "complete"), np.where(is_over, 2, is_running.astype(np.int64)))
    )
    rows.put(quantity_completed=Decimals(np.where(is_over, facts["mo.done"][order], 0), 0))
    rows.put(quantity_scrapped=Decimals(np.where(is_printing, facts["mo.lost"][order], 0), 0))
    planned = facts["operations.setup"][operation], facts["operations.run"][operation]
    _put_times(rows, orders, order, planned=planned, progress=(is_running, is_over))
    rows.put(
        bambu_task_id=tokens(rng, count, 9, b"0123456789"), bambu_plate_index=1, null=~is_printing | ~is_over
    )
    operator = draw_codes(rng, len(words.STAFF), count)
    rows.put(operator_id=staff_ids(world)[operator], null=is_printing | ~is_over)
    rows.put(operator_name=pick(words.STAFF_NAMES, operator), null=is_printing | ~is_over)
    return rows


def _put_times(
    rows: Rows,
    orders: Rows,
    order: IntArray,
    *,
    planned: tuple[IntArray, IntArray],
    progress: tuple[BoolArray, BoolArray],
) -> None:
    """``planned`` is set-up and run time per piece in 1/100 minutes, ``progress`` running and over."""
    (setup, run), (is_running, is_over) = planned, progress
    quantity = orders["quantity_ordered"][order]
    rows.put(planned_setup_minutes=Decimals(setup, 2), planned_run_minutes=Decimals(run * quantity, 2))
    actual = round_half_up(run * quantity * rows.rng.integers(88, 120, len(rows)), 100)
    rows.put(actual_setup_minutes=Decimals(setup, 2), actual_run_minutes=Decimals(actual, 2), null=~is_over)
    start, end = orders["actual_start"][order], orders["actual_end"][order]
    unscheduled = chance(rows.rng, len(rows), 0.15)
    rows.put(scheduled_start=orders["scheduled_start"][order], null=unscheduled)
    rows.put(scheduled_end=orders["scheduled_end"][order], null=unscheduled)
    rows.put(actual_start=start, null=~(is_over | is_running))
    rows.put(actual_end=end, null=~is_over)
    rows.put(created_at=orders["created_at"][order], updated_at=orders["updated_at"][order])
