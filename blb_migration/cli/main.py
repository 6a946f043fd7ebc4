"""The entry point ``blb-migrate``: the migration's own options, and what is said of a line it cannot read."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from blb_migration import __version__
from blb_migration.cli.exits import INTERRUPTED, describe_missing_library, report_error, run_guarded
from blb_migration.cli.options import Debug, Output, ProjectFolder, SourceConn, TargetConn
from blb_migration.cli.signals import find_exit_code, heeding_signals
from blb_migration.cli.streams import lasting_streams
from blb_migration.cli.subcommands import SUBCOMMANDS, GroupedHelp, LazyCommand, repeat_options
from blb_migration.collector import rest_at_exit
from blb_migration.errors import EXIT_CODE_MEANINGS, ExitCode, MigrationError
from blb_migration.near_names import suggest

# What only some subcommands take: given before another one it would be lost without a word.
_ACTS = ("dry_run", "create_schema", "replace_changed_rows", "reason", "output")


class Group(GroupedHelp, TyperGroup):
    """``blb-migrate`` with its subcommands; the end of its help is made when it is asked for."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Parse as typer does, an option of several values with all words up to the next option."""
        return super().parse_args(ctx, repeat_options(self, args))

    def format_epilog(self, ctx: Any, formatter: Any) -> None:
        """Write what the environment may hold and what the exit codes mean."""
        from blb_migration.settings.variable_list import iterate_variables

        with formatter.section("Environment variables (more: blb-migrate variables)"):
            formatter.write_dl(
                [(variable.name, variable.meaning.replace("`", "")) for variable in iterate_variables()]
            )
        with formatter.section("Exit codes"):
            formatter.write_dl([(str(int(code)), meaning) for code, meaning in EXIT_CODE_MEANINGS.items()])
        with formatter.section("Examples"):
            formatter.write_text("blb-migrate --dry-run")
            formatter.write_text("blb-migrate --output report.json")


app = typer.Typer(
    name="blb-migrate",
    cls=Group,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _print_version(is_asked: bool) -> None:
    if is_asked:
        typer.echo(f"blb-migrate {__version__}")
        raise typer.Exit


@app.callback(invoke_without_command=True, subcommand_metavar="[SUBCOMMAND] ...")
def root(
    context: typer.Context,
    *,
    source_conn: SourceConn = None,
    target_conn: TargetConn = None,
    project: ProjectFolder = None,
    output: Output = None,
    dry_run: Annotated[
        bool,
        typer.Option(
            "--dry-run",
            help="Load everything onto scratch copies of the target's tables, compare, and drop them again:"
            " the target's own tables stay as they are.",
        ),
    ] = False,
    create_schema: Annotated[
        bool,
        typer.Option("--create-schema", help="Create the target's tables first, where it has none of them."),
    ] = False,
    replace_changed_rows: Annotated[
        list[str] | None,
        typer.Option(
            "--replace-changed-rows",
            metavar="TABLE ...",
            help="Load these tables although others have changed their rows since the last load, or have"
            " filled them: these rows are lost. Needs --reason.",
        ),
    ] = None,
    reason: Annotated[
        str | None,
        typer.Option("--reason", metavar="TEXT", help="Why changed rows may go; recorded in the ledger."),
    ] = None,
    debug: Debug = False,
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version.")
    ] = False,
) -> int:
    """Move a SQL Server database to PostgreSQL, table by table in foreign-key order, and prove that nothing
    was lost. Without a subcommand it migrates; every other act has its subcommand.
    """
    if context.invoked_subcommand is not None:
        _hand_down(context, context.invoked_subcommand)
        return ExitCode.RECONCILED

    def act() -> ExitCode:
        from blb_migration.cli.migrate import migrate

        return migrate(
            source_conn=source_conn,
            target_conn=target_conn,
            project=project,
            output=output,
            dry_run=dry_run,
            create_schema=create_schema,
            replace_changed_rows=replace_changed_rows,
            reason=reason,
            debug=debug,
        )

    return run_guarded(act, debug)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code (``errors.ExitCode``); never raises for a user's error."""
    rest_at_exit()
    with lasting_streams(), heeding_signals():
        return _run_line(argv)


def _run_line(argv: Sequence[str] | None) -> int:
    group: Any = typer.main.get_command(app)
    for name, subcommand in SUBCOMMANDS.items():
        group.add_command(LazyCommand(name, subcommand))
    try:
        return int(group.main(argv, prog_name="blb-migrate", standalone_mode=False) or 0)
    except typer.TyperException as error:
        report_error(_describe_usage_error(error))
        return int(ExitCode.BAD_USAGE)
    except ImportError as error:  # of a subcommand's module
        refused = describe_missing_library(error)
        if refused is None:
            raise
        report_error(str(refused))
        return int(refused.exit_code)
    except MigrationError as error:  # of an option's value
        report_error(str(error))
        return int(error.exit_code)
    except typer.Abort:  # before the subcommand has begun
        report_error(INTERRUPTED)
        return int(find_exit_code())


def _hand_down(context: typer.Context, name: str) -> None:
    """Make what was given before the subcommand the subcommand's defaults."""
    given = {key: value for key, value in context.params.items() if value not in (None, False, [], ())}
    context.default_map = {name: given}
    taken = {param.name for param in context.command.get_command(context, name).load().params}  # type: ignore[attr-defined]
    for key in _ACTS:
        if key in given and key not in taken:
            option = f"--{key.replace('_', '-')}"
            raise typer.BadParameter(f"{name} takes no {option}: leave it out, or leave {name} out")


def _describe_usage_error(error: typer.TyperException) -> str:
    """Describe what is wrong with the line, without repeating what may be a password."""
    option = getattr(error, "option_name", None)
    context = getattr(error, "ctx", None)
    usage = "'blb-migrate --help' lists what there is."
    if option is not None and hasattr(error, "possibilities"):
        known = [name for param in context.command.params for name in param.opts] if context else []
        return f"unknown option {option}{suggest(option, known)}. {usage}"
    if option is not None:
        return f"{option} needs a value. {usage}"
    unread = re.fullmatch(r"No such command '(.*)'\..*", error.message, re.DOTALL)
    if unread:
        word = unread[1]
        shown = f"unknown subcommand {word}" if re.fullmatch(r"[A-Za-z][A-Za-z-]*", word) else ""
        shown = (
            shown or "a word that is neither an option nor a subcommand (not shown: it may hold a password)"
        )
        return f"{shown}{suggest(word, SUBCOMMANDS)}. {usage}"
    if "unexpected extra argument" in error.message:
        return f"too many words on the line (not shown: they may hold a password). {usage}"
    text = error.message if type(error) is typer.BadParameter else error.format_message()
    return f"{text[:1].lower()}{text[1:].rstrip('.')}. {usage}"
