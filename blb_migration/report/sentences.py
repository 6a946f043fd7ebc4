"""The verdict in one sentence, and what to do next: words for people who do not know the tool.

Pure functions of what was counted. Whether the target is equal is decided by the ledger.
"""

from __future__ import annotations

import datetime
from dataclasses import dataclass
from enum import StrEnum

from blb_migration.first_few import name_some
from blb_migration.progress.quantities import count

LABELS_NAMED = 3


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
class SourceFacts:
    """When the source was read, and what its marker says of the time since: ``sentence``.

    ``stood_still``: that is a proof. ``moved``: somebody wrote to it, or it looks like that.
    """

    read_from: datetime.datetime
    read_until: datetime.datetime
    sentence: str
    stood_still: bool = False
    moved: bool = False


@dataclass(frozen=True)
class VerdictFacts:
    """What the verdict is spoken over. ``is_equal`` None: the target was not judged.

    ``unequal_labels`` are the planned tables not verified equal, ``partly_loaded_labels`` those of them whose
    chunked load is not finished; ``error_count`` counts what failed in the run, ``refusal_count`` the
    findings that refuse the migration. ``left_out_count`` counts metrics that the source refused to compute.
    ``is_unread``: the run has begun, and what became of it could not be read.
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
    source_read: SourceFacts | None = None
    is_rehearsal: bool = False
    left_out_count: int = 0
    partly_loaded_labels: tuple[str, ...] = ()
    live: str | None = None
    is_unread: bool = False


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
            f"{_forbid(facts)} Settle what the report lists under Problems, load those tables again, compare"
            " again.",
        )
    tables = count(facts.table_count, "table")
    if facts.error_count:
        return SpokenVerdict(
            Status.FAILED,
            f"Failed: {count(facts.error_count, 'error')} in this run; what PostgreSQL holds,"
            f" {tables}, is equal all the same, from loads that were finished before.",
            f"{_forbid(facts)} Settle the errors, then run again.",
        )
    return _speak_equality(facts)


def _speak_equality(facts: VerdictFacts) -> SpokenVerdict:
    """Claim no more than was read, unless there is a proof that the source stood still."""
    left_out = (
        f" ({count(facts.left_out_count, 'metric')} that the source refused to compute left out)"
        if facts.left_out_count
        else ""
    )
    what = f"all {count(facts.table_count, 'table')} ({count(facts.row_count, 'row')})"
    source = facts.source_read
    if source is None:
        sentence = f"Equal to what the loads have read: {what}, by every metric compared{left_out}."
    elif source.stood_still:
        sentence = f"Equal: {what}, by every metric compared{left_out}; {source.sentence}."
    else:
        sentence = (
            f"Equal to what was read {describe_span(source.read_from, source.read_until)}: {what}, by every"
            f" metric compared{left_out}; {source.sentence}."
        )
    if source is not None and source.moved:
        stop = "A cutover would have stopped here" if facts.is_rehearsal else "Do not cut over on this"
        next_act = (
            f"{stop}: stop whoever writes to the source, then run 'blb-migrate reconcile',"
            " and load again what differs."
        )
    else:
        next_act = _allow(facts)
    return SpokenVerdict(Status.EQUAL, sentence, next_act)


_ISOLATIONS = {
    "read committed": "a row that is changed while its table is read can be of another moment than the rest,"
    " be read twice or be missed; tables are of different moments",
    "read committed snapshot": "each table is of one moment, tables are of different ones",
    "snapshot": "each table is of one moment, tables are of different ones; while one is read, the source"
    " keeps row versions in tempdb",
}


def describe_isolation(isolation: str) -> str:
    """Say what reading so means, where the source is written to meanwhile."""
    meaning = _ISOLATIONS.get(isolation)
    return isolation if meaning is None else f"{isolation}: while somebody writes to the source, {meaning}"


def describe_span(read_from: datetime.datetime, read_until: datetime.datetime) -> str:
    """Say between which times, UTC, with the day where they are of two."""
    first, last = (moment.astimezone(datetime.UTC) for moment in (read_from, read_until))
    shown = "%H:%M:%S" if first.date() == last.date() else "%Y-%m-%d %H:%M:%S"
    return f"between {first:%Y-%m-%d %H:%M:%S} and {last.strftime(shown)} UTC"


def _forbid(facts: VerdictFacts) -> str:
    if facts.live is not None:
        return _tell_live(facts.live)
    return "A cutover would have stopped here." if facts.is_rehearsal else "Do not cut over."


def _tell_live(mark: str) -> str:
    return f"{mark[0].upper()}{mark[1:]}: there is no further cutover."


def _allow(facts: VerdictFacts) -> str:
    if facts.live is not None:
        return _tell_live(facts.live)
    if facts.is_dry_run:
        return "The migration itself is still to be done."
    if facts.is_rehearsal:
        return (
            "As far as the data is concerned, a cutover would have gone ahead."
            " This was a rehearsal: production is as it was."
        )
    return "As far as the data is concerned, the cutover may go ahead."


def _speak_refusal(facts: VerdictFacts) -> SpokenVerdict:
    cause = "the target may not be loaded"
    if facts.refusal_count:
        cause = f"{count(facts.refusal_count, 'finding')} must be settled first"
    return SpokenVerdict(
        Status.REFUSED,
        f"Refused: no table in PostgreSQL was written, because {cause}.",
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
        f"{_forbid(facts)} {_describe_unfinished(facts)} Run again to finish.",
    )


def _describe_unfinished(facts: VerdictFacts) -> str:
    """Return what of an interrupted run is neither as before nor complete, by the ledger."""
    if facts.is_equal is None:
        return "What the target holds could not be read."
    unfinished = []
    if facts.partly_loaded_labels:
        verb = "is" if len(facts.partly_loaded_labels) == 1 else "are"
        tables = count(len(facts.partly_loaded_labels), "table")
        unfinished.append(
            f"{tables} {verb} loaded in part ({name_some(facts.partly_loaded_labels, LABELS_NAMED)})"
        )
    if facts.dropped_key_count:
        unfinished.append(_describe_dropped_keys(facts.dropped_key_count))
    if not unfinished:
        return "Every table is either as it was before or loaded completely."
    return f"{' and '.join(unfinished)}; all other tables are as they were before or loaded completely."


def _speak_without_judgement(facts: VerdictFacts) -> SpokenVerdict:
    if facts.is_unread:
        return SpokenVerdict(
            Status.FAILED,
            "Failed: the target does not answer, so what this run loaded and compared could not be read.",
            f"{_forbid(facts)} Once it answers, 'blb-migrate report' says how it stands; then run again.",
        )
    if facts.error_count:
        return SpokenVerdict(
            Status.FAILED,
            "Failed: nothing was migrated in this run, and nothing was compared.",
            f"{_forbid(facts)} Settle the errors, then run again.",
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
            f"{'is' if len(labels) == 1 else 'are'} not verified equal ({name_some(labels, LABELS_NAMED)})"
        )
    if facts.dropped_key_count:
        problems.append(_describe_dropped_keys(facts.dropped_key_count))
    if facts.error_count:
        problems.append(f"{count(facts.error_count, 'error')} in this run")
    return ", ".join(problems) or "no table was planned"


def _describe_dropped_keys(number: int) -> str:
    return f"{count(number, 'foreign key')} {'is' if number == 1 else 'are'} still dropped"
