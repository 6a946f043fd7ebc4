"""Whether the application is live on the target, as the journal tells it: since when, and by whom.

What may be loaded is decided by the target's own mark (``postgres.ledger.live_mark``), not by this.
"""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from blb_migration.cutover.journal import NIGHT, POSTPONED, Journal
from blb_migration.cutover.journal_lines import Line
from blb_migration.cutover.step import StepFailed

LiveKind = Literal["never live", "live", "being taken back", "taken back"]
_SENTENCES: Mapping[LiveKind, str] = {
    "never live": "No night was ever live",
    "live": "The application is live on PostgreSQL since {since}",
    "being taken back": "The night is being taken back since {since}",
    "taken back": "The night was taken back at {since}: SQL Server serves the application again",
}


class NightTakenBack(StepFailed):
    """Another command has taken the night back, or begun to: nothing more is written into it."""


@dataclass(frozen=True)
class LiveState:
    """Where the latest night that was live stands, since when (UTC), and who did that.

    ``postponed`` is what a rollback could not do yet.
    """

    kind: LiveKind = "never live"
    night_id: str | None = None
    since: datetime.datetime | None = None
    operator: str = ""
    host: str = ""
    postponed: str | None = None

    @property
    def is_over(self) -> bool:
        """Whether it was live and is so no more."""
        return self.kind in ("being taken back", "taken back")

    def __str__(self) -> str:
        when = f"{self.since:%Y-%m-%d %H:%M:%S} UTC, by {self.operator} on {self.host}" if self.since else ""
        said = _SENTENCES[self.kind].format(since=when)
        return f"{said}; {self.postponed}" if self.postponed else said


def read_live_state(journal: Journal) -> LiveState:
    """Read it from the lines that the journal has now; ``journal.read_again`` has those of other commands."""
    state = LiveState()
    for line in journal.lines:
        state = _follow(state, line)
    return state


def refuse_taken_back(journal: Journal, night_id: str | None) -> None:
    """Raise NightTakenBack where somebody has taken this night back meanwhile, or begun to."""
    journal.read_again()
    state = read_live_state(journal)
    if state.is_over and state.night_id == night_id:
        raise NightTakenBack(
            "the watch",
            found=str(state),
            expected="an application that is live",
            next_act="Nothing is to be watched any more; 'blb-migrate runbook' says where the night stands",
        )


def _follow(state: LiveState, line: Line) -> LiveState:
    since = datetime.datetime.fromisoformat(line.at)
    if (line.step, line.event) == ("live", "closed"):
        return LiveState("live", line.night_id, since, line.operator, line.host)
    if line.night_id != state.night_id:
        return state
    if (line.step, line.event) == ("live", "undoing"):
        postponed = line.details.get(POSTPONED)
        return LiveState("being taken back", line.night_id, since, line.operator, line.host, postponed)
    if (line.step, line.event) == (NIGHT, "ended"):
        return LiveState("taken back", line.night_id, since, line.operator, line.host)
    return state
