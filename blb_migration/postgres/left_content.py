"""Whether a table still holds, value by value, what a load left in it. Judges content, not who wrote it.

It is asked where transactions do not tell: after a restored dump, a rewriting ALTER TABLE, an UPDATE that
changes nothing. Columns whose type was changed since are read as what they were, and must survive the way
back: a value that the earlier type could not hold is a change.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from psycopg import sql

from blb_migration.errors import TargetError
from blb_migration.model import Column, ColumnType, Table
from blb_migration.postgres.binary.blocks import RowBlock, split_fields
from blb_migration.postgres.binary.digest import ContentKey, TableDigest, digest_blocks, find_buckets
from blb_migration.postgres.binary.field_texts import FieldTexts
from blb_migration.postgres.binary.hash_functions import CURRENT_HASH, HashFunction
from blb_migration.postgres.content_form import ContentForm, find_stored, spell_type
from blb_migration.postgres.failures import target_errors
from blb_migration.postgres.names import (
    TargetConnection,
    qualified_name,
    quote_identifier,
    server_text,
)
from blb_migration.postgres.read_back import read_row_blocks

FIRST_KEYS = 10

_TEXT = ColumnType("text")
# A default that is the same at any moment: a literal, cast or not.
_CONSTANT = re.compile(
    r"""(?:'(?:[^']|'')*'|\(?-?[\d.]+\)?|true|false|NULL)(?:::[\w ".]+(?:\([\d,]+\))?(?:\[\])*)*"""
)


@dataclass(frozen=True)
class ContentChange:
    """How content differs from what was left, in words, and the first keys among which the change is."""

    found: str
    first_keys: tuple[str, ...] = ()


def digest_others(
    connection: TargetConnection, table: Table, form: ContentForm, function: HashFunction = CURRENT_HASH
) -> str | None:
    """Digest the columns that only the target has, beside the key; None without any. Raises TargetError."""
    if not form.others:
        return None
    columns = (*form.key_columns, *form.others)
    current = table.columns_by_name
    # As text, since not every type has a binary form; the session's settings are the same in every one.
    casts = {
        column.name: [*_list_casts(column, current[column.name]), "text"]
        for column in columns
        if column.name in current
    }
    texts = [Column(column.name, _TEXT, nullable=True) for column in columns]
    key = ContentKey(tuple(range(len(form.key_columns))))
    blocks = read_row_blocks(connection, table.name, texts, casts=casts)
    return digest_blocks(blocks, key, function).hexdigest()


def find_content_change(
    connection: TargetConnection,
    table: Table,
    form: ContentForm,
    left: TableDigest,
    others_digest: str | None,
) -> ContentChange | None:
    """Find out whether the table's content is other than ``left``; None where every value is the same.

    Raises TargetError.
    """
    current = table.columns_by_name
    gone = [column.name for column in (*form.columns, *form.others) if column.name not in current]
    if gone:
        return ContentChange(f"it lacks what was loaded or left in the columns {', '.join(gone)}")
    casts = {
        column.name: types
        for column in (*form.columns, *form.others)
        if (types := _list_casts(column, current[column.name]))
    }
    here = _digest_as_left(connection, table, form, casts, left.function)
    if isinstance(here, ContentChange):
        return here
    buckets = left.differing_buckets(here)
    if buckets:
        return ContentChange(
            f"its content is not what was left: it differs in {len(buckets):,} of the digest's 1,024 parts",
            _read_keys_among(connection, table, form, casts, buckets, function=left.function),
        )
    if form.others and digest_others(connection, table, form, left.function) != others_digest:
        names = ", ".join(column.name for column in form.others)
        return ContentChange(f"values that only the target has were changed ({names})")
    return _find_change_of_new_columns(connection, table, form)


def _list_casts(left: Column, current: Column) -> list[str]:
    """List the casts that read a column as what it was."""
    return [] if left.type == current.type else [spell_type(left)]


