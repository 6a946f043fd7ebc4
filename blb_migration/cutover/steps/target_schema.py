"""Step 4: the target has the schema that the application wants, and the one that was rehearsed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from blb_migration.cutover.commands import run_command, show_command
from blb_migration.cutover.journal import StepRecord
from blb_migration.cutover.night import Night
from blb_migration.cutover.night_models import AppliedVersion
from blb_migration.cutover.step import Answer, Scribe, StepFailed, World, good, later, note, obstacle
from blb_migration.cutover.steps.plain_step import PlainStep
from blb_migration.plan.project import Project
from blb_migration.postgres.ledger.runs import read_run_in_force
from blb_migration.postgres.ledger.versions import has_ledger
from blb_migration.postgres.schema_versions import read_schema_version

_NAMED = 5


class TargetSchemaStep(PlainStep):
    """Reads versions; the application's own command migrates."""

    name = "target_schema"

    def describe(self, night: Night) -> Sequence[str]:
        """Say what it would do."""
        command = night.settings.target_schema.migrate
        return (f"run {show_command(command)}",) if command else ("read the application's schema version",)

    def check(self, night: Night) -> Sequence[Answer]:
        """Ask for the version, and whether the schema is still the one that was rehearsed."""
        return (*_ask_version(night), *_ask_drift(night))

    def look(self, night: Night, record: StepRecord) -> World:
        """Done as long as the version is the expected one; from the switch on, which renames the folder of
        the commands that say so, as it was done.
        """
        if night.journal.record("switch").was_begun:
            return World(bool(record.evidence), f"the version was {record.evidence.get('version')}")
        version = night.settings.target_schema.version
        if version is None:
            return World(bool(record.evidence), "no version is asked for")
        current, expected = _read_current(night, version), _read_expected(night, version)
        return World(current == expected and bool(record.evidence), f"the version is {current}")

    def act(self, night: Night, record: StepRecord, scribe: Scribe) -> Mapping[str, Any]:
        """Migrate where the version is another one, and see that it is then the expected one."""
        settings = night.settings.target_schema
        if settings.version is None:
            return {"version": None}
        before, expected = _read_current(night, settings.version), _read_expected(night, settings.version)
        said = None
        if before != expected and settings.migrate is not None:
            scribe.tell(f"migrating the schema: {show_command(settings.migrate)}")
            folder = night.file.path.parent
            said = run_command(settings.migrate, night.mask, "the schema's migration", folder).last_words
        current = _read_current(night, settings.version)
        if current != expected:
            raise StepFailed(
                "the target's schema version",
                found=f"it is {current}",
                expected=str(expected),
                next_act="Migrate the application's schema on the target, then run again",
            )
        drift = [answer for answer in _ask_drift(night) if answer.next_act]
        if drift:
            raise StepFailed("the target's schema", found=drift[0].found, next_act=drift[0].next_act)
        return {"version_before": before, "version": current, "command_said": said}


def _ask_version(night: Night) -> Iterator[Answer]:
    settings = night.settings.target_schema
    if settings.version is None:
        yield note("schema version", "target_schema.version is not given: it is not looked at")
        return
    current, expected = _read_current(night, settings.version), _read_expected(night, settings.version)
    if current == expected:
        yield good("schema version", f"{current}, as expected")
    elif settings.migrate is not None:
        yield later("schema version", f"{current}, this step migrates to {expected}")
    else:
        yield obstacle(
            "schema version",
            f"it is {current or 'not there'}, {expected} is expected",
            "Migrate the application's schema on the target, or give the command: target_schema.migrate",
        )


def _ask_drift(night: Night) -> Iterator[Answer]:
    """Compare the schema of now with catalog.json, and the plan over it with that of the last run."""
    live = night.read_live_project()
    moved = list(_find_moved(night, live))
    if moved:
        yield obstacle(
            "schema",
            f"{len(moved)} things of the target have changed since the plan: {'; '.join(moved[:_NAMED])}",
            "Refresh catalog.json ('blb-migrate plan'), then rehearse again: run 'blb-migrate'",
        )
        return
    with night.target.connect() as connection:
        run = read_run_in_force(connection) if has_ledger(connection) else None
    if run is None:
        yield note("schema", "nothing was loaded yet that the schema could be compared with")
    elif run.start.plan_hash == live.plan.hash:
        yield good("schema", f"as in run {run.start.run_id}: no table, column or decision has changed")
    else:
        yield obstacle(
            "schema",
            f"tables, columns or decisions have changed since run {run.start.run_id}",
            "See what with 'blb-migrate plan', then rehearse again: run 'blb-migrate'",
        )


def _find_moved(night: Night, live: Project) -> Iterator[str]:
    """Yield what is not as in catalog.json: tables of the plan, their columns, types and NOT NULL."""
    for planned in night.project.plan.tables:
        found = live.target.tables_by_name.get(planned.target.name)
        if found is None:
            yield f"{planned.target.name} is gone"
            continue
        known = {column.name: (column.type, column.nullable) for column in planned.target.columns}
        now = {column.name: (column.type, column.nullable) for column in found.columns}
        for name in sorted(known.keys() | now.keys()):
            if known.get(name) != now.get(name):
                word = "is new" if name not in known else "is gone" if name not in now else "is another"
                yield f"{planned.target.name}.{name} {word}"


def _read_current(night: Night, version: AppliedVersion) -> str | None:
    if version.command is not None:
        return run_command(
            version.command, night.mask, "the schema's version", night.file.path.parent
        ).output.strip()
    assert version.table is not None
    with night.target.connect() as connection:
        found = read_schema_version(connection, version.table, version.column)
    if found is None:
        return None
    return found.text if found.is_whole else f"{found.text} (failed)"


def _read_expected(night: Night, version: AppliedVersion) -> str | None:
    if version.expected_command is None:
        return version.expected
    outcome = run_command(
        version.expected_command, night.mask, "the expected version", night.file.path.parent
    )
    return outcome.output.strip()
