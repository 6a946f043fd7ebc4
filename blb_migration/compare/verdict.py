"""The verdict on a plan: equal or not, and why, by the ledger's rule and never by a screen's colours.

A table counts only if it has a finished load and, for each check asked for, a passed result of that
very load under this very plan.
"""

from __future__ import annotations

from blb_migration.plan.table_plans import Plan
from blb_migration.postgres.ledger.judgement import Judgement, judge
from blb_migration.postgres.names import TargetConnection
from blb_migration.run_entry import list_planned_tables


def read_verdict(connection: TargetConnection, plan: Plan) -> Judgement:
    """Judge the target by its ledger; needs only SELECT there. Raises TargetError."""
    return judge(connection, plan.hash, list_planned_tables(plan))
