"""``blb-migrate variables``: every environment variable with its meaning, and which of them are set."""

from __future__ import annotations

import os

from blb_migration.cli.options import Debug
from blb_migration.errors import ExitCode
from blb_migration.near_names import ask_whether


def print_variables(debug: Debug = False) -> ExitCode:
    """Print all variables. Values are not shown: some hold passwords."""
    from rich.markup import escape
    from rich.table import Table

    from blb_migration.cli.terminal import build_console
    from blb_migration.settings.variable_list import find_unknown_variables, iterate_variables

    console = build_console()
    table = Table("variable", "set", "meaning", "if not set", box=None, pad_edge=False)
    for variable in iterate_variables():
        is_set = "yes" if os.environ.get(variable.name, "").strip() else ""
        meaning, otherwise = (
            escape(text.replace("`", "")) for text in (variable.meaning, variable.otherwise)
        )
        table.add_row(variable.name, is_set, meaning, otherwise)
    console.print(table)
    for name, meant in find_unknown_variables().items():
        console.print(f"{name} is set: there is no such variable{ask_whether(meant)}", markup=False)
    return ExitCode.RECONCILED
