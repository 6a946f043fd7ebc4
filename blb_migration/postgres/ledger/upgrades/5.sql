-- Version 5: one rule for "equal", whose reasons are codes; and what was renamed is named throughout.
DROP VIEW IF EXISTS blb_migration.may_we_cut_over, blb_migration.table_status, blb_migration.plan_in_force;
CREATE TABLE blb_migration.reasons (
    code text PRIMARY KEY,
    sentence text NOT NULL
);
COMMENT ON TABLE blb_migration.reasons IS
    'What can speak against "equal", and how it is said; {names} stand for what the reason is about';
CREATE INDEX table_loads_by_run ON blb_migration.table_loads (run_id);
CREATE INDEX check_results_by_run ON blb_migration.check_results (run_id);
ALTER SEQUENCE blb_migration.set_aside_set_aside_id_seq RENAME TO dropped_keys_dropped_key_id_seq;
ALTER TABLE blb_migration.dropped_keys RENAME CONSTRAINT set_aside_pkey TO dropped_keys_pkey;
ALTER TABLE blb_migration.dropped_keys RENAME CONSTRAINT set_aside_run_id_fkey TO dropped_keys_run_id_fkey;
ALTER TABLE blb_migration.not_migrated RENAME CONSTRAINT left_behind_pkey TO not_migrated_pkey;
ALTER TABLE blb_migration.not_migrated RENAME CONSTRAINT left_behind_run_id_fkey TO not_migrated_run_id_fkey;
ALTER TABLE blb_migration.chunked_loads RENAME CONSTRAINT split_loads_pkey TO chunked_loads_pkey;
ALTER TABLE blb_migration.chunked_loads
    RENAME CONSTRAINT split_loads_table_schema_table_name_key TO chunked_loads_table_schema_table_name_key;
ALTER TABLE blb_migration.chunked_loads RENAME CONSTRAINT split_loads_load_id_fkey TO chunked_loads_load_id_fkey;
ALTER TABLE blb_migration.table_chunks RENAME CONSTRAINT table_ranges_pkey TO table_chunks_pkey;
ALTER TABLE blb_migration.table_chunks RENAME CONSTRAINT table_ranges_load_id_fkey TO table_chunks_load_id_fkey;
ALTER TABLE blb_migration.table_chunks
    RENAME CONSTRAINT table_ranges_loaded_by_fkey TO table_chunks_loaded_by_fkey;
ALTER TABLE blb_migration.table_chunks
    RENAME CONSTRAINT table_ranges_status_check TO table_chunks_status_check;
