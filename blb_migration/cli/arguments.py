"""The command line: options, subcommands and their help. Parsing only."""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import NoReturn

from blb_migration import __version__
from blb_migration.checks import CHECK_NAMES

SUBCOMMANDS = ("init", "schema", "plan", "preflight", "reconcile", "report", "types", "docs", "ui", "demo")

_DESCRIPTION = """\
Moves a SQL Server database to PostgreSQL, table by table in foreign-key order, and proves that nothing
was lost. Without a subcommand it migrates; every other act has its subcommand."""

_EPILOG = """\
environment:
  BLB_SOURCE_CONN, BLB_TARGET_CONN   the two URLs, where the options are not given
  BLB_PROJECT                        the project folder, where --project is not given
  DAGSTER_HOME                       record the run in this Dagster instance, so that its UI shows it
  BLB_DIFFERENCES                    where differing rows are written: beside --output, else .blb/differences
  BLB_REREAD=1                       the same as reconcile --reread, for every comparison
  BLB_CONNECTIONS                    how many connections load one large table at once
  BLB_CHUNKED_FROM_ROWS                from how many rows on a table is split into chunks (4000000)
  BLB_RESUME=0                       begin chunked loads that were broken off again
  BLB_DEBUG=1                        the same as --debug

exit codes:
  0 all reconciled    1 migrated but not equal, or a table failed    2 bad usage or configuration
  3 preflight refused, nothing written    4 source unreachable or failing    5 target unreachable or
  failing    130 interrupted
"""

_SOURCE_EXAMPLE = "mssql+pyodbc://user:password@host/database?driver=ODBC+Driver+18+for+SQL+Server"
_TARGET_EXAMPLE = "postgresql://user:password@host:5432/database"
_URL_WITH_LOG_IN = re.compile(r"://.*@")


class CommandParser(argparse.ArgumentParser):
    """An ArgumentParser whose errors show no password: what it does not know may be a URL.

    A mistyped option is named as such; argparse would take the value behind it for a subcommand.
    """

    def parse_known_args(  # type: ignore[override]  # typeshed's overloads of one and the same method
        self, args: Sequence[str] | None = None, namespace: argparse.Namespace | None = None
    ) -> tuple[argparse.Namespace, list[str]]:
        """As argparse's, after a look at the options' names."""
        arguments = list(sys.argv[1:] if args is None else args)
        known = self._option_string_actions
        for argument in arguments:
            option = argument.split("=")[0]
            if argument in SUBCOMMANDS:
                break
            if option.startswith("--") and option not in known:
                nearest = get_close_matches(option, known, n=1)
                self.error(f"unknown option {option}" + (f", did you mean {nearest[0]}?" if nearest else ""))
        return super().parse_known_args(arguments, namespace)

    def error(self, message: str) -> NoReturn:
        """Print usage and the message to stderr, and exit with code 2."""
        super().error(_URL_WITH_LOG_IN.sub("://***@", message))


def build_parser() -> CommandParser:
    """The parser of ``blb-migrate``; ``subcommand`` is None for a migration."""
    parser = CommandParser(
        prog="blb-migrate",
        description=_DESCRIPTION,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"blb-migrate {__version__}")
    _add_connections(parser, default=None)
    _add_output(parser, default=None)
    _add_debug(parser, default=False)
    parser.add_argument(
        "--dry-run",
        action="store_true",
        help="ask everything that preflight asks, write nothing to the target",
    )
    parser.add_argument(
        "--create-schema",
        action="store_true",
        help="create the target's tables first, where it has none of them ('schema' shows how)",
    )
    subcommands = parser.add_subparsers(dest="subcommand", metavar="SUBCOMMAND", parser_class=CommandParser)
    _add_init(subcommands)
    _add_schema(subcommands)
    _add_plan(subcommands)
    _add_preflight(subcommands)
    _add_reconcile(subcommands)
    _add_report(subcommands)
    _add_subcommand(
        subcommands, "types", "print which SQL Server type may land in which PostgreSQL type, and how"
    )
    _add_docs(subcommands)
    _add_ui(subcommands)
    _add_demo(subcommands)
    return parser


# Options of subcommands have no default of their own (SUPPRESS): one would replace the value that was
# given before the subcommand.


def _add_subcommand(
    subcommands: argparse._SubParsersAction[CommandParser], name: str, help_text: str
) -> CommandParser:
    parser = subcommands.add_parser(name, help=help_text, description=help_text, allow_abbrev=False)
    _add_debug(parser, default=argparse.SUPPRESS)
    return parser


def _add_init(subcommands: argparse._SubParsersAction[CommandParser]) -> None:
    parser = _add_subcommand(
        subcommands,
        "init",
        "make a project for any database: decisions.yaml with every open question, catalog.json, and for a "
        "target without tables (or none named) the schema to create",
    )
    _add_connections(parser, default=argparse.SUPPRESS)
    parser.add_argument("folder", metavar="DIR", type=Path, help="the project's folder, made if need be")


