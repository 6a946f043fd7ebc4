"""Quotes with their files, materials and items; and which of them become sales orders.

A converted quote and its sales order refer to each other: the schema's one cycle. So the sales
orders are numbered here, before ``orders.py`` makes them.
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from blb_migration.sandbox.erp import farm_words as farm
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
from blb_migration.sandbox.erp.moments import HOUR, NOW, has_come, later, spread, to_days, to_years
from blb_migration.sandbox.erp.people import customer_ids, staff_ids
from blb_migration.sandbox.erp.photos import build_png
from blb_migration.sandbox.erp.physical import Decimals, IntArray
from blb_migration.sandbox.erp.world import World

_STATUSES = ("converted", "expired", "rejected", "cancelled", "approved", "pending")
_CONVERTED, _REJECTED, _APPROVED = 0, 2, 4
_OLD_WEIGHTS, _NEW_WEIGHTS = (50, 32, 8, 10, 0, 0), (30, 0, 5, 3, 32, 30)
_DAY = 24 * HOUR
_PICTURE_EVERY = 9  # every ninth quote has a preview


def draw_customers(world: World, rng: np.random.Generator, moments: IntArray) -> IntArray:
    """Return a customer for each moment who had signed up by then; the early ones come back most."""
    ids = customer_ids(world)
    known = np.searchsorted(world["users"]["created_at"][-len(ids) :], moments, side="right")
    return ids[(rng.random(len(moments)) ** 1.6 * np.maximum(known, 1)).astype(np.int64)]


def goods_of(world: World) -> IntArray:
    """Positions of the finished goods in products."""
    return np.flatnonzero(world["products"]["has_bom"])


def make_quotes(world: World) -> Rows:
    """Quotes by the time they were asked for, with price, outcome and preview."""
    rows = world.start("quotes", world.count("quotes"))
    rng, count = rows.rng, len(rows)
    created = spread(rng, count)
    customers = draw_customers(world, rng, created)
    rows.put(user_id=customers, created_at=created, expires_at=created + 30 * _DAY)
    rows.put(customer_id=customers, null=chance(rng, count, 0.2))
    rows.put(quote_number=code_by_year("Q", to_years(created)))
    product = rng.choice(goods_of(world), count)
    rows.put(product_id=world["products"].ids[product], null=chance(rng, count, 0.35))
    names = world["products"]["name"].take(pa.array(product))
    rows.put(product_name=names, null=chance(rng, count, 0.05))
    _put_money(world, rows, product)
    _put_outcome(world, rows)
    pictures = pa.array([build_png(int(code[1:], 16), 8) for _, _, code, _ in farm.COLORS if code])
    has_picture = np.arange(count) % _PICTURE_EVERY == 0
    rows.put(image_data=pictures.take(pa.array(rng.integers(0, len(pictures), count))), null=~has_picture)
    rows.put(image_filename="preview.png", image_mime_type="image/png", null=~has_picture)
    people = (
        *words.WORLD_PEOPLE,
        *(f"{a} {b}" for a, b in zip(words.LATIN_FIRST_NAMES, words.LATIN_LAST_NAMES, strict=False)),
    )
    rows.put(customer_name=draw(rng, people, count), null=chance(rng, count, 0.2))
    rows.put(material_type_id=rng.choice(world["material_types"].ids, count), null=chance(rng, count, 0.5))
    world.facts["quotes.product"] = product
    return rows


def _put_money(world: World, rows: Rows, product: IntArray) -> None:
    """quantity times unit price + tax + shipping = total, to the cent."""
    rng, count = rows.rng, len(rows)
    quantity = rng.choice([1, 1, 1, 2, 3, 4, 5, 10, 12, 25, 50], count)
    unit_cents = world["products"]["selling_price"][product] + rng.integers(-50, 900, count)
    subtotal = quantity * unit_cents
    rate = rng.choice([0, 700, 825, 875], count)
    tax = round_half_up(subtotal * rate, 10_000)
    shipping = rng.choice([0, 595, 895, 1299, 2450], count)
    has_shipping = chance(rng, count, 0.8)
    rows.put(quantity=quantity, unit_price=Decimals(unit_cents, 2), subtotal=Decimals(subtotal, 2))
    rows.put(
        tax_rate=Decimals(rate, 4), tax_amount=Decimals(tax, 2), null=(rate == 0) & chance(rng, count, 0.4)
    )
    rows.put(shipping_cost=Decimals(shipping, 2), null=~has_shipping)
    rows.put(total_price=Decimals(subtotal + tax + np.where(has_shipping, shipping, 0), 2))
    grams = world.facts["products.grams"][product]
    rows.put(material_grams=Decimals(grams * quantity * 100 + rng.integers(0, 100, count), 2))
    minutes = world.facts["products.print_minutes"][product] * quantity
    rows.put(print_time_hours=Decimals(round_half_up(minutes * 100, 60), 2))


def _put_outcome(world: World, rows: Rows) -> None:
    """Put what became of each quote; the converted ones get a sales order's number."""
    rng, count, created = rows.rng, len(rows), rows["created_at"]
    status = np.where(
        created < NOW - 30 * _DAY,
        draw_codes(rng, 6, count, _OLD_WEIGHTS),
        draw_codes(rng, 6, count, _NEW_WEIGHTS),
    )
    approved = later(rng, created, 0, 30)
    converted = later(rng, approved, 0, 200)
    status = np.where((status == _CONVERTED) & ~has_come(converted), _APPROVED, status)
    is_converted, is_approved = status == _CONVERTED, np.isin(status, (_CONVERTED, _APPROVED))
    by_machine = is_approved & chance(rng, count, 0.4)
    rows.put(status=pick(_STATUSES, status), auto_approved=by_machine, auto_approve_eligible=by_machine)
    rows.put(approval_method=pick(("manual", "auto"), by_machine.astype(np.int64)), null=~is_approved)
    rows.put(approved_by=rng.choice(staff_ids(world), count), null=~is_approved | by_machine)
    rows.put(approved_at=np.minimum(approved, NOW), null=~is_approved)
    rows.put(rejection_reason=draw(rng, words.REJECTIONS, count), null=status != _REJECTED)
    rows.put(converted_at=converted, null=~is_converted)
    rows.put(updated_at=np.where(is_converted, converted, np.minimum(approved, NOW)))
    rows.put(requested_delivery_date=to_days(created) + 21, null=chance(rng, count, 0.7))
    _plan_orders(world, rows, np.flatnonzero(is_converted), converted)


