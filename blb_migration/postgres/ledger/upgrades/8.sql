-- Version 8: rows are hashed by BLAKE3. What loads of older versions have left is by BLAKE2b, and is read so.
ALTER TABLE blb_migration.table_loads ADD COLUMN hash_function text NOT NULL DEFAULT 'BLAKE2b';
ALTER TABLE blb_migration.table_loads ALTER COLUMN hash_function DROP DEFAULT;
COMMENT ON COLUMN blb_migration.table_loads.hash_function IS
    'What the digest, and those of chunks and buckets, are of; only digests of the same function can be compared';
