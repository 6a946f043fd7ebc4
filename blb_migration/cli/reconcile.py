"""``blb-migrate reconcile``: the checks alone, of all tables or of some."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated

import typer

from blb_migration.checks import CHECK_NAMES
from blb_migration.cli.options import Debug, Output, ProjectFolder, SourceConn, TargetConn
from blb_migration.errors import ExitCode
from blb_migration.near_names import refuse_unknown


def reconcile(
    *,
    source_conn: SourceConn = None,
    target_conn: TargetConn = None,
    project: ProjectFolder = None,
    tables: Annotated[
        list[str] | None,
        typer.Option("--tables", metavar="TABLE ...", help="Only these tables, named as in the plan."),
    ] = None,
    checks: Annotated[
        list[str] | None,
        typer.Option(
            "--checks",
            metavar="CHECK ...",
            help=f"Only these of {', '.join(CHECK_NAMES)}.",
            autocompletion=lambda: list(CHECK_NAMES),
        ),
    ] = None,
    reread: Annotated[
        bool | None,
        typer.Option(
            "--reread/--as-loaded",
            help="Compare contents with the source as it is now, or with what the load has read.",
        ),
    ] = None,
    output: Output = None,
    debug: Debug = False,
) -> ExitCode:
    """Run the checks alone. Exits with 1 if anything differs."""
    from blb_migration.cli.migrate import carry_out, read_order
    from blb_migration.cli.terminal import build_console

    for name in checks or ():
        refuse_unknown(f"--checks {name}", name, CHECK_NAMES, found="there is no such check")
    order = read_order(source_conn, target_conn, project, output)
    order = replace(
        order,
        kind="reconcile",
        is_debug=debug,
        labels=tables or None,
        checks=checks or None,
        rereads_source=reread,
    )
    return carry_out(order, build_console())
