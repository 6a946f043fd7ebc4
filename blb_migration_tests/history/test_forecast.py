"""Median and worst, the trend and its chance: against their definitions, and what they must never do."""

from __future__ import annotations

from itertools import permutations
from statistics import median

import pytest
from hypothesis import given
from hypothesis import strategies as st

from blb_migration.history.night_forecast import (
    FEWEST_NIGHTS,
    NIGHTS_USED,
    find_trend,
    forecast_durations,
    forecast_window,
    measure_chance,
)
from blb_migration.history.past_nights import Past, merge_pasts
from blb_migration_tests.history.nights import night

durations = st.floats(min_value=0.01, max_value=1e5)
many = st.lists(durations, min_size=FEWEST_NIGHTS, max_size=NIGHTS_USED)


@given(many)
def test_the_forecast_lies_within_what_was_seen_and_says_its_chance(seconds: list[float]) -> None:
    forecast = forecast_durations(seconds)
    assert forecast is not None
    assert (
        min(seconds) <= forecast.median_seconds == median(seconds) <= forecast.worst_seconds == max(seconds)
    )
    assert forecast.chance_slower == pytest.approx(1 / (len(seconds) + 1))


@pytest.mark.parametrize("count", range(2, 7))
def test_the_chance_that_the_next_is_slowest_is_that_of_all_orders(count: int) -> None:
    """Of all orders of n + 1 nights, the last is the slowest in one of n + 1."""
    orders = list(permutations(range(count + 1)))
    slower = sum(order[-1] > max(order[:-1]) for order in orders)
    assert slower / len(orders) == pytest.approx(1 / (count + 1))


@given(st.lists(durations, max_size=FEWEST_NIGHTS - 1))
def test_too_few_nights_forecast_nothing(seconds: list[float]) -> None:
    window = forecast_window([night(n, each) for n, each in enumerate(seconds)], {"freeze": (4.0,)})
    assert window.load is None and window.trend is None
    assert window.median_seconds is None and window.worst_seconds is None
    assert window.get_step_seconds() == {"freeze": 4.0}


@given(st.integers(3, 14), st.integers(-50, 50), st.integers(700, 1000))
def test_nights_along_a_line_have_its_slope(count: int, slope: int, first: int) -> None:
    trend = find_trend([first + slope * number for number in range(count)])
    assert trend is not None and trend.seconds_per_night == slope
    assert trend.is_clear is (slope != 0 and count >= 5)


@given(many, st.floats(-1000, 1000))
def test_a_constant_more_changes_no_trend(seconds: list[float], more: float) -> None:
    trend, moved = find_trend(seconds), find_trend([each + more for each in seconds])
    assert trend is not None and moved is not None
    assert moved.seconds_per_night == pytest.approx(trend.seconds_per_night, abs=1e-6)


@given(many)
def test_backwards_the_trend_is_the_opposite_and_as_clear(seconds: list[float]) -> None:
    trend, back = find_trend(seconds), find_trend(seconds[::-1])
    assert trend is not None and back is not None
    assert back.seconds_per_night == pytest.approx(-trend.seconds_per_night)
    assert back.chance == trend.chance


@given(st.integers(0, 9), st.floats(1, 1e6))
def test_one_odd_night_makes_no_trend(where: int, odd: float) -> None:
    seconds = [100.0] * 10
    seconds[where] += odd
    trend = find_trend(seconds)
    assert trend is not None and trend.seconds_per_night == 0 and not trend.is_clear


@pytest.mark.parametrize("count", range(2, 8))
def test_the_chance_of_a_trend_is_counted_over_all_orders(count: int) -> None:
    scores = [
        sum(1 if late > early else -1 for i, late in enumerate(order) for early in order[:i])
        for order in permutations(range(count))
    ]
    for score in range(-count, count * (count - 1) // 2 + 1):
        expected = sum(abs(each) >= abs(score) for each in scores) / len(scores)
        assert measure_chance(count, score) == pytest.approx(expected)


@given(st.lists(st.tuples(durations, st.sampled_from(["equal", "failed", "refused", "interrupted", None]))))
def test_what_did_not_end_well_is_not_counted(ends: list[tuple[float, str | None]]) -> None:
    nights = [night(number, seconds, outcome) for number, (seconds, outcome) in enumerate(ends)]
    good = [each for each in nights if each.outcome == "equal"]
    assert forecast_window(nights, {}) == forecast_window(good, {})
    assert all(each.remark for each in nights if each.outcome != "equal")


def test_a_night_of_some_tables_is_not_counted_and_says_so() -> None:
    some = night(1, tables_loaded=1)
    assert not some.is_counted and some.remark == "1 of 2 tables loaded"
    assert night(2, outcome="not equal").is_counted
    assert night(3, None).remark != ""


def test_the_window_adds_up_what_was_carried_out_before() -> None:
    nights = [night(number, seconds) for number, seconds in enumerate((100, 140, 120))]
    steps = {
        "ready": (9.0,),
        "freeze": (5.0, 15.0, 7.0),
        "migrate": (999.0,),
        "smoke": (2.0,),
        "watch": (3600.0,),
    }
    window = forecast_window(nights, steps)
    assert (window.median_seconds, window.worst_seconds) == (120 + 7 + 2, 140 + 15 + 2)
    assert window.get_step_seconds() == {"freeze": 7.0, "smoke": 2.0, "migrate": 120}


def test_a_rehearsal_s_nights_forecast_production_until_it_was_loaded_itself() -> None:
    rehearsed = Past(tuple(night(number) for number in range(4)), {"freeze": (1.0,)})
    failed = night(9, outcome="failed", environment="production")
    both = merge_pasts([Past((failed,), {"freeze": (3.0,), "prove": (2.0,)}), rehearsed])
    assert both.nights[-1] == failed
    assert both.choose_series("shop") == rehearsed.nights
    assert both.step_seconds == {"freeze": (3.0, 1.0), "prove": (2.0,)}
    loaded = night(10, environment="production")
    assert merge_pasts([Past((loaded,)), rehearsed]).choose_series() == (loaded,)
    assert both.choose_series("another project") == ()


def test_the_night_before_is_the_last_comparable_one_that_was_counted() -> None:
    nights = (
        night(1), night(2), night(3, outcome="failed"), night(4, source="erp:1433/OTHER"), night(5),
    )  # fmt: skip
    past = Past(nights)
    assert past.find_before(nights[4]) == nights[1]
    assert past.find_before(nights[0]) is None and past.find_before(nights[3]) is None


def test_one_source_is_one_series_by_its_address_or_by_what_its_server_says() -> None:
    here = night(1, source="erp:1433/SHOP", source_told="erp-sql/shop")
    assert here.is_comparable(night(2, source="10.0.0.7:1433/SHOP", source_told="erp-sql/shop"))
    assert here.is_comparable(night(2, source="ERP:1433/Shop", source_told=None))
    assert here.is_comparable(night(2, source="erp:1433/SHOP", source_told="erp-sql-new/shop"))
    assert not here.is_comparable(night(2, source="10.0.0.7:1433/SHOP", source_told=None))
    assert not here.is_comparable(night(2, source="10.0.0.7:1433/SHOP", source_told="other/shop"))
