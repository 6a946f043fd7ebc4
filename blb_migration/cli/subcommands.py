"""The subcommands: a line for each here, a module for each in this room, imported when it is called.

A subcommand is a function with typer's options that returns an exit code. Its docstring is its help, its
example stands here.
"""

from __future__ import annotations

import functools
import importlib
import inspect
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import typer
from typer.core import TyperCommand, TyperGroup

from blb_migration.cli.exits import run_guarded
from blb_migration.errors import ExitCode


@dataclass(frozen=True)
class Subcommand:
    """Where a subcommand is (``module:function`` in this room), what it does, and how it is called."""

    place: str
    help: str
    example: str


SUBCOMMANDS: Mapping[str, Subcommand] = {
    "init": Subcommand(
        "init:init", "Make a project for any database: its open questions and catalogs.", "init my_project"
    ),
    "schema": Subcommand(
        "schema:schema", "Print or create the tables in PostgreSQL.", "schema --project my_project --apply"
    ),
    "plan": Subcommand("plan:plan", "Compare both catalogs and show the plan.", "plan --check"),
    "preflight": Subcommand(
        "preflight:preflight", "Find everything that would go wrong; write nothing.", "preflight --json"
    ),
    "reconcile": Subcommand(
        "reconcile:reconcile",
        "Compare both databases as they are; load nothing.",
        "reconcile --tables orders lines --checks content",
    ),
    "work": Subcommand(
        "work:work",
        "Load chunks of large tables beside a run on another machine.",
        "work --wait --project my_project",
    ),
    "restore-keys": Subcommand(
        "restore_keys:restore_keys",
        "Restore foreign keys that a run has left dropped.",
        "restore-keys --target-conn postgresql://…",
    ),
    "cutover": Subcommand(
        "cutover:cutover", "The night: freeze, load, prove, switch, live.", "cutover --execute"
    ),
    "rollback": Subcommand("cutover:rollback", "Take the night back, step by step.", "rollback --execute"),
    "runbook": Subcommand(
        "runbook:runbook",
        "Show where the runbook stands, or tick a line of it.",
        "runbook --tick people --by Ana",
    ),
    "report": Subcommand(
        "report:rebuild", "Write the report again, from the ledger in the target.", "report --output run.json"
    ),
    "history": Subcommand(
        "show_history:history",
        "Compare the last nights, and say how long the next one takes.",
        "history --json",
    ),
    "alert": Subcommand("alert:alert", "Say who is told of failures, and try it.", "alert --test"),
    "types": Subcommand("type_rules:print_types", "Print which type may land in which, and how.", "types"),
    "variables": Subcommand(
        "show_variables:print_variables",
        "Explain every environment variable, and say which are set.",
        "variables",
    ),
    "docs": Subcommand(
        "docs:docs", "List the documents that come with this tool, or print one.", "docs decisions"
    ),
    "ui": Subcommand("ui:ui", "Open Dagster's UI on the project, from any folder.", "ui --port 3001"),
    "demo": Subcommand(
        "demo:demo", "Migrate a sample ERP between two servers started for it.", "demo --scale 200"
    ),
}


class GroupedHelp:
    """Options under the headings of their groups, in plain text: importing rich would cost the most."""

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """Write a section for each group; the commands follow where there are any."""
        groups: dict[str, list[tuple[str, str]]] = {}
        for param in self.get_params(ctx):  # type: ignore[attr-defined]  # of typer's command beside this
            record = param.get_help_record(ctx)
            if record is not None:
                usual = "Arguments" if param.param_type_name == "argument" else "Options"
                groups.setdefault(getattr(param, "rich_help_panel", None) or usual, []).append(record)
        for heading, records in groups.items():
            with formatter.section(heading):
                formatter.write_dl(records)
        if isinstance(self, TyperGroup):
            self.format_commands(ctx, formatter)


class Command(GroupedHelp, TyperCommand):
    """A subcommand whose options of several values take all words up to the next option."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Parse as typer does, ``--tables a b`` as ``--tables a --tables b``."""
        return super().parse_args(ctx, repeat_options(self, args))


class LazyCommand(TyperCommand):
    """A subcommand whose module is imported when it is called, asked for its help, or completed."""

    def __init__(self, name: str, subcommand: Subcommand) -> None:
        super().__init__(name, help=subcommand.help)
        self._subcommand = subcommand

    def make_context(self, info_name: Any, args: list[str], parent: Any = None, **extra: Any) -> Any:
        """Import the subcommand and let it parse the rest of the line."""
        return self.load().make_context(info_name, args, parent, **extra)

    def load(self) -> Any:
        """Import the module and build the real command."""
        module, _, function = self._subcommand.place.partition(":")
        act = getattr(importlib.import_module(f"blb_migration.cli.{module}"), function)
        app = typer.Typer(add_completion=False, rich_markup_mode=None)
        app.command(
            self.name,
            cls=Command,
            help=f"{self._subcommand.help}\n\n{_unwrap(act.__doc__)}",
            epilog=f"Example: blb-migrate {self._subcommand.example}",
            context_settings={"help_option_names": ["-h", "--help"]},
        )(_guard(act))
        return typer.main.get_command(app)


def _guard(act: Callable[..., ExitCode]) -> Callable[..., int]:
    """``act`` with what a person sees when it raises something."""

    @functools.wraps(act)
    def guarded(**options: Any) -> int:
        return run_guarded(lambda: act(**options), bool(options.get("debug")))

    return guarded


def _unwrap(docstring: str | None) -> str:
    """Leave out the docstring's sentences that are for callers."""
    text = inspect.cleandoc(docstring or "")
    return re.split(r"\n\nRaises |\s+Raises ", text)[0].replace("``", "")


def repeat_options(command: Any, arguments: list[str]) -> list[str]:
    """Read ``--tables a b`` as ``--tables a --tables b``, for each option of several values."""
    names = {name for param in command.params if getattr(param, "multiple", False) for name in param.opts}
    repeated: list[str] = []
    current, is_first = None, False
    for argument in arguments:
        if argument.startswith("-"):
            current, is_first = (argument, True) if argument in names else (None, False)
        elif current is not None and not is_first:
            repeated.append(current)
        else:
            is_first = False
        repeated.append(argument)
    return repeated
