"""Rights that the target's user lacks, as findings with the statement that grants each; and other limits.

Nothing is left of what is tried.
"""

from __future__ import annotations

from collections.abc import Iterator

from blb_migration.findings import Code, Finding, Severity
from blb_migration.migration import Migration
from blb_migration.plan.table_plans import Plan
from blb_migration.postgres.ddl_guards import read_ddl_guards
from blb_migration.postgres.names import TargetConnection
from blb_migration.postgres.rights import find_missing_rights
from blb_migration.postgres.server_features import read_server_features
from blb_migration.postgres.session_limits import read_session_room

_SESSIONS_OF_A_LOAD = 2  # one for the rows, one for the ledger; a third holds the target for the run


def find_rights_missing(connection: TargetConnection, migration: Migration) -> Iterator[Finding]:
    """Yield a finding for each right that is missing; one statement may mend several.

    What only a dry run needs refuses a dry run, and is a warning otherwise. Raises TargetError.
    """
    known = migration.project.target.tables_by_name
    planned = [table.target.name for table in migration.project.plan_in_place.tables]
    for missing in find_missing_rights(connection, [name for name in planned if name in known]):
        is_needed = not missing.only_for_dry_run or migration.run.kind == "dry_run"
        yield Finding(
            Code.TARGET_RIGHT_MISSING,
            Severity.ERROR if is_needed else Severity.WARNING,
            missing.subject,
            f"the target's user lacks a right: {missing.reason}",
            f"as its owner, run: {missing.statement}",
        )


def find_limits(connection: TargetConnection, migration: Migration, plan: Plan) -> Iterator[Finding]:
    """Yield what else keeps a user with all rights from loading. Raises TargetError."""
    yield from _find_event_triggers(connection)
    # The session that asks is free again when the load begins; any run but this one alone has a hold already.
    needed = _SESSIONS_OF_A_LOAD - 1 + (migration.run.kind == "preflight")
    room = read_session_room(connection, needed)
    if room.free < needed:
        yield Finding(
            Code.TOO_FEW_SESSIONS,
            Severity.ERROR,
            "target",
            f"the {room.limited_by}'s limit leaves room for {max(0, room.free)} more sessions, and "
            f"loading a table needs {needed}",
            room.raised_by,
        )
    documents = [
        f"{table.label}.{column.source.name}"
        for table in plan.tables
        for column in table.columns
        if column.target.type.name == "xml"
    ]
    if documents and not read_server_features(connection).has_xml:
        yield Finding(
            Code.SERVER_LACKS_XML,
            Severity.ERROR,
            "target",
            f"the server was built without libxml, and refuses every value of {', '.join(documents)}",
            "give these columns the type text, or use a server that was built with libxml",
        )


def _find_event_triggers(connection: TargetConnection) -> Iterator[Finding]:
    guards = read_ddl_guards(connection)
    if not guards.triggers:
        return
    named = ", ".join(f"{name} ({function})" for name, function in guards.triggers)
    act = "as their owner, run ALTER EVENT TRIGGER ... DISABLE for the time of the migration"
    if guards.refusal is not None:
        yield Finding(
            Code.EVENT_TRIGGERS_REFUSE,
            Severity.ERROR,
            "target",
            f"DDL that a load needs was refused when tried: {guards.refusal}; event triggers: {named}",
            act,
        )
        return
    yield Finding(
        Code.EVENT_TRIGGERS_FIRE,
        Severity.WARNING,
        "target",
        f"event triggers fire when keys and indexes are dropped and restored, and may refuse it: {named}; "
        "on a temporary table they did not",
        act,
    )
