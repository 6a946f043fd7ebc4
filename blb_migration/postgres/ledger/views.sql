-- The rule for "equal", and the answer to "may we cut over?" for anybody with a client and SELECT rights.
--
-- find_reasons is the rule, the only one: blb-migrate asks it too. A plan is equal if it returns no row.
-- docs/ledger.md explains the views to their readers. Made anew with every version of the ledger.

-- The load that each table's rows are of, or would be of. A chunked load empties its table at its beginning,
-- so from then on no earlier load counts, whether or not it comes to its end.
CREATE VIEW blb_migration.effective_loads AS
SELECT DISTINCT ON (table_schema, table_name) *
FROM blb_migration.table_loads
WHERE status = 'finished' OR chunk_count IS NOT NULL
ORDER BY table_schema, table_name, load_id DESC;

-- When the rows were read that each table's content was compared with last: by that check, or by the load.
CREATE VIEW blb_migration.table_reads AS
SELECT load.table_schema, load.table_name, load.load_id,
       coalesce(result.read_from, load.started_at) AS read_from,
       coalesce(result.read_until, load.finished_at) AS read_until,
       result.read_from IS NOT NULL AS is_reread,
       CASE WHEN result.read_from IS NULL THEN load.source_before ELSE result.source_before END AS source_before
FROM blb_migration.effective_loads AS load
LEFT JOIN LATERAL (
    SELECT latest.read_from, latest.read_until, latest.source_before
    FROM blb_migration.check_results AS latest
    WHERE latest.table_schema = load.table_schema
      AND latest.table_name = load.table_name
      AND latest.check_name = 'content'
      AND latest.load_id = load.load_id
    ORDER BY latest.check_id DESC
    LIMIT 1
) AS result ON true
WHERE load.status = 'finished';

-- What speaks against a plan, by what the ledger holds: a row per reason, and none if all of it is equal.
-- judged_tables is a JSON array of {position, table_schema, table_name, required_checks}.
CREATE FUNCTION blb_migration.find_reasons(judged_plan_hash text, judged_tables jsonb)
RETURNS TABLE (
    table_position integer, code text, check_name text, table_schema text, table_name text, key_name text
)
LANGUAGE sql STABLE
AS $$
WITH planned AS (
    SELECT planned.position, planned.table_schema, planned.table_name, planned.required_checks
    FROM jsonb_to_recordset(judged_tables)
         AS planned (position integer, table_schema text, table_name text, required_checks text[])
), judged AS (
    SELECT planned.*, load.load_id, load.status, load.source_id,
           (SELECT attempt.status
            FROM blb_migration.table_loads AS attempt
            WHERE attempt.table_schema = planned.table_schema AND attempt.table_name = planned.table_name
            ORDER BY attempt.load_id DESC
            LIMIT 1) AS last_attempt
    FROM planned
    LEFT JOIN blb_migration.effective_loads AS load
           ON load.table_schema = planned.table_schema AND load.table_name = planned.table_name
), unloaded AS (
    SELECT judged.position,
           CASE WHEN judged.load_id IS NOT NULL THEN 'loaded_in_part'
                WHEN judged.last_attempt = 'failed' THEN 'load_failed'
                ELSE 'no_finished_load'
           END AS code,
           judged.table_schema, judged.table_name
    FROM judged
    WHERE judged.status IS DISTINCT FROM 'finished'
), newest AS (  -- whose rows the target is to hold
    SELECT source_id FROM judged WHERE source_id IS NOT NULL ORDER BY load_id DESC LIMIT 1
), unchecked AS (
    SELECT judged.position,
           CASE WHEN result.check_id IS NULL THEN 'check_missing'
                WHEN result.load_id IS DISTINCT FROM judged.load_id THEN 'check_of_earlier_load'
                WHEN result.source_id <> judged.source_id THEN 'check_of_other_source'
                WHEN result.plan_hash <> judged_plan_hash THEN 'check_of_other_plan'
                WHEN NOT result.passed THEN 'check_failed'
           END AS code,
           required.name, required.number, judged.table_schema, judged.table_name
    FROM judged
    CROSS JOIN LATERAL unnest(judged.required_checks) WITH ORDINALITY AS required (name, number)
    LEFT JOIN LATERAL (  -- the latest of each check, by its index: results are many, and wide
        SELECT latest.check_id, latest.load_id, latest.plan_hash, latest.passed, latest.source_id
        FROM blb_migration.check_results AS latest
        WHERE latest.table_schema = judged.table_schema
          AND latest.table_name = judged.table_name
          AND latest.check_name = required.name
        ORDER BY latest.check_id DESC
        LIMIT 1
    ) AS result ON true
    WHERE judged.status = 'finished'
), found AS (
    SELECT NULL::integer AS position, 0 AS number, 'nothing_planned' AS code, NULL::text AS check_name,
           NULL::text AS table_schema, NULL::text AS table_name, NULL::text AS key_name
    WHERE NOT EXISTS (SELECT FROM planned)
    UNION ALL
    SELECT position, 0, code, NULL, table_schema, table_name, NULL FROM unloaded
    UNION ALL
    SELECT judged.position, 0, 'loaded_from_other_source', NULL, judged.table_schema, judged.table_name, NULL
    FROM judged
    JOIN newest ON newest.source_id <> judged.source_id
    UNION ALL
    SELECT position, number, code, name, table_schema, table_name, NULL FROM unchecked WHERE code IS NOT NULL
    UNION ALL
    SELECT NULL, 1, 'key_dropped', NULL, dropped.table_schema, dropped.table_name, dropped.constraint_name
    FROM blb_migration.dropped_keys AS dropped
    WHERE dropped.restored_at IS NULL
)
SELECT found.position, found.code, found.check_name, found.table_schema, found.table_name, found.key_name
FROM found
ORDER BY found.position NULLS LAST, found.number, found.table_schema, found.table_name, found.key_name
$$;

