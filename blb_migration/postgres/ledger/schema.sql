-- The ledger's tables as a fresh target gets them; the ones of an older version become these by upgrades/.
-- After a change here: a new file in upgrades/, whose number is then the version. Views are in views.sql.

CREATE TABLE blb_migration.sources (
    source_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    address text NOT NULL,
    server text,
    database text,
    created_at text,
    recovery_fork text,
    first_read_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
COMMENT ON TABLE blb_migration.sources IS
    'Each database that was read, as it says of itself; a restored copy is another. NULL: the server hides it';

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
    notes text[] NOT NULL DEFAULT '{}',
    source_driver text,
    environment text CHECK (environment IN ('production', 'rehearsal')),
    reserved_until timestamptz,
    source_before jsonb,
    source_after jsonb,
    source_movement jsonb
);
COMMENT ON COLUMN blb_migration.runs.source_driver IS
    'The driver that read SQL Server, its version, and why this one';
COMMENT ON COLUMN blb_migration.runs.environment IS
    'What this target served in this run: production, or its rehearsal; later runs must be of the same';
COMMENT ON COLUMN blb_migration.runs.reserved_until IS
    'No other run may take the target before, although no process of this one is there: its next one is to come';

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
    column_types jsonb,
    PRIMARY KEY (run_id, position)
);
COMMENT ON COLUMN blb_migration.planned_tables.column_types IS
    'Each source column with its type there and in the target; NULL: an older version has recorded the run';

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
    error text,
    chunk_count integer,
    resumed_from bigint REFERENCES blb_migration.table_loads,
    source_id bigint REFERENCES blb_migration.sources,
    source_before jsonb,
    source_after jsonb,
    hash_function text NOT NULL
);
CREATE INDEX table_loads_by_table ON blb_migration.table_loads (table_schema, table_name, load_id);
CREATE INDEX table_loads_by_run ON blb_migration.table_loads (run_id);
COMMENT ON COLUMN blb_migration.table_loads.chunk_count IS
    'Into how many chunks the table was divided; such a load is not all or nothing, but each chunk is';
COMMENT ON COLUMN blb_migration.table_loads.hash_function IS
    'What the digest, and those of chunks and buckets, are of; only digests of the same function can be compared';
COMMENT ON COLUMN blb_migration.table_loads.resumed_from IS
    'The load that was broken off and that this one goes on with';

CREATE TABLE blb_migration.chunked_loads (
    load_id bigint PRIMARY KEY REFERENCES blb_migration.table_loads,
    table_schema text NOT NULL,
    table_name text NOT NULL,
    basis jsonb NOT NULL,
    dropped_parts jsonb NOT NULL,
    is_resumable boolean NOT NULL DEFAULT true,
    begun_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    UNIQUE (table_schema, table_name)
);
COMMENT ON TABLE blb_migration.chunked_loads IS
    'Chunked loads that are not finished: what must stay the same to go on, and what is to be restored';

CREATE TABLE blb_migration.table_chunks (
    load_id bigint NOT NULL REFERENCES blb_migration.table_loads,
    chunk_no integer NOT NULL,
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
    PRIMARY KEY (load_id, chunk_no)
);
COMMENT ON TABLE blb_migration.table_chunks IS
    'The chunks of each table''s latest chunked load: from first_key up to but without before_key';

CREATE TABLE blb_migration.digest_buckets (
    load_id bigint NOT NULL REFERENCES blb_migration.table_loads,
    bucket integer NOT NULL,
    row_count bigint NOT NULL,
    sums bytea NOT NULL,
    PRIMARY KEY (load_id, bucket)
);
COMMENT ON TABLE blb_migration.digest_buckets IS
    'What the latest load of each table read, to compare contents with; blb-migrate docs digest defines it';

CREATE TABLE blb_migration.identity_evidence (
    load_id bigint PRIMARY KEY REFERENCES blb_migration.table_loads,
    answers text NOT NULL,
    is_settled boolean NOT NULL,
    next_value numeric NOT NULL
);
COMMENT ON TABLE blb_migration.identity_evidence IS
    'What the source said of its identity during a load, and the next number worked out from it and the rows';

CREATE TABLE blb_migration.left_rows (
    load_id bigint PRIMARY KEY REFERENCES blb_migration.table_loads,
    system_identifier text,
    database_oid bigint NOT NULL,
    table_oid bigint NOT NULL,
    transaction_id bigint NOT NULL,
    content_form jsonb NOT NULL,
    others_digest text
);
COMMENT ON TABLE blb_migration.left_rows IS
    'Where and in which form each table''s latest load left its rows: by it rows that others changed are told';

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

