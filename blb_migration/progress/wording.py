"""Progress in words, one line each, for the terminal and Dagster's log alike."""

from __future__ import annotations

from blb_migration.progress.quantities import count, format_clock, format_megabytes, format_percent
from blb_migration.progress.run_meter import RunReading
from blb_migration.progress.table_meter import TableReading

_LEAST_SECONDS_LEFT = 1.0  # less is over before it is read, and small tables take longer than their rows


def describe_table(reading: TableReading) -> str:
    """Rows, bytes, rates and what is left of one table; while nothing is read any more, what goes on."""
    facts = [_describe_rows(reading), f"{format_megabytes(reading.source_bytes)} MB"]
    if reading.stage == "loading" and reading.phase != "loading":
        since = f" for {format_clock(reading.phase_seconds)}" if reading.phase_seconds >= 1 else ""
        facts.append(f"{reading.phase}{since}")
        return ", ".join(facts)
    if reading.rows_per_second is not None:
        facts.append(f"{reading.rows_per_second:,.0f} rows/s")
    if reading.average_rows_per_second is not None:
        facts.append(f"{reading.average_rows_per_second:,.0f} on average")
    if reading.seconds_left is not None and reading.seconds_left >= _LEAST_SECONDS_LEFT:
        facts.append(f"about {format_clock(reading.seconds_left)} left")
    return ", ".join(facts)


def describe_run(reading: RunReading) -> str:
    """Describe all tables together."""
    facts = [f"{reading.tables_loaded} of {reading.tables} tables"]
    facts.append(describe_run_rows(reading))
    facts.append(f"{format_megabytes(reading.source_bytes)} MB")
    if reading.bytes_per_second is not None and not reading.is_over:
        facts.append(f"{format_megabytes(reading.bytes_per_second)} MB/s")
    facts += describe_rest(reading)
    return ", ".join(facts)


def describe_run_rows(reading: RunReading) -> str:
    """Rows of all tables against what is expected."""
    if reading.is_over or reading.rows_expected <= reading.rows:
        return f"{reading.rows:,} rows"
    rows = f"{reading.rows:,} of about {reading.rows_expected:,} rows"
    # Tables differ in width, so that this may be far from the share of the rows.
    return (
        rows if reading.share_done is None else f"{rows}, {format_percent(reading.share_done)} of the bytes"
    )


def describe_rest(reading: RunReading) -> list[str]:
    """Describe the time left, and what is not in it; empty once all is loaded."""
    if reading.is_over:
        return []
    unknown = reading.unknown_tables
    rest = []
    if reading.seconds_left is not None and reading.seconds_left >= _LEAST_SECONDS_LEFT:
        word = "more than" if unknown else "about"
        rest.append(f"{word} {format_clock(reading.seconds_left)} left")
    if unknown:
        rest.append(f"{count(unknown, 'table')} of unknown size")
    return rest


def _describe_rows(reading: TableReading) -> str:
    rows, expected = reading.rows, reading.rows_expected
    if reading.stage == "loaded" or reading.phase != "loading":
        return f"{rows:,} rows"
    if expected is None:
        return f"{rows:,} rows of an unknown number"
    if reading.is_estimate_exceeded:
        return f"{rows:,} rows, more than the {expected:,} expected"
    return f"{rows:,} of about {expected:,} rows{_format_share(reading.share_done)}"


def _format_share(share: float | None) -> str:
    """`` (12 %)`` or nothing; all only when it is all."""
    return "" if share is None else f" ({format_percent(share)})"
