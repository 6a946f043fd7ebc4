"""How goods are made: bills of materials with their lines, routings with their operations.

Each good has one active bill of materials and one active routing, so that a production order can
be made of it; some have an older version of each.
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from blb_migration.sandbox.erp.draws import chance, digits, draw_codes, join, pick, round_half_up
from blb_migration.sandbox.erp.erp_rows import Rows
from blb_migration.sandbox.erp.moments import moment, spread, to_days
from blb_migration.sandbox.erp.physical import BoolArray, Decimals, IntArray
from blb_migration.sandbox.erp.world import World

_OPERATIONS = ("PRINT", "POST", "ASSY", "QC", "PACK")
_OPERATION_NAMES = ("3D Print", "Remove supports, sand", "Assemble", "Inspect", "Pack")
_OPERATION_CENTER = np.array([0, 2, 3, 4, 5])  # positions in farm_words.WORK_CENTERS
_OPERATION_SHARES = np.array([1.0, 0.6, 0.35, 0.8, 1.0])
_TEMPLATES = 3


def make_boms(world: World) -> Rows:
    """Bills of materials, the older version of a good before its active one."""
    goods, version, active = _draw_versions(world, "boms", 0.2)
    rows = world.start("boms", len(goods))
    sku = _skus(world).take(pa.array(goods))
    rows.put(product_id=world["products"].ids[goods], version=version, active=active)
    rows.put(code=join("BOM-", sku, "-V", digits(version)), revision=join(digits(version), ".0"))
    rows.put(name=join("BOM for ", sku), created_at=spread(rows.rng, len(rows), end=moment(2025, 3, 1)))
    rows.put(effective_date=to_days(rows["created_at"]), null=chance(rows.rng, len(rows), 0.4))
    _plan_bom_lines(world, rows, goods)
    rows.put(assembly_time_minutes=rows.rng.integers(1, 30, len(rows)), null=chance(rows.rng, len(rows), 0.5))
    return rows


def _plan_bom_lines(world: World, boms: Rows, goods: IntArray) -> None:
    """Plan what each bill holds, and its cost: filament, maybe a second, box, label, maybe hardware."""
    products = world["products"]
    rng = world.generator("bom_lines.shape")
    filaments = np.flatnonzero(products["is_raw_material"])
    supplies = np.flatnonzero(~products["is_raw_material"] & ~products["has_bom"])
    first = filaments[goods % len(filaments)]
    second = np.where(chance(rng, len(boms), 0.25), rng.choice(filaments, len(boms)), -1)
    box, label = supplies[goods % 4], np.full(len(boms), supplies[4])
    hardware = np.where(chance(rng, len(boms), 0.4), supplies[6 + draw_codes(rng, 6, len(boms))], -1)
    slots = np.stack([first, np.where(second == first, -1, second), box, label, hardware], axis=1)
    bom, slot = np.nonzero(slots >= 0)
    component = slots[bom, slot]
    grams = world.facts["products.grams"][goods[bom]]
    of_filament = np.where(slot == 1, grams * 2, grams * 10 + rng.integers(0, 10, len(bom)))
    of_pieces = np.where(slot == 4, rng.integers(1, 9, len(bom)), 1) * 10_000
    quantity = np.where(slot < 2, of_filament, of_pieces)  # kilograms or pieces, in 1/10,000
    cost = np.bincount(bom, round_half_up(quantity * products["cost"][component], 10_000), len(boms))
    boms.put(total_cost=Decimals(cost.astype(np.int64), 4))
    world.facts.update({"bom_lines.bom": bom, "bom_lines.slot": slot})
    world.facts.update({"bom_lines.component": component, "bom_lines.quantity": quantity})


def make_bom_lines(world: World) -> Rows:
    """Filament in kilograms, the rest in pieces; the label counts for its cost only."""
    bom, slot = world.facts["bom_lines.bom"], world.facts["bom_lines.slot"]
    rows = world.start("bom_lines", len(bom))
    rows.put(bom_id=world["boms"].ids[bom], is_cost_only=slot == 3)
    rows.put(sequence=slot * 10 + 10, null=chance(rows.rng, len(rows), 0.05))
    rows.put(component_id=world["products"].ids[world.facts["bom_lines.component"]])
    rows.put(quantity=Decimals(world.facts["bom_lines.quantity"], 4))
    rows.put(unit=pick(("EA", "KG"), (slot < 2).astype(np.int64)))
    is_for_shipping = (slot == 2) | (slot == 3)
    rows.put(consume_stage=pick(("production", "shipping"), is_for_shipping.astype(np.int64)))
    rows.put(scrap_factor=Decimals(np.where(slot < 2, rows.rng.integers(0, 20, len(rows)) * 25, 0), 2))
    return rows


def make_routings(world: World) -> Rows:
    """One or two per good, and a few templates that belong to no product."""
    goods, version, active = _draw_versions(world, "routings", 0.15)
    rows = world.start("routings", len(goods) + _TEMPLATES)
    is_template = np.arange(len(rows)) >= len(goods)
    padded = np.concatenate([goods, np.full(_TEMPLATES, goods[0])])
    rows.put(product_id=world["products"].ids[padded], null=is_template)
    sku = _skus(world).take(pa.array(padded))
    version = np.concatenate([version, np.ones(_TEMPLATES, dtype=np.int64)])
    template_number = digits(np.cumsum(is_template))
    rows.put(version=version, revision=join(digits(version), ".0"), is_template=is_template)
    rows.put(is_active=np.concatenate([active, np.ones(_TEMPLATES, dtype=bool)]))
    code = _either(is_template, join("TPL-", template_number), join("RTG-", sku, "-V", digits(version)))
    rows.put(code=code, name=_either(is_template, join("Template ", template_number), join("Make ", sku)))
    rows.put(created_at=spread(rows.rng, len(rows), end=moment(2025, 3, 1)))
    _plan_operations(world, rows, padded)
    return rows


def _plan_operations(world: World, routings: Rows, goods: IntArray) -> None:
    """Which operations each routing has, and the routing's totals over them."""
    rng = world.generator("routing_operations.shape")
    has = rng.random((len(routings), len(_OPERATIONS))) < _OPERATION_SHARES
    routing, step = np.nonzero(has)
    minutes = world.facts["products.print_minutes"][goods[routing]] * 100
    run = np.where(step == 0, minutes, rng.integers(100, 1_800, len(step)))
    setup = np.where(step == 0, 700, rng.integers(0, 4, len(step)) * 125)
    world.facts.update({"operations.routing": routing, "operations.step": step})
    world.facts.update({"operations.run": run, "operations.setup": setup})
    totals = [np.bincount(routing, values, len(routings)).astype(np.int64) for values in (setup, run)]
    routings.put(
        total_setup_time_minutes=Decimals(totals[0], 2), total_run_time_minutes=Decimals(totals[1], 2)
    )
    routings.put(total_cost=Decimals(totals[1] * 31 + 1, 4), null=routings["is_template"])


