"""The digest as docs/digest.md defines it, and what it must not depend on."""

from __future__ import annotations

import random
import re
from collections.abc import Callable
from contextlib import redirect_stdout
from io import StringIO
from itertools import pairwise
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from blb_migration.model import Column, ColumnType
from blb_migration.postgres.binary.blocks import RowBlock, join_fields, split_fields
from blb_migration.postgres.binary.canonical import canonical_json
from blb_migration.postgres.binary.digest import ContentKey, Digester, TableDigest
from blb_migration.postgres.binary.hash_functions import CURRENT_HASH, HashFunction
from blb_migration.postgres.binary.row_lengths import count_digit_groups
from blb_migration.postgres.binary.rows import RowEncoder
from blb_migration.sandbox.erp import create_target
from blb_migration_tests.chain import Chain

REFERENCE = Path(__file__).parents[2] / "docs" / "digest.md"
ORDERED, UNORDERED = ContentKey((0,), is_ordered=True), ContentKey((0,))


def build_rows(count: int) -> list[bytes]:
    return [join_fields([key.to_bytes(4, "big"), b"row %d" % key, None]) for key in range(1, count + 1)]


def digest(
    rows: list[bytes], key: ContentKey, block_rows: int = 1000, function: HashFunction = CURRENT_HASH
) -> TableDigest:
    digester = Digester(key, function)
    for first in range(0, len(rows), block_rows):
        digester.add(RowBlock.from_rows(rows[first : first + block_rows]))
    return digester.finish()


@pytest.mark.parametrize("key", [ORDERED, UNORDERED, ContentKey(())], ids=["ordered", "unordered", "no key"])
def test_it_does_not_depend_on_how_rows_are_put_into_batches(key: ContentKey) -> None:
    rows = build_rows(1000)
    assert len({digest(rows, key, block_rows).hexdigest() for block_rows in (1, 7, 64, 999, 1000)}) == 1


@pytest.mark.parametrize("key", [UNORDERED, ContentKey(())], ids=["key", "no key"])
def test_it_does_not_depend_on_the_order_of_rows_without_an_ordered_key(key: ContentKey) -> None:
    rows = build_rows(500)
    shuffled = random.Random(1).sample(rows, len(rows))
    assert digest(rows, key).hexdigest() == digest(shuffled, key).hexdigest()


def test_rows_that_leave_their_keys_order_are_an_error() -> None:
    with pytest.raises(ValueError, match="order"):
        digest([*build_rows(3), *build_rows(3)], ORDERED, 3)


@pytest.mark.parametrize("key", [ORDERED, UNORDERED], ids=["ordered", "unordered"])
def test_ranges_read_apart_add_up(key: ContentKey) -> None:
    rows = build_rows(300)
    whole, first, second = digest(rows, key), digest(rows[:127], key), digest(rows[127:], key)
    first.merge(second)  # keys 1 to 127, and from 128, a multiple of 64, on
    assert first.hexdigest() == whole.hexdigest()


def test_a_row_twice_is_not_the_row_once() -> None:
    rows = build_rows(2)
    assert digest(rows, UNORDERED).differing_buckets(digest([*rows, rows[0]], UNORDERED))
    assert digest([rows[0]] * 2, UNORDERED).differing_buckets(digest([rows[1]] * 2, UNORDERED))


def test_field_boundaries_count() -> None:
    one, other = join_fields([b"k", b"12", b"3"]), join_fields([b"k", b"1", b"23"])
    assert digest([one], UNORDERED).hexdigest() != digest([other], UNORDERED).hexdigest()
    assert split_fields(one) == (b"k", b"12", b"3")


def test_null_is_not_an_empty_text() -> None:
    rows = [join_fields([b"k", None])], [join_fields([b"k", b""])]
    assert digest(rows[0], UNORDERED).hexdigest() != digest(rows[1], UNORDERED).hexdigest()


@pytest.mark.parametrize(
    ("key", "recorded"),
    [
        (ORDERED, "f902683f923d3ff520630479821dd6c723ca491f8520dceeef058ff28617c5c3"),
        (UNORDERED, "ec02cad45e6fb46405e66cf892a7190fa1100644d0a05b3c3564149a5354ab67"),
        (ContentKey(()), "1b2d789b7e9f0b30de5b658c5f1ebefa6cf6cb964385b4567380c62aee8a9777"),
    ],
    ids=["ordered", "unordered", "no key"],
)
def test_digests_of_versions_that_hashed_by_blake2b_are_computed_as_they_did(
    key: ContentKey, recorded: str
) -> None:
    assert digest(build_rows(300), key, 50, HashFunction.BLAKE2B).hexdigest() == recorded
    assert digest(build_rows(300), key).hexdigest() != recorded