CREATE TABLE blb_migration.dropped_keys (
    dropped_key_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
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
    dropped_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    restored_at timestamptz,
    error text
);
CREATE UNIQUE INDEX dropped_keys_pending
    ON blb_migration.dropped_keys (table_schema, table_name, constraint_name) WHERE restored_at IS NULL;

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
    checked_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    source_id bigint REFERENCES blb_migration.sources,
    source_before jsonb,
    read_from timestamptz,
    read_until timestamptz
);
CREATE INDEX check_results_by_table
    ON blb_migration.check_results (table_schema, table_name, check_name, check_id);
CREATE INDEX check_results_by_run ON blb_migration.check_results (run_id);

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
CREATE INDEX findings_by_run ON blb_migration.findings (run_id);

CREATE TABLE blb_migration.decisions (
    decision_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    run_id text NOT NULL REFERENCES blb_migration.runs,
    subject text NOT NULL,
    decision text NOT NULL,
    reason text NOT NULL,
    row_count bigint
);

CREATE TABLE blb_migration.not_migrated (
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
    withdrawn_at timestamptz,
    operator text,
    host text,
    tool_version text,
    night_id text
);
CREATE UNIQUE INDEX cutover_in_force ON blb_migration.cutover ((true)) WHERE withdrawn_at IS NULL;

CREATE TABLE blb_migration.night_lines (
    night_id text NOT NULL,
    line_no integer NOT NULL,
    step text NOT NULL,
    event text NOT NULL,
    written_at timestamptz NOT NULL,
    operator text NOT NULL,
    host text NOT NULL,
    tool_version text NOT NULL,
    details jsonb NOT NULL,
    PRIMARY KEY (night_id, line_no)
);
COMMENT ON TABLE blb_migration.night_lines IS
    'The journal of each cutover; the file journal.jsonl of the machine that carried it out says the same';

CREATE TABLE blb_migration.kept_tables (
    night_id text NOT NULL,
    purpose text NOT NULL CHECK (purpose IN ('smoke', 'live')),
    table_schema text NOT NULL,
    table_name text NOT NULL,
    copy_name text,
    key_columns text[] NOT NULL,
    is_whole boolean NOT NULL,
    row_count bigint NOT NULL,
    from_xid bigint NOT NULL,
    open_xids bigint[] NOT NULL,
    kept_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (night_id, purpose, table_schema, table_name)
);
COMMENT ON TABLE blb_migration.kept_tables IS
    'What each table held before the smoke test and before the application used it: its keys or all its rows, '
    'in blb_migration_kept';

CREATE TABLE blb_migration.watch_rows (
    night_id text NOT NULL,
    looked_at timestamptz NOT NULL,
    facts jsonb NOT NULL,
    alerts text[] NOT NULL,
    PRIMARY KEY (night_id, looked_at)
);
COMMENT ON TABLE blb_migration.watch_rows IS 'What was seen each minute after the target went live';

CREATE TABLE blb_migration.packed_runs (
    run_id text PRIMARY KEY REFERENCES blb_migration.runs,
    tables_planned bigint NOT NULL,
    mismatches bigint NOT NULL,
    checks_done bigint NOT NULL,
    last_check_at timestamptz,
    particulars json NOT NULL,
    packed_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
COMMENT ON TABLE blb_migration.packed_runs IS
    'Each old run, packed: in particulars all its rows of other tables, by their names, and its loads'' markers';

CREATE TABLE blb_migration.reasons (
    code text PRIMARY KEY,
    sentence text NOT NULL
);
COMMENT ON TABLE blb_migration.reasons IS
    'What can speak against "equal", and how it is said; {names} stand for what the reason is about';

COMMENT ON COLUMN blb_migration.runs.source_before IS
    'The source marker before the first table was read: what tells whether somebody writes to the source';
COMMENT ON COLUMN blb_migration.runs.source_movement IS
    'What the markers say at the end of the run of the time since each table was read';
COMMENT ON COLUMN blb_migration.table_loads.source_before IS 'The source marker before the rows were read';
COMMENT ON COLUMN blb_migration.table_loads.source_after IS
    'What the source marker said otherwise after the rows were read; older versions have kept all of it';
COMMENT ON COLUMN blb_migration.check_results.read_from IS
    'Since when the check itself has read the source; NULL where it trusts what the load has read';

COMMENT ON SCHEMA blb_migration IS 'What blb-migrate did to this database; safe to read, not to change';