CREATE VIEW blb_migration.plan_in_force AS
SELECT run_id, kind, project, plan_hash, source_identity, started_at, source_movement
FROM blb_migration.runs AS run
WHERE kind <> 'dry_run'
  AND EXISTS (SELECT FROM blb_migration.planned_tables AS planned WHERE planned.run_id = run.run_id)
ORDER BY started_at DESC, run_id DESC
LIMIT 1;

-- find_reasons for the plan in force, in words; without any plan, that is the reason.
CREATE VIEW blb_migration.reasons_in_force AS
WITH judged AS (
    SELECT max(plan.plan_hash) AS plan_hash,
           coalesce(jsonb_agg(to_jsonb(planned)), '[]') AS tables
    FROM blb_migration.plan_in_force AS plan
    JOIN blb_migration.planned_tables AS planned USING (run_id)
)
SELECT found.number, found.table_position, found.code, found.check_name, found.table_schema, found.table_name,
       found.key_name,
       -- An unknown code still counts: a reason must not get lost for lack of words.
       replace(replace(replace(coalesce(reason.sentence, found.code),
           '{check}', coalesce(found.check_name, '')),
           '{table}', coalesce(found.table_schema || '.' || found.table_name, '')),
           '{key}', coalesce(found.key_name, '')) AS sentence
FROM judged
CROSS JOIN LATERAL blb_migration.find_reasons(judged.plan_hash, judged.tables) WITH ORDINALITY
     AS found (table_position, code, check_name, table_schema, table_name, key_name, number)
LEFT JOIN blb_migration.reasons AS reason USING (code);

CREATE VIEW blb_migration.table_status AS
SELECT planned.position,
       planned.label,
       planned.table_schema,
       planned.table_name,
       reasons.sentences IS NULL AS is_equal,
       coalesce(reasons.sentences, ARRAY[]::text[]) AS reasons,
       coalesce(reasons.codes, ARRAY[]::text[]) AS reason_codes,
       planned.required_checks,
       load.rows_written AS rows_loaded,
       load.load_id,
       load.finished_at AS loaded_at,
       checks.checked_at
FROM blb_migration.plan_in_force AS plan
JOIN blb_migration.planned_tables AS planned USING (run_id)
LEFT JOIN (
    SELECT table_position AS position, array_agg(sentence ORDER BY number) AS sentences,
           array_agg(code ORDER BY number) AS codes
    FROM blb_migration.reasons_in_force
    GROUP BY table_position
) AS reasons USING (position)
LEFT JOIN blb_migration.effective_loads AS load USING (table_schema, table_name)
CROSS JOIN LATERAL (
    SELECT max((
        SELECT latest.checked_at
        FROM blb_migration.check_results AS latest
        WHERE latest.table_schema = planned.table_schema
          AND latest.table_name = planned.table_name
          AND latest.check_name = required.name
        ORDER BY latest.check_id DESC
        LIMIT 1
    )) AS checked_at
    FROM unnest(planned.required_checks) AS required (name)
) AS checks
ORDER BY planned.position;

