-- Version 4: which driver read the source.
ALTER TABLE blb_migration.runs ADD COLUMN source_driver text;
COMMENT ON COLUMN blb_migration.runs.source_driver IS
    'The driver that read SQL Server, its version, and why this one';