def _plan_orders(world: World, quotes: Rows, converted: IntArray, converted_at: IntArray) -> None:
    """Give all sales orders numbers by the time they come in: from quotes, and from the shop."""
    from_shop = world.count("sales_orders") - len(converted)
    shop_times = spread(world.generator("sales_orders.shop"), from_shop)
    created = np.concatenate([converted_at[converted], shop_times])
    quote = np.concatenate([converted, np.full(from_shop, -1)])
    in_order = np.argsort(created, kind="stable")
    created, quote = created[in_order], quote[in_order]
    ids = world.reserve("sales_orders", len(created))
    order_id = np.zeros(len(quotes), dtype=np.int64)
    order_id[quote[quote >= 0]] = ids[quote >= 0]
    quotes.put(sales_order_id=order_id, null=order_id == 0)
    world.facts.update({"orders.created": created, "orders.quote": quote})


def make_quote_files(world: World) -> Rows:
    """One file per quote, for some two."""
    quotes = world["quotes"]
    twice = chance(world.generator("quote_files.second"), len(quotes), 0.12)
    quote = np.repeat(np.arange(len(quotes)), 1 + twice)
    rows = world.start("quote_files", len(quote))
    rng, count = rows.rng, len(rows)
    kind = draw_codes(rng, 3, count, (6, 3, 1))
    extension = pick(("stl", "3mf", "step"), kind)
    stored = tokens(rng, count, 32)
    models = (
        "bracket_v2",
        "dragon-final-FINAL",
        "Gehäuse Deckel",
        "logo (1)",
        "pièce détachée",
        "enclosure_rev_c",
    )
    rows.put(quote_id=quotes.ids[quote], file_format=extension, file_hash=tokens(rng, count, 64))
    rows.put(original_filename=join(draw(rng, models, count), ".", extension))
    rows.put(stored_filename=join(stored, ".", extension))
    rows.put(file_path=join("/uploads/quotes/", digits(quotes.ids[quote], 6), "/", stored, ".", extension))
    rows.put(mime_type=pick(("model/stl", "model/3mf", "model/step"), kind))
    triangles = (10 ** rng.uniform(2, 6, count)).astype(np.int64)
    rows.put(triangle_count=triangles, vertex_count=triangles // 2 + 2, null=kind == 2)
    rows.put(file_size_bytes=84 + 50 * triangles)  # what a binary STL takes
    uploaded = quotes["created_at"][quote]
    rows.put(uploaded_at=uploaded, processed=chance(rng, count, 0.95))
    rows.put(processed_at=np.minimum(later(rng, uploaded, 0, 1), NOW), null=~rows["processed"])
    is_valid = chance(rng, count, 0.96)
    rows.put(is_valid=is_valid)
    rows.put(processing_error="slicer timed out after 120 s", null=rows["processed"])
    rows.put(validation_errors="Mesh has 3 holes; not watertight", null=is_valid)
    world.facts["quote_files.quote"] = quote
    return rows


def make_quote_materials(world: World) -> Rows:
    """One material slot per quote, for some a second."""
    quotes = world["quotes"]
    quote = np.repeat(
        np.arange(len(quotes)), 1 + chance(world.generator("quote_materials.second"), len(quotes), 0.3)
    )
    rows = world.start("quote_materials", len(quote))
    is_second = np.concatenate([[False], quote[1:] == quote[:-1]])
    color = draw_codes(rows.rng, len(farm.COLORS), len(rows))
    codes, names, hexes, _ = zip(*farm.COLORS, strict=True)
    rows.put(quote_id=quotes.ids[quote], slot_number=1 + is_second, is_primary=~is_second)
    rows.put(material_type=draw(rows.rng, [code for code, *_ in farm.MATERIALS], len(rows)))
    any_color = chance(rows.rng, len(rows), 0.06)
    rows.put(color_code=pick(codes, color), color_name=pick(names, color), null=any_color)
    rows.put(color_hex=pick(hexes, color), null=any_color)
    rows.put(material_grams=Decimals(quotes["material_grams"][quote] // (1 + is_second), 2))
    rows.put(created_at=quotes["created_at"][quote])
    return rows


def make_quote_items(world: World) -> Rows:
    """One item per quote, for its first file: the quote's own quantity and price."""
    quotes, files, quote = world["quotes"], world["quote_files"], world.facts["quote_files.quote"]
    first = np.flatnonzero(np.concatenate([[True], quote[1:] != quote[:-1]]))
    rows = world.start("quote_items", len(quotes))
    rows.put(quote_id=quotes.ids, quote_file_id=files.ids[first], item_number=1, quantity=quotes["quantity"])
    rows.put(unit_price=Decimals(quotes["unit_price"], 2), line_total=Decimals(quotes["subtotal"], 2))
    rows.put(material_grams=Decimals(quotes["material_grams"], 2))
    rows.put(print_time_hours=Decimals(quotes["print_time_hours"], 2), created_at=quotes["created_at"])
    return rows