CREATE VIEW blb_migration.may_we_cut_over AS
SELECT status.is_equal AND live.cutover_at IS NULL AND moved.reason IS NULL AND broken.reason IS NULL AS answer,
       CASE WHEN live.cutover_at IS NULL THEN ARRAY[]::text[] ELSE ARRAY[(
           SELECT replace(sentence, '{since}',
                          to_char(live.cutover_at AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI "UTC"'))
           FROM blb_migration.reasons
           WHERE code = 'target_is_live'
       )] END || CASE WHEN moved.reason IS NULL THEN ARRAY[]::text[] ELSE ARRAY[moved.reason] END
       || CASE WHEN broken.reason IS NULL THEN ARRAY[]::text[] ELSE ARRAY[broken.reason] END
       || status.reasons AS reasons,
       status.is_equal,
       tables.planned AS tables_planned,
       tables.equal AS tables_equal,
       status.dropped_foreign_keys,
       plan.project,
       plan.plan_hash,
       plan.source_identity,
       tables.oldest_load_at,
       tables.latest_check_at,
       tables.source_read_from,
       tables.source_read_until,
       plan.source_movement ->> 'movement' AS source_movement,
       plan.source_movement ->> 'sentence' AS source_sentence
FROM (
    SELECT count(*) = 0 AS is_equal,
           coalesce(array_agg(coalesce(planned.label || ': ', '') || reason.sentence ORDER BY reason.number),
                    ARRAY[]::text[]) AS reasons,
           count(*) FILTER (WHERE reason.code = 'key_dropped') AS dropped_foreign_keys
    FROM blb_migration.reasons_in_force AS reason
    LEFT JOIN blb_migration.table_status AS planned ON planned.position = reason.table_position
) AS status
CROSS JOIN (
    SELECT count(*) AS planned,
           count(*) FILTER (WHERE is_equal) AS equal,
           min(loaded_at) AS oldest_load_at,
           max(checked_at) AS latest_check_at,
           min(read.read_from) AS source_read_from,
           max(read.read_until) AS source_read_until
    FROM blb_migration.table_status
    LEFT JOIN blb_migration.table_reads AS read USING (table_schema, table_name)
) AS tables
LEFT JOIN blb_migration.plan_in_force AS plan ON true
LEFT JOIN (SELECT max(cutover_at) AS cutover_at FROM blb_migration.cutover WHERE withdrawn_at IS NULL) AS live
       ON true
-- What was written at the source after it was read does not make the target unequal to what was read; but
-- nobody may cut over without it.
LEFT JOIN (
    SELECT replace(reason.sentence, '{source}', latest.source_movement ->> 'sentence') AS reason
    FROM blb_migration.plan_in_force AS latest
    JOIN blb_migration.reasons AS reason ON reason.code = 'source_moved'
    WHERE latest.source_movement ->> 'movement' IN ('moved', 'another source')
) AS moved ON true
-- What stopped the last run may be what the tables do not show: a column that is gone, a right that is missing.
LEFT JOIN (
    SELECT replace(replace(reason.sentence, '{outcome}', latest.outcome), '{at}',
                   to_char(latest.finished_at AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI "UTC"')) AS reason
    FROM (
        SELECT outcome, finished_at
        FROM blb_migration.runs
        WHERE kind <> 'dry_run' AND outcome IS NOT NULL
        ORDER BY finished_at DESC, run_id DESC
        LIMIT 1
    ) AS latest
    JOIN blb_migration.reasons AS reason ON reason.code = 'last_run_ended'
    WHERE latest.outcome IN ('failed', 'refused', 'interrupted')
) AS broken ON true;

-- Each run with what it did, in numbers; what never came to its end is followed to the last thing known of it.
CREATE VIEW blb_migration.run_history AS
SELECT run.run_id, run.kind, run.environment, run.project, run.source_identity, run.plan_hash, run.started_at,
       coalesce(run.finished_at, greatest(loads.last_at, checks.last_at, packed.last_check_at)) AS ended_at,
       run.outcome, run.errors,
       coalesce(packed.tables_planned,
                (SELECT count(*) FROM blb_migration.planned_tables AS planned WHERE planned.run_id = run.run_id))
           AS tables_planned,
       loads.tables_loaded, loads.loads_failed, loads.rows_loaded,
       coalesce(packed.mismatches, checks.mismatches) AS mismatches,
       coalesce(packed.checks_done, checks.checks_done) AS checks_done
FROM blb_migration.runs AS run
LEFT JOIN blb_migration.packed_runs AS packed USING (run_id)
CROSS JOIN LATERAL (
    SELECT count(DISTINCT (table_schema, table_name)) FILTER (WHERE status = 'finished') AS tables_loaded,
           count(*) FILTER (WHERE status = 'failed') AS loads_failed,
           coalesce(sum(rows_written) FILTER (WHERE status = 'finished'), 0)::bigint AS rows_loaded,
           max(load.finished_at) AS last_at
    FROM blb_migration.table_loads AS load
    WHERE load.run_id = run.run_id
) AS loads
CROSS JOIN LATERAL (
    SELECT count(*) FILTER (WHERE NOT passed) AS mismatches, count(*) AS checks_done, max(checked_at) AS last_at
    FROM blb_migration.check_results AS result
    WHERE result.run_id = run.run_id
) AS checks;

-- Each planned table of each run: what its last finished load in that run brought, and its key totals then.
CREATE VIEW blb_migration.night_tables AS
SELECT planned.run_id, planned.position, planned.label, load.rows_written, load.bytes_written,
       load.elapsed_seconds, load.digest, load.hash_function, planned.column_types, totals.key_totals
FROM blb_migration.planned_tables AS planned
LEFT JOIN LATERAL (
    SELECT rows_written, bytes_written, elapsed_seconds, digest, hash_function
    FROM blb_migration.table_loads AS latest
    WHERE latest.run_id = planned.run_id
      AND latest.table_schema = planned.table_schema
      AND latest.table_name = planned.table_name
      AND latest.status = 'finished'
    ORDER BY latest.load_id DESC
    LIMIT 1
) AS load ON true
LEFT JOIN LATERAL (
    SELECT jsonb_object_agg(compared ->> 'name', compared -> 'source_value')
           FILTER (WHERE (compared ->> 'is_key_total')::boolean) AS key_totals
    FROM (
        SELECT latest.details
        FROM blb_migration.check_results AS latest
        WHERE latest.run_id = planned.run_id
          AND latest.table_schema = planned.table_schema
          AND latest.table_name = planned.table_name
          AND latest.check_name = 'key_totals'
        ORDER BY latest.check_id DESC
        LIMIT 1
    ) AS result
    CROSS JOIN LATERAL jsonb_array_elements(result.details -> 'comparisons') AS compared
) AS totals ON true;

COMMENT ON VIEW blb_migration.run_history IS 'Each run with its times, and what it did in numbers';
COMMENT ON VIEW blb_migration.night_tables IS
    'Each planned table of each run: rows, bytes, seconds, digest and key totals as that run found them';
COMMENT ON FUNCTION blb_migration.find_reasons(text, jsonb) IS
    'The rule for "equal": one row for each reason against a plan, none if all of it is equal';
COMMENT ON VIEW blb_migration.plan_in_force IS
    'The latest run that was no dry run; its plan is what the target is judged by';
COMMENT ON VIEW blb_migration.reasons_in_force IS
    'Everything that speaks against the plan in force, one row each';
COMMENT ON VIEW blb_migration.table_status IS
    'Each table of the plan in force: equal or not, and what speaks against it';
COMMENT ON VIEW blb_migration.may_we_cut_over IS
    'One row: answer is true only if every planned table is verified equal and every foreign key is back';
COMMENT ON COLUMN blb_migration.may_we_cut_over.answer IS
    'true: every table is loaded and equal, every foreign key is back, and the target is not live yet';
COMMENT ON COLUMN blb_migration.may_we_cut_over.source_sentence IS
    'Whether somebody wrote to the source since it was read, and what tells that';
COMMENT ON VIEW blb_migration.table_reads IS
    'When the source rows were read that each table was compared with last';
COMMENT ON COLUMN blb_migration.may_we_cut_over.reasons IS
    'What speaks against it; empty when the answer is true';
GRANT EXECUTE ON FUNCTION blb_migration.find_reasons(text, jsonb) TO PUBLIC;