def test_digests_by_two_functions_are_never_compared_or_added() -> None:
    now, before = (digest(build_rows(3), ORDERED, function=each) for each in HashFunction)
    with pytest.raises(ValueError, match="BLAKE3 and by BLAKE2b"):
        now.differing_buckets(before)
    with pytest.raises(ValueError, match="BLAKE2b and by BLAKE3"):
        before.merge(now)


def test_the_ledgers_form_holds_everything() -> None:
    own = digest(build_rows(300), UNORDERED)
    assert TableDigest.from_filled_buckets(own.filled_buckets()).hexdigest() == own.hexdigest()


def test_digit_groups_are_counted_as_the_encoder_writes_them() -> None:
    values = ["0", "1", "10000", "0.0001", "0.001", "99999999999999.9999", "-12.34", "100000000", None]
    array = pa.array(values, pa.string()).cast(pa.decimal128(38, 4))
    present = np.asarray(array.is_valid())
    assert count_digit_groups(array)[present].tolist() == [0, 1, 1, 1, 1, 5, 2, 1]
    large = pa.array(["9" * 34 + ".9999", "1" + "0" * 30]).cast(pa.decimal128(38, 4))
    assert count_digit_groups(large).tolist() == [10, 1]


def test_a_null_that_has_bytes_in_arrow_has_none_in_its_row() -> None:
    first_and_third, offsets = pa.py_buffer(bytes([0b101])), pa.py_buffer(np.array([0, 2, 5, 6]))
    texts = pa.Array.from_buffers(pa.large_string(), 3, [first_and_third, offsets, pa.py_buffer(b"ab---c")])
    batch = pa.record_batch({"note": texts})
    block = RowEncoder([Column("note", ColumnType("text"), nullable=True)], batch.schema).encode(batch)
    assert [split_fields(bytes(row)) for row in block.rows()] == [(b"ab",), (None,), (b"c",)]


def test_rows_are_the_same_however_they_are_cut_into_batches() -> None:
    count = 150_000  # more than the megabyte that pgpq keeps back, so that its encoder goes on
    numbers = np.arange(count)
    batch = pa.record_batch(
        {
            "id": pa.array(numbers, pa.int32()),
            "note": pa.array([None if n % 3 else "n" * (n % 7) for n in range(count)], pa.large_string()),
            "price": pa.array(numbers * 100, mask=numbers % 5 == 0).cast(pa.decimal128(38, 2)),
            "token": pa.array([b"%016d" % n if n % 2 else None for n in range(count)], pa.binary(16)),
            "hash": pa.array([b"%040d" % n if n % 2 else None for n in range(count)], pa.binary(40)),
        }
    )
    types = [ColumnType(name) for name in ("integer", "text", "numeric", "uuid", "bytea")]
    columns = [
        Column(name, type_, nullable=True) for name, type_ in zip(batch.schema.names, types, strict=True)
    ]
    encoder = RowEncoder(columns, batch.schema)
    whole = list(encoder.encode(batch).rows())
    assert {split_fields(bytes(row))[0] for row in whole} == {n.to_bytes(4, "big") for n in range(count)}
    bounds = [0, 3, 80_003, 80_003, 80_010, count]
    cut = [encoder.encode(batch.slice(a, b - a)) for a, b in pairwise(bounds)]
    assert [row for block in cut for row in block.rows()] == whole


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ('{"b": 1, "a": [1, 2]}', '{"a":[1,2],"b":1.0}'),
        ('{"a": 1, "a": 2}', '{"a":2}'),
        ("1e2", "100"),
        ('"\\u00e4"', '"ä"'),
        ("-0", "0"),
    ],
)
def test_equal_jsonb_values_have_one_form(one: str, other: str) -> None:
    assert canonical_json(one) == canonical_json(other)


def test_the_documented_program_computes_the_ledgers_digest(
    new_chain: Callable[..., Chain], erp_source: str
) -> None:
    chain = new_chain(erp_source)
    create_target(chain.target_url)
    migration = chain.migration()
    table = migration.project.plan.tables_by_label["vendors"]
    chain.load(migration, "vendors")
    [(recorded,)] = chain.execute("SELECT digest FROM blb_migration.table_loads WHERE status = 'finished'")
    program = re.search(r"```python\n(.*?)```", REFERENCE.read_text(encoding="utf-8"), re.DOTALL)
    assert program is not None
    columns = ", ".join(column.target.name for column in table.columns)
    text = program[1].replace("SELECT * FROM users", f"SELECT {columns} FROM vendors")
    printed = StringIO()
    with redirect_stdout(printed):
        exec(compile(text, str(REFERENCE), "exec"), {"target_url": chain.target_url})
    assert printed.getvalue().strip() == recorded
