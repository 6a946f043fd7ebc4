"""How names and values are written into T-SQL. The only place that quotes; values are bound elsewhere.

Source: "Database identifiers" and "Delimited identifiers" in SQL Server's documentation: between brackets
only ``]`` is special, and is doubled.
"""

from __future__ import annotations

from blb_migration.model import TableName


def quote_name(name: str) -> str:
    """Return an identifier as T-SQL, whatever it holds: ``a]b`` becomes ``[a]]b]``."""
    return "[" + name.replace("]", "]]") + "]"


def quote_table(table: TableName) -> str:
    """Return a schema-qualified table as T-SQL."""
    return f"{quote_name(table.schema)}.{quote_name(table.name)}"


def quote_columns(names: tuple[str, ...]) -> str:
    """Return a comma-separated column list as T-SQL, in the order given."""
    return ", ".join(quote_name(name) for name in names)
