"""What is bought and made: products, filament stock, and how much of it is where.

Products are filaments first, then supplies, then finished goods. How goods are made is told in
``recipes.py``.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from blb_migration.sandbox.erp import farm_words as farm
from blb_migration.sandbox.erp.draws import chance, digits, draw_codes, join, pick, round_half_up
from blb_migration.sandbox.erp.erp_rows import Rows
from blb_migration.sandbox.erp.moments import NOW, moment, spread
from blb_migration.sandbox.erp.physical import Decimals, IntArray
from blb_migration.sandbox.erp.world import World

FILAMENT, SUPPLY, GOOD = 0, 1, 2
_STOCKED_FILAMENT_SHARE = 0.4  # of the material colours on offer
_MATERIAL_CATEGORY = {"PLA": "RM-PLA", "PETG": "RM-PETG"}


@dataclass(frozen=True)
class _Kinds:
    """Per product its kind, and its place in each of the word lists (used where the kind fits)."""

    kind: IntArray
    material: IntArray
    supply: IntArray
    good: IntArray


def make_products(world: World) -> Rows:
    """Filaments, supplies, goods; notes grams and print minutes of the goods as facts."""
    pairs = world["material_colors"]
    stocked = np.flatnonzero(chance(world.generator("products.stocked"), len(pairs), _STOCKED_FILAMENT_SHARE))
    counts = (len(stocked), len(farm.SUPPLIES), world.count("goods"))
    rows = world.start("products", sum(counts))
    rng, kind = rows.rng, np.repeat([FILAMENT, SUPPLY, GOOD], counts)
    # A good is printed in the material and colour of one of the stocked filaments.
    good = draw_codes(rng, len(farm.GOODS), len(rows))
    supply = np.clip(np.arange(len(rows)) - counts[0], 0, counts[1] - 1)
    pair = np.where(kind == FILAMENT, np.resize(stocked, len(rows)), rng.choice(stocked, len(rows)))
    material, color = (
        np.searchsorted(world[table].ids, pairs[f"{column}_id"][pair])
        for table, column in (("material_types", "material_type"), ("colors", "color"))
    )
    material_code = pick([code for code, *_ in farm.MATERIALS], material)
    color_code = pick([code for code, *_ in farm.COLORS], color)
    material_name = pick([name for _, name, *_ in farm.MATERIALS], material)
    color_name = pick([name for _, name, *_ in farm.COLORS], color)
    number = digits(np.arange(len(rows)) - counts[0] - counts[1] + 1, 4)
    good_name = pick([name for name, *_ in farm.GOODS], good)
    rows.put(
        sku=_by_kind(
            kind,
            join("MAT-FDM-", material_code, "-", color_code),
            pick([sku for sku, *_ in farm.SUPPLIES], supply),
            join(
                "FG-",
                number,
                "-",
                pick([base for _, _, base, *_ in farm.MATERIALS], material),
                "-",
                color_code,
            ),
        ),
        name=_by_kind(
            kind,
            join(material_name, " Filament 1 kg, ", color_name),
            pick([name for _, name, *_ in farm.SUPPLIES], supply),
            join(good_name, ", ", material_name, ", ", color_name),
        ),
    )
    rows.put(item_type=pick(("material", "supply", "finished_good"), kind), type="standard")
    rows.put(type=pc.if_else(pa.array((kind == GOOD) & (good % 7 == 3)), "custom", "standard"))
    rows.put(procurement_type=pick(("buy", "buy", "make"), kind), unit=pick(("KG", "EA", "EA"), kind))
    _put_category(world, rows, _Kinds(kind, material, supply, good))
    rows.put(material_type_id=world["material_types"].ids[material], null=kind == SUPPLY)
    rows.put(color_id=world["colors"].ids[color], null=kind == SUPPLY)
    _put_prices(world, rows, _Kinds(kind, material, supply, good))
    rows.put(is_raw_material=kind == FILAMENT, has_bom=kind == GOOD, track_lots=kind == FILAMENT)
    rows.put(track_serials=(kind == GOOD) & (good % 4 == 2), active=chance(rng, len(rows), 0.96))
    rows.put(created_at=spread(rng, len(rows), end=moment(2024, 12, 1)))
    rows.put(preferred_vendor_id=rng.choice(world["vendors"].ids, len(rows)), null=kind == GOOD)
    return rows


def _by_kind(kind: IntArray, filament: pa.Array, supply: pa.Array, good: pa.Array) -> pa.Array:
    return pc.choose(pa.array(kind), filament, supply, good)


def _put_category(world: World, rows: Rows, kinds: _Kinds) -> None:
    """Put the category by key, and by name in the older text column."""
    position = {code: n for n, (code, *_) in enumerate(farm.CATEGORIES)}
    of_material = [position[_MATERIAL_CATEGORY.get(base, "RM-ENG")] for _, _, base, *_ in farm.MATERIALS]
    of_supply = [position[category] for _, _, category, _ in farm.SUPPLIES]
    of_good = [position[category] for _, category, *_ in farm.GOODS]
    category = np.choose(
        kinds.kind,
        [
            np.array(of_material)[kinds.material],
            np.array(of_supply)[kinds.supply],
            np.array(of_good)[kinds.good],
        ],
    )
    rows.put(category_id=world["item_categories"].ids[category], null=chance(rows.rng, len(rows), 0.05))
    rows.put(category=pick([name for _, name, _ in farm.CATEGORIES], category))


def _put_prices(world: World, rows: Rows, kinds: _Kinds) -> None:
    rng, count, kind = rows.rng, len(rows), kinds.kind
    price_per_kg = np.array([cents for *_, cents in farm.MATERIALS])[kinds.material]
    grams = np.array([grams for _, _, grams, _, _ in farm.GOODS])[kinds.good]
    cost_cents = np.choose(
        kind,
        [
            price_per_kg,
            np.array([cents for *_, cents in farm.SUPPLIES])[kinds.supply],
            round_half_up(grams * price_per_kg, 1000) + 55,
        ],
    )
    list_cents = np.array([cents for *_, cents in farm.GOODS])[kinds.good]
    price_cents = np.where(
        kind == GOOD, list_cents + 100 * (kinds.material % 4), round_half_up(cost_cents * 3, 2)
    )
    world.facts["products.grams"] = np.where(kind == GOOD, grams, 0)
    world.facts["products.print_minutes"] = np.array([minutes for *_, minutes, _ in farm.GOODS])[kinds.good]
    last_cents = round_half_up(cost_cents * rng.integers(95, 108, count), 100)
    rows.put(standard_cost=Decimals(cost_cents, 2), null=chance(rng, count, 0.04))
    rows.put(selling_price=Decimals(price_cents, 2), null=kind == SUPPLY)
    rows.put(average_cost=Decimals(last_cents, 2), last_cost=Decimals(last_cents, 2), null=kind == GOOD)
    rows.put(cost=Decimals(cost_cents * 100 + rng.integers(0, 100, count), 4))
    grams_weight = np.choose(kind, [np.full(count, 1_240), np.full(count, 15), grams])
    rows.put(weight=Decimals(grams_weight, 0), null=kind == SUPPLY)
    rows.put(weight_oz=Decimals(round_half_up(grams_weight * 10_000, 2_835), 2), null=kind == SUPPLY)
    rows.put(reorder_point=Decimals(rng.integers(1, 40, count) * 25, 2), null=kind == GOOD)
    rows.put(min_order_qty=Decimals(rng.integers(1, 20, count), 0), null=kind == GOOD)


def make_material_inventory(world: World) -> Rows:
    """One row per stocked filament, which is a product, too."""
    products = world["products"]
    filament = np.flatnonzero(products["is_raw_material"])
    rows = world.start("material_inventory", len(filament))
    materials, colors = products["material_type_id"][filament], products["color_id"][filament]
    rows.put(material_type_id=materials, color_id=colors)
    material = np.searchsorted(world["material_types"].ids, materials)
    color = np.searchsorted(world["colors"].ids, colors)
    rows.put(
        sku=join(
            "MAT-",
            pick([code for code, *_ in farm.MATERIALS], material),
            "-",
            pick([code for code, *_ in farm.COLORS], color),
        )
    )
    rows.put(product_id=products.ids[filament], null=chance(rows.rng, len(rows), 0.08))
    grams = rows.rng.integers(0, 60_000, len(rows))
    grams[3] = 0
    rows.put(quantity_kg=Decimals(grams, 3), in_stock=grams > 0)
    cents = products["standard_cost"][filament]
    rows.put(cost_per_kg=Decimals(cents, 2), last_purchase_price=Decimals(cents, 2))
    rows.put(last_purchase_date=spread(rows.rng, len(rows), start=moment(2025, 6, 1)))
    return rows


def make_inventory(world: World) -> Rows:
    """Every product somewhere, half of them in a second place; a few oversold, some empty."""
    products, locations = world["products"], world["inventory_locations"].ids
    second = np.flatnonzero(chance(world.generator("inventory.second"), len(products), 0.5))
    position = np.sort(np.concatenate([np.arange(len(products)), second]))
    rows = world.start("inventory", len(position))
    rng, count = rows.rng, len(rows)
    is_second = np.concatenate([[False], position[1:] == position[:-1]])
    rows.put(product_id=products.ids[position])
    rows.put(location_id=locations[(position + 4 * is_second) % len(locations)])
    is_material = products["is_raw_material"][position]
    pieces = rng.integers(0, 900, count) * 100
    on_hand = np.where(is_material, rng.integers(50, 9_000, count), pieces)
    on_hand[chance(rng, count, 0.05)] = 0
    allocated = round_half_up(on_hand * rng.integers(0, 60, count), 100)
    allocated = np.where(is_material, allocated, allocated // 100 * 100)
    allocated[chance(rng, count, 0.02)] += 500
    rows.put(on_hand_quantity=Decimals(on_hand, 2), allocated_quantity=Decimals(allocated, 2))
    rows.put(available_quantity=Decimals(on_hand - allocated, 2))
    rows.put(cost_per_unit=Decimals(products["cost"][position], 4))
    counted = spread(rng, count, start=NOW - 200 * 86_400_000_000)
    rows.put(last_counted=counted, null=chance(rng, count, 0.3))
    return rows
