"""From rows that differ to the cells that do, as text for people: key, column, source value, target value.

Both rows are in the target's form, so the source's value is shown as it was to arrive. Values of any
length are cut to what surrounds their first difference.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from itertools import zip_longest

from blb_migration.checks import Difference
from blb_migration.postgres.binary.blocks import split_fields
from blb_migration.postgres.binary.field_texts import FieldTexts

Fields = tuple[bytes | None, ...]
_Pair = tuple[Fields | None, Fields | None]

SHOWN_CHARACTERS = 400
_BEFORE_DIFFERENCE = 100
_PAIRED_BY_LIKENESS = 200  # each row of one side is held against each of the other
_NAMING_COLUMNS = 3  # what names a row without a key


def compare_rows(
    source_rows: Sequence[bytes], target_rows: Sequence[bytes], texts: FieldTexts, key: Sequence[int]
) -> Iterator[Difference]:
    """Yield what differs between the rows; those of the same key are two versions of one row.

    So are rows that are the same but for their key and, in a table without one, rows that have the most
    cells in common and at least half of them.
    """
    source, target = ([split_fields(row) for row in rows] for rows in (source_rows, target_rows))
    for source_fields, target_fields in _pair(source, target, key):
        if source_fields is None:
            assert target_fields is not None
            name = _name_row(target_fields, texts, key)
            yield Difference("extra", name, None, None, _describe_row(target_fields, texts))
        elif target_fields is None:
            name = _name_row(source_fields, texts, key)
            yield Difference("missing", name, None, _describe_row(source_fields, texts), None)
        else:
            yield from _compare_cells(source_fields, target_fields, texts, key)


def _name_row(fields: Fields, texts: FieldTexts, key: Sequence[int]) -> str:
    if key:
        return texts.render(fields, key, shows_hidden=True)
    return texts.render(fields, range(min(_NAMING_COLUMNS, len(fields))))


def _describe_row(fields: Fields, texts: FieldTexts) -> str | None:
    return _cut(texts.render(fields, range(len(fields))))


def _pair(source: Sequence[Fields], target: Sequence[Fields], key: Sequence[int]) -> Iterator[_Pair]:
    if not key:
        yield from _pair_by_likeness(source, target, lambda fields: len(fields) / 2)
        return
    versions: dict[Fields, tuple[list[Fields], list[Fields]]] = defaultdict(lambda: ([], []))
    for side, rows in enumerate((source, target)):
        for fields in rows:
            versions[tuple(fields[position] for position in key)][side].append(fields)
    missing, extra = [], []
    for source_versions, target_versions in versions.values():
        for source_fields, target_fields in zip_longest(source_versions, target_versions):
            if source_fields is None:
                extra.append(target_fields)
            elif target_fields is None:
                missing.append(source_fields)
            else:
                yield source_fields, target_fields
    yield from _pair_by_likeness(missing, extra, lambda fields: max(1, len(fields) - len(key)))


def _pair_by_likeness(
    source: Sequence[Fields], target: Sequence[Fields], least: Callable[[Fields], float]
) -> Iterator[_Pair]:
    """Each row with the one of the other side that has the most cells in common, and ``least`` at least."""
    unpaired = list(target)
    for position, fields in enumerate(source):
        likeness = [_count_equal(fields, other) for other in unpaired[:_PAIRED_BY_LIKENESS]]
        most = max(likeness, default=0)
        if position < _PAIRED_BY_LIKENESS and unpaired and most >= least(fields):
            yield fields, unpaired.pop(likeness.index(most))
        else:
            yield fields, None
    for other in unpaired:
        yield None, other


def _count_equal(fields: Fields, others: Fields) -> int:
    return sum(own == other for own, other in zip(fields, others, strict=True))


def _compare_cells(
    source: Fields, target: Fields, texts: FieldTexts, key: Sequence[int]
) -> Iterator[Difference]:
    equal = [position for position in range(len(source)) if source[position] == target[position]]
    name = _name_row(source, texts, key) if key else texts.render(source, equal[:_NAMING_COLUMNS])
    for position, (source_field, target_field) in enumerate(zip(source, target, strict=True)):
        if source_field != target_field:
            values = _cut_around_difference(
                texts.decode(position, source_field), texts.decode(position, target_field)
            )
            yield Difference("changed", name, texts.column_names[position], *values)


def _cut_around_difference(source: str | None, target: str | None) -> tuple[str | None, str | None]:
    if source is None or target is None or max(len(source), len(target)) <= SHOWN_CHARACTERS:
        return _cut(source), _cut(target)
    pairs = enumerate(zip(source, target, strict=False))
    first = next((place for place, (own, other) in pairs if own != other), min(len(source), len(target)))
    start = max(0, first - _BEFORE_DIFFERENCE)
    return _cut(source, start), _cut(target, start)


def _cut(text: str | None, start: int = 0) -> str | None:
    if text is None or (start == 0 and len(text) <= SHOWN_CHARACTERS):
        return text
    shown = text[start : start + SHOWN_CHARACTERS]
    return f"{shown} (characters {start + 1:,} to {start + len(shown):,} of {len(text):,})"
