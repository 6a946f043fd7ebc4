"""Queries answer as SQL Server's do: text, NULLs, numbers, dates, sets, and its error messages."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal

import pytest

from blb_migration.sandbox.emulator.results import Message, RowCount
from blb_migration_tests.sandbox.emulator.tsql_shop import Shop


@pytest.fixture(scope="module")
def shop() -> Iterator[Shop]:
    shop = Shop()
    yield shop
    shop.close()


class TestTextUnderACaseInsensitiveCollation:
    def test_case_and_trailing_spaces_do_not_matter(self, shop: Shop) -> None:
        assert shop.ask("SELECT id FROM Items WHERE category = 'plastic' ORDER BY id") == [(1,), (2,)]
        assert shop.value("SELECT COUNT(DISTINCT category) FROM Items") == 2
        assert shop.ask(
            "SELECT COUNT(*) FROM Items WHERE category IS NOT NULL GROUP BY category ORDER BY 1"
        ) == [(1,), (2,)]
        assert len(shop.ask("SELECT DISTINCT category FROM Items")) == 3
        assert len(shop.ask("SELECT category FROM Items UNION SELECT 'METAL'")) == 3

    def test_joins_use_it_too(self, shop: Shop) -> None:
        joined = "SELECT i.id, c.id FROM Items i JOIN Categories c ON c.Name = i.category ORDER BY i.id"
        assert shop.ask(joined) == [(1, 10), (2, 10), (5, 15)]

    def test_a_binary_collation_is_exact_but_for_trailing_spaces(self, shop: Shop) -> None:
        where = "SELECT COUNT(*) FROM Items WHERE category COLLATE Latin1_General_BIN2 = N'{}'"
        assert shop.value(where.format("PLASTIC")) == 1
        assert shop.value(where.format("plastic")) == 0

    @pytest.mark.parametrize(
        ("condition", "ids"),
        [
            ("NOT LIKE 'plas%'", [5]),
            ("NOT LIKE 'p!%' ESCAPE '!'", [1, 2, 5]),
            ("COLLATE Latin1_General_BIN2 NOT LIKE 'Plas%'", [2, 5]),
            ("COLLATE Latin1_General_BIN2 LIKE 'Plas%'", [1]),
            ("COLLATE Latin1_General_BIN2 NOT IN ('Plastic')", [2, 5]),
            ("COLLATE Latin1_General_BIN2 NOT BETWEEN 'Pa' AND 'Pz'", [2, 5]),
            ("COLLATE Latin1_General_BIN2 IS NOT NULL", [1, 2, 5]),
        ],
    )
    def test_a_negation_stays_one(self, shop: Shop, condition: str, ids: list[int]) -> None:
        found = shop.ask(f"SELECT id FROM Items WHERE category {condition} ORDER BY id")
        assert found == [(number,) for number in ids]

    def test_different_collations_conflict(self, shop: Shop) -> None:
        error = shop.error(
            "SELECT 1 WHERE 'a' COLLATE Latin1_General_BIN2 = 'a' COLLATE Latin1_General_CI_AS",
        )
        assert error.number == 468

    @pytest.mark.parametrize(
        ("pattern", "ids"),
        [
            ("pl%", [1, 2]),
            ("%[st]_l", [5]),
            ("_etal", [5]),
            ("[a-m]%", [5]),
            ("[^m]%", [1, 2]),
            ("plasti[c]", [1]),
        ],
    )
    def test_like_has_t_sqls_patterns(self, shop: Shop, pattern: str, ids: list[int]) -> None:
        assert [
            row[0] for row in shop.ask(f"SELECT id FROM Items WHERE category LIKE '{pattern}' ORDER BY id")
        ] == ids

    def test_like_can_escape(self, shop: Shop) -> None:
        assert shop.value("SELECT CASE WHEN '50%' LIKE '5_!%' ESCAPE '!' THEN 1 ELSE 0 END") == 1


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("LEN('ab  ')", 2),
        ("DATALENGTH(N'ab  ')", 8),
        ("CHARINDEX('B', 'abc')", 2),
        ("CHARINDEX('B' COLLATE Latin1_General_BIN2, 'abc')", 0),
        ("PATINDEX('%[0-9]%', 'ab1c')", 3),
        ("PATINDEX(N'%' + NCHAR(0) + N'%' COLLATE Latin1_General_BIN2, N'a' + NCHAR(0))", 2),
        ("REPLACE('aBcb', 'b', '-')", "a-c-"),
        ("STUFF('abcdef', 2, 3, 'X')", "aXef"),
        ("SUBSTRING('abcdef', 0, 3)", "ab"),
        ("LEFT('abc', 2) + RIGHT('abc', 1)", "abc"),
        ("LTRIM(RTRIM('  a  '))", "a"),
        ("CONCAT('a', NULL, 1)", "a1"),
        ("'a' + NULL", None),
        ("UNICODE(N'ä')", 228),
        ("ISNULL(NULL, 'x')", "x"),
        ("COALESCE(NULL, 2, 1.5)", Decimal("2.0")),
        ("NULLIF('A', 'a ')", None),
        ("IIF(1 > 2, 'yes', 'no')", "no"),
        ("CHOOSE(2, 'a', 'b')", "b"),
        ("ISJSON('{\"a\": 1}')", 1),
        ("7 / 2", 3),
        ("-7 % 3", -1),
        ("7 / 2.0", Decimal("3.500000")),
        ("2.0 / 3", Decimal("0.666666")),
        ("$1.5 * 2", Decimal("3.0000")),
        ("5 & 3 | 8 ^ 1", 8),
        ("~5", -6),
        ("ROUND(2.345, 2)", Decimal("2.350")),
        ("ROUND(-2.345, 2, 1)", Decimal("-2.340")),
        ("ROUND(1250, -2)", 1300),
        ("FLOOR(-1.5)", Decimal("-2")),
        ("CEILING(1.2)", Decimal("2")),
        ("ABS(-3)", 3),
        ("POWER(2, 10)", 1024),
        ("DATEPART(nanosecond, CAST('10:00:00.1234567' AS time(7)))", 123_456_700),
        ("DATEDIFF(day, '2024-02-28', '2024-03-01')", 2),
        ("DATEDIFF(year, '2023-12-31', '2024-01-01')", 1),
        ("DATEDIFF_BIG(microsecond, '0001-01-01', '9999-12-31')", 315_537_811_200_000_000),
        ("CONVERT(varchar(10), DATEADD(month, 1, CAST('2024-01-31' AS date)), 23)", "2024-02-29"),
        ("YEAR('2024-05-06') * 100 + MONTH('2024-05-06')", 202405),
        ("CONVERT(varchar(30), EOMONTH('2024-02-10'), 23)", "2024-02-29"),
        ("DB_NAME() + '.' + SCHEMA_NAME(1)", "SHOP.dbo"),
        ("OBJECT_NAME(OBJECT_ID('[dbo].[Items]'))", "Items"),
        ("COL_LENGTH('dbo.Items', 'category')", 100),
        ("IDENT_CURRENT('Categories')", Decimal(30)),
        ("CAST(SERVERPROPERTY('EngineEdition') AS int)", 4),
        ("CAST(DATABASEPROPERTYEX('shop', 'Status') AS varchar(10))", "ONLINE"),
        ("@@TRANCOUNT", 0),
        ("HAS_DBACCESS('nowhere')", None),
    ],
)
def test_functions_and_operators(shop: Shop, expression: str, expected: object) -> None:
    assert shop.value(f"SELECT {expression}") == expected


@pytest.mark.parametrize(
    ("query", "rows"),
    [
        ("SELECT TOP (2) id FROM Items ORDER BY price DESC", [(2,), (1,)]),
        ("SELECT id FROM Items ORDER BY price, id OFFSET 1 ROWS FETCH NEXT 2 ROWS ONLY", [(7,), (1,)]),
        ("SELECT id FROM Items WHERE price BETWEEN 1 AND 2 OR id IN (5, 6)", [(1,), (5,)]),
        (
            "SELECT id FROM Items i WHERE NOT EXISTS (SELECT * FROM Categories c WHERE c.Name = i.category)",
            [(7,)],
        ),
        ("SELECT id FROM Items WHERE category IN (SELECT Name FROM Categories WHERE region = 'us')", [(5,)]),
        (
            "SELECT total, label FROM Items WHERE id <= 2 ORDER BY id",
            [(Decimal("3.0000"), "PLASTIC"), (Decimal("6.7500"), "PLASTIC  ")],
        ),
        ("WITH t(n) AS (SELECT id FROM Items WHERE active = 1) SELECT COUNT(*), MAX(n) FROM t", [(3, 7)]),
        (
            "SELECT c.id, x.best FROM Categories c CROSS APPLY (SELECT MAX(price) AS best FROM Items i "
            "WHERE i.category = c.Name) x ORDER BY 1",
            [(10, Decimal("2.2500")), (15, None)],
        ),
        (
            "SELECT c.id, i.id FROM Categories c FULL JOIN Items i ON c.Name = i.category AND i.id = 1 "
            "ORDER BY c.id, i.id",
            [(None, 2), (None, 5), (None, 7), (10, 1), (15, None)],
        ),
        (
            "SELECT region, SUM(quantity) AS q FROM Items WHERE id < 7 GROUP BY region HAVING COUNT(*) > 1",
            [("EU ", 5)],
        ),
        ("SELECT id, LAG(id, 1) OVER (ORDER BY id) FROM Items WHERE id < 5", [(1, None), (2, 1)]),
        ("SELECT NTILE(2) OVER (ORDER BY id), COUNT(*) OVER () FROM Items", [(1, 4), (1, 4), (2, 4), (2, 4)]),
        ("SELECT v.a, v.b FROM (VALUES (1, 'x'), (2, NULL)) AS v(a, b)", [(1, "x"), (2, None)]),
        ("SELECT id FROM Items EXCEPT SELECT id FROM SHOP.dbo.Items WHERE id > 1", [(1,)]),
        (
            "SELECT STRING_AGG(category, ',') WITHIN GROUP (ORDER BY id DESC) FROM Items WHERE id IN (1, 5)",
            [("Metal,Plastic",)],
        ),
        (
            'SELECT Items.id FROM [dbo]."Items" WITH (NOLOCK) WHERE dbo.Items.id = 1 OPTION (RECOMPILE)',
            [(1,)],
        ),
        (
            "DECLARE @a int = 2, @b nvarchar(10); SET @b = N'met' + '%'; SELECT id FROM Items WHERE id = "
            "@a OR category LIKE @b",
            [(2,), (5,)],
        ),
        ("DECLARE @n int; SELECT @n = COUNT(*) FROM Items; SELECT @n", [(4,)]),
    ],
)
def test_queries(shop: Shop, query: str, rows: list[tuple[object, ...]]) -> None:
    assert shop.ask(query) == rows


def test_several_statements_answer_in_order(shop: Shop) -> None:
    outcomes = list(shop.session.execute("SET NOCOUNT ON PRINT 'hello' USE master SELECT DB_NAME()"))
    shop.session.database = "SHOP"
    assert outcomes[:3] == [
        RowCount(None),
        Message(0, "hello"),
        Message(5701, "Changed database context to 'master'.", state=2),
    ]


@pytest.mark.parametrize(
    ("batch", "number", "text"),
    [
        ("SELECT * FROM nowhere", 208, "Invalid object name 'nowhere'."),
        ("SELECT * FROM dbo.nowhere.x", 208, "Invalid object name 'dbo.nowhere.x'."),
        ("SELECT nothing FROM Items", 207, "Invalid column name 'nothing'."),
        ("SELECT z.id FROM Items", 4104, 'The multi-part identifier "z.id" could not be bound.'),
        ("SELECT id FROM Items a, Items b", 209, "Ambiguous column name 'id'."),
        ("SELECT id, COUNT(*) FROM Items", 8120, None),
        ("SELECT 1 2", 102, "Incorrect syntax near '2'."),
        ("SELECT id FROM Items WHERE", 156, "Incorrect syntax near the keyword 'WHERE'."),
        ("SELECT nope(1)", 195, "'nope' is not a recognized built-in function name."),
        ("SELECT 1 WHERE id", 4145, None),
        ("SELECT 1 / 0", 8134, "Divide by zero error encountered."),
        ("SELECT 1.0 / 0", 8134, "Divide by zero error encountered."),
        (
            "SELECT SUM(quantity) FROM Items",
            8115,
            "Arithmetic overflow error converting expression to data type int.",
        ),
        (
            "SELECT CAST('abc' AS int)",
            245,
            "Conversion failed when converting the varchar value 'abc' to data type int.",
        ),
        ("SELECT CAST('99999999999' AS int)", 248, None),
        ("SELECT CAST('abc' AS decimal(5,2))", 8114, "Error converting data type varchar to numeric."),
        (
            "SELECT CAST(12345 AS decimal(4,1))",
            8115,
            "Arithmetic overflow error converting int to data type numeric.",
        ),
        ("SELECT CAST(300 AS tinyint)", 220, "Arithmetic overflow error for data type tinyint, value = 300."),
        (
            "SELECT CAST('2024-13-01' AS date)",
            241,
            "Conversion failed when converting date and/or time from character string.",
        ),
        ("SELECT CAST('0001-01-01' AS datetime)", 242, None),
        ("SELECT id FROM Items WHERE category = 5", 245, None),
        ("SELECT @missing", 137, 'Must declare the scalar variable "@missing".'),
        ("EXEC sp_nothing", 2812, "Could not find stored procedure 'sp_nothing'."),
        (
            "USE nowhere",
            911,
            "Database 'nowhere' does not exist. Make sure that the name is entered correctly.",
        ),
        ("SET NOTHING ON", 195, "'NOTHING' is not a recognized SET option."),
        ("COMMIT", 3902, None),
        ("SELECT id FROM Items UNION SELECT 1, 2", 205, None),
        ("SELECT 'a' COLLATE Nonsense", 448, "Invalid collation 'Nonsense'."),
        ("SELECT CAST(1 AS nothing)", 243, "Type nothing is not a defined system type."),
        ("SELECT SUM(category) FROM Items", 8117, "Operand data type nvarchar is invalid for sum operator."),
        ("SELECT CAST(GETDATE() AS date) + 1", 206, None),
    ],
)
def test_errors_have_sql_servers_number_and_text(
    shop: Shop, batch: str, number: int, text: str | None
) -> None:
    error = shop.error(batch)
    assert error.number == number
    assert text is None or error.text == text


def test_an_error_names_its_line(shop: Shop) -> None:
    assert shop.error("SELECT 1;\n\nSELECT * FROM nowhere").line == 3


@pytest.mark.parametrize(
    "batch",
    [
        "WAITFOR DELAY '00:00:01'",
        "SELECT CHECKSUM(1)",
        "SELECT id FROM Items FOR XML AUTO",
        "SELECT * FROM OPENJSON('[1]')",
        "SELECT * FROM sys.dm_os_wait_stats",
        "SELECT CONVERT(varchar(30), GETDATE(), 131)",
    ],
)
def test_what_the_emulator_does_not_know_it_refuses(shop: Shop, batch: str) -> None:
    error = shop.error(batch)
    assert error.number == 40515
    assert error.text.startswith("emulator: cannot run this statement: ")
