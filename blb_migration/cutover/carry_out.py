"""Asks the steps, carries them out in order, and takes them back in reverse. Knows no step's business.

Every line of the journal is written here, but for what a step intends to do, which it writes itself. Where
one of them says that the application is live, or no more, the watch's page is made to say so.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import Any

from blb_migration.cutover.journal import NIGHT, POSTPONED, StepRecord
from blb_migration.cutover.live_state import NightTakenBack, read_live_state
from blb_migration.cutover.night import Night
from blb_migration.cutover.step import (
    Answer,
    AnswerStatus,
    Scribe,
    Step,
    StepFailed,
    StepRefused,
    StepReport,
    World,
    obstacle,
)
from blb_migration.cutover.steps import STEPS
from blb_migration.cutover.watching import write_watch_page
from blb_migration.errors import MigrationError
from blb_migration.near_names import refuse_unknown
from blb_migration.run_hold import holding_target


def select_steps(only: str | None, steps: Sequence[Step] = STEPS) -> Sequence[Step]:
    """Return all steps, or the one named ``only``. Raises ConfigurationError for a name that there is not."""
    if only is None:
        return steps
    names = [step.name for step in steps]
    refuse_unknown(f"--only {only}", only, names, found="there is no such step")
    return [steps[names.index(only)]]


def rehearse(
    night: Night,
    only: str | None = None,
    steps: Sequence[Step] = STEPS,
    *,
    durations: Mapping[str, float] | None = None,
) -> Iterator[StepReport]:
    """Ask every step's checks and say what it would do; of one that is done, that. Changes nothing anywhere.

    ``durations`` are seconds by step, as ``earlier_nights`` forecasts them.
    """
    durations = durations or {}
    for step in select_steps(only, steps):
        skip = step.settings(night).skip
        if skip is not None:
            yield StepReport(step.name, "skipped", found=skip)
            continue
        record = night.journal.record(step.name)
        found = ""
        if record.state == "closed":
            world = _look(step, night, record)
            if world.is_done:
                yield StepReport(step.name, "already", seconds=record.elapsed_seconds, found=world.found)
                continue
            found = world.found
        does, answers = _ask(step, night)
        is_refused = any(answer.status is AnswerStatus.OBSTACLE for answer in answers)
        state = "refused" if is_refused else "would"
        yield StepReport(step.name, state, does, answers, durations.get(step.name), found)


def carry_out(night: Night, only: str | None = None, steps: Sequence[Step] = STEPS) -> Iterator[StepReport]:
    """Do what is not done, in order; what is done is looked at again and not repeated.

    Raises StepRefused or StepFailed at the first step that cannot be done, after its report was yielded.
    """
    chosen = select_steps(only, steps)
    night.journal.begin()
    if only is not None:
        _refuse_gaps(night, chosen[0], steps)
    for step in chosen:
        with _keeping_page_true(night):
            yield from _carry_out_one(night, step)


@contextmanager
def _keeping_page_true(night: Night) -> Iterator[None]:
    before = read_live_state(night.journal)
    try:
        yield
    finally:
        if read_live_state(night.journal) != before:
            write_watch_page(night)


def _carry_out_one(night: Night, step: Step) -> Iterator[StepReport]:
    journal, record = night.journal, night.journal.record(step.name)
    skip = step.settings(night).skip
    if skip is not None:
        if record.state != "skipped":
            journal.write(step.name, "skipped", {"reason": skip})
        yield StepReport(step.name, "skipped", found=skip)
        return
    if record.state in ("closed", "open"):
        world = _look(step, night, record)
        if world.is_done and (record.state == "closed" or record.evidence):
            if record.state == "open":
                journal.write(step.name, "closed")
            yield StepReport(step.name, "already", found=world.found, evidence=record.evidence)
            return
    does, answers = _ask(step, night)
    obstacles = [answer for answer in answers if answer.status is AnswerStatus.OBSTACLE]
    if obstacles:
        journal.write(step.name, "refused", {"obstacles": [night.mask(str(one)) for one in obstacles]})
        yield StepReport(step.name, "refused", does, answers)
        raise StepRefused(
            f"step {step.name}",
            found="; ".join(str(one).rstrip(".") for one in obstacles),
            next_act="Settle this, then run again",
        )
    try:
        report = _act(night, step, does, answers)
    except MigrationError:
        failed = journal.record(step.name)
        begun_at = failed.opened_at or night.now()
        seconds = (night.now() - begun_at).total_seconds()
        yield StepReport(step.name, "failed", answers=answers, seconds=seconds)
        raise
    yield report


def _act(night: Night, step: Step, does: tuple[str, ...], answers: tuple[Answer, ...]) -> StepReport:
    journal = night.journal
    journal.write(step.name, "opened")
    try:
        with _holding(night, step):
            evidence = step.act(night, journal.record(step.name), _build_scribe(night, step))
        journal.write(step.name, "evidence", _mask(night, evidence))
        journal.write(step.name, "closed")
    except NightTakenBack:  # a line of ours would open the night again
        raise
    except Exception as error:
        journal.write(step.name, "failed", {"error": night.mask(_describe(error))})
        raise
    done = journal.record(step.name)
    return StepReport(step.name, "done", does, answers, done.elapsed_seconds, evidence=done.evidence)


@contextmanager
def _holding(night: Night, step: Step) -> Iterator[None]:
    """Let no run have the target while the step acts, but its own. Raises TargetHeld naming another one."""
    if not step.holds_target:
        yield
        return
    with holding_target(night.target, night.journal.night_id or "") as hold:
        hold.ensure()
        yield


def roll_back(
    night: Night, only: str | None = None, steps: Sequence[Step] = STEPS, *, executes: bool
) -> Iterator[StepReport]:
    """Take back what was begun, the last step first. Without ``executes`` it only says what it would do.

    Raises StepRefused for a single step where a later one still stands, StepFailed or another MigrationError
    at the first step that cannot be taken back.
    """
    wanted = {step.name for step in select_steps(only, steps)}
    begun = [step for step in reversed(steps) if night.journal.record(step.name).was_begun]
    chosen = [step for step in begun if step.name in wanted]
    if not executes:
        for step in chosen:
            record = night.journal.record(step.name)
            world = _look(step, night, record)
            saved = _describe_undo(step, night)
            yield StepReport(step.name, "would", saved, found=world.found, evidence=record.evidence)
        return
    if night.journal.lines:  # what a kill has left in one of both journals alone goes to the other
        night.journal.begin()
    if night.journal.night_id is None:
        return
    if only is not None and chosen:
        _refuse_later(night, chosen[0], begun)
    with _keeping_page_true(night):
        for step in chosen:
            yield _undo(night, step)
        _end(night, begun)


def _end(night: Night, begun: Sequence[Step]) -> None:
    """Close the night once nothing of it is left. Raises StepFailed where something waits for the target."""
    left = [record for step in begun if (record := night.journal.record(step.name)).was_begun]
    if not left:
        night.journal.write(NIGHT, "ended", {"how": "rolled back"})
    elif all(record.postponed for record in left):
        raise StepFailed("the rollback", found=f"production is back, but {left[0].postponed}")


def _refuse_later(night: Night, step: Step, begun: Sequence[Step]) -> None:
    """Refuse to take one step back while a later one stands, unless that one waits for the target."""
    for later in begun:
        if later.name == step.name:
            return
        if not night.journal.record(later.name).postponed:
            raise StepRefused(
                f"step {step.name}",
                found=f"the step after it, {later.name}, is not taken back",
                expected="the steps in the reverse order of the night",
                next_act=f"Run 'blb-migrate rollback --only {later.name} --execute' first",
            )


def _undo(night: Night, step: Step) -> StepReport:
    journal, record = night.journal, night.journal.record(step.name)
    begun_at = night.now()
    journal.write(step.name, "undoing")
    try:
        evidence = step.undo(night, record, _build_scribe(night, step))
    except Exception as error:
        with suppress(MigrationError):
            journal.write(step.name, "undoing", {"error": night.mask(_describe(error))})
        raise
    journal.write(step.name, "undoing" if POSTPONED in evidence else "undone", _mask(night, evidence))
    seconds = (night.now() - begun_at).total_seconds()
    return StepReport(step.name, "undone", seconds=seconds, evidence=_mask(night, evidence))


def _refuse_gaps(night: Night, step: Step, steps: Sequence[Step]) -> None:
    """Refuse a single step whose predecessors are neither done nor left out."""
    for before in steps:
        if before.name == step.name:
            return
        is_left_out = before.settings(night).skip is not None
        if not is_left_out and night.journal.record(before.name).state != "closed":
            raise StepRefused(
                f"step {step.name}",
                found=f"the step before it, {before.name}, is not done",
                expected="the steps in their order, each done or left out by a written reason",
                next_act=f"Run 'blb-migrate cutover --only {before.name} --execute' first",
            )


def _ask(step: Step, night: Night) -> tuple[tuple[str, ...], tuple[Answer, ...]]:
    """Ask a step; what it cannot answer is an obstacle, so that all are heard."""
    try:
        answers = tuple(step.check(night))
        does = tuple(night.mask(line) for line in step.describe(night))
    except MigrationError as error:
        return (), (obstacle(error.subject, error.found, error.next_act),)
    return does, answers


def _describe_undo(step: Step, night: Night) -> tuple[str, ...]:
    try:
        return tuple(step.describe_undo(night))
    except MigrationError as error:
        return (f"what would be saved cannot be found out: {error.subject}: {error.found}",)


def _look(step: Step, night: Night, record: StepRecord) -> World:
    try:
        return step.look(night, record)
    except MigrationError as error:
        return World(False, f"cannot be found out: {error.subject}: {error.found}")


def _build_scribe(night: Night, step: Step) -> Scribe:
    return Scribe(lambda what: _intend(night, step, what), lambda line: night.tell(night.mask(line)))


def _intend(night: Night, step: Step, what: Mapping[str, Any]) -> None:
    night.journal.write(step.name, "intent", _mask(night, what))


def _mask(night: Night, value: Any) -> Any:
    if isinstance(value, str):
        return night.mask(value)
    if isinstance(value, Mapping):
        return {str(key): _mask(night, item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_mask(night, item) for item in value]
    return value


def _describe(error: Exception) -> str:
    return str(error) if isinstance(error, MigrationError) else f"{type(error).__name__}: {error}"
