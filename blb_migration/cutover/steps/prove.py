"""Step 6: what was loaded is what the source holds, and nobody wrote to it since the freeze."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from blb_migration.cutover.journal import StepRecord
from blb_migration.cutover.night import Night
from blb_migration.cutover.step import Answer, Scribe, StepFailed, World, good, later, note, require_equal
from blb_migration.cutover.steps.freeze import compare_frozen, describe_thaw
from blb_migration.cutover.steps.plain_step import PlainStep
from blb_migration.postgres.ledger.judgement import read_cutover_answer
from blb_migration.postgres.ledger.versions import has_ledger
from blb_migration.source_marker import MarkerVerdict, Movement

REPORT_FILE = "proof.json"


class ProveStep(PlainStep):
    """Runs the four checks again after the freeze, reads the source again where needed, compares markers."""

    name = "prove"
    holds_target = False

    def describe(self, night: Night) -> Sequence[str]:
        """Say what it would do."""
        reread = {
            "always": "read the source again and compare contents",
            "never": "trust what the load has read",
            "where_needed": "read the source again where the marker is only an indication",
        }[night.settings.prove.reread]
        return ("run row counts, totals, content and integrity of every table", reread)

    def check(self, night: Night) -> Sequence[Answer]:
        """Ask the marker."""
        if night.journal.record("migrate").state != "closed":
            return (later("load", "comes before"),)
        verdict = compare_frozen(night)
        if verdict is None:
            return (note("source marker", "the freeze was left out: nothing says that nobody wrote"),)
        return (good("source marker", verdict.sentence),)

    def look(self, night: Night, record: StepRecord) -> World:
        """Done if it was validated for this very freeze and load."""
        frozen_at = night.journal.record("freeze").evidence.get("frozen_at")
        run_id = night.journal.record("migrate").evidence.get("run_id")
        known = record.evidence
        if known and (known.get("of_freeze"), known.get("of_run")) == (frozen_at, run_id):
            return World(True, str(known.get("verdict")))
        return World(False, "these loads are not validated since the freeze")

    def act(self, night: Night, record: StepRecord, scribe: Scribe) -> Mapping[str, Any]:
        """Compare, and refuse what moved. The marker is taken after the last read."""
        verdict = refuse_moved(night)
        choice = night.settings.prove.reread
        rereads = choice == "always" or (
            choice == "where_needed" and (verdict is None or not verdict.is_proof)
        )
        scribe.tell("running every check again" + (", reading the source again" if rereads else ""))
        outcome = night.run_job("reconcile", output=night.records / REPORT_FILE, rereads_source=rereads)
        ran = require_equal(outcome, expected="every table equal")
        with night.target.connect() as connection:
            answer = read_cutover_answer(connection) if has_ledger(connection) else None
        if answer is None or not answer.answer:
            raise StepFailed(
                "may_we_cut_over",
                found="; ".join(answer.reasons) if answer else "there is no ledger",
                next_act="Read the report; production can go on as it was: 'blb-migrate rollback'",
            )
        verdict = refuse_moved(night)
        return {
            **ran,
            "source": verdict.sentence if verdict else "the freeze was left out",
            "is_proof": bool(verdict and verdict.is_proof) or rereads,
            "of_freeze": night.journal.record("freeze").evidence.get("frozen_at"),
            "of_run": night.journal.record("migrate").evidence.get("run_id"),
        }


def refuse_moved(night: Night) -> MarkerVerdict | None:
    """Raise StepFailed where somebody wrote to the source since the freeze, or could do so now."""
    verdict = compare_frozen(night)
    if verdict is not None and verdict.movement in (Movement.MOVED, Movement.OTHER_SOURCE):
        raise StepFailed(
            "the source since the freeze",
            found=verdict.sentence,
            expected="a source that nobody writes to",
            next_act="Find out who wrote; 'blb-migrate rollback --execute' takes the night back",
        )
    still = describe_thaw(night) if night.settings.freeze.skip is None else []
    if still:
        raise StepFailed(
            "the freeze",
            found="; ".join(still),
            expected="nobody on the source but this command",
            next_act="Stop it, then run again: what was frozen is compared once more",
        )
    return verdict
