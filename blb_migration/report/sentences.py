"""The verdict in one sentence, and what to do next: words for people who do not know the tool.

Pure functions of what was counted. Whether the target is equal is decided by the ledger.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from blb_migration.progress.quantities import count

_LABELS_IN_SENTENCE = 3


class Ending(StrEnum):
    """How the run itself ended, whatever stands in the target."""

    COMPLETED = "completed"
    FAILED = "failed"
    REFUSED = "refused"
    INTERRUPTED = "interrupted"


class Status(StrEnum):
    """The verdict in one word."""

    EQUAL = "equal"
    NOT_EQUAL = "not_equal"
    FAILED = "failed"
    REFUSED = "refused"
    INTERRUPTED = "interrupted"
    NOT_COMPARED = "not_compared"


@dataclass(frozen=True)
class VerdictFacts:
    """What the verdict is spoken over. ``is_equal`` None: the target was not judged.

    ``unequal_labels`` are the planned tables not verified equal, ``partly_loaded_labels`` those of them whose
    chunked load is not finished; ``error_count`` counts what failed in the run, ``refusal_count`` the
    findings that refuse the migration.
    """

    ending: Ending
    is_equal: bool | None
    table_count: int
    row_count: int
    unequal_labels: tuple[str, ...]
    dropped_key_count: int
    error_count: int
    refusal_count: int
    is_dry_run: bool = False
    partly_loaded_labels: tuple[str, ...] = ()


@dataclass(frozen=True)
class SpokenVerdict:
    """The status, the sentence, and the next act."""

    status: Status
    sentence: str
    next_act: str


def speak(facts: VerdictFacts) -> SpokenVerdict:
    """Return the verdict over a run and over what stands in the target after it."""
    if facts.ending is Ending.REFUSED:
        return _speak_refusal(facts)
    if facts.ending is Ending.INTERRUPTED:
        return _speak_interruption(facts)
    if facts.is_equal is None:
        return _speak_without_judgement(facts)
    if not facts.is_equal:
        return SpokenVerdict(
            Status.NOT_EQUAL,
            f"Not equal: {_describe_problems(facts)}.",
            "Do not cut over. Settle what is listed under Problems, load those tables again, compare again.",
        )
    tables = count(facts.table_count, "table")
    if facts.error_count:
        return SpokenVerdict(
            Status.FAILED,
            f"Failed: {count(facts.error_count, 'error')} in this run; what PostgreSQL holds,"
            f" {tables}, is equal all the same, from loads that were finished before.",
            "Do not cut over on this run. Settle the errors, then run again.",
        )
    return SpokenVerdict(
        Status.EQUAL,
        f"Equal: all {tables} ({count(facts.row_count, 'row')}) were loaded, and every metric compared is"
        " the same on both sides.",
        "The migration itself is still to be done."
        if facts.is_dry_run
        else "As far as the data is concerned, the cutover may go ahead.",
    )


def _speak_refusal(facts: VerdictFacts) -> SpokenVerdict:
    cause = "the target may not be loaded"
    if facts.refusal_count:
        cause = f"{count(facts.refusal_count, 'finding')} must be settled first"
    return SpokenVerdict(
        Status.REFUSED,
        f"Refused: nothing was written to PostgreSQL, because {cause}.",
        "Settle each of them, as said beside it, then run again.",
    )


def _speak_interruption(facts: VerdictFacts) -> SpokenVerdict:
    equal_count = facts.table_count - len(facts.unequal_labels)
    so_far = (
        f"so far {equal_count} of {count(facts.table_count, 'table')} are verified equal"
        if facts.is_equal is not None
        else "nothing was compared"
    )
    return SpokenVerdict(
        Status.INTERRUPTED,
        f"Interrupted: the run was stopped before its end; {so_far}.",
        f"Do not cut over. {_describe_unfinished(facts)} Run again to finish.",
    )


def _describe_unfinished(facts: VerdictFacts) -> str:
    """Return what of an interrupted run is neither as before nor complete, by the ledger."""
    if facts.is_equal is None:
        return "What the target holds could not be read."
    unfinished = []
    if facts.partly_loaded_labels:
        verb = "is" if len(facts.partly_loaded_labels) == 1 else "are"
        tables = count(len(facts.partly_loaded_labels), "table")
        unfinished.append(f"{tables} {verb} loaded in part ({_name_some(facts.partly_loaded_labels)})")
    if facts.dropped_key_count:
        unfinished.append(_describe_dropped_keys(facts.dropped_key_count))
    if not unfinished:
        return "Every table is either as it was before or loaded completely."
    return f"{' and '.join(unfinished)}; all other tables are as they were before or loaded completely."


def _speak_without_judgement(facts: VerdictFacts) -> SpokenVerdict:
    if facts.error_count:
        return SpokenVerdict(
            Status.FAILED,
            "Failed: nothing was migrated in this run, and nothing was compared.",
            "Do not cut over. Settle the errors, then run again.",
        )
    return SpokenVerdict(
        Status.NOT_COMPARED,
        "Not compared: this run loaded nothing and compared nothing.",
        "Nothing follows from it for the cutover.",
    )


def _describe_problems(facts: VerdictFacts) -> str:
    problems = []
    labels = facts.unequal_labels
    if labels:
        problems.append(
            f"{len(labels)} of {count(facts.table_count, 'table')} "
            f"{'is' if len(labels) == 1 else 'are'} not verified equal ({_name_some(labels)})"
        )
    if facts.dropped_key_count:
        problems.append(_describe_dropped_keys(facts.dropped_key_count))
    if facts.error_count:
        problems.append(f"{count(facts.error_count, 'error')} in this run")
    return ", ".join(problems) or "no table was planned"


def _describe_dropped_keys(number: int) -> str:
    return f"{count(number, 'foreign key')} {'is' if number == 1 else 'are'} still dropped"


def _name_some(labels: tuple[str, ...]) -> str:
    named = ", ".join(labels[:_LABELS_IN_SENTENCE])
    return f"{named} and others" if len(labels) > _LABELS_IN_SENTENCE else named
