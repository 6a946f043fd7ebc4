"""The check ``may_we_cut_over`` of the report, as a step: in the graph, and alone by a click.

How the answer is found, and told after runs that do not come to this step: ``verdict_events``.
"""

from typing import TYPE_CHECKING

from dagster import (
    AssetCheckExecutionContext,
    AssetCheckResult,
    AssetChecksDefinition,
    AssetCheckSeverity,
    asset_check,
)

from blb_migration.defs.asset_keys import RECONCILIATION_REPORT, VERDICT, place_key
from blb_migration.defs.resource import RESOURCE_KEY, MigrationResource
from blb_migration.defs.run_tags import name_pool
from blb_migration.defs.verdict_events import Verdict, read_verdict
from blb_migration.settings.environments import REHEARSAL, Environment

if TYPE_CHECKING:
    from blb_migration.migration import Migration


def build_verdict_check(environment: Environment) -> AssetChecksDefinition:
    """Build the check of the report of ``environment``."""
    question = "Would a cutover go ahead" if environment == REHEARSAL else "May we cut over"

    @asset_check(
        asset=place_key(RECONCILIATION_REPORT, environment),
        name=VERDICT,
        blocking=True,
        description=f"{question}? The ledger in the target answers, after every run, also a failed one.",
        pool=name_pool(environment),
        required_resource_keys={RESOURCE_KEY},
    )
    def may_we_cut_over(context: AssetCheckExecutionContext) -> AssetCheckResult:
        resource: MigrationResource = getattr(context.resources, RESOURCE_KEY)

        def judge(migration: "Migration") -> Verdict:
            return read_verdict(migration.target, resource.places)

        verdict = resource.carry_out(context, VERDICT, judge)
        resource.notes.is_judged = True
        return AssetCheckResult(
            passed=verdict.passed,
            severity=AssetCheckSeverity.ERROR,
            description=verdict.description,
            metadata=verdict.metadata,
        )

    return may_we_cut_over
