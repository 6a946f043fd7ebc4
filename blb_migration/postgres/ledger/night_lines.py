"""The ledger's copy of the night's journal: lines are added, never changed.

Functions raise TargetError.
"""

from __future__ import annotations

import datetime
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from psycopg.types.json import Jsonb

from blb_migration.postgres.ledger.ledger_sql import read, write, write_each
from blb_migration.postgres.ledger.versions import NIGHTS_FROM_VERSION, read_ledger_version
from blb_migration.postgres.names import TargetConnection


@dataclass(frozen=True)
class LineRow:
    """One line, as the ledger has it; ``at`` is UTC in ISO 8601."""

    night_id: str
    number: int
    step: str
    event: Any
    at: str
    operator: str
    host: str
    tool_version: str
    details: Mapping[str, Any]


def has_night_lines(connection: TargetConnection) -> bool:
    """Whether the target has a ledger with a night's journal, an older one or not. Needs only SELECT."""
    version = read_ledger_version(connection)
    return version is not None and version >= NIGHTS_FROM_VERSION


def append_lines(connection: TargetConnection, lines: Sequence[LineRow]) -> LineRow | None:
    """Add lines, unless another line stands where one should: then none, and that one is returned."""
    with connection.transaction():
        write(connection, "LOCK TABLE blb_migration.night_lines IN SHARE ROW EXCLUSIVE MODE")
        known = {(line.night_id, line.number): line for line in read_lines(connection)}
        new = [line for line in lines if (line.night_id, line.number) not in known]
        for line in lines:
            other = known.get((line.night_id, line.number), line)
            if other != line:
                return other
        write_each(
            connection,
            "INSERT INTO blb_migration.night_lines (night_id, line_no, step, event, written_at, operator,"
            " host, tool_version, details) VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s)",
            [
                (
                    line.night_id,
                    line.number,
                    line.step,
                    line.event,
                    datetime.datetime.fromisoformat(line.at),
                    line.operator,
                    line.host,
                    line.tool_version,
                    Jsonb(dict(line.details)),
                )
                for line in new
            ],
        )
    return None


def read_lines(connection: TargetConnection) -> list[LineRow]:
    """Read every line of every night, in order."""
    rows = read(
        connection,
        "SELECT night_id, line_no, step, event, written_at, operator, host, tool_version, details"
        " FROM blb_migration.night_lines ORDER BY night_id, line_no",
    )
    return [
        LineRow(night, number, step, event, at.isoformat(timespec="microseconds"), *rest)
        for night, number, step, event, at, *rest in rows
    ]


def read_step_durations(connection: TargetConnection) -> dict[str, tuple[float, ...]]:
    """Read how long each step took, in seconds, each time that it was carried out, in their order."""
    rows = read(
        connection,
        "SELECT step, array_agg(extract(epoch FROM closed.written_at - opened.written_at)::float8"
        "                       ORDER BY closed.written_at)"
        " FROM blb_migration.night_lines AS closed"
        " CROSS JOIN LATERAL (SELECT max(written_at) AS written_at FROM blb_migration.night_lines AS o"
        "   WHERE o.night_id = closed.night_id AND o.step = closed.step AND o.event = 'opened'"
        "   AND o.line_no < closed.line_no) AS opened"
        # Else the clock was set back meanwhile.
        " WHERE closed.event = 'closed' AND closed.written_at >= opened.written_at"
        " GROUP BY step ORDER BY min(closed.line_no)",
    )
    return {step: tuple(seconds) for step, seconds in rows}
