"""Step 5: the load itself, by the same job as ``blb-migrate``, from the frozen source."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from blb_migration.cutover.journal import StepRecord
from blb_migration.cutover.night import Night
from blb_migration.cutover.step import Answer, Scribe, World, good, note, obstacle, require_equal
from blb_migration.cutover.steps.freeze import compare_frozen
from blb_migration.cutover.steps.plain_step import PlainStep
from blb_migration.findings import Severity, has_errors
from blb_migration.migration import Migration, RunInfo
from blb_migration.postgres.ledger.loads import read_finished_loads
from blb_migration.preflight.stage import run_preflight
from blb_migration.progress.quantities import count
from blb_migration.replacing import read_replacing
from blb_migration.settings.environments import find_environment
from blb_migration.source_marker import Movement

REPORT_FILE = "migration.json"
_NAMED = 5


class MigrateStep(PlainStep):
    """Runs preflight when it is asked, the whole job when it acts."""

    name = "migrate"
    holds_target = False

    def describe(self, night: Night) -> Sequence[str]:
        """Say what it would do."""
        return (f"load {len(night.project.plan.tables)} tables into {night.target.settings.masked_url}",)

    def check(self, night: Night) -> Sequence[Answer]:
        """Ask preflight."""
        settings = night.settings.migrate
        migration = Migration(
            night.project,
            night.source,
            night.target,
            RunInfo("cutover", "preflight", find_environment(night.target.settings)),
            replacing=read_replacing(night.project.plan, settings.replace_changed_rows, settings.reason),
        )
        result = run_preflight(migration)
        if has_errors(result.findings):
            errors = [finding for finding in result.findings if finding.severity is Severity.ERROR]
            named = "; ".join(map(str, errors[:_NAMED]))
            return (
                obstacle(
                    "preflight",
                    f"{count(len(errors), 'finding')}: {named}",
                    "Settle them: 'blb-migrate preflight'",
                ),
            )
        warnings = sum(finding.severity is Severity.WARNING for finding in result.findings)
        return (good("preflight", f"no errors, {count(warnings, 'warning')}"), *_ask_marker(night))

    def look(self, night: Night, record: StepRecord) -> World:
        """Done if a run loaded what this very freeze froze."""
        frozen_at = night.journal.record("freeze").evidence.get("frozen_at")
        if not record.evidence or record.evidence.get("of_freeze") != frozen_at:
            return World(False, "nothing was loaded since the freeze")
        replaced = list_replaced(night)
        if replaced:
            return World(False, describe_replaced(night, replaced))
        return World(True, f"run {record.evidence.get('run_id')} has loaded it")

    def act(self, night: Night, record: StepRecord, scribe: Scribe) -> Mapping[str, Any]:
        """Run the job."""
        scribe.intend(loads_into=night.target.settings.masked_url)
        settings = night.settings.migrate
        outcome = night.run_job(
            "cutover",
            output=night.records / REPORT_FILE,
            replaced=settings.replace_changed_rows,
            reason=settings.reason,
        )
        return {
            **require_equal(outcome, expected="every planned table loaded and equal"),
            "loads": read_load_ids(night),
            "of_freeze": night.journal.record("freeze").evidence.get("frozen_at"),
        }


def read_load_ids(night: Night) -> dict[str, int]:
    """Read by which load the rows of each planned table came, as the ledger numbers them."""
    planned = {table.target.name for table in night.project.plan.tables}
    with night.target.connect() as connection:
        loads = read_finished_loads(connection)
    return {str(table): load.load_id for table, load in loads.items() if table in planned}


def list_replaced(night: Night) -> list[str]:
    """List tables whose rows are not those of this night's load any more: another run has loaded them since.

    Empty where the night has not loaded yet, or leaves the load out.
    """
    loaded: Mapping[str, int] = night.journal.record("migrate").evidence.get("loads", {})
    now = read_load_ids(night) if loaded else {}
    return [table for table, load_id in loaded.items() if now.get(table) != load_id]


def describe_replaced(night: Night, tables: Sequence[str]) -> str:
    """Say it in words."""
    run_id = night.journal.record("migrate").evidence.get("run_id")
    return f"another run has loaded {', '.join(tables[:_NAMED])} since this night's run {run_id}"


def ask_load(night: Night) -> tuple[Answer, ...]:
    """Ask, for a step after the load, whether it still stands."""
    replaced = list_replaced(night)
    if not replaced:
        return ()
    return (
        obstacle(
            "load",
            describe_replaced(night, replaced),
            "Load and prove again: 'blb-migrate cutover --execute'",
        ),
    )


def _ask_marker(night: Night) -> Sequence[Answer]:
    verdict = compare_frozen(night)
    if verdict is None:
        return ()
    if verdict.movement in (Movement.MOVED, Movement.OTHER_SOURCE):
        return (
            obstacle(
                "source marker",
                verdict.sentence,
                "Find out who writes and stop it; then take the night back: 'blb-migrate rollback'",
            ),
        )
    return (note("source marker", verdict.sentence),)
