"""Master data: units, materials, colours, categories, places, work centres, the company itself.

Their number does not depend on the scale, but for machines and printers.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from blb_migration.sandbox.erp import farm_words as farm
from blb_migration.sandbox.erp.draws import chance, digits, draw, draw_codes, join, pick
from blb_migration.sandbox.erp.erp_rows import Rows
from blb_migration.sandbox.erp.moments import NOW, OPENING, moment, spread
from blb_migration.sandbox.erp.photos import build_png
from blb_migration.sandbox.erp.physical import Decimals, IntArray
from blb_migration.sandbox.erp.world import World

SOURCE_ALEMBIC_VERSION = "046_add_serial_indexes"


def make_units_of_measure(world: World) -> Rows:
    """Units with their base unit and exact factor; some bases have the higher id."""
    rows = world.start("units_of_measure", len(farm.UNITS))
    codes, names, symbols, classes, bases, factors = _columns(farm.UNITS)
    rows.put(code=_text(codes), name=_text(names), symbol=_text(symbols), uom_class=_text(classes))
    _put_reference(rows, "base_unit_id", codes, bases)  # a gram's base, the kilogram, comes after it
    rows.put(to_base_factor=Decimals(np.array(factors), 8), active=np.array(codes) != "DZ")
    return rows


def make_item_categories(world: World) -> Rows:
    """Categories; a group was often added after its members."""
    rows = world.start("item_categories", len(farm.CATEGORIES))
    codes, names, parents = _columns(farm.CATEGORIES)
    rows.put(code=_text(codes), name=_text(names), sort_order=np.arange(len(codes)) * 10, is_active=True)
    _put_reference(rows, "parent_id", codes, parents)
    rows.put(is_active=rows["is_active"], null=chance(rows.rng, len(rows), 0.2))
    return rows


def make_inventory_locations(world: World) -> Rows:
    """Warehouse, racks, carts."""
    rows = world.start("inventory_locations", len(farm.LOCATIONS))
    codes, names, types, parents = _columns(farm.LOCATIONS)
    rows.put(code=_text(codes), name=_text(names), type=_text(types), active=True)
    _put_reference(rows, "parent_id", codes, parents)
    return rows


def make_colors(world: World) -> Rows:
    """Colours with hex codes, two for the bicoloured."""
    rows = world.start("colors", len(farm.COLORS))
    codes, names, hexes, second_hexes = _columns(farm.COLORS)
    rows.put(code=_text(codes), name=_text(names), hex_code=_text(hexes))
    rows.put(hex_code_secondary=_text(second_hexes), display_order=np.arange(len(codes)) * 10)
    return rows


def make_material_types(world: World) -> Rows:
    """Filaments with density, temperatures and price."""
    rows = world.start("material_types", len(farm.MATERIALS))
    codes, names, bases, densities, flows, *temperatures, enclosed, prices = _columns(farm.MATERIALS)
    rows.put(code=_text(codes), name=_text(names), base_material=_text(bases), process_type="FDM")
    rows.put(density=Decimals(np.array(densities), 4), volumetric_flow_limit=Decimals(np.array(flows), 2))
    for column, values in zip(
        ("nozzle_temp_min", "nozzle_temp_max", "bed_temp_min", "bed_temp_max"), temperatures, strict=True
    ):
        rows.put(**{column: np.array(values)})
    rows.put(requires_enclosure=np.array(enclosed), base_price_per_kg=Decimals(np.array(prices), 2))
    rows.put(price_multiplier=Decimals(np.maximum(100, np.array(prices) // 20), 2))
    rows.put(strength_rating=rows.rng.integers(3, 10, len(rows)), display_order=np.arange(len(rows)) * 10)
    return rows


def make_material_colors(world: World) -> Rows:
    """About half of all pairs are offered, each pair once."""
    materials, colors = world["material_types"].ids, world["colors"].ids
    pairs = np.flatnonzero(
        chance(world.generator("material_colors.pairs"), len(materials) * len(colors), 0.42)
    )
    rows = world.start("material_colors", len(pairs))
    material, color = np.divmod(pairs, len(colors))
    rows.put(material_type_id=materials[material], color_id=colors[color], display_order=color * 10)
    return rows


def make_work_centers(world: World) -> Rows:
    """Printer pools, benches, inspection, shipping, with hourly rates."""
    rows = world.start("work_centers", len(farm.WORK_CENTERS))
    codes, names, types, rates = _columns(farm.WORK_CENTERS)
    rates_per_hour = np.array(rates)
    rows.put(code=_text(codes), name=_text(names), center_type=_text(types))
    rows.put(
        machine_rate_per_hour=Decimals(rates_per_hour, 4), labor_rate_per_hour=Decimals(rates_per_hour, 4)
    )
    rows.put(overhead_rate_per_hour=Decimals(rates_per_hour // 8, 4))
    rows.put(hourly_rate=Decimals(rates_per_hour // 100, 2), is_bottleneck=np.array(codes) == "FDM-POOL")
    rows.put(scheduling_priority=50, is_active=True, active=True)
    rows.put(capacity_units_per_hour=Decimals(rows.rng.integers(100, 4000, len(rows)), 2))
    return rows


def make_machines(world: World) -> Rows:
    """Make the printers as planning knows them."""
    rows = world.start("machines", world.count("machines"))
    model = _put_machine_columns(world, rows, "M")
    bed = Decimals(np.array([size for *_, size in farm.PRINTER_MODELS])[model] * 100, 2)
    rows.put(bed_size_x=bed, bed_size_y=bed, bed_size_z=bed, active=chance(rows.rng, len(rows), 0.95))
    return rows


def make_resources(world: World) -> Rows:
    """Make the same printers as ``machines``, under the same numbers; each side has some of its own."""
    machine_ids = world["machines"].ids
    own = machine_ids[-1] + np.arange(2, 2 + max(1, len(machine_ids) // 10))
    rows = world.start("resources", ids=np.concatenate([machine_ids[: -max(1, len(own) // 2)], own]))
    _put_machine_columns(world, rows, "R")
    rows.put(is_active=True)
    return rows


def _put_machine_columns(world: World, rows: Rows, letter: str) -> IntArray:
    models = world.generator("machines.model")  # the same for the same number in both tables
    model = draw_codes(models, len(farm.PRINTER_MODELS), len(rows), (5, 5, 3, 2, 1))
    types = [machine_type for _, _, machine_type, _ in farm.PRINTER_MODELS]
    number = digits(np.arange(1, len(rows) + 1), 2)
    pools = world["work_centers"].ids[:2]
    rows.put(code=join(f"{letter}-", pick(types, model), "-", number), machine_type=pick(types, model))
    rows.put(name=join(pick([name for name, *_ in farm.PRINTER_MODELS], model), " #", number))
    rows.put(work_center_id=pools[(model == 4).astype(np.int64)])
    statuses = ("available", "busy", "maintenance", "offline")
    rows.put(status=draw(rows.rng, statuses, len(rows), (6, 3, 1, 1)))
    return model


def make_printers(world: World) -> Rows:
    """Make the printers as the shop floor knows them, with their settings as JSON."""
    rows = world.start("printers", world.count("printers"))
    model = draw_codes(rows.rng, len(farm.PRINTER_MODELS), len(rows), (5, 5, 3, 2, 1))
    short = [machine_type for _, _, machine_type, _ in farm.PRINTER_MODELS]
    makers = [
        ("Prusa " if brand == "prusa" else "Bambu ") + kind for _, brand, kind, _ in farm.PRINTER_MODELS
    ]
    numbers = np.arange(1, len(rows) + 1)
    rows.put(code=join("PRT-", digits(numbers, 3)), name=join(pick(makers, model), " #", digits(numbers)))
    rows.put(model=pick([name for name, *_ in farm.PRINTER_MODELS], model))
    rows.put(brand=pick([brand for _, brand, *_ in farm.PRINTER_MODELS], model))
    rows.put(connection_config=_build_documents(rows, model, _connection_document))
    rows.put(capabilities=_build_documents(rows, model, _capability_document))
    rows.put(mqtt_topic=join("device/", pick(short, model), "/", digits(numbers), "/report"))
    rows.put(
        status=draw(rows.rng, ("idle", "printing", "offline", "error", None), len(rows), (4, 5, 2, 1, 1))
    )
    seen = spread(rows.rng, len(rows), start=NOW - 10 * 86_400_000_000)
    seen[0] = moment(1900, 1, 1)  # what a DATETIME reads after 0 was written to it
    rows.put(last_seen=seen, null=chance(rows.rng, len(rows), 0.1))
    rows.put(work_center_id=world["work_centers"].ids[(model == 4).astype(np.int64)])
    return rows


def _build_documents(rows: Rows, model: IntArray, build: Callable[[int, int], dict[str, object]]) -> pa.Array:
    documents = [json.dumps(build(int(code), n), ensure_ascii=False) for n, code in enumerate(model)]
    return pa.array([None if n % 7 == 6 else text for n, text in enumerate(documents)], pa.string())


def _connection_document(model: int, number: int) -> dict[str, object]:
    return {
        "protocol": "mqtt" if farm.PRINTER_MODELS[model][1] == "bambulab" else "prusalink",
        "host": f"10.20.30.{number % 250 + 2}",
        "port": 8883,
        "tls": True,
        "poll_seconds": 2.50,
    }


def _capability_document(model: int, number: int) -> dict[str, object]:
    size = farm.PRINTER_MODELS[model][3]
    return {
        "bed_mm": [size, size, size],
        "ams_slots": 4 * (number % 3),
        "max_nozzle_°C": 300,
        "materials": [code for code, *_ in farm.MATERIALS[: 6 + number % 6]],
        "notes": None if number % 2 else 'hardened "0.6" nozzle \\ brass',
    }


def make_scrap_reasons(world: World) -> Rows:
    """Why prints are thrown away."""
    rows = world.start("scrap_reasons", len(farm.SCRAP_REASONS))
    codes, names = _columns(farm.SCRAP_REASONS)
    rows.put(code=_text(codes), name=_text(names), sequence=np.arange(len(codes)) * 10, active=True)
    return rows


def make_alembic_version(world: World) -> Rows:
    """Make the source's own schema revision, which must not be carried over."""
    rows = world.start("alembic_version", ids=np.array([1]))
    rows.put(version_num=SOURCE_ALEMBIC_VERSION)
    return rows


