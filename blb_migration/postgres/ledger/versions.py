"""The ledger's tables in the target, and their versions. Only DDL: rows are ``ledger``'s.

They live in a schema of their own, so that no table of the application is touched and the whole
of it can be dropped once nobody asks about the migration any more. People may read it with any
client: names and units say what is meant.
"""

from __future__ import annotations

from psycopg import sql

from blb_migration.errors import TargetError
from blb_migration.postgres.failures import target_errors
from blb_migration.postgres.ledger.views import LEDGER_VIEWS
from blb_migration.postgres.names import TargetConnection

LEDGER_SCHEMA = "blb_migration"
# Any constant will do as long as every version of this tool uses the same: "blbm" in ASCII.
LEDGER_LOCK_KEY = 0x626C626D

_VERSION_1 = """
CREATE TABLE blb_migration.runs (
    run_id text PRIMARY KEY,
    kind text NOT NULL,
    started_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    finished_at timestamptz,
    outcome text,
    errors text[] NOT NULL DEFAULT '{}',
    tool_version text NOT NULL,
    plan_hash text NOT NULL,
    project text NOT NULL,
    source_identity text NOT NULL,
    operator text NOT NULL,
    host text NOT NULL,
    prepared_at timestamptz,
    source_server text,
    target_server text,
    isolation text,
    notes text[] NOT NULL DEFAULT '{}'
);
CREATE TABLE blb_migration.planned_tables (
    run_id text NOT NULL REFERENCES blb_migration.runs,
    position integer NOT NULL,
    label text NOT NULL,
    table_schema text NOT NULL,
    table_name text NOT NULL,
    source_schema text NOT NULL,
    source_table text NOT NULL,
    table_group text NOT NULL,
    column_count integer NOT NULL,
    required_checks text[] NOT NULL CHECK (cardinality(required_checks) > 0),
    PRIMARY KEY (run_id, position)
);
CREATE TABLE blb_migration.table_loads (
    load_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    run_id text NOT NULL REFERENCES blb_migration.runs,
    table_schema text NOT NULL,
    table_name text NOT NULL,
    source_schema text NOT NULL,
    source_table text NOT NULL,
    status text NOT NULL CHECK (status IN ('running', 'finished', 'failed')),
    rows_read bigint,
    rows_written bigint,
    bytes_written bigint,
    digest text,
    started_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    finished_at timestamptz,
    elapsed_seconds double precision,
    load_xid bigint,
    sequence_column text,
    next_sequence_value bigint,
    error text
);
CREATE INDEX table_loads_by_table ON blb_migration.table_loads (table_schema, table_name, load_id);
CREATE TABLE blb_migration.digest_buckets (
    load_id bigint NOT NULL REFERENCES blb_migration.table_loads,
    bucket integer NOT NULL,
    row_count bigint NOT NULL,
    sums bytea NOT NULL,
    PRIMARY KEY (load_id, bucket)
);
COMMENT ON TABLE blb_migration.digest_buckets IS
    'What the latest load of each table read, to compare contents with; blb-migrate docs digest defines it';
CREATE TABLE blb_migration.table_definitions (
    table_schema text NOT NULL,
    table_name text NOT NULL,
    run_id text NOT NULL REFERENCES blb_migration.runs,
    definitions text[] NOT NULL,
    recorded_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (table_schema, table_name)
);
COMMENT ON TABLE blb_migration.table_definitions IS
    'What each table was defined as before it was loaded; every fact of it must be back afterwards';
CREATE TABLE blb_migration.set_aside (
    set_aside_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    run_id text NOT NULL REFERENCES blb_migration.runs,
    table_schema text NOT NULL,
    table_name text NOT NULL,
    constraint_name text NOT NULL,
    columns text[] NOT NULL,
    referred_schema text NOT NULL,
    referred_table text NOT NULL,
    referred_columns text[] NOT NULL,
    definition text NOT NULL,
    comment text,
    set_aside_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    brought_back_at timestamptz,
    error text
);
CREATE UNIQUE INDEX set_aside_pending ON blb_migration.set_aside (table_schema, table_name, constraint_name)
    WHERE brought_back_at IS NULL;
CREATE TABLE blb_migration.check_results (
    check_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    run_id text NOT NULL REFERENCES blb_migration.runs,
    load_id bigint REFERENCES blb_migration.table_loads,
    table_schema text NOT NULL,
    table_name text NOT NULL,
    check_name text NOT NULL,
    passed boolean NOT NULL,
    details jsonb NOT NULL,
    plan_hash text NOT NULL,
    checked_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX check_results_by_table
    ON blb_migration.check_results (table_schema, table_name, check_name, check_id);
CREATE TABLE blb_migration.findings (
    finding_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    run_id text NOT NULL REFERENCES blb_migration.runs,
    kind text NOT NULL,
    severity text NOT NULL,
    subject text NOT NULL,
    message text NOT NULL,
    details jsonb NOT NULL,
    found_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE TABLE blb_migration.decisions (
    decision_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    run_id text NOT NULL REFERENCES blb_migration.runs,
    subject text NOT NULL,
    decision text NOT NULL,
    reason text NOT NULL,
    row_count bigint
);
CREATE TABLE blb_migration.left_behind (
    run_id text NOT NULL REFERENCES blb_migration.runs,
    kind text NOT NULL,
    subject text NOT NULL,
    reason text NOT NULL,
    row_count bigint,
    PRIMARY KEY (run_id, kind, subject)
);
CREATE TABLE blb_migration.cutover (
    cutover_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    run_id text NOT NULL REFERENCES blb_migration.runs,
    cutover_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    withdrawn_at timestamptz
);
CREATE UNIQUE INDEX cutover_in_force ON blb_migration.cutover ((true)) WHERE withdrawn_at IS NULL;
COMMENT ON SCHEMA blb_migration IS 'What blb-migrate did to this database; safe to read, not to change';
"""

