"""``blb-migrate variables``: every environment variable with its meaning, and which of them are set."""

from __future__ import annotations

import os

from rich.markup import escape
from rich.table import Table

from blb_migration.cli.options import Debug
from blb_migration.cli.terminal import build_console
from blb_migration.errors import ExitCode
from blb_migration.settings.variables import find_unknown_variables, iterate_variables


def print_variables(debug: Debug = False) -> ExitCode:
    """Print all variables. Values are not shown: some hold passwords."""
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
        advice = f"did you mean {meant}?" if meant else "no variable of this tool"
        console.print(f"{name} is set: {advice}", markup=False)
    return ExitCode.RECONCILED
