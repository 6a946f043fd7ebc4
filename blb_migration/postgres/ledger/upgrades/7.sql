-- Version 7: what each night was planned with, so that two nights can be compared.
ALTER TABLE blb_migration.planned_tables ADD COLUMN column_types jsonb;
COMMENT ON COLUMN blb_migration.planned_tables.column_types IS
    'Each source column with its type there and in the target; NULL: an older version has recorded the run';
CREATE INDEX findings_by_run ON blb_migration.findings (run_id);
