"""What a step is, and what it says of itself. No step is here."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Protocol

from blb_migration.cutover.journal import StepRecord
from blb_migration.cutover.night import JobOutcome, Night
from blb_migration.cutover.night_models import StepSettings
from blb_migration.errors import ExitCode, MigrationError


class AnswerStatus(StrEnum):
    """How an answer counts. ``LATER``: an earlier step of the night will see to it; it stops nothing now."""

    GOOD = "good"
    LATER = "later"
    NOTE = "note"
    OBSTACLE = "obstacle"


@dataclass(frozen=True)
class Answer:
    """One question that a step asks before it acts: what it is about, what was found, and what to do."""

    about: str
    status: AnswerStatus
    found: str
    next_act: str | None = None

    def __str__(self) -> str:
        return f"{self.about}: {self.found}" + (f". {self.next_act}" if self.next_act else "")


def good(about: str, found: str) -> Answer:
    """Say that nothing stands in the way."""
    return Answer(about, AnswerStatus.GOOD, found)


def later(about: str, found: str) -> Answer:
    """Say that it is not so yet, and that the night itself will make it so."""
    return Answer(about, AnswerStatus.LATER, found)


def note(about: str, found: str) -> Answer:
    """Say something that a person should know and that stops nothing."""
    return Answer(about, AnswerStatus.NOTE, found)


def obstacle(about: str, found: str, next_act: str | None = None) -> Answer:
    """Say what stands in the way."""
    return Answer(about, AnswerStatus.OBSTACLE, found, next_act)


@dataclass(frozen=True)
class World:
    """What is true of a step by looking, and in words."""

    is_done: bool
    found: str


class Scribe:
    """What a step writes to the journal while it acts, ``intend``, and shows at once, ``tell``."""

    def __init__(self, intend: Callable[[Mapping[str, Any]], None], tell: Callable[[str], None]) -> None:
        self._intend = intend
        self.tell = tell

    def intend(self, **what: Any) -> None:
        """Write down what is about to be done; the next command finds it in ``record.intents``."""
        self._intend(what)


class Step(Protocol):
    """One step of the night; see the room's docstring for what each part promises."""

    @property
    def name(self) -> str:
        """As in cutover.yaml and in the journal."""

    @property
    def holds_target(self) -> bool:
        """Whether no run may have the target while it acts; False for what runs jobs, which hold it."""

    def settings(self, night: Night) -> StepSettings:
        """Return the step's part of cutover.yaml."""

    def describe(self, night: Night) -> Sequence[str]:
        """Say what it would do."""

    def check(self, night: Night) -> Sequence[Answer]:
        """Ask what must be so before it acts; reads only."""

    def look(self, night: Night, record: StepRecord) -> World:
        """Find out whether it is done."""

    def act(self, night: Night, record: StepRecord, scribe: Scribe) -> Mapping[str, Any]:
        """Do it; returns the evidence. Raises MigrationError."""

    def describe_undo(self, night: Night) -> Sequence[str]:
        """Say what would be saved before it is taken back. Raises MigrationError."""

    def undo(self, night: Night, record: StepRecord, scribe: Scribe) -> Mapping[str, Any]:
        """Take it back; returns the evidence. Raises MigrationError."""


@dataclass(frozen=True)
class StepReport:
    """What is to be shown of one step. ``state``: would, refused, failed, done, already, skipped or
    undone.
    """

    name: str
    state: str
    does: tuple[str, ...] = ()
    answers: tuple[Answer, ...] = ()
    seconds: float | None = None
    found: str = ""
    evidence: Mapping[str, Any] = field(default_factory=dict)

    @property
    def obstacles(self) -> tuple[Answer, ...]:
        """What stands in the way."""
        return tuple(answer for answer in self.answers if answer.status is AnswerStatus.OBSTACLE)


class StepRefused(MigrationError):
    """A step's checks found something in the way; the step has changed nothing."""

    exit_code = ExitCode.PREFLIGHT_REFUSED


class StepFailed(MigrationError):
    """A step could not be done, or not be taken back; what is true now is said, and what to do."""


def require_equal(outcome: JobOutcome, expected: str) -> dict[str, Any]:
    """Return the evidence of a job that ended equal. Raises StepFailed for any other end."""
    if not outcome.is_equal:
        raise StepFailed(
            f"run {outcome.run_id}",
            found=outcome.verdict,
            expected=expected,
            next_act=f"Read {outcome.report}; production can go on as it was: 'blb-migrate rollback'",
        )
    return {
        "run_id": outcome.run_id,
        "verdict": outcome.verdict,
        "report": str(outcome.report),
        "sha256": outcome.sha256,
    }
