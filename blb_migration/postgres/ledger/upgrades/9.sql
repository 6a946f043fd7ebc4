-- Version 9: runs that the history no longer reads table by table are one row each.
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
COMMENT ON COLUMN blb_migration.table_loads.source_after IS
    'What the source marker said otherwise after the rows were read; older versions have kept all of it';
