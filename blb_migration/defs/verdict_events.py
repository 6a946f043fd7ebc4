"""The verdict as Dagster shows it: read from the target's ledger, told by events that need no run.

Dagster runs no step after a failure, so the report and its check are skipped when they matter most. Whoever
sees a run end reports them: the run's own process, and the sensor for what was killed, canceled, never began
or was run elsewhere. The ledger decides, always.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from dagster import (
    AssetCheckEvaluation,
    AssetCheckSeverity,
    AssetMaterialization,
    DagsterInstance,
    MetadataValue,
    TableColumn,
    TableRecord,
    TableSchema,
)

from blb_migration.defs.asset_keys import build_verdict_key
from blb_migration.defs.asset_metadata import Metadata, build_report_metadata
from blb_migration.defs.files_offered import offer_report
from blb_migration.errors import ConfigurationError, TargetError, TargetUnreachable
from blb_migration.settings.environments import Environment

if TYPE_CHECKING:
    from blb_migration.postgres.connect import TargetConnector
    from blb_migration.report.target_status import TargetStatus

REASONS_SHOWN = 12
REASONS = "blocked_by"  # Dagster's page has metadata by name: first what one must see without scrolling
_METRICS = ("errors", "mismatches", "warnings", "tables_planned", "tables_equal", "duration_seconds")
_REASON_SCHEMA = TableSchema(columns=[TableColumn("reason", "string"), TableColumn("about", "string")])


@dataclass(frozen=True)
class Verdict:
    """What is told of a target. ``document``: its report, None where there is no ledger yet."""

    passed: bool
    run_id: str | None
    description: str
    metadata: Metadata
    places: Metadata
    document: Mapping[str, Any] | None


def read_verdict(target: "TargetConnector", places: Mapping[str, str]) -> Verdict:
    """Ask the target's ledger; ``places`` name environment and databases. Raises TargetUnreachable."""
    from blb_migration.report.target_status import read_target_status

    try:
        status = read_target_status(target)
    except TargetUnreachable:
        raise
    except TargetError as error:  # nothing was ever loaded, or nobody may read what was
        reasons = _build_table([(error.found, str(target.settings.identity))])
        description = f"No: {error}"
        return Verdict(False, None, description, {**places, "run_id": "none", REASONS: reasons}, places, None)
    return _describe(status, places)


def report_verdict(
    instance: DagsterInstance,
    environment: Environment,
    verdict: Verdict,
    *,
    writes_files: bool = True,
) -> None:
    """Make the verdict, and the report, what Dagster shows; needs no run.

    The report is written into files as well, unless the run's own command does that.
    """
    key = build_verdict_key(environment)
    if verdict.document is not None:
        metadata = describe_report(verdict.document, verdict.places, writes_files=writes_files)
        instance.report_runless_asset_event(AssetMaterialization(key.asset_key, metadata=metadata))
    instance.report_runless_asset_event(
        AssetCheckEvaluation(
            asset_key=key.asset_key,
            check_name=key.name,
            passed=verdict.passed,
            severity=AssetCheckSeverity.ERROR,
            description=verdict.description,
            metadata=dict(verdict.metadata),
        )
    )


def describe_report(document: Mapping[str, Any], places: Metadata, *, writes_files: bool) -> Metadata:
    """Build the metadata of the report, with its files where they are written."""
    files: Metadata = {}
    if writes_files:
        try:
            files = offer_report(document)
        except ConfigurationError as error:  # the report itself is there to be read
            files = {"report_page": f"not written: {error}"}
    return {**files, **build_report_metadata(document), **places}


def _describe(status: "TargetStatus", places: Mapping[str, str]) -> Verdict:
    """Describe what the ledger says. A target that is live has passed: nothing is asked of it any more."""
    document = status.document
    if status.live is not None:
        return Verdict(
            True,
            status.run_id,
            f"Done: {status.live}. There is no further cutover: until 'blb-migrate rollback' takes it back,"
            " every load, dry run and 'schema --apply' refuses.",
            {
                "live_since": status.live.since.isoformat(timespec="seconds"),
                "live_by": f"{status.live.operator or 'somebody'} on {status.live.host or 'some machine'}",
                "run_id": status.run_id,
                "run_kind": document["run"]["kind"],
                **places,
            },
            places,
            document,
        )
    first = "" if status.may_cut_over else f"{status.reasons[0].about}: {status.reasons[0].sentence} | "
    answer = "Yes" if status.may_cut_over else "No"
    rows = [(each.sentence, each.about) for each in status.reasons[:REASONS_SHOWN]]
    if len(status.reasons) > REASONS_SHOWN:
        rows.append((f"and {len(status.reasons) - REASONS_SHOWN} more", "see the report"))
    metrics = {name: document["stats"][name] for name in _METRICS if document["stats"][name] is not None}
    metadata = {
        **({REASONS: _build_table(rows)} if rows else {}),
        "next_act": document["next_act"],
        "run_id": status.run_id,
        "run_kind": document["run"]["kind"],
        **metrics,
        **places,
    }
    return Verdict(
        status.may_cut_over,
        status.run_id,
        f"{answer}. {first}{document['verdict']} {document['next_act']}",
        metadata,
        places,
        document,
    )


def _build_table(rows: list[tuple[str, str]]) -> MetadataValue:
    records = [TableRecord({"reason": reason, "about": about}) for reason, about in rows]
    return MetadataValue.table(records, _REASON_SCHEMA)
