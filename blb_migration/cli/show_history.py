"""``blb-migrate history``: the nights of a target, compared, and how long the next one takes."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Annotated, Any

import typer

from blb_migration.cli.options import Debug, TargetConn
from blb_migration.errors import ExitCode, TargetError

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    from blb_migration.postgres.connect import TargetConnector

RUNS_SHOWN = 14
LINES_SHOWN = 12


def history(
    *,
    target_conn: TargetConn = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print it as JSON.")] = False,
    debug: Debug = False,
) -> ExitCode:
    """Print the last nights and comparisons, what changed since the night before, the slowest tables, and how
    long the next night takes. Read from the ledger of the target that is named, else of the rehearsal's where
    its variables are set, else of BLB_TARGET_CONN; production's forecast is made of the rehearsal's nights as
    well.

    Raises ConfigurationError, or TargetError where there is no ledger, an older one, or no night in it.
    """
    from blb_migration.cli.terminal import build_console
    from blb_migration.cutover.earlier_nights import forecast_night
    from blb_migration.postgres.ledger.versions import require_current_ledger
    from blb_migration.report.nights_compared import describe_nights, read_nights

    target = _find_target(target_conn)
    with target.connect() as connection:
        facts = read_nights(connection) if require_current_ledger(connection) else None
    if facts is None:
        raise TargetError(
            target.settings.masked_url,
            found="its ledger knows of no night",
            expected="a database that blb-migrate has loaded",
            next_act="Migrate first, or name another database with --target-conn",
        )
    window = forecast_night(target, facts.after.night.project, facts.past)
    nights = describe_nights(facts, window)
    console = build_console()
    if as_json:
        console.print(json.dumps(nights, indent=2, ensure_ascii=False), markup=False, soft_wrap=True)
    else:
        _show(console, nights, target.place)
    return ExitCode.RECONCILED


def _find_target(target_conn: str | None) -> TargetConnector:
    from blb_migration.cutover.earlier_nights import connect_rehearsal
    from blb_migration.postgres.connect import TargetConnector
    from blb_migration.settings import read_target_settings

    rehearsal = connect_rehearsal() if target_conn is None else None
    return rehearsal or TargetConnector(read_target_settings(target_conn))


def _show(console: Console, nights: Mapping[str, Any], target: str) -> None:
    runs = sorted([*nights["list"], *nights["comparisons"]], key=lambda run: str(run["started_at"]))
    shown = runs[-RUNS_SHOWN:]
    console.print(
        f"The last nights and comparisons of {target}, times in UTC:", markup=False, highlight=False
    )
    console.print(_build_table(shown))
    for line in _describe(nights):
        console.print(line, markup=False, highlight=False)


def _build_table(nights: list[Mapping[str, Any]]) -> Table:
    from rich.table import Table
    from rich.text import Text

    from blb_migration.progress.quantities import format_duration

    table = Table(box=None, pad_edge=False)
    for name in ("began", "kind", "outcome"):
        table.add_column(name, no_wrap=True)
    for name in ("tables", "rows", "took"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("remark", overflow="fold")
    for night in nights:
        seconds = night["duration_seconds"]
        cells = (
            night["started_at"][:16].replace("T", " "),
            night["kind"],
            night["outcome"] or "no end",
            f"{night['tables']:,}",
            f"{night['rows']:,}",
            "" if seconds is None else format_duration(seconds),
            night["remark"],
        )
        table.add_row(*map(Text, cells))
    return table


def _describe(nights: Mapping[str, Any]) -> Iterator[str]:
    from blb_migration.report.nights_compared import list_details

    yield ""
    yield from nights["changes"]["sentences"]
    for heading, lines in list_details(nights):
        yield f"  {heading}:"
        yield from (f"    {line}" for line in lines[:LINES_SHOWN])
        if len(lines) > LINES_SHOWN:
            yield f"    and {len(lines) - LINES_SHOWN:,} more: --json has them all"
    if nights["slowest"]:
        yield ""
        yield "The slowest tables:"
    for table in nights["slowest"]:
        before = table["seconds_before"]
        then = "" if before is None else f", {before:,.2f} s in the night before"
        yield f"  {table['table']}: {table['seconds']:,.2f} s, {table['rows']:,} rows{then}"
    yield ""
    yield from (line for line in nights["forecast"]["sentences"] if line)
