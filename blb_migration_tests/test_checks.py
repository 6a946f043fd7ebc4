"""What the ledger keeps of a comparison says all of it."""

from __future__ import annotations

from dataclasses import asdict

import pytest

from blb_migration.checks import Comparison, complete_comparison, describe_comparison


@pytest.mark.parametrize(
    "comparison",
    [
        Comparison("sum(id)", "7", "8", False, "1"),
        Comparison("definitions as before", "70 facts", "none", False),
        Comparison("sum(total)", "5.10", "5.10", True, "0.00", is_key_total=True),
        Comparison("sum(total)", "5.10", None, False, None, is_key_total=True),
        Comparison("next number", "4 or beyond", "4", True),
        Comparison("max(day)", None, None, True),
        Comparison("max(day)", None, "2024-01-01", False),
        Comparison("max(name)", "(hidden)", "(hidden)", False),
    ],
)
def test_it_comes_back_as_it_was(comparison: Comparison) -> None:
    described = describe_comparison(comparison)
    assert complete_comparison(described) == asdict(comparison)
    assert complete_comparison(asdict(comparison)) == asdict(comparison)


def test_of_one_that_matches_value_and_name_are_kept() -> None:
    matching = Comparison("sum(id)", "7", "7", True, "0")
    assert describe_comparison(matching) == {"name": "sum(id)", "source_value": "7"}
    assert complete_comparison(describe_comparison(matching)) == {**asdict(matching), "difference": None}
