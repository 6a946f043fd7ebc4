"""Contestants in turn, several rounds, medians; and what the servers spent meanwhile.

In turn, so that whatever else the machine does meanwhile hits all of them alike: only ratios within one
run mean something.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from blb_migration_tests.benchmarks.servers import Source, Target
from blb_migration_tests.benchmarks.worker import Cost


@dataclass(frozen=True)
class Round:
    """One piece of work, once: its own cost, and processor seconds of the servers meanwhile."""

    cost: Cost
    source_cpu_seconds: float | None
    target_cpu_seconds: float


@dataclass(frozen=True)
class Measurement:
    """All rounds of one contestant on one subject; ``row_count`` rows were moved in each."""

    subject: str
    contestant: str
    row_count: int
    rounds: tuple[Round, ...]

    @property
    def seconds(self) -> float:
        """The median by the clock."""
        return statistics.median(each.cost.seconds for each in self.rounds)

    @property
    def rows_per_second(self) -> float:
        """Rows by the median."""
        return self.row_count / self.seconds

    @property
    def peak_megabytes(self) -> float | None:
        """The highest of all rounds."""
        peaks = [each.cost.peak_megabytes for each in self.rounds if each.cost.peak_megabytes is not None]
        return max(peaks, default=None)

    def cpu_seconds(self) -> dict[str, float]:
        """Median processor seconds of the work (planning included, imports not), the target, the source."""
        medians = {
            "work": statistics.median(each.cost.cpu_seconds for each in self.rounds),
            "postgres": statistics.median(each.target_cpu_seconds for each in self.rounds),
        }
        sources = [each.source_cpu_seconds for each in self.rounds if each.source_cpu_seconds is not None]
        return {**medians, "source": statistics.median(sources)} if sources else medians

    def median_detail(self, name: str) -> float:
        """Return the median of one of the work's own metrics."""
        return statistics.median(float(each.cost.details[name]) for each in self.rounds)


def measure_in_turn(
    subject: str,
    row_count: int,
    contestants: Mapping[str, Callable[[], Cost]],
    servers: tuple[Source, Target],
    round_count: int,
) -> Sequence[Measurement]:
    """Every contestant once, then every contestant again, ``round_count`` times."""
    rounds: dict[str, list[Round]] = {name: [] for name in contestants}
    for number in range(round_count):
        names = list(contestants)
        for name in names if number % 2 == 0 else reversed(names):
            rounds[name].append(_measure_once(contestants[name], *servers))
    return [Measurement(subject, name, row_count, tuple(done)) for name, done in rounds.items()]


def _measure_once(work: Callable[[], Cost], source: Source, target: Target) -> Round:
    source_before, target_before = source.cpu_seconds(), target.cpu_seconds()
    cost = work()
    source_after, target_after = source.cpu_seconds(), target.cpu_seconds()
    spent = None if source_before is None or source_after is None else source_after - source_before
    return Round(cost, spent, target_after - target_before)