# A split load: the attempt that holds the ranges now is ``load_id``; a later attempt that goes on takes
# them over. While a table has a row in ``split_loads``, its load did not come to its end.
_VERSION_2 = """
ALTER TABLE blb_migration.table_loads
    ADD COLUMN range_count integer,
    ADD COLUMN resumed_from bigint REFERENCES blb_migration.table_loads;
COMMENT ON COLUMN blb_migration.table_loads.range_count IS
    'Into how many key ranges the table was split; such a load is not all or nothing, but each range is';
COMMENT ON COLUMN blb_migration.table_loads.resumed_from IS
    'The load that was broken off and that this one goes on with';
CREATE TABLE blb_migration.split_loads (
    load_id bigint PRIMARY KEY REFERENCES blb_migration.table_loads,
    table_schema text NOT NULL,
    table_name text NOT NULL,
    basis jsonb NOT NULL,
    set_aside jsonb NOT NULL,
    is_resumable boolean NOT NULL DEFAULT true,
    begun_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    UNIQUE (table_schema, table_name)
);
COMMENT ON TABLE blb_migration.split_loads IS
    'Split loads that are not finished: what must be unchanged to go on, and what must come back at the end';
CREATE TABLE blb_migration.table_ranges (
    load_id bigint NOT NULL REFERENCES blb_migration.table_loads,
    range_no integer NOT NULL,
    first_key text,
    before_key text,
    status text NOT NULL DEFAULT 'open' CHECK (status IN ('open', 'finished')),
    loaded_by bigint REFERENCES blb_migration.table_loads,
    rows_written bigint,
    bytes_read bigint,
    bytes_written bigint,
    rows_decided jsonb,
    digest bytea,
    load_xid bigint,
    elapsed_seconds double precision,
    finished_at timestamptz,
    PRIMARY KEY (load_id, range_no)
);
COMMENT ON TABLE blb_migration.table_ranges IS
    'The key ranges of each table''s latest split load: from first_key up to but without before_key';
"""

