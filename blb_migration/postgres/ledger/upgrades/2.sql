-- Version 2: tables loaded in key ranges. The attempt that holds the ranges now is load_id; a later one that goes on
-- takes them over. While a table has a row in split_loads, its load did not come to its end.
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
