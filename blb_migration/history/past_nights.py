"""What is known of a night that is over: a run that was to load the whole target, and its tables.

Nights are comparable if project, source and environment are the same, however the source was addressed.
"""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

COMPARISON = "reconcile"  # the kind of a run that loads nothing
_ENDED_WELL = ("equal", "not equal")


@dataclass(frozen=True)
class PastNight:
    """One night. ``seconds`` is from its beginning to its end, or to the last thing known of it, None where
    nothing is; ``outcome`` None: no end is on record. ``errors`` are sentences, the first cause first.

    ``source`` is the address, ``source_told`` what the server says, None where nothing was loaded from it.
    """

    run_id: str
    kind: str
    environment: str | None
    project: str
    source: str
    plan_hash: str
    started_at: datetime.datetime
    seconds: float | None
    outcome: str | None
    errors: Sequence[str] = ()
    tables_planned: int = 0
    tables_loaded: int = 0
    rows: int = 0
    mismatch_count: int = 0
    source_told: str | None = None

    @property
    def is_counted(self) -> bool:
        """Whether its duration is that of a whole night: every table loaded, and the end reached."""
        is_whole = 0 < self.tables_planned <= self.tables_loaded
        return is_whole and self.outcome in _ENDED_WELL and self.seconds is not None

    @property
    def remark(self) -> str:
        """Say why it is not counted, or what a counted night is to be known for; empty for a good one."""
        if self.outcome is None:
            return "no end on record: it is going on, or was killed"
        if self.outcome not in _ENDED_WELL:
            return self.errors[0] if self.errors else "no reason on record"
        if not self.is_counted and self.kind != COMPARISON:
            return f"{self.tables_loaded:,} of {self.tables_planned:,} tables loaded"
        return "" if self.outcome == "equal" else "checks found differences"

    def is_comparable(self, other: PastNight) -> bool:
        """Whether both went between the same kind of servers, by the same project."""
        is_same_kind = (self.project, self.environment) == (other.project, other.environment)
        return is_same_kind and self._has_source_of(other)

    def _has_source_of(self, other: PastNight) -> bool:
        """Whether the address, or what the server says, is the same: a name may be one of several."""
        is_told_same = self.source_told is not None and self.source_told == other.source_told
        return is_told_same or self.source.casefold() == other.source.casefold()


@dataclass(frozen=True)
class NightTable:
    """One planned table in a night. ``rows``, ``seconds`` and ``digest`` are None where it was not loaded.

    ``metrics`` are the source's key totals by name; ``column_types`` has each source column's type there and
    in the target, None for a night that an older version recorded. ``hash_function`` is that of the digest.
    """

    label: str
    rows: int | None = None
    seconds: float | None = None
    digest: str | None = None
    metrics: Mapping[str, str | None] = field(default_factory=dict)
    column_types: Mapping[str, str] | None = None
    hash_function: str | None = None


@dataclass(frozen=True)
class NightFinding:
    """One thing preflight found; ``message`` may hold counts that change from night to night."""

    code: str
    severity: str
    subject: str
    message: str = field(default="", compare=False)


@dataclass(frozen=True)
class NightDetails:
    """A night with its tables in load order, and what preflight found."""

    night: PastNight
    tables: tuple[NightTable, ...] = ()
    findings: tuple[NightFinding, ...] = ()


@dataclass(frozen=True)
class Past:
    """The nights of one or more ledgers, oldest first, and how long each step of a cutover took there.

    ``step_seconds`` has by step's name a duration for each time that it was carried out; ``comparisons`` are
    the runs between the nights that only compared.
    """

    nights: tuple[PastNight, ...] = ()
    step_seconds: Mapping[str, tuple[float, ...]] = field(default_factory=dict)
    comparisons: tuple[PastNight, ...] = ()

    def choose_series(self, project: str | None = None) -> tuple[PastNight, ...]:
        """Return the nights that forecast best, oldest first: those comparable with the latest counted one.

        So a rehearsal's nights forecast production's, until production has been loaded itself.
        """
        nights = [night for night in self.nights if project in (None, night.project)]
        latest = next((night for night in reversed(nights) if night.is_counted), None)
        latest = latest or next(reversed(nights), None)
        return () if latest is None else tuple(night for night in nights if night.is_comparable(latest))

    def find_before(self, night: PastNight) -> PastNight | None:
        """Return the last comparable night before ``night`` that was counted, None where there is none."""
        earlier = [each for each in self.nights if each.started_at < night.started_at and each.is_counted]
        return next((each for each in reversed(earlier) if each.is_comparable(night)), None)


def merge_pasts(pasts: Iterable[Past]) -> Past:
    """Put what several ledgers remember into one, oldest first."""
    pasts = list(pasts)
    nights: Sequence[PastNight] = [night for past in pasts for night in past.nights]
    steps: dict[str, tuple[float, ...]] = {}
    for past in pasts:
        for step, seconds in past.step_seconds.items():
            steps[step] = (*steps.get(step, ()), *seconds)
    return Past(tuple(sorted(nights, key=lambda night: (night.started_at, night.run_id))), steps)
