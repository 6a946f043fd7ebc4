"""Step 10: the application answers and is seen on the target; from here on nothing may load it any more."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from blb_migration.cutover.answering import ask, stop_services
from blb_migration.cutover.cutover_file import read_smoke_file
from blb_migration.cutover.journal import StepRecord
from blb_migration.cutover.kept import read_written
from blb_migration.cutover.night import Night
from blb_migration.cutover.night_models import SeenWrite
from blb_migration.cutover.saving import describe_saving, save_and_release
from blb_migration.cutover.smoke_run import run_smoke_test
from blb_migration.cutover.step import Answer, Scribe, StepFailed, World, good, later, note
from blb_migration.cutover.steps.plain_step import PlainStep
from blb_migration.cutover.steps.run_migration import ask_load
from blb_migration.masking import mask_secrets
from blb_migration.postgres.activity import read_client_sessions
from blb_migration.postgres.ledger.live_mark import mark_live, read_live_mark
from blb_migration.postgres.ledger.runs import read_run_in_force
from blb_migration.retries import becomes_true

_PAUSE_SECONDS = 0.3


class LiveStep(PlainStep):
    """Asks the application, then marks the target."""

    name = "live"

    def describe(self, night: Night) -> Sequence[str]:
        """Say what it would do."""
        settings = night.settings.live
        lines = [f"{settings.health} must answer"] if settings.health else []
        if settings.seen:
            lines.append(
                f"{settings.seen.file} against production must leave a trace in {settings.seen.table}"
            )
        return (*lines, "mark the target live: from then on every load, dry run and 'schema --apply' refuses")

    def check(self, night: Night) -> Sequence[Answer]:
        """Ask what can be asked before the switch."""
        settings, answers = night.settings.live, [*ask_load(night)]
        if settings.seen is not None:
            test, _ = read_smoke_file(night.file.find(settings.seen.file))
            answers.append(good("application", f"{len(test.steps)} steps at {test.base} will be tried"))
        if settings.health is None and settings.seen is None:
            answers.append(note("application", "neither health nor seen is given: nothing of it is asked"))
        if night.journal.record("switch").state != "closed":
            answers.append(later("application", "is switched before"))
        return answers

    def look(self, night: Night, record: StepRecord) -> World:
        """Done as long as this night's mark stands in the target."""
        with night.target.connect() as connection:
            mark = read_live_mark(connection)
        if mark is None or mark.night_id != night.journal.night_id:
            return World(False, "the target is not marked live")
        return World(bool(record.evidence), str(mark))

    def act(self, night: Night, record: StepRecord, scribe: Scribe) -> Mapping[str, Any]:
        """Ask, then mark."""
        settings = night.settings.live
        health = settings.health
        if health is not None and not becomes_true(
            lambda: ask(health).is_there, within_seconds=settings.within_seconds, pause_seconds=_PAUSE_SECONDS
        ):
            raise StepFailed(
                "the application",
                found=ask(health).found,
                expected=f"an answer within {settings.within_seconds:g} s",
                next_act="Read its log, then run again; or go back: 'blb-migrate rollback --execute'",
            )
        seen = None if settings.seen is None else _see(night, settings.seen, scribe)
        night_id = night.journal.night_id or ""
        with night.target.connect() as connection:
            run = read_run_in_force(connection)
            loaded = night.journal.record("migrate").evidence.get("run_id")
            run_id = str(loaded) if loaded else run.start.run_id if run is not None else None
            if run_id is None:
                raise StepFailed(
                    "the target",
                    found="nothing was ever loaded into it",
                    next_act="Carry out step migrate first",
                )
            clients = read_client_sessions(connection)
            mark_live(
                connection,
                run_id=run_id,
                night_id=night_id,
                operator=night.actor.operator,
                host=night.actor.host,
                tool_version=night.actor.tool_version,
            )
            mark = read_live_mark(connection)
        return {
            "health": ask(health).found if health else None,
            "seen": seen,
            "sessions_on_the_target": list(clients),
            "mark": str(mark),
        }

    def describe_undo(self, night: Night) -> Sequence[str]:
        """Say what would be saved."""
        return describe_saving(night)

    def undo(self, night: Night, record: StepRecord, scribe: Scribe) -> Mapping[str, Any]:
        """Stop the services, save what was written, withdraw the mark."""
        stopped = stop_services(night, night.settings.services, may_be_starting=True)
        return {"stopped": stopped, **save_and_release(night)}


def _see(night: Night, seen: SeenWrite, scribe: Scribe) -> str:
    """Use the application, and find the trace of it in the target. Raises StepFailed."""
    test, secrets = read_smoke_file(night.file.find(seen.file))
    results = run_smoke_test(
        test,
        lambda text: mask_secrets(night.mask(text), secrets),
        night.file.path.parent,
        lambda result: scribe.tell(str(result)),
    )
    failed = next((result for result in results if not result.is_good), None)
    if failed is not None:
        raise StepFailed(
            f"the application, step {failed.name}",
            found=f"{failed.asked}: {failed.said}",
            expected="production to do what people do",
            next_act="Read its log, then run again; or go back: 'blb-migrate rollback --execute'",
        )
    wanted = seen.table.casefold()
    for written in read_written(night, "live"):
        if wanted in (written.kept.table.name.casefold(), str(written.kept.table).casefold()):
            if not written.is_untouched:
                return (
                    f"{written.kept.table} on the target: {written.inserted} rows inserted, "
                    f"{written.changed} changed, {written.deleted} deleted by the application"
                )
            break
    raise StepFailed(
        f"table {seen.table}",
        found="the application answers, but has written nothing to it on the target",
        expected="a row that its use has left: it may still use SQL Server, or another database",
        next_act="Look at its configuration; go back: 'blb-migrate rollback --execute'",
    )