def _add_schema(subcommands: argparse._SubParsersAction[CommandParser]) -> None:
    parser = _add_subcommand(
        subcommands,
        "schema",
        "print the SQL that creates the project's tables in PostgreSQL, and what it cannot carry over",
    )
    _add_connections(parser, default=argparse.SUPPRESS)
    parser.add_argument("--apply", action="store_true", help="create them at the target, in one transaction")


def _add_plan(subcommands: argparse._SubParsersAction[CommandParser]) -> None:
    parser = _add_subcommand(
        subcommands,
        "plan",
        "read both databases, refresh the project's catalog.json, or write a new project, and print the plan",
    )
    _add_connections(parser, default=argparse.SUPPRESS)
    parser.add_argument("--check", action="store_true", help="print the plan, write nothing")


def _add_preflight(subcommands: argparse._SubParsersAction[CommandParser]) -> None:
    parser = _add_subcommand(
        subcommands,
        "preflight",
        "find everything that would go wrong, with counts, keys and the decision to take; write nothing",
    )
    _add_connections(parser, default=argparse.SUPPRESS)
    parser.add_argument("--json", action="store_true", help="print the findings as JSON")


def _add_reconcile(subcommands: argparse._SubParsersAction[CommandParser]) -> None:
    parser = _add_subcommand(subcommands, "reconcile", "compare both databases as they are; load nothing")
    _add_connections(parser, default=argparse.SUPPRESS)
    _add_output(parser, default=argparse.SUPPRESS)
    parser.add_argument(
        "--tables", nargs="+", metavar="TABLE", help="only these tables, named as in the plan"
    )
    parser.add_argument(
        "--checks", nargs="+", choices=CHECK_NAMES, metavar="CHECK", help=f"only {', '.join(CHECK_NAMES)}"
    )
    parser.add_argument(
        "--reread",
        action="store_true",
        help="compare contents with the source read again, not with what the load has read",
    )


def _add_report(subcommands: argparse._SubParsersAction[CommandParser]) -> None:
    parser = _add_subcommand(
        subcommands, "report", "write the report again, from the ledger in the target alone (report.json)"
    )
    parser.add_argument("--target-conn", metavar="URL", default=argparse.SUPPRESS, help=_TARGET_EXAMPLE)
    _add_output(parser, default=argparse.SUPPRESS)


def _add_docs(subcommands: argparse._SubParsersAction[CommandParser]) -> None:
    parser = _add_subcommand(subcommands, "docs", "list the documents that come with this tool, or print one")
    parser.add_argument("name", metavar="NAME", nargs="?", help="such as decisions, or deploy/README")


def _add_ui(subcommands: argparse._SubParsersAction[CommandParser]) -> None:
    parser = _add_subcommand(subcommands, "ui", "open Dagster's UI on the project, from any folder")
    _add_connections(parser, default=argparse.SUPPRESS)
    _add_port(parser)


def _add_demo(subcommands: argparse._SubParsersAction[CommandParser]) -> None:
    parser = _add_subcommand(
        subcommands, "demo", "migrate a sample ERP between two servers that are started for the purpose"
    )
    _add_output(parser, default=argparse.SUPPRESS)
    parser.add_argument(
        "--scale", type=_positive, default=1, metavar="N", help="size: 1 has 5,000 rows, 200 a million (1)"
    )
    parser.add_argument("--ui", action="store_true", help="start everything and open Dagster's UI on it")
    _add_port(parser)


def _add_port(parser: CommandParser) -> None:
    parser.add_argument("--port", type=_positive, default=3000, metavar="P", help="the UI's port (3000)")


def _add_connections(parser: CommandParser, default: str | None) -> None:
    group = parser.add_argument_group("databases")
    group.add_argument("--source-conn", metavar="URL", default=default, help=_SOURCE_EXAMPLE)
    group.add_argument("--target-conn", metavar="URL", default=default, help=_TARGET_EXAMPLE)
    group.add_argument(
        "--project",
        metavar="DIR",
        type=Path,
        default=default,
        help="decisions.yaml and catalog.json (the ERP's)",
    )


def _add_output(parser: CommandParser, default: str | None) -> None:
    parser.add_argument(
        "--output",
        metavar="FILE",
        type=Path,
        default=default,
        help="write the report there, as JSON, and for people beside it, as HTML",
    )


def _add_debug(parser: CommandParser, default: bool | str) -> None:
    parser.add_argument(
        "--debug", action="store_true", default=default, help="show tracebacks on the terminal"
    )


def _positive(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"{text} is not a number above 0")
    return value
