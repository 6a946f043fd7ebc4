"""The ledger's views: the answer to "may we cut over?", for anybody with a client and SELECT rights.

Only DDL. The rule is the one of ``compare.verdict``, computed here by the database from the ledger
alone: a planned table counts as equal if it has a finished load and, for each check required of it, the
latest result is of that very load, under the plan in force, and passed. A chunked load empties its table at
its beginning, so from then on no earlier load counts. The plan in force is that of the latest run that was
no dry run. docs/ledger.md explains both views to their readers; a test holds the rule here and the rule
there together.
"""

from __future__ import annotations

LEDGER_VIEWS = """
CREATE OR REPLACE VIEW blb_migration.plan_in_force AS
SELECT run_id, kind, project, plan_hash, source_identity, started_at
FROM blb_migration.runs AS run
WHERE kind <> 'dry_run'
  AND EXISTS (SELECT FROM blb_migration.planned_tables AS planned WHERE planned.run_id = run.run_id)
ORDER BY started_at DESC, run_id DESC
LIMIT 1;

CREATE OR REPLACE VIEW blb_migration.table_status AS
WITH latest_load AS (
    SELECT DISTINCT ON (table_schema, table_name)
           table_schema, table_name, load_id, status, finished_at, rows_written
    FROM blb_migration.table_loads
    WHERE status = 'finished' OR chunk_count IS NOT NULL
    ORDER BY table_schema, table_name, load_id DESC
), latest_check AS (
    SELECT DISTINCT ON (table_schema, table_name, check_name)
           table_schema, table_name, check_name, load_id, plan_hash, passed, checked_at
    FROM blb_migration.check_results
    ORDER BY table_schema, table_name, check_name, check_id DESC
)
SELECT planned.position,
       planned.label,
       planned.table_schema,
       planned.table_name,
       cardinality(judged.reasons) = 0 AS is_equal,
       judged.reasons,
       planned.required_checks,
       latest_load.rows_written AS rows_loaded,
       latest_load.load_id,
       latest_load.finished_at AS loaded_at,
       judged.checked_at
FROM blb_migration.plan_in_force AS plan
JOIN blb_migration.planned_tables AS planned USING (run_id)
LEFT JOIN latest_load USING (table_schema, table_name)
CROSS JOIN LATERAL (
    SELECT CASE
               WHEN latest_load.load_id IS NULL THEN ARRAY['never loaded']
               WHEN latest_load.status <> 'finished' THEN ARRAY['loaded in part']
               ELSE coalesce(
                   array_agg(required.name || reason ORDER BY required.number)
                       FILTER (WHERE reason IS NOT NULL),
                   ARRAY[]::text[])
           END AS reasons,
           max(latest_check.checked_at) AS checked_at
    FROM unnest(planned.required_checks) WITH ORDINALITY AS required (name, number)
    LEFT JOIN latest_check
           ON latest_check.table_schema = planned.table_schema
          AND latest_check.table_name = planned.table_name
          AND latest_check.check_name = required.name
    CROSS JOIN LATERAL (
        SELECT CASE
                   WHEN latest_check.check_name IS NULL THEN ' was not compared'
                   WHEN latest_check.load_id IS DISTINCT FROM latest_load.load_id
                       THEN ' was compared for an earlier load'
                   WHEN latest_check.plan_hash <> plan.plan_hash THEN ' was compared under another plan'
                   WHEN NOT latest_check.passed THEN ' differs'
               END AS reason
    ) AS judged_check
) AS judged
ORDER BY planned.position;

CREATE OR REPLACE VIEW blb_migration.may_we_cut_over AS
SELECT status.is_equal AND live.cutover_at IS NULL AS answer,
       CASE WHEN live.cutover_at IS NULL THEN ARRAY[]::text[]
            ELSE ARRAY['the target is live since ' || to_char(live.cutover_at AT TIME ZONE 'UTC',
                                                             'YYYY-MM-DD HH24:MI "UTC"')]
       END || status.reasons AS reasons,
       status.is_equal,
       status.tables_planned,
       status.tables_equal,
       status.dropped_foreign_keys,
       plan.project,
       plan.plan_hash,
       plan.source_identity,
       status.oldest_load_at,
       status.latest_check_at
FROM (
    SELECT tables.planned AS tables_planned,
           tables.equal AS tables_equal,
           keys.count AS dropped_foreign_keys,
           tables.planned > 0 AND tables.equal = tables.planned AND keys.count = 0 AS is_equal,
           CASE WHEN tables.planned = 0 THEN ARRAY['no plan was ever carried out'] ELSE tables.reasons END
               || keys.reasons AS reasons,
           tables.oldest_load_at,
           tables.latest_check_at
    FROM (
        SELECT count(*) AS planned,
               count(*) FILTER (WHERE is_equal) AS equal,
               coalesce(array_agg(label || ': ' || array_to_string(reasons, ', ') ORDER BY position)
                            FILTER (WHERE NOT is_equal), ARRAY[]::text[]) AS reasons,
               min(loaded_at) AS oldest_load_at,
               max(checked_at) AS latest_check_at
        FROM blb_migration.table_status
    ) AS tables
    CROSS JOIN (
        SELECT count(*) AS count,
               coalesce(array_agg('foreign key ' || constraint_name || ' of ' || table_schema || '.'
                                      || table_name || ' is still dropped'
                                  ORDER BY table_schema, table_name, constraint_name),
                        ARRAY[]::text[]) AS reasons
        FROM blb_migration.dropped_keys
        WHERE restored_at IS NULL
    ) AS keys
) AS status
LEFT JOIN blb_migration.plan_in_force AS plan ON true
LEFT JOIN (SELECT max(cutover_at) AS cutover_at FROM blb_migration.cutover WHERE withdrawn_at IS NULL) AS live
       ON true;

COMMENT ON VIEW blb_migration.plan_in_force IS
    'The latest run that was no dry run; its plan is what the target is judged by';
COMMENT ON VIEW blb_migration.table_status IS
    'Each table of the plan in force: equal or not, and what speaks against it';
COMMENT ON VIEW blb_migration.may_we_cut_over IS
    'One row: answer is true only if every planned table is proven equal and every foreign key is back';
COMMENT ON COLUMN blb_migration.may_we_cut_over.answer IS
    'true: every table is loaded and equal, every foreign key is back, and the target is not live yet';
COMMENT ON COLUMN blb_migration.may_we_cut_over.reasons IS
    'What speaks against it; empty when the answer is true';
"""
