"""Functions and operators of the target's owner that fit better than PostgreSQL's own are not called.

PostgreSQL takes the candidate whose argument types fit best, wherever it stands on search_path: for a varchar
column an owner's ``length(varchar)`` beats ``pg_catalog.length(text)``, even where pg_catalog comes first.
"""

from __future__ import annotations

from collections.abc import Callable

from blb_migration_tests.chain import Chain
from blb_migration_tests.zoo.conftest import DECISIONS

# Every function, aggregate and operator of PostgreSQL's that takes text, once more for varchar and for name.
PLANT_TRAPS = """
DO $plant$
DECLARE
    one record;
    other text;
    arguments text;
BEGIN
    CREATE FUNCTION public.trap_state(anyelement, anyelement) RETURNS anyelement LANGUAGE plpgsql
        AS $$ BEGIN RAISE EXCEPTION 'an aggregate of the owner was called'; END $$;
    FOREACH other IN ARRAY ARRAY['varchar', 'name', 'bpchar'] LOOP
        FOR one IN
            SELECT p.proname, p.prokind, p.prorettype::regtype AS returned,
                   ARRAY(SELECT t::regtype::text FROM unnest(p.proargtypes::oid[]) WITH ORDINALITY a (t, n)
                         ORDER BY n) AS types
            FROM pg_proc p
            WHERE p.pronamespace = 'pg_catalog'::regnamespace AND p.prokind IN ('f', 'a') AND NOT p.proretset
              AND 'text'::regtype = ANY (p.proargtypes::oid[]) AND p.provariadic = 0 AND p.pronargs <= 4
              AND (SELECT typtype FROM pg_type WHERE oid = p.prorettype) = 'b'
        LOOP
            arguments := array_to_string(
                ARRAY(SELECT CASE t WHEN 'text' THEN other ELSE t END
                      FROM unnest(one.types) WITH ORDINALITY a (t, n) ORDER BY n), ', ');
            BEGIN
                IF one.prokind = 'f' THEN
                    EXECUTE format(
                        'CREATE FUNCTION public.%I(%s) RETURNS %s LANGUAGE plpgsql AS %L', one.proname,
                        arguments, one.returned,
                        format('BEGIN RAISE EXCEPTION %L; END', format('the owner''s %s(%s) was called',
                               replace(one.proname, '%', '%%'), arguments)));
                ELSIF one.returned::text = 'text' AND one.types = ARRAY['text'] THEN
                    EXECUTE format('CREATE AGGREGATE public.%I(%s) (sfunc = public.trap_state, stype = %s)',
                                   one.proname, arguments, other);
                END IF;
            EXCEPTION WHEN duplicate_function OR undefined_object OR invalid_function_definition
                OR feature_not_supported OR datatype_mismatch OR reserved_name THEN NULL;
            END;
        END LOOP;
    END LOOP;
END
$plant$;
CREATE FUNCTION public.trap_equal(varchar, varchar) RETURNS boolean LANGUAGE plpgsql
    AS $$ BEGIN RAISE EXCEPTION 'an operator of the owner was called'; END $$;
CREATE OPERATOR public.= (leftarg = varchar, rightarg = varchar, function = trap_equal);
CREATE OPERATOR public.<> (leftarg = varchar, rightarg = varchar, function = trap_equal);
"""


def test_the_owners_functions_are_not_called(new_zoo_chain: Callable[[str], Chain], carried_zoo: str) -> None:
    chain = new_zoo_chain(carried_zoo)
    plan_before = chain.project(DECISIONS).plan
    chain.execute(PLANT_TRAPS)
    migration = chain.migrate(DECISIONS)
    assert migration.project.plan.hash == plan_before.hash
    differing = [key for key, result in chain.check(migration).items() if not result.passed]
    assert differing == []