def _digest_as_left(
    connection: TargetConnection,
    table: Table,
    form: ContentForm,
    casts: dict[str, list[str]],
    function: HashFunction,
) -> TableDigest | ContentChange:
    """Digest the loaded columns as the types that they had, or say why that cannot be."""
    try:
        beyond = _find_values_beyond(connection, table, casts)
        if beyond:
            names = " and ".join(beyond)
            return ContentChange(f"it holds values that {names} could not hold when it was loaded")
        return digest_blocks(_read_blocks(connection, table, form, casts), form.key, function)
    except ValueError:  # not in the order of the key, which is therefore none any more
        return ContentChange("a key is there twice")
    except TargetError as error:
        if not casts or error.is_transient:
            raise
        return ContentChange(f"it holds values that its earlier column types do not take: {error.found}")


def _read_blocks(
    connection: TargetConnection, table: Table, form: ContentForm, casts: dict[str, list[str]]
) -> Iterator[RowBlock]:
    order = form.key_columns if form.key.is_ordered else ()
    names = {column.name for column in form.columns}
    own_casts = {name: types for name, types in casts.items() if name in names}
    return read_row_blocks(connection, table.name, form.columns, order, own_casts)


def _find_values_beyond(
    connection: TargetConnection, table: Table, casts: dict[str, list[str]]
) -> tuple[str, ...]:
    """Find the columns with values that do not survive being cast to what the column was, and back."""
    columns = [table.columns_by_name[name] for name in casts]
    if not columns:
        return ()
    counts = [
        sql.SQL("count(*) FILTER (WHERE ({}{}::{})::text IS DISTINCT FROM {}::text)").format(
            quote_identifier(column.name),
            server_text("".join(f"::{each}" for each in casts[column.name])),
            server_text(spell_type(column)),
            quote_identifier(column.name),
        )
        for column in columns
    ]
    with target_errors(f"table {table.name}"), connection.transaction():
        row = connection.execute(
            sql.SQL("SELECT {} FROM {}").format(sql.SQL(", ").join(counts), qualified_name(table.name))
        ).fetchone()
    return tuple(column.name for column, count in zip(columns, row or (), strict=True) if count)


def _find_change_of_new_columns(
    connection: TargetConnection, table: Table, form: ContentForm
) -> ContentChange | None:
    """Find columns that were added since and hold anything else than their default."""
    known = {column.name for column in (*form.columns, *form.others)}
    added = find_stored(table, without=known)
    if not added:
        return None
    with target_errors(f"table {table.name}"):
        row = connection.execute(
            sql.SQL("SELECT {} FROM {}").format(
                sql.SQL(", ").join(map(_count_non_defaults, added)), qualified_name(table.name)
            )
        ).fetchone()
    filled = [column.name for column, count in zip(added, row or (), strict=True) if count]
    if not filled:
        return None
    return ContentChange(f"columns were added to it since, and filled: {', '.join(filled)}")


def _count_non_defaults(column: Column) -> sql.Composable:
    name = quote_identifier(column.name)
    if column.default is None or not _CONSTANT.fullmatch(column.default):
        return sql.SQL("count({})").format(name)
    return sql.SQL("count(*) FILTER (WHERE {}::text IS DISTINCT FROM ({})::{}::text)").format(
        name, server_text(column.default), server_text(spell_type(column))
    )


def _read_keys_among(
    connection: TargetConnection,
    table: Table,
    form: ContentForm,
    casts: dict[str, list[str]],
    buckets: Sequence[int],
    *,
    function: HashFunction,
) -> tuple[str, ...]:
    """Read the first keys in the parts of the digest that differ; none where rows have no key."""
    if not form.key.positions:
        return ()
    wanted = set(buckets)
    texts = FieldTexts(form.columns)
    keys: list[str] = []
    for block in _read_blocks(connection, table, form, casts):
        found = find_buckets(block, block.hash_rows(function), form.key)
        for position, bucket in enumerate(found.tolist()):
            if bucket in wanted:
                keys.append(texts.render(list(split_fields(block.row(position))), form.key.positions))
                if len(keys) == FIRST_KEYS:
                    return tuple(keys)
    return tuple(keys)
