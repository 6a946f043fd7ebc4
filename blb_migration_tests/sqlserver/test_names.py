"""Quoting: whatever a table is called, it is that table and nothing else."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from blb_migration.model import TableName
from blb_migration.sqlserver.names import quote_columns, quote_name, quote_table


def unquote_name(quoted: str) -> str:
    """As SQL Server reads a delimited identifier; anything after its end would be SQL."""
    assert quoted.startswith("[") and quoted.endswith("]")
    inner = quoted[1:-1]
    assert "]" not in inner.replace("]]", "")
    return inner.replace("]]", "]")


@given(st.text(min_size=1))
def test_any_name_comes_back_as_it_is(name: str) -> None:
    assert unquote_name(quote_name(name)) == name


def test_brackets_reserved_words_and_spaces() -> None:
    assert quote_table(TableName("dbo", "order details]; DROP TABLE x--")) == (
        "[dbo].[order details]]; DROP TABLE x--]"
    )
    assert quote_columns(("select", "a b")) == "[select], [a b]"
