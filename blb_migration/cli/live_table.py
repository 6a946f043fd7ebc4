"""The live table of a run on a terminal: headlines, then a line per table, fitted to the window."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rich.cells import cell_len, set_cell_size
from rich.console import Group, RenderableType
from rich.text import Text

from blb_migration.cli.run_record import RunRecord, TableState, TableStatus
from blb_migration.progress.quantities import format_clock, format_megabytes, format_percent
from blb_migration.progress.wording import describe_rest, describe_run_rows

if TYPE_CHECKING:
    from blb_migration.progress.table_meter import TableReading

WIDE_COLUMNS = 105  # from here on there is room for everything
_LINES_BESIDE_TABLE = 7  # headlines, column heads, and room for the prompt
_NARROWEST_NAME = 12
# What a person wants to see first where the window is too small for all tables.
_URGENCY: dict[TableState, int] = {
    "failed": 0,
    "not equal": 0,
    "loading": 1,
    "building indexes": 1,
    "analyzing": 1,
    "checking": 1,
    "equal": 2,
    "waiting": 3,
}
_STYLES: dict[TableState, str] = {"failed": "red", "not equal": "red", "equal": "green", "waiting": "dim"}
_SHORT_STATES: dict[TableState, str] = {"building indexes": "indexes"}


def render_progress(record: RunRecord, height_lines: int, width: int) -> RenderableType:
    """Draw the headlines and as many tables as fit, the most urgent ones, in load order."""
    statuses = list(record.tables.values())
    shown = _choose_most_urgent(statuses, max(height_lines - _LINES_BESIDE_TABLE, 1))
    readings = [(status, record.meter.read_table(status.label)) for status in shown]
    is_wide = width >= WIDE_COLUMNS
    return Group(*_render_headlines(record, statuses), _render_table(readings, width, is_wide))


def _choose_most_urgent(statuses: Sequence[TableStatus], room: int) -> list[TableStatus]:
    # Of the tables that are done, the latest are the ones to show.
    urgent = sorted(
        range(len(statuses)),
        key=lambda index: (
            _URGENCY[statuses[index].state],
            -index if statuses[index].state == "equal" else index,
        ),
    )
    return [statuses[index] for index in sorted(urgent[:room])]


def _render_headlines(record: RunRecord, statuses: Sequence[TableStatus]) -> Iterator[Text]:
    states = [status.state for status in statuses]
    done = states.count("equal") + states.count("not equal")
    errors = len(record.failures) + states.count("not equal")
    yield Text(
        f"{done} of {len(statuses)} tables done, {errors} errors, {format_clock(record.elapsed_seconds)}",
        style="bold",
    )
    reading = record.meter.read_run()
    if not reading.has_begun:
        return
    facts = [describe_run_rows(reading)]
    if reading.bytes_per_second is not None and not reading.is_over:
        facts.append(f"{format_megabytes(reading.bytes_per_second)} MB/s")
    yield Text(", ".join([*facts, *describe_rest(reading)]), style="bold")


@dataclass(frozen=True)
class _Column:
    """One metric of a table; those that are ``only_wide`` are left out of a small window."""

    heading: str
    write: Callable[[TableReading], str]
    only_wide: bool = False


def _render_table(readings: Sequence[tuple[TableStatus, TableReading]], width: int, is_wide: bool) -> Text:
    """Lines laid out here: rich's Table takes ten times as long, of the processor that the load runs on."""
    columns = [column for column in _COLUMNS if is_wide or not column.only_wide]
    gap = "  " if is_wide else " "
    lines = [["table", *(column.heading for column in columns), "state"]]
    for status, reading in readings:
        state = status.state if is_wide else _SHORT_STATES.get(status.state, status.state)
        lines.append([status.label, *(column.write(reading) for column in columns), state])
    widths = [max(map(cell_len, cells)) for cells in zip(*lines, strict=True)]
    # Whatever has to be cut is cut off the names, never off a number.
    room = width - sum(widths[1:]) - len(gap) * (len(widths) - 1)
    widths[0] = min(widths[0], max(room, _NARROWEST_NAME))
    styles = ["", *(_STYLES.get(status.state, "") for status, _ in readings)]
    text = Text(no_wrap=True, overflow="crop")
    for number, ((name, *metrics, state), style) in enumerate(zip(lines, styles, strict=True)):
        shown = zip(metrics, widths[1:-1], strict=True)
        cells = [_fit_name(name, widths[0]), *(metric.rjust(value_width) for metric, value_width in shown)]
        text.append(gap.join(cells) + gap, "" if number else "bold")
        text.append(f"{state}\n", style if number else "bold")
    text.right_crop(1)
    return text


def _fit_name(name: str, width: int) -> str:
    return set_cell_size(name, width) if cell_len(name) <= width else set_cell_size(name, width - 1) + "…"


def _write_rows(reading: TableReading) -> str:
    return "" if reading.stage == "waiting" else f"{reading.rows:,}"


def _write_expected(reading: TableReading) -> str:
    return "" if reading.rows_expected is None else f"{reading.rows_expected:,}"


def _write_done(reading: TableReading) -> str:
    if reading.is_estimate_exceeded:
        return "more"
    return "" if reading.share_done is None else format_percent(reading.share_done)


def _write_megabytes(reading: TableReading) -> str:
    return "" if reading.stage == "waiting" else format_megabytes(reading.source_bytes)


def _write_rate(reading: TableReading) -> str:
    rate = reading.rows_per_second if reading.stage == "loading" else reading.average_rows_per_second
    return "" if rate is None else f"{rate:,.0f}"


def _write_average(reading: TableReading) -> str:
    average = reading.average_rows_per_second
    return "" if average is None else f"{average:,.0f}"


def _write_left(reading: TableReading) -> str:
    return "" if reading.seconds_left is None else format_clock(reading.seconds_left)


_COLUMNS = (
    _Column("rows", _write_rows),
    _Column("expected", _write_expected, only_wide=True),
    _Column("done", _write_done),
    _Column("MB", _write_megabytes, only_wide=True),
    _Column("rows/s", _write_rate),
    _Column("average", _write_average, only_wide=True),
    _Column("left", _write_left),
)
