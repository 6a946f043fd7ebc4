"""The verdict says in one sentence how things stand, and what to do."""

from __future__ import annotations

import datetime
from dataclasses import replace

import pytest

from blb_migration.report.sentences import Ending, SourceFacts, Status, VerdictFacts, speak

EQUAL = VerdictFacts(Ending.COMPLETED, True, 42, 5039, (), 0, 0, 0)
TWO_DIFFER = replace(EQUAL, is_equal=False, unequal_labels=("orders", "users"))


def test_equal() -> None:
    spoken = speak(EQUAL)
    assert spoken.status is Status.EQUAL
    assert spoken.sentence == (
        "Equal to what the loads have read: all 42 tables (5,039 rows), by every metric compared."
    )
    assert "may go ahead" in spoken.next_act


def test_equal_is_no_more_than_what_was_read_unless_the_source_stood_still() -> None:
    night = datetime.datetime(2026, 3, 1, 2, 0, 3, tzinfo=datetime.UTC)
    read = SourceFacts(night, night + datetime.timedelta(seconds=247), "no sign of a write")
    assert speak(replace(EQUAL, source_read=read)).sentence == (
        "Equal to what was read between 2026-03-01 02:00:03 and 02:04:10 UTC: all 42 tables (5,039 rows), by"
        " every metric compared; no sign of a write."
    )
    still = replace(read, stood_still=True, sentence="the source stood still (proof: it is READ_ONLY)")
    assert speak(replace(EQUAL, source_read=still)).sentence == (
        "Equal: all 42 tables (5,039 rows), by every metric compared; the source stood still (proof: it is"
        " READ_ONLY)."
    )
    moved = speak(replace(EQUAL, source_read=replace(read, moved=True, sentence="it was written to")))
    assert "it was written to" in moved.sentence and moved.next_act.startswith("Do not cut over on this")
    over_midnight = replace(read, read_until=night + datetime.timedelta(days=1))
    assert "and 2026-03-02 02:00:03 UTC" in speak(replace(EQUAL, source_read=over_midnight)).sentence


def test_an_equal_dry_run_opens_nothing() -> None:
    assert "cutover" not in speak(replace(EQUAL, is_dry_run=True)).next_act


def test_a_rehearsal_says_what_a_cutover_would_have_done() -> None:
    equal, differing = (speak(replace(facts, is_rehearsal=True)) for facts in (EQUAL, TWO_DIFFER))
    assert "may go ahead" not in equal.next_act
    assert "a cutover would have gone ahead" in equal.next_act
    assert differing.next_act.startswith("A cutover would have stopped here. Settle")


def test_not_equal_names_tables_and_keys() -> None:
    spoken = speak(replace(TWO_DIFFER, dropped_key_count=1))
    assert spoken.status is Status.NOT_EQUAL
    assert spoken.sentence == (
        "Not equal: 2 of 42 tables are not verified equal (orders, users), 1 foreign key is still dropped."
    )
    assert spoken.next_act.startswith("Do not cut over.")


def test_of_many_tables_only_the_first_are_named() -> None:
    labels = tuple(f"t{number}" for number in range(40))
    assert "(t0, t1, t2 and 37 more)" in speak(replace(TWO_DIFFER, unequal_labels=labels)).sentence


def test_refused() -> None:
    spoken = speak(replace(EQUAL, ending=Ending.REFUSED, error_count=1, refusal_count=3))
    assert spoken.status is Status.REFUSED
    assert spoken.sentence == (
        "Refused: no table in PostgreSQL was written, because 3 findings must be settled first."
    )


def test_interrupted() -> None:
    spoken = speak(replace(TWO_DIFFER, ending=Ending.INTERRUPTED, error_count=1))
    assert spoken.status is Status.INTERRUPTED
    assert spoken.sentence == (
        "Interrupted: the run was stopped before its end; so far 40 of 42 tables are verified equal."
    )
    assert "as it was before or loaded completely" in spoken.next_act


def test_an_interruption_says_what_is_neither_as_before_nor_complete() -> None:
    facts = replace(
        TWO_DIFFER, ending=Ending.INTERRUPTED, partly_loaded_labels=("orders",), dropped_key_count=57
    )
    assert speak(facts).next_act == (
        "Do not cut over. 1 table is loaded in part (orders) and 57 foreign keys are still dropped; all other"
        " tables are as they were before or loaded completely. Run again to finish."
    )
    unread = speak(replace(facts, is_equal=None, partly_loaded_labels=(), dropped_key_count=0))
    assert "could not be read" in unread.next_act and "complete" not in unread.next_act


@pytest.mark.parametrize(
    ("facts", "status"),
    [
        (replace(EQUAL, error_count=1), Status.FAILED),
        (replace(EQUAL, is_equal=None, error_count=1), Status.FAILED),
        (replace(EQUAL, is_equal=None), Status.NOT_COMPARED),
        (replace(EQUAL, is_equal=False, table_count=0), Status.NOT_EQUAL),
    ],
)
def test_an_error_or_a_missing_comparison_is_never_spoken_of_as_equal(
    facts: VerdictFacts, status: Status
) -> None:
    assert speak(facts).status is status
    assert not speak(facts).sentence.startswith("Equal")
