"""``blb-migrate types``: the table of type rules, as the plan applies them."""

from __future__ import annotations

from rich.table import Table

from blb_migration.command.terminal import build_console
from blb_migration.errors import ExitCode
from blb_migration.plan.types import RULES


def print_types() -> ExitCode:
    """Print every rule: source types, target types, conversion, what is not carried."""
    table = Table("SQL Server", "PostgreSQL", "conversion", "what is not carried", box=None, pad_edge=False)
    for rule in RULES:
        table.add_row(", ".join(rule.sources), ", ".join(rule.targets), str(rule.conversion), rule.loss)
    build_console().print(table)
    return ExitCode.RECONCILED
