"""The entry point ``blb-migrate``: parses the command line and calls the subcommand. Nothing else."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from blb_migration.cli.arguments import build_parser
from blb_migration.cli.exits import run_guarded
from blb_migration.errors import ExitCode


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code (``errors.ExitCode``); never raises for a user's error."""
    try:
        arguments = build_parser().parse_args(argv)
    except SystemExit as error:  # argparse has printed --help, --version or what is wrong
        return int(error.code or 0)
    return run_guarded(lambda: _run(arguments), arguments.debug)


def _run(arguments: argparse.Namespace) -> ExitCode:
    match arguments.subcommand:
        case None:
            from blb_migration.cli.migrate import migrate as carry_out
        case "init":
            from blb_migration.cli.init import init as carry_out
        case "schema":
            from blb_migration.cli.schema import schema as carry_out
        case "plan":
            from blb_migration.cli.plan import plan as carry_out
        case "preflight":
            from blb_migration.cli.preflight import preflight as carry_out
        case "reconcile":
            from blb_migration.cli.migrate import reconcile as carry_out
        case "report":
            from blb_migration.cli.report import rebuild as carry_out
        case "types":
            from blb_migration.cli.type_rules import print_types as carry_out
        case "docs":
            from blb_migration.cli.docs import docs as carry_out
        case "ui":
            from blb_migration.cli.ui import ui as carry_out
        case "demo":
            from blb_migration.cli.demo import demo as carry_out
        case other:
            raise AssertionError(other)
    return carry_out(arguments)
