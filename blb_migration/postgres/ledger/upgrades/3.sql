-- Version 3: the field's words. Keys are dropped and restored, large tables are loaded in chunks.
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
