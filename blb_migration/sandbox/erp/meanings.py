"""Values by what a column means: notes, phones, addresses, flags, ratings, who created it.

What depends on other columns or tables is put by the tables' own rooms; here are the columns that
stand for themselves. A column found by neither is an error, never silently empty.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import TypeAlias

import numpy as np

from blb_migration.model import Column
from blb_migration.sandbox.erp import farm_words as farm
from blb_migration.sandbox.erp import words
from blb_migration.sandbox.erp.draws import chance, digits, draw, draw_codes, join, pick, tokens
from blb_migration.sandbox.erp.erp_rows import Rows
from blb_migration.sandbox.erp.erp_schema import read_schema
from blb_migration.sandbox.erp.moments import NOW, later, moment, spread, to_days
from blb_migration.sandbox.erp.physical import Decimals, Values

Meaning: TypeAlias = Callable[[Rows, Column], Values]

_FLAG_NULL_SHARE, _NULL_SHARE, _NOTE_NULL_SHARE = 0.03, 0.35, 0.8
_MASTER_DATA_SINCE = moment(2024, 3, 1)
_CAPITALS = b"ABCDEFGHJKLMNPQRSTUVWXYZ0123456789"


def fill_by_meaning(rows: Rows) -> None:
    """Put every column that is still missing; raises LookupError when one's meaning is unknown."""
    for prefix in ("", "billing_", "shipping_"):
        if f"{prefix}city" in rows.table.columns_by_name and f"{prefix}city" not in rows:
            _put_place(rows, prefix)
    table = rows.table.name.name
    for column in rows.table.columns:
        if column.name not in rows:
            meaning = _MEANINGS.get(f"{table}.{column.name}") or _MEANINGS.get(column.name)
            if meaning is None:
                raise LookupError(f"{table}.{column.name} has no known meaning")
            values = meaning(rows, column)
            rows.put(**{column.name: values}, null=_draw_null(rows, column))


def _draw_null(rows: Rows, column: Column) -> np.ndarray[tuple[int], np.dtype[np.bool_]] | None:
    if not column.nullable or (rows.table.name.name, column.name) in _never_null_at_target():
        return None
    share = _FLAG_NULL_SHARE if column.type.name in ("bit", "datetime", "datetime2") else _NULL_SHARE
    if column.name.endswith("notes"):
        share = _NOTE_NULL_SHARE
    return chance(rows.rng, len(rows), share)


@cache
def _never_null_at_target() -> frozenset[tuple[str, str]]:
    tables = read_schema("target").items()
    return frozenset(
        (name, column["name"])
        for name, facts in tables
        for column in facts["columns"]
        if not column["nullable"]
    )


def _put_place(rows: Rows, prefix: str) -> None:
    """City, state, postal code and country that belong together; the country is rarely unknown."""
    place = draw_codes(rows.rng, len(words.PLACES), len(rows), words.PLACE_WEIGHTS)
    cities, states, codes, countries = zip(*words.PLACES, strict=True)
    postal = f"{prefix}zip" if f"{prefix}zip" in rows.table.columns_by_name else f"{prefix}postal_code"
    line = f"{prefix}address_line"
    streets = join(
        digits(rows.rng.integers(1, 9_900, len(rows))), " ", draw(rows.rng, words.STREETS, len(rows))
    )
    unknown = chance(rows.rng, len(rows), 0.15)
    rows.put(
        **{f"{prefix}city": pick(cities, place), f"{prefix}state": pick(states, place)},
        **{postal: pick(codes, place), f"{line}1": streets},
        null=unknown,
    )
    rows.put(**{f"{prefix}country": pick(countries, place)}, null=unknown & chance(rows.rng, len(rows), 0.3))
    second = draw(rows.rng, words.SECOND_LINES, len(rows))
    rows.put(**{f"{line}2": second}, null=unknown | chance(rows.rng, len(rows), 0.7))


def _one_of(*choices: str, weights: tuple[float, ...] | None = None) -> Meaning:
    return lambda rows, column: draw(rows.rng, choices, len(rows), weights)


def _whole(low: int, high: int) -> Meaning:
    return lambda rows, column: rows.rng.integers(low, high, len(rows))


