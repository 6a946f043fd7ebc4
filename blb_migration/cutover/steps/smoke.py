"""Step 8: the new backend runs beside production and does what people do; what it wrote is taken away again.

A log-in that fails is looked into: what most often causes it after a load is asked of the target.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from blb_migration.cutover.answering import ask, is_silent, start_service, stop_service
from blb_migration.cutover.commands import show_command
from blb_migration.cutover.cutover_file import read_smoke_file
from blb_migration.cutover.journal import StepRecord
from blb_migration.cutover.kept import keep_target, read_written
from blb_migration.cutover.log_in_causes import find_log_in_causes
from blb_migration.cutover.night import Night
from blb_migration.cutover.smoke_models import SmokeTest
from blb_migration.cutover.smoke_run import SmokeResult, run_smoke_test
from blb_migration.cutover.step import Answer, Scribe, StepFailed, World, good, note, obstacle
from blb_migration.cutover.steps.plain_step import PlainStep
from blb_migration.cutover.steps.run_migration import ask_load
from blb_migration.masking import mask_secrets
from blb_migration.postgres.kept_rows import drop_kept_tables, restore_kept_rows

_NAMED = 5


class SmokeStep(PlainStep):
    """Keeps what the target holds, starts the backend, tries, stops it, and puts the target back."""

    name = "smoke"

    def describe(self, night: Night) -> Sequence[str]:
        """Say what it would do."""
        test, _ = _read_test(night)
        service = night.settings.smoke.service
        started = (
            [f"start {service.name}: {show_command(service.start)}"] if service and service.start else []
        )
        steps = ", ".join(step.name for step in test.steps)
        return (
            *started,
            f"at {test.base}: {steps}",
            "then stop it, and put the target back as it was loaded",
        )

    def check(self, night: Night) -> Sequence[Answer]:
        """Ask whether the port is free and the file can be read."""
        test, _ = _read_test(night)
        answers = [good("smoke test", f"{len(test.steps)} steps at {test.base}"), *ask_load(night)]
        service = night.settings.smoke.service
        if service is None:
            reply = ask(test.base)
            answers.append(note("backend", f"nothing is started for the test; {reply.found}"))
        elif not is_silent(service.answers) and night.journal.record("smoke").state in ("none", "undone"):
            answers.append(
                obstacle(
                    "backend",
                    f"another program listens at {service.answers} already",
                    "End it, or give the new backend a port of its own",
                )
            )
        return answers

    def look(self, night: Night, record: StepRecord) -> World:
        """Done if it was done for this very load."""
        run_id = night.journal.record("migrate").evidence.get("run_id")
        if record.evidence and record.evidence.get("of_run") == run_id:
            return World(True, f"{len(record.evidence.get('results', []))} requests, all good")
        return World(False, "the test was not passed since the load")

    def act(self, night: Night, record: StepRecord, scribe: Scribe) -> Mapping[str, Any]:
        """Try it. The target is put back, also when a step fails or an earlier attempt was killed."""
        return _act(night, scribe, is_again=bool(record.intents))

    def undo(self, night: Night, record: StepRecord, scribe: Scribe) -> Mapping[str, Any]:
        """Stop the backend, and put the target back."""
        _stop(night, may_be_starting=bool(record.intents))
        return {"touched": _put_back(night)}


def _act(night: Night, scribe: Scribe, *, is_again: bool) -> dict[str, Any]:
    test, secrets = _read_test(night)
    _stop(night, may_be_starting=is_again)
    _put_back(night)  # what an attempt that was killed has left
    keep_target(night, "smoke")
    scribe.intend(kept=True)
    try:
        results = _try(night, test, secrets, scribe)
    except BaseException:
        _stop(night, may_be_starting=True)
        _put_back(night)
        raise
    _stop(night)
    touched = _put_back(night)
    return {
        "results": [str(result) for result in results],
        "touched": touched,
        "of_run": night.journal.record("migrate").evidence.get("run_id"),
    }


def _read_test(night: Night) -> tuple[SmokeTest, frozenset[str]]:
    return read_smoke_file(night.file.find(night.settings.smoke.file))


def _try(night: Night, test: SmokeTest, secrets: frozenset[str], scribe: Scribe) -> list[SmokeResult]:
    service = night.settings.smoke.service
    if service is not None and service.start is not None:
        start_service(night, service)
    results = run_smoke_test(
        test,
        lambda text: mask_secrets(night.mask(text), secrets),
        night.file.path.parent,
        lambda result: scribe.tell(str(result)),
    )
    failed = [result for result in results if not result.is_good]
    if not failed:
        return results
    first = failed[0]
    causes = find_log_in_causes(night) if first.is_log_in else []
    raise StepFailed(
        f"smoke step {first.name}",
        found=f"{first.asked}: {first.said}" + (f". Looked at: {'; '.join(causes)}" if causes else ""),
        expected="the new backend to do what people do",
        next_act="Mend it and run again; production can go on as it was: 'blb-migrate rollback --execute'",
    )


def _stop(night: Night, *, may_be_starting: bool = False) -> None:
    service = night.settings.smoke.service
    if service is not None and service.stop is not None:
        stop_service(night, service, may_be_starting=may_be_starting)


def _put_back(night: Night) -> list[str]:
    """Put the target back as it was kept before the test, where it was; says what was touched."""
    written = read_written(night, "smoke")
    if not written:
        return []
    touched = [one for one in written if not one.is_untouched]
    lost = [one for one in touched if (one.changed or one.deleted) and not one.kept.is_whole]
    lost += [one for one in touched if one.inserted and one.kept.copy is None]
    if lost:
        named = ", ".join(str(one.kept.table) for one in lost[:_NAMED])
        raise StepFailed(
            "the target after the smoke test",
            found=f"the test wrote to {named}, of which the rows were not kept",
            expected="tables whose rows were kept before the test",
            next_act="Name them in smoke.keeps, or raise smoke.whole_rows_up_to; then load again: "
            "'blb-migrate rollback --execute', and the night anew",
        )
    with night.target.connect() as connection, connection.transaction():
        order = {table.target.name: number for number, table in enumerate(night.project.plan.tables)}
        kept = sorted((one.kept for one in touched), key=lambda one: order.get(one.table, len(order)))
        restore_kept_rows(connection, kept)
    left = [one for one in read_written(night, "smoke") if one.inserted or one.changed or one.deleted]
    unlike = [one for one in left if one.kept.is_whole or one.inserted or one.deleted]
    if unlike:
        raise StepFailed(
            "the target after the smoke test",
            found=f"{', '.join(str(one.kept.table) for one in unlike[:_NAMED])} could not be put back",
            expected="rows as they were loaded (a trigger may change them)",
            next_act="Load again: 'blb-migrate rollback --execute', and the night anew",
        )
    with night.target.connect() as connection:
        drop_kept_tables(connection, "smoke")
    return [
        f"{one.kept.table}: {one.inserted} inserted, {one.changed} changed, {one.deleted} deleted; put back"
        for one in touched
    ]
