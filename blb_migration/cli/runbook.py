"""``blb-migrate runbook``: where the runbook stands, and a tick by a person."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from blb_migration.cli.options import Debug, ProjectFolder, SourceConn, TargetConn
from blb_migration.errors import ConfigurationError, ExitCode

if TYPE_CHECKING:
    from rich.console import Console

_MARKS = {"done": "[green]x[/]", "open": " ", "waits for a person": "[cyan]?[/]", "left out": "-"}


def runbook(
    *,
    source_conn: SourceConn = None,
    target_conn: TargetConn = None,
    project: ProjectFolder = None,
    tick: Annotated[
        str | None, typer.Option("--tick", metavar="LINE", help="Say that this line is done.")
    ] = None,
    by: Annotated[str | None, typer.Option("--by", metavar="NAME", help="Who says so.")] = None,
    note: Annotated[
        str | None, typer.Option("--note", metavar="TEXT", help="What else is to be said.")
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            metavar="FILE",
            help="Write it: runbook.html for printing, with what was done, or runbook.md.",
        ),
    ] = None,
    debug: Debug = False,
) -> ExitCode:
    """Print every line of the runbook: done and by what evidence, open, or waiting for a person. With
    --output it is written as a page for printing, or as a document, for which no server is asked.
    """
    from blb_migration.cli.cutover import open_night
    from blb_migration.cli.discovery import read_databases, read_project
    from blb_migration.cli.terminal import build_console
    from blb_migration.cutover.runbook.checklists import judge_items, read_checklists, tick_item
    from blb_migration.cutover.runbook.runbook_page import render_page
    from blb_migration.cutover.runbook.runbook_parts import build_runbook

    console = build_console()
    if output is not None and output.suffix == ".md":
        return _write_markdown(output, project, console)
    if output is not None and output.suffix != ".html":
        raise ConfigurationError(
            f"--output {output}",
            found="the name says neither Markdown nor HTML",
            expected="a name that ends in .md or .html",
            next_act="Name it so",
        )
    databases = read_databases(source_conn, target_conn)
    found = read_project(project)
    night = open_night(databases, found, console, is_debug=debug)
    if tick is not None:
        if not by:
            raise ConfigurationError(
                "--tick", found="given without --by", next_act="Say who has done it: --by NAME"
            )
        tick_item(night.journal, tick, by, note)
    if output is not None:
        page = render_page(build_runbook(found.title, found.folder), night.journal, night.now())
        return _write(output, night.mask(page), console)
    for checklist in read_checklists():
        console.print(f"\n[bold]{checklist.title}[/]", highlight=False)
        for state in judge_items(night.journal, checklist):
            console.print(f"\\[{_MARKS[state.state]}] ", end="", highlight=False)
            evidence = f" ({state.evidence})" if state.evidence else ""
            waits = f" [{state.state}]" if state.state in ("waits for a person", "left out") else ""
            console.print(
                f"{state.item.id}: {state.item.text}{waits}{evidence}", markup=False, highlight=False
            )
    for line in night.journal.notes:
        console.print(f"Journal: {night.mask(line)}", markup=False)
    return ExitCode.RECONCILED


def _write_markdown(output: Path, folder: Path | None, console: Console) -> ExitCode:
    from blb_migration.cli.discovery import read_project
    from blb_migration.cutover.runbook.runbook_markdown import render_markdown
    from blb_migration.cutover.runbook.runbook_parts import build_runbook

    project = read_project(folder)
    command = "blb-migrate runbook --output docs/runbook.md"
    return _write(output, render_markdown(build_runbook(project.title, project.folder), command), console)


def _write(output: Path, text: str, console: Console) -> ExitCode:
    try:
        output.write_text(text, encoding="utf-8", newline="\n")
    except OSError as error:
        raise ConfigurationError(
            f"--output {output}",
            found=f"it cannot be written ({error.strerror or error})",
            next_act="Name a file in a folder that is there and may be written to",
        ) from None
    console.print(f"Runbook: {output}", markup=False, highlight=False, soft_wrap=True)
    return ExitCode.RECONCILED
