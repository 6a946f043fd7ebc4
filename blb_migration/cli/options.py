"""The options that several subcommands share, and how a number is read. No command here, and nothing heavy.

An option that is given before the subcommand counts as its default (``main``); so all of them mean the same
wherever they stand.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from blb_migration.errors import ConfigurationError

DATABASES = "Databases"
SOURCE_EXAMPLE = "mssql+pyodbc://USER:PASSWORD@HOST/DATABASE"
TARGET_EXAMPLE = "postgresql://USER:PASSWORD@HOST/DATABASE"
LARGEST_SCALE = 10_000  # 50 million rows


def _read_whole_number(option: str, least: int, most: int, meaning: str) -> Callable[[str | int], int]:
    def read(value: str | int) -> int:  # typer hands over the default as well
        text = str(value).strip()
        if text.isdecimal() and least <= int(text) <= most:
            return int(text)
        raise ConfigurationError(
            f"{option} {text}",
            found=f"it is not {meaning}",
            expected=f"a whole number from {least} to {most}",
            next_act="Correct it, or leave it out",
        )

    return read


SourceConn = Annotated[
    str | None,
    typer.Option("--source-conn", metavar="URL", help=SOURCE_EXAMPLE, rich_help_panel=DATABASES),
]
TargetConn = Annotated[
    str | None,
    typer.Option("--target-conn", metavar="URL", help=TARGET_EXAMPLE, rich_help_panel=DATABASES),
]
ProjectFolder = Annotated[
    Path | None,
    typer.Option(
        "--project",
        metavar="DIR",
        help="decisions.yaml and catalog.json (the ERP's)",
        rich_help_panel=DATABASES,
    ),
]
Output = Annotated[
    Path | None,
    typer.Option("--output", metavar="FILE", help="Write the report there as JSON, and beside it as HTML."),
]
Debug = Annotated[bool, typer.Option("--debug", help="Show tracebacks on the terminal.")]
Port = Annotated[
    int,
    typer.Option(
        "--port",
        metavar="PORT",
        parser=_read_whole_number("--port", 1, 65535, "a port"),
        help="The UI's port.",
    ),
]
Scale = Annotated[
    int,
    typer.Option(
        "--scale",
        metavar="N",
        parser=_read_whole_number("--scale", 1, LARGEST_SCALE, "a size of the sample"),
        help="The sample's size: 1 has 5,000 rows, 200 a million.",
    ),
]
