"""Where a night stands that did not go through: its step, whether production answers, what comes next."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from blb_migration.cutover.answering import ask
from blb_migration.cutover.live_state import read_live_state
from blb_migration.cutover.night import Night
from blb_migration.cutover.step import Step
from blb_migration.cutover.steps import STEPS


def describe_standing(night: Night, steps: Sequence[Step] = STEPS) -> Iterator[str]:
    """Say it in lines, for whoever reads the error that comes with it."""
    records = [night.journal.record(step.name) for step in steps]
    if not any(record.was_begun for record in records):
        state = read_live_state(night.journal)
        if state.is_over and state.night_id == night.journal.last_night_id:
            yield f"{state}."
            return
        yield "No step of the night is begun. Nothing was changed."
        return
    at = next((record.step for record in records if record.state not in ("closed", "skipped")), None)
    if at is None:
        return
    yield (
        f"The night stands at step {at}. 'blb-migrate cutover --execute' goes on there, 'blb-migrate rollback"
        " --execute' takes it back."
    )
    for service in night.settings.services:
        yield f"Production's {service.name}: {ask(service.answers).found}."