def make_routing_operations(world: World) -> Rows:
    """In sequence; every eighth routing was entered back to front, so predecessors have higher ids."""
    routing, step = world.facts["operations.routing"], world.facts["operations.step"]
    ids = world.reserve("routing_operations", len(routing))
    order = np.lexsort((np.where(routing % 8 == 7, -step, step), routing))
    numbers = np.empty_like(ids)
    numbers[order] = ids
    rows = world.start("routing_operations", ids=numbers)
    is_first = np.concatenate([[True], routing[1:] != routing[:-1]])
    rows.put(routing_id=world["routings"].ids[routing], sequence=step * 10 + 10)
    rows.put(predecessor_operation_id=np.where(is_first, 0, np.roll(numbers, 1)), null=is_first)
    rows.put(work_center_id=world["work_centers"].ids[_OPERATION_CENTER[step]])
    rows.put(operation_code=pick(_OPERATIONS, step), operation_name=pick(_OPERATION_NAMES, step))
    rows.put(setup_time_minutes=Decimals(world.facts["operations.setup"], 2))
    rows.put(run_time_minutes=Decimals(world.facts["operations.run"], 2))
    rows.put(runtime_source=pick(("slicer", "manual"), (step > 0).astype(np.int64)))
    path = join("/slices/", digits(routing, 4), "/plate_1.gcode.3mf")
    rows.put(slicer_file_path=path, null=step > 0)
    rows.put(scrap_rate_percent=Decimals(np.where(step == 0, rows.rng.integers(0, 8, len(rows)) * 50, 0), 2))
    rows.put(created_at=world["routings"]["created_at"][routing])
    return rows


def _either(condition: BoolArray, if_true: pa.Array, if_false: pa.Array) -> pa.Array:
    """Row by row one text or the other."""
    return pc.if_else(pa.array(condition), if_true, if_false)


def _draw_versions(world: World, table: str, share: float) -> tuple[IntArray, IntArray, BoolArray]:
    """Goods by position in products, their version, and whether it is the active, last one."""
    goods = np.flatnonzero(world["products"]["has_bom"])
    twice = chance(world.generator(f"{table}.versions"), len(goods), share)
    position = np.repeat(goods, 1 + twice)
    is_second = np.concatenate([[False], position[1:] == position[:-1]])
    is_last = np.concatenate([position[1:] != position[:-1], [True]])
    return position, 1 + is_second.astype(np.int64), is_last


def _skus(world: World) -> pa.Array:
    skus = world["products"]["sku"]
    assert isinstance(skus, pa.Array)
    return skus