def _decimal(low: int, high: int, scale: int) -> Meaning:
    return lambda rows, column: Decimals(rows.rng.integers(low, high, len(rows)), scale)


def _true(share: float) -> Meaning:
    return lambda rows, column: chance(rows.rng, len(rows), share)


def _token(prefix: str, length: int) -> Meaning:
    return lambda rows, column: join(prefix, tokens(rows.rng, len(rows), length, _CAPITALS))


def _numbered(before: str, after: str, width: int = 6) -> Meaning:
    return lambda rows, column: join(before, digits(rows.ids, width), after)


def _note(rows: Rows, column: Column) -> Values:
    phrases = words.WORLD_NOTES if column.type.name == "nvarchar" else words.LATIN_NOTES
    return draw(rows.rng, phrases, len(rows))


def _person(rows: Rows, column: Column) -> Values:
    first = draw(rows.rng, words.LATIN_FIRST_NAMES, len(rows))
    return join(first, " ", draw(rows.rng, words.LATIN_LAST_NAMES, len(rows)))


def _author(rows: Rows, column: Column) -> Values:
    """Return who did it: some tables keep a user's number, some a name."""
    if column.type.name == "int":
        return rows.rng.integers(1, len(words.STAFF) + 1, len(rows))
    return draw(rows.rng, (*words.STAFF_NAMES, "system"), len(rows))


def _phone(rows: Rows, column: Column) -> Values:
    area = draw(rows.rng, ("260", "503", "512", "718", "206", "919"), len(rows))
    return join("+1 ", area, " 555 ", digits(rows.rng.integers(100, 200, len(rows)), 4))


def _address(rows: Rows, column: Column) -> Values:
    place = draw_codes(rows.rng, len(words.PLACES), len(rows), words.PLACE_WEIGHTS)
    lines = [f"{city}, {state} {code}\r\n{country}" for city, state, code, country in words.PLACES]
    street = join(digits(rows.rng.integers(1, 900, len(rows))), " ", draw(rows.rng, words.STREETS, len(rows)))
    return join(street, "\r\n", pick(lines, place))


def _created(rows: Rows, column: Column) -> Values:
    return spread(rows.rng, len(rows), end=_MASTER_DATA_SINCE)


def _updated(rows: Rows, column: Column) -> Values:
    return np.minimum(later(rows.rng, rows["created_at"], 0, 5_000), NOW)


