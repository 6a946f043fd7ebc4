"""How one column is written in a SELECT: for reading its values, and as a text to ask questions about.

Source of the conversions: "CAST and CONVERT (Transact-SQL)", its tables of styles. Reader, totals and
probes use the same expressions, so that they speak of the same values.
"""

from __future__ import annotations

from blb_migration.model import Column
from blb_migration.sqlserver.names import quote_name

# Half a surrogate pair is one character, a whole one is one too: so LEN counts code points, as PostgreSQL
# does.
CODE_POINT_COLLATION = "Latin1_General_100_CI_AS_SC"

# Compares UTF-16 code units one by one: in other collations U+0000 and half surrogates weigh nothing.
CODE_UNIT_COLLATION = "Latin1_General_100_BIN2"

TEXT_TYPES = frozenset({"char", "varchar", "text", "nchar", "nvarchar", "ntext", "xml", "json"})
_READ_FORMS = {
    "hierarchyid": "{0}.ToString()",
    "geography": "{0}.AsBinaryZM()",
    "geometry": "{0}.AsBinaryZM()",
    "text": "CAST({0} AS varchar(max))",
    "ntext": "CAST({0} AS nvarchar(max))",
    "json": "CAST({0} AS nvarchar(max))",
    "vector": "CAST({0} AS nvarchar(max))",
    "image": "CAST({0} AS varbinary(max))",
}
BINARY_TYPES = frozenset({"binary", "varbinary", "image", "rowversion"})


def read_expression(column: Column) -> str:
    """The T-SQL that reads a column's values exactly, in a type the driver can stream.

    sql_variant becomes text in ISO form or with all digits, hierarchyid its path, geography and geometry
    their well-known binary with Z and M (the SRID is not in it), the outdated large types their (max)
    successors, json and vector their JSON text. Everything else is read as it is.
    """
    name = quote_name(column.name)
    if column.type.name == "sql_variant":
        return _variant_as_text(name)
    return _READ_FORMS.get(column.type.name, "{0}").format(name)


def text_expression(column: Column) -> str:
    """A column's value as nvarchar(max), to measure and search it."""
    return f"CAST({read_expression(column)} AS nvarchar(max))"


def code_point_count(column: Column) -> str:
    """The number of characters of a text, trailing spaces included, as PostgreSQL's char_length counts."""
    return f"LEN({text_expression(column)} COLLATE {CODE_POINT_COLLATION} + N'.') - 1"


def _variant_as_text(name: str) -> str:
    # Plain CAST would cut datetime to minutes, floats to 6 digits, money to 2, and reread bytes as letters.
    return (
        f"CASE CAST(SQL_VARIANT_PROPERTY({name}, 'BaseType') AS nvarchar(128)) "
        f"WHEN N'datetime' THEN CONVERT(nvarchar(max), CAST({name} AS datetime), 121) "
        f"WHEN N'smalldatetime' THEN CONVERT(nvarchar(max), CAST({name} AS smalldatetime), 120) "
        f"WHEN N'float' THEN CONVERT(nvarchar(max), CAST({name} AS float), 3) "
        f"WHEN N'real' THEN CONVERT(nvarchar(max), CAST({name} AS real), 3) "
        f"WHEN N'money' THEN CONVERT(nvarchar(max), CAST({name} AS money), 2) "
        f"WHEN N'smallmoney' THEN CONVERT(nvarchar(max), CAST({name} AS smallmoney), 2) "
        f"WHEN N'binary' THEN CONVERT(nvarchar(max), CAST({name} AS varbinary(8000)), 1) "
        f"WHEN N'varbinary' THEN CONVERT(nvarchar(max), CAST({name} AS varbinary(8000)), 1) "
        f"ELSE CAST({name} AS nvarchar(max)) END"
    )
