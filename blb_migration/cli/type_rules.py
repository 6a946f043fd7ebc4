"""``blb-migrate types``: the table of type rules, as the plan applies them."""

from __future__ import annotations

from blb_migration.cli.options import Debug
from blb_migration.errors import ExitCode


def print_types(debug: Debug = False) -> ExitCode:
    """Print every rule: source types, target types, conversion, and what is not carried."""
    from rich.markup import escape
    from rich.table import Table

    from blb_migration.cli.terminal import build_console
    from blb_migration.plan.type_pairs import TYPE_TABLE_HEADINGS, iterate_type_table

    table = Table(*TYPE_TABLE_HEADINGS, box=None, pad_edge=False)
    for row in iterate_type_table():
        table.add_row(*map(escape, row))
    build_console().print(table)
    return ExitCode.RECONCILED