def make_company_settings(world: World) -> Rows:
    """Make the one row about the company, with its logo."""
    rows = world.start("company_settings", ids=np.array([1]))
    rows.put(company_name="Blue Layer Bureau 3D, LLC", company_address_line1="1200 Calhoun St")
    rows.put(
        company_address_line2="Dock 3", company_city="Fort Wayne", company_state="IN", company_zip="46802"
    )
    rows.put(company_country="USA", company_phone="+1 260 555 0142", company_email="hello@blb3d.example")
    rows.put(company_website="https://blb3d.example", logo_filename="logo.png", logo_mime_type="image/png")
    rows.put(logo_data=pa.array([build_png(0x00AE42, 24)], pa.large_binary()))
    rows.put(tax_enabled=True, tax_rate=Decimals(np.array([700]), 4), tax_name="Indiana Sales Tax")
    rows.put(tax_registration_number=None, default_quote_validity_days=30, invoice_prefix="INV")
    rows.put(quote_terms="Prices are valid for 30 days.\r\nColours may differ from the screen's.")
    rows.put(invoice_terms="Net 30")
    rows.put(quote_footer="Thank you for printing with us! © Blue Layer Bureau", fiscal_year_start_month=1)
    rows.put(accounting_method="accrual", currency_code="USD")
    rows.put(created_at=np.array([OPENING]), updated_at=np.array([moment(2025, 10, 31, 23, 59, 59)]))
    return rows


def _columns(facts: Sequence[tuple[Any, ...]]) -> list[list[Any]]:
    return [list(column) for column in zip(*facts, strict=True)]


def _text(values: list[Any]) -> pa.Array:
    return pa.array(values, pa.string())


def _put_reference(rows: Rows, column: str, codes: list[Any], referred_codes: list[Any]) -> None:
    """Put a self reference, written as codes in the word lists; None refers to nothing."""
    positions = np.array([0 if code is None else codes.index(code) for code in referred_codes])
    rows.put(**{column: rows.ids[positions]}, null=np.array([code is None for code in referred_codes]))
