"""Everything that defines a set of tables, as facts to compare, to prove that a load changed none of it.

Definitions as the server prints them; no rows, no sequence positions, no statistics. Read before a
load and after it, equal facts mean that every column, key, index, trigger, comment and
mark dropped on the way is back as it was.
"""

from __future__ import annotations

import json
from collections.abc import Sequence

from blb_migration.model import TableName
from blb_migration.postgres.failures import target_errors
from blb_migration.postgres.names import TargetConnection, qualified_definitions, qualified_text

# One row per fact; what an older server lacks is not asked for by name.
_DEFINITIONS = """
WITH t AS (
    SELECT c.* FROM pg_catalog.pg_class c
    WHERE c.oid = ANY (SELECT to_regclass(name) FROM unnest(%(tables)s::text[]) name)
)
SELECT jsonb_build_array('table', t.oid::regclass, t.relkind, t.relpersistence, t.relrowsecurity,
                 t.relforcerowsecurity, t.relreplident, t.reloptions, t.relacl, t.relowner::regrole,
                 obj_description(t.oid, 'pg_class'))
FROM t
UNION ALL
SELECT jsonb_build_array('column', t.oid::regclass, a.attnum, a.attname,
                 format_type(a.atttypid, a.atttypmod), a.attnotnull, a.attidentity, a.attgenerated,
                 a.attcollation, a.attstorage, coalesce(a.attstattarget, -1), a.attacl, a.attoptions,
                 pg_get_expr(d.adbin, d.adrelid),
                 col_description(t.oid, a.attnum))
FROM t JOIN pg_catalog.pg_attribute a ON a.attrelid = t.oid AND a.attnum > 0 AND NOT a.attisdropped
LEFT JOIN pg_catalog.pg_attrdef d ON d.adrelid = t.oid AND d.adnum = a.attnum
UNION ALL
SELECT jsonb_build_array('constraint', c.conrelid::regclass, c.conname, pg_get_constraintdef(c.oid),
                 c.convalidated, c.condeferrable, c.condeferred, c.conislocal,
                 obj_description(c.oid, 'pg_constraint'))
FROM pg_catalog.pg_constraint c
WHERE (c.conrelid IN (SELECT oid FROM t) OR c.confrelid IN (SELECT oid FROM t)) AND c.conparentid = 0
UNION ALL
SELECT jsonb_build_array('index', i.indrelid::regclass, pg_get_indexdef(i.indexrelid), i.indisclustered,
                 i.indisreplident, i.indisvalid, s.spcname, obj_description(i.indexrelid, 'pg_class'),
                 ARRAY(SELECT a.attstattarget FROM pg_catalog.pg_attribute a
                       WHERE a.attrelid = i.indexrelid ORDER BY a.attnum))
FROM t JOIN pg_catalog.pg_index i ON i.indrelid = t.oid
JOIN pg_catalog.pg_class ic ON ic.oid = i.indexrelid
LEFT JOIN pg_catalog.pg_tablespace s ON s.oid = ic.reltablespace
UNION ALL
SELECT jsonb_build_array('trigger', t.oid::regclass, pg_get_triggerdef(g.oid), g.tgenabled,
                 obj_description(g.oid, 'pg_trigger'))
FROM t JOIN pg_catalog.pg_trigger g ON g.tgrelid = t.oid AND NOT g.tgisinternal
UNION ALL
SELECT jsonb_build_array('sequence', t.oid::regclass, d.refobjsubid, d.deptype, s.seqrelid::regclass,
                 s.seqtypid::regtype, s.seqstart, s.seqincrement, s.seqmin, s.seqmax, s.seqcache, s.seqcycle)
FROM t JOIN pg_catalog.pg_depend d ON d.refclassid = 'pg_catalog.pg_class'::regclass
 AND d.refobjid = t.oid AND d.refobjsubid > 0 AND d.classid = 'pg_catalog.pg_class'::regclass
JOIN pg_catalog.pg_sequence s ON s.seqrelid = d.objid
UNION ALL
SELECT jsonb_build_array('policy', t.oid::regclass, p.polname, p.polcmd, p.polpermissive,
                 pg_get_expr(p.polqual, p.polrelid), pg_get_expr(p.polwithcheck, p.polrelid))
FROM t JOIN pg_catalog.pg_policy p ON p.polrelid = t.oid
UNION ALL
SELECT jsonb_build_array('rule', t.oid::regclass, pg_get_ruledef(r.oid), r.ev_enabled)
FROM t JOIN pg_catalog.pg_rewrite r ON r.ev_class = t.oid
"""


def read_definitions(connection: TargetConnection, tables: Sequence[TableName]) -> tuple[str, ...]:
    """One JSON array per fact about ``tables``, sorted: its kind, then the table, then what it says.

    Foreign keys of other tables onto these are included. The difference of two readings names
    what changed between them. Raises TargetError.
    """
    with target_errors("the target's catalog"), qualified_definitions(connection):
        rows = connection.execute(_DEFINITIONS, {"tables": [qualified_text(table) for table in tables]})
        return tuple(sorted(json.dumps(fact, ensure_ascii=False) for (fact,) in rows))
