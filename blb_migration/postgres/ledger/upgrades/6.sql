-- Version 6: a load is bound to its source, and what it left in the target is on record.

CREATE TABLE blb_migration.identity_evidence (
    load_id bigint PRIMARY KEY REFERENCES blb_migration.table_loads,
    answers text NOT NULL,
    is_settled boolean NOT NULL,
    next_value numeric NOT NULL
);
COMMENT ON TABLE blb_migration.identity_evidence IS
    'What the source said of its identity during a load, and the next number worked out from it and the rows';
ALTER TABLE blb_migration.runs ADD COLUMN environment text CHECK (environment IN ('production', 'rehearsal'));
COMMENT ON COLUMN blb_migration.runs.environment IS
    'What this target served in this run: production, or its rehearsal; later runs must be of the same';

ALTER TABLE blb_migration.runs ADD COLUMN reserved_until timestamptz;
COMMENT ON COLUMN blb_migration.runs.reserved_until IS
    'No other run may take the target before, although no process of this one is there: its next one is to come';

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

ALTER TABLE blb_migration.cutover
    ADD COLUMN operator text,
    ADD COLUMN host text,
    ADD COLUMN tool_version text,
    ADD COLUMN night_id text;
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
-- What was loaded before is known by its address alone.
INSERT INTO blb_migration.sources (address)
SELECT DISTINCT source_identity FROM blb_migration.runs ORDER BY 1;
ALTER TABLE blb_migration.runs
    ADD COLUMN source_before jsonb,
    ADD COLUMN source_after jsonb,
    ADD COLUMN source_movement jsonb;
ALTER TABLE blb_migration.table_loads
    ADD COLUMN source_id bigint REFERENCES blb_migration.sources,
    ADD COLUMN source_before jsonb,
    ADD COLUMN source_after jsonb;
ALTER TABLE blb_migration.check_results
    ADD COLUMN source_id bigint REFERENCES blb_migration.sources,
    ADD COLUMN source_before jsonb,
    ADD COLUMN read_from timestamptz,
    ADD COLUMN read_until timestamptz;
UPDATE blb_migration.table_loads AS load SET source_id = source.source_id
FROM blb_migration.runs AS run JOIN blb_migration.sources AS source ON source.address = run.source_identity
WHERE run.run_id = load.run_id;
UPDATE blb_migration.check_results AS result SET source_id = source.source_id
FROM blb_migration.runs AS run JOIN blb_migration.sources AS source ON source.address = run.source_identity
WHERE run.run_id = result.run_id;
COMMENT ON COLUMN blb_migration.runs.source_before IS
    'The source marker before the first table was read: what tells whether somebody writes to the source';
COMMENT ON COLUMN blb_migration.runs.source_movement IS
    'What the markers say at the end of the run of the time since each table was read';
COMMENT ON COLUMN blb_migration.table_loads.source_before IS 'The source marker before the rows were read';
COMMENT ON COLUMN blb_migration.check_results.read_from IS
    'Since when the check itself has read the source; NULL where it trusts what the load has read';

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
