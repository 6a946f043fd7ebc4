"""The statements that discover a database: one per kind of thing, never one per table. All of them read.

They name only documented columns of ``sys.*`` views that SQL Server 2012 and later have. ``sql_variant``
columns (identity values, extended properties) are CAST, since no driver hands them over as they are. Names
are CAST to nvarchar: servers were seen to send them in a code page, which lacks some of their letters.
There is no ORDER BY: the order is made in Python, by values, since servers sort names differently.
INFORMATION_SCHEMA is not read: it misses foreign keys that refer to unique indexes.
"""

from __future__ import annotations

from blb_migration.sqlserver.signs import Sign

# What is good to know and nothing stands on: told by most servers, by some in part.
SERVER = {
    "database": Sign("its database's name", "DB_NAME()"),
    "version": Sign("its version", "CAST(SERVERPROPERTY('ProductVersion') AS nvarchar(128))"),
    "edition": Sign("its edition", "CAST(SERVERPROPERTY('Edition') AS nvarchar(128))"),
    # 1 there, NULL elsewhere, as of any property that a server does not know
    "babelfish": Sign("whether it is Babelfish", "CAST(SERVERPROPERTY('Babelfish') AS int)"),
    "collation": Sign(
        "its database's collation", "CAST(DATABASEPROPERTYEX(DB_NAME(), 'Collation') AS nvarchar(128))"
    ),
}

# object_id, schema, table
TABLES = """
SELECT o.object_id, CAST(s.name AS nvarchar(128)), CAST(o.name AS nvarchar(128))
FROM sys.tables AS o
JOIN sys.schemas AS s ON s.schema_id = o.schema_id
WHERE o.is_ms_shipped = 0
"""

# object_id, column_id, name, declared type, base type (NULL for CLR types), max_length in bytes (-1: max),
# precision, scale, nullable, collation, has a default, default's text, computed, its text, persisted,
# identity
COLUMNS = """
SELECT c.object_id, c.column_id, CAST(c.name AS nvarchar(128)), CAST(t.name AS nvarchar(128)),
       CAST(b.name AS nvarchar(128)), c.max_length, c.precision, c.scale,
       c.is_nullable, c.collation_name, c.default_object_id, d.definition,
       c.is_computed, k.definition, k.is_persisted, c.is_identity
FROM sys.columns AS c
JOIN sys.tables AS o ON o.object_id = c.object_id
JOIN sys.types AS t ON t.user_type_id = c.user_type_id
LEFT JOIN sys.types AS b ON b.user_type_id = c.system_type_id
LEFT JOIN sys.default_constraints AS d ON d.object_id = c.default_object_id
LEFT JOIN sys.computed_columns AS k ON k.object_id = c.object_id AND k.column_id = c.column_id
WHERE o.is_ms_shipped = 0
"""

# object_id, text: defaults that are bound to columns (sp_bindefault) and no constraints of theirs
BOUND_DEFAULTS = """
SELECT o.object_id, m.definition
FROM sys.objects AS o
JOIN sys.sql_modules AS m ON m.object_id = o.object_id
WHERE o.type = 'D' AND o.parent_object_id = 0
"""

# object_id, column_id, seed, increment, last value (NULL: never used)
IDENTITIES = """
SELECT i.object_id, i.column_id,
       CAST(i.seed_value AS decimal(38, 0)),
       CAST(i.increment_value AS decimal(38, 0)),
       CAST(i.last_value AS decimal(38, 0))
FROM sys.identity_columns AS i
"""

# object_id, index_id, name, type (1 clustered, 2 nonclustered, 3 XML, 4 spatial, 5 and 6 columnstore, 7
# hash), unique, primary key, unique constraint, disabled, filter
INDEXES = """
SELECT i.object_id, i.index_id, CAST(i.name AS nvarchar(128)), i.type, i.is_unique, i.is_primary_key,
       i.is_unique_constraint,
       i.is_disabled, i.filter_definition
FROM sys.indexes AS i
JOIN sys.tables AS o ON o.object_id = i.object_id
WHERE o.is_ms_shipped = 0 AND i.index_id > 0 AND i.is_hypothetical = 0
"""

# object_id, index_id, column, its place in the key (0: none), its place in the index, descending, included
INDEX_COLUMNS = """
SELECT x.object_id, x.index_id, CAST(c.name AS nvarchar(128)), x.key_ordinal, x.index_column_id,
       x.is_descending_key,
       x.is_included_column
FROM sys.index_columns AS x
JOIN sys.tables AS o ON o.object_id = x.object_id
JOIN sys.columns AS c ON c.object_id = x.object_id AND c.column_id = x.column_id
WHERE o.is_ms_shipped = 0
"""

# object_id, table, name, referred table, on delete and on update (0 no action, 1 cascade, 2 set null,
# 3 set default), not trusted, disabled
FOREIGN_KEYS = """
SELECT f.object_id, f.parent_object_id, CAST(f.name AS nvarchar(128)), f.referenced_object_id,
       f.delete_referential_action, f.update_referential_action, f.is_not_trusted, f.is_disabled
FROM sys.foreign_keys AS f
"""

# foreign key, place, column, referred column
FOREIGN_KEY_COLUMNS = """
SELECT f.constraint_object_id, f.constraint_column_id, CAST(c.name AS nvarchar(128)),
       CAST(r.name AS nvarchar(128))
FROM sys.foreign_key_columns AS f
JOIN sys.columns AS c ON c.object_id = f.parent_object_id AND c.column_id = f.parent_column_id
JOIN sys.columns AS r ON r.object_id = f.referenced_object_id AND r.column_id = f.referenced_column_id
"""

