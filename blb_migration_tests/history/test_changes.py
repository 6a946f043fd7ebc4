"""Two nights compared: every change is named, whichever way one looks, and equal nights have none."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from blb_migration.history.night_changes import compare_nights, find_slowest
from blb_migration.history.past_nights import NightDetails, NightFinding, NightTable
from blb_migration.report.night_sentences import describe_changes
from blb_migration_tests.history.nights import details

names = st.sampled_from(["a", "b", "c", "d"])
types = st.dictionaries(names, st.sampled_from(["int to integer", "money to numeric(19,4)"]), max_size=3)
loaded = st.builds(
    NightTable,
    label=names,
    rows=st.integers(0, 3),
    seconds=st.floats(0, 9),
    digest=st.sampled_from(["x", "y"]),
    metrics=st.dictionaries(st.just("sum(total)"), st.sampled_from(["1.00", "2.00", None])),
    column_types=types,
)
unloaded = st.builds(NightTable, label=names, column_types=types)
findings = st.builds(
    NightFinding, st.sampled_from(["x", "y"]), st.sampled_from(["error", "warning", "note"]), names, names
)
nights = st.builds(
    lambda number, tables, found: details(number, *tables, findings=tuple(found)),
    st.integers(0, 9),
    st.lists(st.one_of(loaded, unloaded), max_size=4, unique_by=lambda table: table.label),
    st.lists(findings, max_size=3),
)


@given(nights, nights)
def test_backwards_everything_is_the_other_way_round(before: NightDetails, after: NightDetails) -> None:
    there, back = compare_nights(before, after), compare_nights(after, before)
    assert set(there.new_tables) == set(back.gone_tables) and set(there.gone_tables) == set(back.new_tables)
    assert set(there.new_findings) == set(back.gone_findings)
    assert there.rows_added == -back.rows_added
    assert there.contents is not None and back.contents is not None
    assert set(there.contents) == set(back.contents)
    assert {(each.label, each.name) for each in there.metrics} == {
        (each.label, each.name) for each in back.metrics
    }
    assert there.columns is not None and back.columns is not None
    assert {(each.label, each.column, each.before, each.after) for each in there.columns} == {
        (each.label, each.column, each.after, each.before) for each in back.columns
    }


@given(nights)
def test_a_night_does_not_differ_from_itself(night: NightDetails) -> None:
    changes = compare_nights(night, night)
    assert not (changes.rows or changes.contents or changes.metrics or changes.columns)
    assert not (changes.new_findings or changes.gone_findings or changes.new_tables or changes.gone_tables)
    assert changes.seconds_longer == 0 and not changes.is_plan_other


@given(nights, nights)
def test_rows_add_up_over_the_tables_loaded_in_both(before: NightDetails, after: NightDetails) -> None:
    then = {table.label: table.rows for table in before.tables if table.rows is not None}
    now = {table.label: table.rows for table in after.tables if table.rows is not None}
    both = then.keys() & now.keys()
    added = sum(now[label] for label in both) - sum(then[label] for label in both)
    assert compare_nights(before, after).rows_added == added


@given(nights)
def test_the_slowest_come_first(night: NightDetails) -> None:
    slowest = find_slowest(None, night, 2)
    seconds = [table.seconds for table in night.tables if table.seconds is not None]
    assert [table.seconds for table in slowest] == sorted(seconds, reverse=True)[:2]


def test_each_change_is_named() -> None:
    before = details(
        1,
        NightTable(
            "orders", 10, 1.0, "x", {"sum(total)": "10.00"}, {"id": "int to integer", "old": "int to integer"}
        ),
        NightTable("lines", 5, 2.0, "x", {}, {"id": "int to integer"}),
        NightTable("gone", 1, 1.0, "x", {}, {}),
        findings=(NightFinding("wide", "warning", "orders", "3 rows"), NightFinding("old", "note", "lines")),
    )
    after = details(
        2,
        NightTable(
            "orders",
            12,
            1.5,
            "y",
            {"sum(total)": "12.00"},
            {"id": "bigint to bigint", "new": "bit to boolean"},
        ),
        NightTable("lines", 5, 2.0, "y", {}, {"id": "int to integer"}),
        NightTable("fresh", 1, 0.1, "z", {}, {}),
        findings=(
            NightFinding("wide", "warning", "orders", "4 rows"),
            NightFinding("bad", "error", "lines", "no"),
        ),
        plan_hash="other",
        seconds=75.0,
    )
    changes = compare_nights(before, after)
    assert [(each.label, each.before, each.after) for each in changes.rows] == [("orders", 10, 12)]
    assert changes.contents == ("lines",)
    assert [(each.name, each.before, each.after) for each in changes.metrics] == [
        ("sum(total)", "10.00", "12.00")
    ]
    assert changes.new_tables == ("fresh",) and changes.gone_tables == ("gone",)
    assert [str(each) for each in changes.columns or ()] == [
        "orders.id was int to integer, and is bigint to bigint",
        "orders.old is gone: it was int to integer",
        "orders.new is new: bit to boolean",
    ]
    assert [each.code for each in changes.new_findings] == ["bad"]
    assert [each.code for each in changes.gone_findings] == ["old"]
    assert changes.seconds_longer == 15.0 and changes.is_plan_other


def test_a_night_of_an_older_version_has_no_columns_to_compare() -> None:
    old, new = (
        NightTable("orders", 1, 1.0),
        NightTable("orders", 1, 1.0, column_types={"id": "int to integer"}),
    )
    assert compare_nights(details(1, old), details(2, new)).columns is None
    assert compare_nights(None, details(2, new)).before is None


def test_digests_by_two_functions_say_nothing_about_the_contents() -> None:
    before = NightTable("orders", 10, 1.0, "x", hash_function="BLAKE2b")
    for function, expected in (("BLAKE3", None), ("BLAKE2b", ("orders",))):
        after = NightTable("orders", 10, 1.0, "y", hash_function=function)
        changes = compare_nights(details(1, before), details(2, after))
        assert changes.contents == expected
        said = " ".join(describe_changes(changes))
        assert ("nothing is known to have changed" in said) == (expected is None)
        assert ("Whether contents changed is not known" in said) == (expected is None)


def test_a_refused_night_is_compared_by_what_it_has() -> None:
    before = details(1, NightTable("orders", 10, 1.0, "x", {}, {"id": "int to integer"}))
    after = details(
        2,
        NightTable("orders", column_types={"id": "bigint to bigint"}),
        findings=(NightFinding("drift", "error", "orders", "changed"),),
        outcome="refused",
        tables_loaded=0,
    )
    changes = compare_nights(before, after)
    assert not changes.rows and len(changes.columns or ()) == 1 and len(changes.new_findings) == 1
    assert changes.seconds_longer is None