# The field's words: keys are dropped and restored, large tables are loaded in chunks.
_VERSION_3 = """
DROP VIEW IF EXISTS blb_migration.may_we_cut_over, blb_migration.table_standing, blb_migration.plan_in_force;
ALTER TABLE blb_migration.set_aside RENAME TO dropped_keys;
ALTER TABLE blb_migration.dropped_keys RENAME set_aside_id TO dropped_key_id;
ALTER TABLE blb_migration.dropped_keys RENAME set_aside_at TO dropped_at;
ALTER TABLE blb_migration.dropped_keys RENAME brought_back_at TO restored_at;
ALTER INDEX blb_migration.set_aside_pending RENAME TO dropped_keys_pending;
ALTER TABLE blb_migration.left_behind RENAME TO not_migrated;
ALTER TABLE blb_migration.table_loads RENAME range_count TO chunk_count;
ALTER TABLE blb_migration.split_loads RENAME TO chunked_loads;
ALTER TABLE blb_migration.chunked_loads RENAME set_aside TO dropped_parts;
ALTER TABLE blb_migration.table_ranges RENAME TO table_chunks;
ALTER TABLE blb_migration.table_chunks RENAME range_no TO chunk_no;
COMMENT ON COLUMN blb_migration.table_loads.chunk_count IS
    'Into how many chunks the table was divided; such a load is not all or nothing, but each chunk is';
COMMENT ON TABLE blb_migration.chunked_loads IS
    'Chunked loads that are not finished: what must stay the same to go on, and what is to be restored';
COMMENT ON TABLE blb_migration.table_chunks IS
    'The chunks of each table''s latest chunked load: from first_key up to but without before_key';
"""

_VERSION_4 = """
ALTER TABLE blb_migration.runs ADD COLUMN source_driver text;
COMMENT ON COLUMN blb_migration.runs.source_driver IS
    'The driver that read SQL Server, its version, and why this one';
"""

# Statements that lead from one version to the next; the last one's number is the version. The views are
# made anew by the last of them alone that concerns them.
_UPGRADES = (_VERSION_1, _VERSION_2, _VERSION_3 + LEDGER_VIEWS, _VERSION_4)
LEDGER_VERSION = len(_UPGRADES)


def create_ledger_schema(connection: TargetConnection) -> None:
    """Create the ledger's schema, or bring an older one up to date; no-op when it is current.

    One transaction, serialised between processes by an advisory lock. Raises TargetError when the
    ledger was written by a newer version of this tool, or when the right to create is missing.
    """
    if read_ledger_version(connection) == LEDGER_VERSION:
        return
    with target_errors(f"schema {LEDGER_SCHEMA} of the target"), connection.transaction():
        connection.execute("SELECT pg_advisory_xact_lock(%s)", (LEDGER_LOCK_KEY,))
        version = read_ledger_version(connection) or 0
        if version == 0:
            connection.execute("CREATE SCHEMA IF NOT EXISTS blb_migration")
            connection.execute("CREATE TABLE blb_migration.ledger_version (version integer NOT NULL)")
            connection.execute("INSERT INTO blb_migration.ledger_version VALUES (0)")
        for upgrade in _UPGRADES[version:]:
            connection.execute(sql.SQL(upgrade))
        connection.execute("UPDATE blb_migration.ledger_version SET version = %s", (LEDGER_VERSION,))


def read_ledger_version(connection: TargetConnection) -> int | None:
    """The version of the target's ledger, or None when there is none. Needs only SELECT."""
    with target_errors(f"schema {LEDGER_SCHEMA} of the target"):
        # Not to_regclass: a session that has looked before remembers that there was none, and believes it
        # even after it has waited for another that made it, until it reads from a table.
        row = connection.execute(
            "SELECT count(*) > 0 FROM pg_catalog.pg_class c"
            " JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace"
            " WHERE n.nspname = 'blb_migration' AND c.relname = 'ledger_version'"
        ).fetchone()
        if not (row and row[0]):
            return None
        row = connection.execute("SELECT max(version) FROM blb_migration.ledger_version").fetchone()
    version = int(row[0]) if row and row[0] is not None else 0
    if version > LEDGER_VERSION:
        raise TargetError(
            f"schema {LEDGER_SCHEMA} of the target",
            found=f"its ledger has version {version}",
            expected=f"version {LEDGER_VERSION} or older",
            next_act="Use the newer blb-migrate that wrote it",
        )
    return version