# table, name, text, not trusted, disabled
CHECKS = """
SELECT k.parent_object_id, CAST(k.name AS nvarchar(128)), k.definition, k.is_not_trusted, k.is_disabled
FROM sys.check_constraints AS k
"""

# table, column_id (0: the table itself), property, text. microsoft_database_tools_support marks the tables
# that SQL Server's own tools leave behind (sysdiagrams).
COMMENTS = """
SELECT e.major_id, e.minor_id, CAST(e.name AS nvarchar(128)), CAST(e.value AS nvarchar(4000))
FROM sys.extended_properties AS e
WHERE e.class = 1 AND e.name IN (N'MS_Description', N'microsoft_database_tools_support')
"""

# table, rows according to the storage engine's bookkeeping
ROW_ESTIMATES = """
SELECT p.object_id, SUM(p.rows)
FROM sys.partitions AS p
WHERE p.index_id IN (0, 1)
GROUP BY p.object_id
"""

# schema, table
UNREADABLE_TABLES = """
SELECT CAST(s.name AS nvarchar(128)), CAST(o.name AS nvarchar(128))
FROM sys.tables AS o
JOIN sys.schemas AS s ON s.schema_id = o.schema_id
WHERE o.is_ms_shipped = 0
  AND HAS_PERMS_BY_NAME(QUOTENAME(s.name) + N'.' + QUOTENAME(o.name), N'OBJECT', N'SELECT') = 0
"""

# 1, 0, or NULL where the server does not know
DATABASE_RIGHT = "SELECT HAS_PERMS_BY_NAME(DB_NAME(), N'DATABASE', N'SELECT')"

# schema, name, type, parent table, definition (NULL: encrypted, CLR, or no VIEW DEFINITION right). A rule (R)
# and a default (D) that is no constraint are of sp_bindrule and sp_bindefault.
MODULES = """
SELECT CAST(s.name AS nvarchar(128)), CAST(o.name AS nvarchar(128)), o.type, CAST(p.name AS nvarchar(128)),
       m.definition
FROM sys.objects AS o
JOIN sys.schemas AS s ON s.schema_id = o.schema_id
LEFT JOIN sys.objects AS p ON p.object_id = o.parent_object_id
LEFT JOIN sys.sql_modules AS m ON m.object_id = o.object_id
WHERE o.is_ms_shipped = 0
  AND (o.type IN ('V', 'P', 'PC', 'X', 'RF', 'FN', 'IF', 'TF', 'FS', 'FT', 'AF', 'TR', 'TA', 'R', 'EC', 'SQ')
       OR o.type = 'D' AND o.parent_object_id = 0)
"""

# schema, name, what it has come to, its step
SEQUENCES = """
SELECT CAST(s.name AS nvarchar(128)), CAST(q.name AS nvarchar(128)),
       CAST(q.current_value AS decimal(38, 0)), CAST(q.increment AS decimal(38, 0))
FROM sys.sequences AS q
JOIN sys.schemas AS s ON s.schema_id = q.schema_id
"""

# schema, name, what it stands for
SYNONYMS = """
SELECT CAST(s.name AS nvarchar(128)), CAST(y.name AS nvarchar(128)), y.base_object_name
FROM sys.synonyms AS y
JOIN sys.schemas AS s ON s.schema_id = y.schema_id
"""

# schema, name, its history's schema and name. SQL Server 2016 and later.
TEMPORAL_TABLES = """
SELECT CAST(s.name AS nvarchar(128)), CAST(o.name AS nvarchar(128)),
       CAST(hs.name AS nvarchar(128)), CAST(h.name AS nvarchar(128))
FROM sys.tables AS o
JOIN sys.schemas AS s ON s.schema_id = o.schema_id
LEFT JOIN sys.tables AS h ON h.object_id = o.history_table_id
LEFT JOIN sys.schemas AS hs ON hs.schema_id = h.schema_id
WHERE o.is_ms_shipped = 0 AND o.temporal_type = 2
"""

# schema, name. SQL Server 2014 and later.
MEMORY_OPTIMIZED_TABLES = """
SELECT CAST(s.name AS nvarchar(128)), CAST(o.name AS nvarchar(128))
FROM sys.tables AS o
JOIN sys.schemas AS s ON s.schema_id = o.schema_id
WHERE o.is_ms_shipped = 0 AND o.is_memory_optimized = 1
"""

# schema, name
FULL_TEXT_INDEXES = """
SELECT CAST(s.name AS nvarchar(128)), CAST(o.name AS nvarchar(128))
FROM sys.fulltext_indexes AS f
JOIN sys.tables AS o ON o.object_id = f.object_id
JOIN sys.schemas AS s ON s.schema_id = o.schema_id
WHERE o.is_ms_shipped = 0
"""

# schema, name, rows. Change data capture and replication make such tables, sp_MS_marksystemobject marks any.
SYSTEM_TABLES = """
SELECT CAST(s.name AS nvarchar(128)), CAST(o.name AS nvarchar(128)),
       (SELECT CAST(SUM(p.rows) AS bigint) FROM sys.partitions AS p
        WHERE p.object_id = o.object_id AND p.index_id IN (0, 1))
FROM sys.tables AS o
JOIN sys.schemas AS s ON s.schema_id = o.schema_id
WHERE o.is_ms_shipped = 1
"""
