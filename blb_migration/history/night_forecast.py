"""How long the next night will take, from how long the last ones took, and how sure that is.

The load's forecast is the median and the worst of the last comparable nights. Nothing is assumed of how
durations are distributed, only that the next night is like these (exchangeable): then each of n + 1 nights is
as likely as any other to be the slowest, so the next one is slower than the worst of n with the chance
1 / (n + 1) (S. S. Wilks, "Determination of sample sizes for setting tolerance limits", 1941).

The trend is the slope of Theil and Sen, the median of the slopes between all pairs of nights (H. Theil 1950;
P. K. Sen, "Estimates of the regression coefficient based on Kendall's tau", 1968): one odd night does not
turn it. Whether chance alone would make it is told by Kendall's S: over all pairs of nights, those whose
later one took longer, less those whose later one took less time. Its distribution over all orders is
exact (M. G. Kendall, "A new measure of rank correlation", 1938; H. B. Mann, "Nonparametric tests against
trend", 1945).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from statistics import median

from blb_migration.history.past_nights import PastNight

FEWEST_NIGHTS = 3
NIGHTS_USED = 14
LOAD_STEP = "migrate"
# Steps of a cutover during which the application is not stopped: before the freeze, and after it is back.
OUTSIDE_WINDOW = ("ready", "watch")
# Chance alone would show a trend this clear in fewer than one of twenty series.
_CLEAR = 0.05


@dataclass(frozen=True)
class DurationForecast:
    """Median and worst of ``night_count`` durations, in seconds."""

    night_count: int
    median_seconds: float
    worst_seconds: float

    @property
    def chance_slower(self) -> float:
        """Return the chance that the next one is slower than the worst so far, if it is like these."""
        return 1 / (self.night_count + 1)


@dataclass(frozen=True)
class Trend:
    """By how many seconds a night takes longer than the one before; ``chance``: in which share of all orders
    of these nights a trend as clear would show."""

    seconds_per_night: float
    chance: float

    @property
    def is_clear(self) -> bool:
        """Whether it is more than what chance makes."""
        return self.chance < _CLEAR and self.seconds_per_night != 0


@dataclass(frozen=True)
class StepForecast:
    """One step of the cutover: median and worst of the times that it was carried out, in seconds."""

    name: str
    times: int
    median_seconds: float
    worst_seconds: float


@dataclass(frozen=True)
class WindowForecast:
    """How long the application will stand still. ``load`` None: too few nights, so that there is no total.

    ``latest`` is the last of the nights that it is made of, None without any. ``steps`` are the others that
    were carried out before; what was not is in no total.
    """

    latest: PastNight | None
    night_count: int
    load: DurationForecast | None
    trend: Trend | None
    steps: tuple[StepForecast, ...]

    @property
    def median_seconds(self) -> float | None:
        """Return the medians of load and steps, added up."""
        if self.load is None:
            return None
        return self.load.median_seconds + sum(step.median_seconds for step in self.steps)

    @property
    def worst_seconds(self) -> float | None:
        """Return the worst of load and steps, added up: as if all were slowest in one night."""
        return (
            None if self.load is None else self.load.worst_seconds + sum(s.worst_seconds for s in self.steps)
        )

    def get_step_seconds(self) -> dict[str, float]:
        """Return the median of each step, the load's among them if there is a forecast of it."""
        seconds = {step.name: step.median_seconds for step in self.steps}
        return seconds if self.load is None else seconds | {LOAD_STEP: self.load.median_seconds}


def forecast_window(
    nights: Sequence[PastNight], step_seconds: Mapping[str, Sequence[float]]
) -> WindowForecast:
    """Make the forecast from comparable nights, oldest first, and from the steps of earlier cutovers.

    Nights that failed, were refused or loaded some tables alone are not counted.
    """
    counted = [night for night in nights if night.is_counted][-NIGHTS_USED:]
    durations = [night.seconds or 0.0 for night in counted]
    steps = tuple(
        StepForecast(name, len(seconds), median(seconds), max(seconds))
        for name, seconds in step_seconds.items()
        if seconds and name != LOAD_STEP and name not in OUTSIDE_WINDOW
    )
    return WindowForecast(
        counted[-1] if counted else None,
        len(durations),
        forecast_durations(durations),
        find_trend(durations),
        steps,
    )


def forecast_durations(durations: Sequence[float]) -> DurationForecast | None:
    """Return median and worst; None for too few to say anything."""
    if len(durations) < FEWEST_NIGHTS:
        return None
    return DurationForecast(len(durations), median(durations), max(durations))


def find_trend(durations: Sequence[float]) -> Trend | None:
    """Return the slope of Theil and Sen over durations in their order; None for too few."""
    if len(durations) < FEWEST_NIGHTS:
        return None
    pairs = list(combinations(enumerate(durations), 2))
    slope = median((late - early) / (j - i) for (i, early), (j, late) in pairs)
    score = sum((late > early) - (late < early) for (_, early), (_, late) in pairs)
    return Trend(slope, measure_chance(len(durations), score))


def measure_chance(count: int, score: int) -> float:
    """Return the share of all orders of ``count`` different values whose Kendall's S is as far from 0.

    Equal values make S smaller, so that with them the chance is told too large, never too small.
    """
    orders = [1]  # by how many pairs stand in falling order
    for size in range(2, count + 1):
        longer = [0] * (len(orders) + size - 1)
        for falling, number in enumerate(orders):
            for more in range(size):
                longer[falling + more] += number
        orders = longer
    pairs = count * (count - 1) // 2
    as_far = sum(number for falling, number in enumerate(orders) if abs(pairs - 2 * falling) >= abs(score))
    return as_far / math.factorial(count)
