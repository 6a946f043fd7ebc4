"""Short (max) columns are read as sized ones: the same values, and never a cut one."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence

import pyarrow as pa
import pytest

from blb_migration.errors import SourceError, TableFailed
from blb_migration.model import Column, ColumnType
from blb_migration.sandbox.emulator.results import SqlServerError
from blb_migration.sandbox.emulator.server import SqlServerEmulator
from blb_migration.sandbox.emulator.tds.faults import Fault
from blb_migration.sandbox.zoo.type_tables import UTF8_COLLATION
from blb_migration.sandbox.zoo.zoo_rows import build_arrow
from blb_migration.sqlserver import read
from blb_migration.sqlserver.connect import SourceSession
from blb_migration.sqlserver.longest_values import build_sized_reading, is_measurable, read_longest_bytes
from blb_migration.sqlserver.read import KeyRange, read_batches
from blb_migration_tests.chain import Chain
from blb_migration_tests.hazards.planting import NewChain, Row, columns, plant, table

StatementFinder = Callable[[], list[str]]

NOTES = table("notes", *columns("id int not null", "note nvarchar(max)"))
QUESTION = r"^SELECT MAX\(DATALENGTH\("
SIZED = r"CAST\(\[\w+\] AS n?var\w+\(\d+\)\)"

TEXTS = (None, "", " ", "two trailing  ", "Größe €", "😀😀", "\t'quoted', \"\\N\"\r\n", "x" * 40)
EVERY = table(
    "every",
    *columns("id int not null", "wide nvarchar(max)", "narrow varchar(max)", "picture varbinary(max)"),
    *columns("utf8 varchar(max)", collation=UTF8_COLLATION),
    *columns("old_wide ntext", "old_narrow text", "old_picture image", "beside nvarchar(30)"),
)
EVERY_TARGET = (
    "CREATE TABLE every (id int PRIMARY KEY, wide text, narrow text, picture bytea, utf8 text,"
    " old_wide text, old_narrow text, old_picture bytea, beside text)"
)


def build_every_row(number: int, text: str | None) -> Row:
    plain = None if text is None else text.replace("😀", "ü")  # varchar has its code page's characters only
    data = None if text is None else text.encode() + b"\x00"
    texts = {"wide": text, "utf8": text, "old_wide": text, "narrow": plain, "old_narrow": plain}
    return {"id": number, "beside": str(number), "picture": data, "old_picture": data, **texts}


@pytest.fixture(autouse=True)
def _ask_always(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(read, "ASK_FROM_ROWS", 0)


@pytest.fixture
def chain(new_chain: NewChain) -> Chain:
    return new_chain()


@pytest.fixture
def statements(emulator: SqlServerEmulator) -> Iterator[StatementFinder]:
    """Yield what the source was asked for the rows of the notes."""
    emulator.statements.clear()
    yield lambda: [text for text in emulator.statements.texts if "FROM [dbo].[notes]" in text]
    emulator.faults.clear()


def load_notes(chain: Chain, texts: Sequence[str | None], first: int = 1) -> None:
    if first == 1:
        chain.database.create_table(NOTES)
    rows = [{"id": first + position, "note": text} for position, text in enumerate(texts)]
    chain.database.load(NOTES.name, build_arrow(NOTES, rows))


def read_notes(chain: Chain, session: SourceSession | None = None, **more: int) -> list[str | None]:
    if session is None:
        with chain.source.connect() as opened:
            return read_notes(chain, opened, **more)
    batches = read_batches(session, NOTES.name, NOTES.columns, order_by=["id"], **more)  # type: ignore[arg-type]
    read_table = pa.Table.from_batches(batches)
    assert read_table.schema.names == ["id", "note"]
    return list(read_table.column("note").to_pylist())


def grow_after_the_question(chain: Chain, monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    """One more row, with the next id, comes between the question and the reading."""

    def ask_and_grow(*arguments: object) -> dict[str, int]:
        answer = read_longest_bytes(*arguments)  # type: ignore[arg-type]
        load_notes(chain, [text], first=1_000_000)
        return answer

    monkeypatch.setattr(read, "read_longest_bytes", ask_and_grow)


class TestValues:
    def test_every_type_goes_the_whole_way_and_compares_equal(
        self, chain: Chain, emulator: SqlServerEmulator
    ) -> None:
        rows = [build_every_row(number, text) for number, text in enumerate(TEXTS)]
        planted = plant(chain, EVERY_TARGET, (EVERY, rows))
        emulator.statements.clear()

        def find_sized() -> list[str]:
            return [text for text in emulator.statements.texts if re.search(SIZED + r" AS \[wide\]", text)]

        migration = planted.migrate()
        assert [len(re.findall(SIZED, text)) for text in find_sized()] == [7]
        names = ("id", "wide", "narrow", "utf8", "old_wide", "old_narrow", "picture", "old_picture")
        loaded = planted.rows(f"SELECT {', '.join(names)} FROM every ORDER BY id")
        assert loaded == [tuple(row[name] for name in names) for row in rows]
        # A differing table is read again, the same way.
        planted.rows("UPDATE every SET utf8 = 'changed' WHERE id = 5")
        results = planted.chain.check(migration)
        assert not results["every", "content"].passed
        assert len(find_sized()) > 1

    @pytest.mark.parametrize("longest", [0, 1, 25, 26, 3_999, 4_000])
    def test_the_longest_value_itself_arrives_whole(
        self, chain: Chain, statements: StatementFinder, longest: int
    ) -> None:
        texts = ["x" * longest, None, "😀" * (longest // 2)]
        load_notes(chain, texts)
        assert read_notes(chain) == texts
        assert re.search(SIZED, statements()[-1])

    def test_a_column_of_nothing_but_null_is_short(self, chain: Chain, statements: StatementFinder) -> None:
        load_notes(chain, [None, None])
        assert read_notes(chain) == [None, None]
        assert re.search(SIZED, statements()[-1])

    def test_a_long_value_keeps_the_column_as_it_is(self, chain: Chain, statements: StatementFinder) -> None:
        texts = ["x" * 4_001, "short"]
        load_notes(chain, texts)
        assert read_notes(chain) == texts
        assert re.search(QUESTION, statements()[-2])
        assert not re.search(SIZED, statements()[-1])

    def test_only_the_range_that_is_read_is_asked_about(
        self, chain: Chain, statements: StatementFinder
    ) -> None:
        load_notes(chain, ["x" * 9_000, "short", "also"])
        assert read_notes(chain, key_range=KeyRange("id", first=2)) == ["short", "also"]  # type: ignore[arg-type]
        assert re.search(SIZED, statements()[-1])


class TestWhenItIsNotAsked:
    def test_a_small_table_is_just_read(
        self, chain: Chain, statements: StatementFinder, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.undo()
        load_notes(chain, ["short"])
        assert read_notes(chain, row_estimate=1) == ["short"]
        assert [text for text in statements() if re.search(QUESTION, text)] == []

    def test_one_column_that_must_be_streamed_leaves_all_as_they_are(
        self, chain: Chain, emulator: SqlServerEmulator
    ) -> None:
        mixed = table("mixed", *columns("id int not null", "note nvarchar(max)", "page xml"))
        plant(chain, "SELECT 1", (mixed, [{"id": 1, "note": "short", "page": "<a/>"}]))
        emulator.statements.clear()
        with chain.source.connect() as session:
            (batch,) = read_batches(session, mixed.name, mixed.columns)
        assert batch.to_pylist() == [{"id": 1, "note": "short", "page": "<a/>"}]
        assert not any(re.search(SIZED, text) for text in emulator.statements.texts)


class TestRowsThatChangeMeanwhile:
    def test_a_value_within_the_headroom_is_no_trouble(
        self, chain: Chain, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        load_notes(chain, ["x" * 20])
        grow_after_the_question(chain, monkeypatch, "x" * 32)
        assert read_notes(chain) == ["x" * 20, "x" * 32]

    def test_one_that_outgrew_its_cast_before_any_row_was_handed_on_is_read_as_it_stands(
        self, chain: Chain, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        load_notes(chain, ["x" * 20])
        grow_after_the_question(chain, monkeypatch, "x" * 33)
        assert read_notes(chain) == ["x" * 20, "x" * 33]

    def test_one_that_outgrew_it_later_fails_the_read_for_now(
        self, chain: Chain, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        load_notes(chain, ["x" * 20] * 5_000)
        grow_after_the_question(chain, monkeypatch, "x" * 33)
        with pytest.raises(
            SourceError, match=r"dbo\.notes: within 5,001 rows came a \(max\) value"
        ) as caught:
            read_notes(chain, target_batch_bytes=20_000)
        assert caught.value.is_transient

    def test_a_table_that_fails_for_it_keeps_nothing_and_loads_the_next_time(
        self, chain: Chain, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        target = "CREATE TABLE notes (id int PRIMARY KEY, note text)"
        planted = plant(chain, target, (NOTES, [{"id": n, "note": "x" * 400} for n in range(10_000)]))
        with monkeypatch.context() as growing:
            grow_after_the_question(chain, growing, "x" * 1_000)
            with pytest.raises(TableFailed, match="longer than the longest one") as caught:
                planted.chain.migrate(planted.text)
        assert caught.value.is_transient
        assert planted.rows("SELECT count(*) FROM notes") == [(0,)]
        planted.migrate()
        assert planted.rows("SELECT max(length(note)), count(*) FROM notes") == [(1_000, 10_001)]


class TestServersThatCannot:
    @pytest.mark.parametrize("refused", [QUESTION, SIZED])
    def test_what_a_server_refuses_is_done_without(
        self, chain: Chain, emulator: SqlServerEmulator, statements: StatementFinder, refused: str
    ) -> None:
        load_notes(chain, ["short", None])
        emulator.faults.add(Fault(refused, error=SqlServerError(1540, "Cannot sort a row of size 9000.")))
        assert read_notes(chain) == ["short", None]
        assert not re.search(SIZED, statements()[-1])


class TestSizes:
    @pytest.mark.parametrize(
        ("declared", "collation", "longest", "sized"),
        [
            ("nvarchar", None, 0, "nvarchar(32)"),
            ("nvarchar", None, 100, "nvarchar(64)"),
            ("nvarchar", None, 8_000, "nvarchar(4000)"),
            ("ntext", None, 400, "nvarchar(256)"),
            ("varchar", None, 8_000, "varchar(8000)"),
            ("varchar", UTF8_COLLATION, 4_000, "nvarchar(4000)"),
            ("varchar", UTF8_COLLATION, 4_001, None),
            ("varbinary", None, 8_001, None),
            ("image", None, 100, "varbinary(128)"),
        ],
    )
    def test_a_width_holds_the_longest_and_some_more(
        self, declared: str, collation: str | None, longest: int, sized: str | None
    ) -> None:
        column = Column("x", ColumnType(declared), nullable=True, collation=collation)
        reading = build_sized_reading([column], {"x": longest})
        assert (reading and reading.expressions["x"]) == (sized and f"CAST([x] AS {sized})")

    def test_names_are_quoted_and_every_column_is_guarded(self) -> None:
        awkward = [Column(name, ColumnType("varchar"), nullable=True) for name in ("a]b", "c d")]
        reading = build_sized_reading(awkward, {"a]b": 10, "c d": 100})
        assert reading is not None
        assert reading.outgrown == "DATALENGTH([a]]b]) > 32 OR DATALENGTH([c d]) > 128"

    @pytest.mark.parametrize("name", ["xml", "json", "sql_variant", "geography", "hierarchyid", "vector"])
    def test_types_whose_stored_length_says_nothing_are_not_asked_about(self, name: str) -> None:
        assert not is_measurable(Column("x", ColumnType(name), nullable=True))
        assert not is_measurable(Column("x", ColumnType("nvarchar", length=4_000), nullable=True))
