"""Step 1: may the night begin? The last rehearsal, both servers, rights, room, and nobody else at work."""

from __future__ import annotations

import datetime
import shutil
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from blb_migration.cutover.earlier_nights import connect_rehearsal
from blb_migration.cutover.journal import StepRecord
from blb_migration.cutover.night import Night
from blb_migration.cutover.step import Answer, AnswerStatus, Scribe, World, good, note, obstacle
from blb_migration.cutover.steps.plain_step import PlainStep
from blb_migration.errors import MigrationError
from blb_migration.migration import Migration, RunInfo
from blb_migration.postgres.connect import server_version
from blb_migration.postgres.ledger.endings import read_clock
from blb_migration.postgres.ledger.judgement import read_cutover_answer
from blb_migration.postgres.ledger.live_mark import read_live_mark
from blb_migration.postgres.ledger.runs import read_run_in_force
from blb_migration.postgres.ledger.versions import (
    has_current_ledger,
    read_current_version,
    read_ledger_version,
)
from blb_migration.postgres.names import TargetConnection
from blb_migration.postgres.server_features import read_unsafe_settings
from blb_migration.postgres.target_hold import read_holder
from blb_migration.preflight.target_rights import find_rights_missing
from blb_migration.progress.quantities import format_duration
from blb_migration.settings.environments import find_environment
from blb_migration.sqlserver.origin import read_origin

_MEGABYTE = 1024 * 1024
_CLOCK_SECONDS = 60.0  # two clocks may differ, unsaid


class ReadyStep(PlainStep):
    """Asks; acts on nothing. What it found is the evidence."""

    name = "ready"
    holds_target = False

    def describe(self, night: Night) -> Sequence[str]:
        """Say what it would do."""
        return (f"write down who begins this night: {night.actor.operator} on {night.actor.host}",)

    def check(self, night: Night) -> Sequence[Answer]:
        """Ask both servers, the ledger and this machine."""
        return (*_ask_source(night), *_ask_target(night), *_ask_machine(night))

    def look(self, night: Night, record: StepRecord) -> World:
        """Once the night has begun, its beginning stays."""
        return World(record.state == "closed" or bool(record.evidence), "the night has begun")

    def act(self, night: Night, record: StepRecord, scribe: Scribe) -> Mapping[str, Any]:
        """Keep the answers."""
        return {"answers": [str(answer) for answer in self.check(night)]}


def _ask_source(night: Night) -> Iterator[Answer]:
    try:
        with night.source.connect() as session:
            yield good("source", f"{read_origin(session)} answers, through {session.driver.name}")
    except MigrationError as error:
        yield obstacle("source", f"{error.subject}: {error.found}", error.next_act)


def _ask_target(night: Night) -> Iterator[Answer]:
    try:
        with night.target.connect() as connection:
            version = server_version(connection)
            yield good("target", f"{night.target.settings.masked_url} answers, PostgreSQL {version // 10000}")
            migration = Migration(
                night.project,
                night.source,
                night.target,
                RunInfo("cutover", "preflight", find_environment(night.target.settings)),
            )
            missing = list(find_rights_missing(connection, migration))
            if missing:
                yield obstacle("rights on the target", "; ".join(map(str, missing)))
            else:
                yield good("rights on the target", "enough to load every planned table")
            ahead = (night.now() - read_clock(connection)).total_seconds()
            if abs(ahead) > _CLOCK_SECONDS:
                apart = f"{format_duration(abs(ahead))} {'ahead of' if ahead > 0 else 'behind'}"
                yield note(
                    "clock",
                    f"this machine's is {apart} the target's: the journal's times are this machine's. "
                    "Set it right before the night begins",
                )
            unsafe = read_unsafe_settings(connection)
            if unsafe:
                yield note(
                    "target",
                    f"{', '.join(unsafe)}: a crash of its server may take what the application was told is "
                    "saved. Switch it on before people work there",
                )
            holder = read_holder(connection)
            if holder is not None:
                yield obstacle("target", f"{holder} holds it", "Wait for that run to end")
            yield from _ask_ledger(night, connection)
    except MigrationError as error:
        yield obstacle("target", f"{error.subject}: {error.found}", error.next_act)


def _ask_rehearsal_target(night: Night) -> Answer | None:
    """Ask the rehearsal's own target, where one is configured, whether its last run was equal."""
    rehearsal = connect_rehearsal()
    if rehearsal is None:
        return None
    with rehearsal.connect() as connection:
        if not has_current_ledger(connection):
            return None
        return _ask_rehearsal(night, connection)


def _ask_ledger(night: Night, connection: TargetConnection) -> Iterator[Answer]:
    rehearsed = _ask_rehearsal_target(night)
    if rehearsed is not None and rehearsed.status is AnswerStatus.GOOD:
        yield rehearsed
        return
    version = read_ledger_version(connection)
    if version is None:
        yield obstacle(
            "rehearsal", "nothing was ever loaded into this target", "Rehearse first: run 'blb-migrate'"
        )
        return
    if version != read_current_version():
        yield obstacle(
            "rehearsal",
            f"the target's ledger has version {version}, not {read_current_version()}",
            "Rehearse with this version of the tool: run 'blb-migrate'",
        )
        return
    mark = read_live_mark(connection)
    if mark is not None and mark.night_id != night.journal.night_id:
        yield obstacle("live", str(mark), "If that is to be taken back: 'blb-migrate rollback'")
        return
    yield _ask_rehearsal(night, connection)


def _ask_rehearsal(night: Night, connection: TargetConnection) -> Answer:
    answer = read_cutover_answer(connection)
    run = read_run_in_force(connection)
    if run is None:
        return obstacle("rehearsal", "nothing was ever loaded into this target", "Run 'blb-migrate'")
    ended_at = run.finished_at or run.started_at
    said = f"run {run.start.run_id}, ended {ended_at:%Y-%m-%d %H:%M} UTC"
    if not answer.is_equal:
        return obstacle(
            "rehearsal",
            f"{said}, has not shown the target equal: {'; '.join(answer.reasons[:3])}",
            "Rehearse until all is equal: run 'blb-migrate'",
        )
    limit = night.settings.ready.rehearsed_within_hours
    age = read_clock(connection) - ended_at  # both by the server's clock
    if age > datetime.timedelta(hours=limit):
        ago, allowed = format_duration(age.total_seconds()), format_duration(limit * 3600)
        return obstacle(
            "rehearsal",
            f"{said}, was equal, but that is {ago} ago; at most {allowed} are allowed",
            "Rehearse again, or raise ready.rehearsed_within_hours in cutover.yaml",
        )
    return good("rehearsal", f"{said}: every planned table equal")


def _ask_machine(night: Night) -> Iterator[Answer]:
    folder = night.records.absolute()
    while not folder.exists():
        folder = folder.parent
    free = shutil.disk_usage(folder).free // _MEGABYTE
    wanted = night.settings.ready.free_megabytes
    if free < wanted:
        yield obstacle(
            "room for the records",
            f"{free:,} MB are free where {night.records} is, {wanted:,} are wanted",
            "Free some, or name another folder: records, in cutover.yaml",
        )
    else:
        yield good("room for the records", f"{free:,} MB free at {night.records}")
    for line in night.journal.notes:
        yield note("journal", line)
