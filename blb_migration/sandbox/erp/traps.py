"""Legal values that are hard to carry, sprinkled over the text columns that people write into.

Empty strings, trailing spaces, quotes, backslashes, what COPY's text format takes for NULL, control
characters, four-byte letters, texts of exactly the column's length. All of them fit the target.
"""

from __future__ import annotations

import zlib

from blb_migration.sandbox.erp import words
from blb_migration.sandbox.erp.erp_rows import Rows

_WRITTEN_BY_PEOPLE = ("notes", "description", "cancellation_reason", "return_reason", "_address")
_FILLED_TO_THE_BRIM = frozenset(
    {
        ("quotes", "customer_notes"),
        ("quotes", "internal_notes"),
        ("vendors", "website"),
        ("users", "shipping_address_line2"),
        ("products", "legacy_sku"),
        ("order_events", "old_value"),
        ("purchase_orders", "document_url"),
    }
)
_TRAPS_PER_COLUMN = 3
_FEWEST_ROWS = 20  # a table of a few rows stays readable


def set_traps(rows: Rows) -> None:
    """Replace a few texts of the table; which ones depends on its and the columns' names only."""
    if len(rows) < _FEWEST_ROWS:
        return
    table = rows.table.name.name
    for column in rows.table.columns:
        start = zlib.crc32(f"{table}.{column.name}".encode("ascii"))
        is_wide = column.type.name == "nvarchar"
        if column.name.endswith(_WRITTEN_BY_PEOPLE) and (column.type.length or 8_000) >= 500:
            traps = words.WORLD_TRAPS if is_wide else words.LATIN_TRAPS
            for number in range(_TRAPS_PER_COLUMN):
                rows.put_text(
                    (start + 7 * number) % len(rows), column.name, traps[(start + number) % len(traps)]
                )
        if (table, column.name) in _FILLED_TO_THE_BRIM and column.type.length:
            # nvarchar counts UTF-16 units, of which an emoji takes two.
            text = "🧵" * (column.type.length // 2) if is_wide else "ß" * column.type.length
            rows.put_text((start + 5) % len(rows), column.name, text)