_MEANINGS: dict[str, Meaning] = {
    **dict.fromkeys(("notes", "admin_notes", "internal_notes", "customer_notes", "production_notes"), _note),
    "description": _one_of(*words.DESCRIPTIONS),
    "order_events.description": _one_of(*words.HAPPENINGS),
    "journal_entries.description": _one_of(*words.BOOKINGS),
    "journal_lines.description": _one_of(*words.BOOKINGS),
    **dict.fromkeys(("qc_notes", "certificate_of_analysis"), _one_of(*words.INSPECTIONS)),
    **dict.fromkeys(("created_by", "updated_by"), _author),
    **dict.fromkeys(("contact_name", "shipping_name", "assigned_to"), _person),
    **dict.fromkeys(("phone", "shipping_phone"), _phone),
    **dict.fromkeys(("billing_address", "shipping_address"), _address),
    **dict.fromkeys(("active", "is_active", "is_customer_visible", "is_public"), _true(0.93)),
    "can_overlap": _true(0.1),
    "created_at": _created,
    "updated_at": _updated,
    "last_updated": _updated,
    "effective_date": lambda rows, column: to_days(rows["created_at"]),
    # people and companies
    "email": _numbered("orders", "@company.example"),
    "customer_email": _numbered("Buyer.", "@example.com"),
    "website": _numbered("https://shop", ".example/path?q=100%25&lang=de", 3),
    "account_number": _token("AC-", 8),
    "tax_id": _token("US", 9),
    "traceability_level": _one_of("none", "lot", "serial", weights=(8, 1, 1)),
    "custom_serial_prefix": _token("", 4),
    "payment_terms": _one_of(*words.TERMS),
    "payment_method": _one_of("credit_card", "paypal", "ach", "check"),
    "payment_reference": _token("REF ", 10),
    "payment_transaction_id": _token("pi_", 24),
    "quickbooks_id": _numbered("QB-", ""),
    # machines
    "compatible_materials": _one_of("PLA,PETG,TPU", "PLA,PETG,ABS,ASA,PC", "PLA"),
    "bambu_serial": _token("00M0", 11),
    "printers.serial_number": _token("01S0", 11),
    "resources.serial_number": _token("01P0", 11),
    "bambu_device_id": _token("", 15),
    "bambu_access_code": _token("", 8),
    "bambu_ip_address": _one_of("10.20.30.11", "10.20.30.12", "fe80::1ff:fe23:4567:890a"),
    "ip_address": _one_of("10.20.30.21", "10.20.30.22", "fd12:3456:789a::21"),
    "capacity_hours_per_day": _decimal(800, 2400, 2),
    "printers.location": _one_of("Rack A, top", "Rack A, bottom", "Büro", "Garage"),
    # products and stock
    "legacy_sku": _numbered("OLD", "-A", 5),
    "cost_method": _one_of("average", "standard", "fifo", weights=(7, 2, 1)),
    **dict.fromkeys(("length_in", "width_in", "height_in"), _decimal(40, 1_800, 2)),
    "lead_time_days": _whole(1, 45),
    "safety_stock": _decimal(0, 200_000, 4),
    "upc": lambda rows, column: tokens(rows.rng, len(rows), 12, b"0123456789"),
    "gcode_file_path": _numbered("/gcode/", "/plate_1.gcode.3mf"),
    "sales_channel": _one_of("public", "b2b", "internal", weights=(8, 1, 1)),
    "products.customer_id": _whole(6, 40),
    "woocommerce_product_id": _whole(2**31, 2**33),
    "squarespace_product_id": _token("", 24),
    "reorder_point_kg": _decimal(500, 6_000, 3),
    "preferred_vendor": _one_of(*words.VENDORS),
    "vendor_sku": _token("V-", 9),
    "lot_number": _numbered("LOT-", "", 5),
    "inventory.serial_number": _token("SN", 10),
    # routings
    "wait_time_minutes": _decimal(0, 3_000, 2),
    "move_time_minutes": _decimal(0, 500, 2),
    "units_per_cycle": _whole(1, 5),
    "labor_rate_override": _decimal(150_000, 300_000, 4),
    "machine_rate_override": _decimal(10_000, 90_000, 4),
    # quotes and orders
    "material_type": _one_of(*(code for code, *_ in farm.MATERIALS)),
    "color": _one_of(*(code for code, *_ in farm.COLORS)),
    "finish": _one_of("standard", "sanded", "vapor smoothed", "painted", weights=(8, 1, 0.5, 0.5)),
    "rush_level": _one_of("standard", "rush", "super_rush", weights=(9, 2, 1)),
    "margin_percent": _decimal(-500, 6_500, 2),
    "file_format": _one_of("stl", "3mf", "step", weights=(6, 3, 1)),
    "file_size_bytes": _whole(684, 80_000_000),
    **dict.fromkeys(("dimensions_x", "dimensions_y", "dimensions_z"), _decimal(500, 35_000, 2)),
    "requires_review_reason": _one_of("Larger than 250 mm", "More than 50 pieces", "New customer"),
    "shipping_rate_id": _token("rate_", 16),
    "shipping_carrier": _one_of(*words.CARRIERS),
    "shipping_service": _one_of(*words.SERVICES),
    "model_name": _one_of("Body", "Deckel", "Plate 1, 6 Objects", "assembly (2)"),
    "bambu_file_id": _token("", 16),
    "mrp_status": _one_of("planned", "pending", "complete"),
    # production and purchasing
    "priority": _one_of("normal", "high", "low", weights=(8, 1, 1)),
    "document_url": _numbered("https://files.example/po/", ".pdf?sig=a%2Bb"),
    "coa_file_path": _numbered(r"\\nas01\coa" + "\\", ".pdf"),
    "material_lots.location": _one_of("DRY", "A-01", "A-02"),
}
