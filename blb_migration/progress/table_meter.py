"""One table's load in metrics: what its parts report, added up, its rate and the time its rows will take."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from blb_migration.migration import LoadPhase, TableProgress
from blb_migration.progress.rates import SmoothedRate
from blb_migration.progress.row_widths import guess_row_bytes

if TYPE_CHECKING:
    from blb_migration.plan.table_plans import TablePlan

CURRENT_SECONDS = 10.0  # what "now" means in a rate
LEAST_SECONDS = 1.0  # before anything is said of the time left
_LONGEST_SECONDS_LEFT = 100 * 3600.0  # beyond that it is no estimate

TableStage = Literal["waiting", "loading", "loaded", "given up"]


@dataclass(frozen=True)
class TableReading:
    """One table at one moment.

    ``rows_expected`` is the estimate, and the real count once loaded; ``share_done`` and
    ``seconds_left`` are None when the estimate is missing or already exceeded. ``seconds_left`` is for the
    rows alone. ``phase_seconds`` is since the phase began. Rates are of this load alone.
    """

    label: str
    stage: TableStage
    phase: LoadPhase
    rows: int
    rows_expected: int | None
    source_bytes: int
    seconds: float
    phase_seconds: float
    rows_per_second: float | None
    average_rows_per_second: float | None
    share_done: float | None
    seconds_left: float | None

    @property
    def is_estimate_exceeded(self) -> bool:
        """Whether more rows have come than the source's statistics know of, and may go on coming."""
        if self.stage != "loading" or self.phase != "loading" or self.rows_expected is None:
            return False
        return self.rows > self.rows_expected


class TableMeter:
    """One table's counts and rates. Not thread-safe: the run's meter guards it."""

    def __init__(self, table: TablePlan) -> None:
        self.label = table.label
        self.rows_expected = table.source.row_estimate
        self.guessed_row_bytes = guess_row_bytes(column.source.type for column in table.columns)
        self.stage: TableStage = "waiting"
        self.begin(0.0)
        self.stage = "waiting"

    def begin(self, now: float) -> None:
        """Begin the load, for the first time or anew."""
        self.stage = "loading"
        self.phase: LoadPhase = "loading"
        self.started_at = self.phase_at = self.ended_at = now
        self.parts: dict[int, tuple[int, int]] = {}
        self.rows = self.source_bytes = self.kept_rows = 0
        self.rate = SmoothedRate(CURRENT_SECONDS, now)

    def count(self, progress: TableProgress, now: float) -> int:
        """Take a part's counts; returns the bytes that this load has read since its last report."""
        rows_before, bytes_before = self.parts.get(progress.part, (0, 0))
        self.parts[progress.part] = (progress.rows_read, progress.source_bytes)
        rows = progress.rows_read - rows_before
        self.rows += rows
        self.source_bytes += progress.source_bytes - bytes_before
        if progress.is_kept:
            self.kept_rows += rows
            return 0
        self.rate.add(max(rows, 0), now)  # fewer than before: the part was begun anew
        return max(progress.source_bytes - bytes_before, 0)

    @property
    def is_unknown(self) -> bool:
        """Whether nobody knows how many rows there are."""
        return self.rows_expected is None or (
            self.rows > self.rows_expected and self.stage == "loading" and self.phase == "loading"
        )

    @property
    def rows_left(self) -> int:
        """By the estimate; 0 where there is none, and once all rows are read."""
        if self.stage in ("loaded", "given up") or self.phase != "loading":
            return 0
        return max((self.rows_expected or 0) - self.rows, 0)

    def read(self, now: float) -> TableReading:
        """Read the metrics at ``now``."""
        is_loading = self.stage == "loading" and self.phase == "loading"
        ended_at = now if self.stage == "loading" else self.ended_at
        rows_ended_at = ended_at if self.phase == "loading" else self.phase_at
        seconds = rows_ended_at - self.started_at
        loaded_rows = self.rows - self.kept_rows
        rate = self.rate.read(now) if is_loading else None
        known = None if self.is_unknown else self.rows_expected
        left = None
        if is_loading and known is not None and seconds >= LEAST_SECONDS and self.rows < known:
            left = estimate_seconds_left(known - self.rows, rate)
        return TableReading(
            label=self.label,
            stage=self.stage,
            phase=self.phase,
            rows=self.rows,
            rows_expected=self.rows if self.stage == "loaded" else self.rows_expected,
            source_bytes=self.source_bytes,
            seconds=ended_at - self.started_at,
            phase_seconds=ended_at - self.phase_at,
            rows_per_second=rate,
            average_rows_per_second=loaded_rows / seconds if loaded_rows > 0 and seconds > 0 else None,
            share_done=self._read_share(known),
            seconds_left=left,
        )

    def _read_share(self, known: int | None) -> float | None:
        if self.stage == "loaded":
            return 1.0
        if self.stage == "waiting" or not known:
            return None
        return min(self.rows / known, 1.0)


def estimate_seconds_left(left: float, per_second: float | None) -> float | None:
    """``left`` units at this rate; None where that would be no estimate."""
    if not per_second:
        return None
    seconds = left / per_second
    return seconds if seconds <= _LONGEST_SECONDS_LEFT else None
