"""``blb-migrate demo``: the sample ERP, migrated between two servers that live as long as the command.

The one place outside ``sandbox/`` that knows the SQL Server emulator. With ``--ui`` nothing is run:
Dagster's web server opens on both databases, see ``ui.py``; with ``--cutover`` on the sample's night as well.
"""

from __future__ import annotations

import os
import secrets
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from blb_migration.cli.options import Debug, Output, Port, Scale
from blb_migration.errors import ConfigurationError, ExitCode

if TYPE_CHECKING:
    from rich.console import Console

FOLDER = Path(".blb")  # below the current folder; in the clone, git ignores it
REPORT_FILE = "demo-report.json"
TARGET_DATABASE = "blb3d_erp"
_LOG_IN = "sa"


def demo(
    *,
    scale: Scale = 1,
    ui: Annotated[
        bool, typer.Option("--ui", help="Open Dagster's UI on both instead, until Ctrl-C.")
    ] = False,
    cutover: Annotated[
        bool, typer.Option("--cutover", help="Go through a whole night with a sample application, and back.")
    ] = False,
    fail_at: Annotated[
        str | None,
        typer.Option("--fail-at", metavar="STEP", help="With --cutover: something is amiss at this step."),
    ] = None,
    port: Port = 3000,
    output: Output = None,
    debug: Debug = False,
) -> ExitCode:
    """Start a SQL Server emulator and a PostgreSQL, migrate the ERP between them and print the outcome. With
    --cutover a sample application runs on it, and the whole night is gone through, and back; with --ui as
    well it is only made ready, for the jobs cutover and rollback.
    """
    from blb_migration.cli.discovery import Databases
    from blb_migration.cli.migrate import Order, carry_out
    from blb_migration.cli.outcome import refuse_unwritable
    from blb_migration.cli.terminal import build_console
    from blb_migration.cli.ui import refuse_used_port
    from blb_migration.plan.project import DEFAULT_PROJECT, load_project
    from blb_migration.settings import (
        PROJECT_VARIABLE,
        SOURCE_VARIABLE,
        TARGET_VARIABLE,
        parse_source_url,
        parse_target_url,
    )
    from blb_migration.settings.environments import REHEARSAL, name_variables

    console = build_console()
    if fail_at is not None and not cutover:
        raise ConfigurationError("--fail-at", found="given without --cutover", next_act="Add --cutover")
    if ui:
        refuse_used_port(port)
    elif not cutover:
        output = output or _make_folder() / REPORT_FILE
        refuse_unwritable(output)
    with running_sample(console, scale) as (source_url, target_url):
        # The sample is the ERP, whatever project is configured.
        variables: dict[str, str | None] = {
            SOURCE_VARIABLE: source_url,
            TARGET_VARIABLE: target_url,
            PROJECT_VARIABLE: None,
            **dict.fromkeys(name_variables(REHEARSAL)),
        }
        if cutover:
            from blb_migration.cli.demo_night import prepare_demo_night, run_demo_night

            root = Path(tempfile.mkdtemp(prefix="demo-night-", dir=_make_folder())).resolve()
            if not ui:
                return run_demo_night(console, root, source_url, target_url, fail_at, is_debug=debug)
            with prepare_demo_night(console, root, source_url, target_url, fail_at, is_debug=debug) as night:
                variables |= {PROJECT_VARIABLE: str(night.project), **night.variables}
                _serve(console, port, variables, has_night=True)
        if ui:
            _serve(console, port, variables, has_night=False)
        order = Order(
            Databases(parse_source_url(source_url), parse_target_url(target_url)),
            load_project(DEFAULT_PROJECT),
            output=output,
            is_debug=debug,
        )
        return carry_out(order, console)


def _serve(console: Console, port: int, variables: Mapping[str, str | None], *, has_night: bool) -> NoReturn:
    """Serve Dagster's UI in a home of its own: the databases are new, and so is what Dagster says of them."""
    from blb_migration.cli.ui import serve_user_interface

    home = Path(tempfile.mkdtemp(prefix="demo-ui-", dir=_make_folder())).resolve()
    try:
        serve_user_interface(console, home, port, variables, has_night=has_night)
    except KeyboardInterrupt:
        shutil.rmtree(home, ignore_errors=True)
        raise


@contextmanager
def running_sample(console: Console, scale: int) -> Iterator[tuple[str, str]]:
    """Both servers with the ERP on both sides, as (source URL, target URL); gone after the block."""
    from blb_migration.shells import describe_installation

    try:
        from blb_migration.sandbox.embedded_postgres import EmbeddedPostgres
        from blb_migration.sandbox.emulator.server import SqlServerEmulator
        from blb_migration.sandbox.emulator.tsql import TsqlEngine
        from blb_migration.sandbox.erp import SOURCE_DATABASE, create_source, create_target
    except ImportError as error:
        raise ConfigurationError(
            "the demo's servers",
            found=f"{error.name} is not installed",
            next_act=f"Run: {describe_installation('sandbox')}",
        ) from None
    console.print(f"Making a sample ERP at scale {scale}, for the SQL Server emulator and PostgreSQL ...")
    engine = TsqlEngine()
    try:
        password = secrets.token_urlsafe(18)
        engine.add_login(_LOG_IN, password)
        create_source(engine, scale)
        with SqlServerEmulator(engine) as server, EmbeddedPostgres() as postgres:
            target_url = postgres.create_database(TARGET_DATABASE)
            create_target(target_url)
            yield server.url(SOURCE_DATABASE, _LOG_IN, password), target_url
    finally:
        engine.close()


def _make_folder() -> Path:
    """Return a folder for the demo's files: a temporary one where the current folder is read-only."""
    with suppress(OSError):
        FOLDER.mkdir(exist_ok=True)
        if os.access(FOLDER, os.W_OK):
            return FOLDER
    return Path(tempfile.mkdtemp(prefix="blb-demo-"))
