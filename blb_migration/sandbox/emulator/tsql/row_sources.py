"""FROM: tables, views, derived tables, VALUES, functions and the joins between them."""

from __future__ import annotations

from collections.abc import Callable

from sqlglot import exp

from blb_migration.sandbox.emulator.results import SqlServerError
from blb_migration.sandbox.emulator.tsql.arithmetic import unite
from blb_migration.sandbox.emulator.tsql.catalog_changes import TABLE_FUNCTIONS
from blb_migration.sandbox.emulator.tsql.compiled import CompiledQuery
from blb_migration.sandbox.emulator.tsql.conversions import convert_implicitly
from blb_migration.sandbox.emulator.tsql.datatypes import INT
from blb_migration.sandbox.emulator.tsql.expression_compiler import ExpressionCompiler
from blb_migration.sandbox.emulator.tsql.scopes import NamedValue, Scope, Source
from blb_migration.sandbox.emulator.tsql.server_errors import unsupported
from blb_migration.sandbox.emulator.tsql.typed import quote_name

RelationCompiler = Callable[[exp.Expr, Scope | None], CompiledQuery | None]

_TABLE_PARTS = frozenset({"this", "db", "catalog", "alias", "hints", "joins"})
_JOIN_PARTS = frozenset({"this", "side", "kind", "on", "hint"})
_TABLE_FUNCTIONS = frozenset(
    {"openjson", "openxml", "openrowset", "openquery", "string_split", "generate_series"}
)


def refuse_other_parts(node: exp.Expr, known: frozenset[str]) -> None:
    """Raise error 40515 for a part of the tree that would be ignored."""
    for key, part in node.args.items():
        if part and key not in known:
            raise unsupported(f"{node.key.upper()} with {key.strip('_').upper()}")


def compile_sources(
    select: exp.Select, scope: Scope, rows: ExpressionCompiler, compile_relation: RelationCompiler
) -> str:
    """DuckDB's FROM list; the sources are added to ``scope`` as they appear."""
    reader = _SourceReader(scope, rows, compile_relation)
    sql = reader.read(select.args["from_"].this)
    for join in select.args.get("joins") or ():
        sql = reader.join(sql, join)
    return sql


class _SourceReader:
    def __init__(self, scope: Scope, rows: ExpressionCompiler, compile_relation: RelationCompiler) -> None:
        self.scope = scope
        self.rows = rows
        self.compile_relation = compile_relation

    def read(self, node: exp.Expr, lateral: bool = False) -> str:
        sql = self._read_one(node, lateral)
        for join in node.args.get("joins") or ():
            sql = self.join(sql, join)
        return sql

    def _read_one(self, node: exp.Expr, lateral: bool) -> str:
        match node:
            case exp.Table() if isinstance(node.this, exp.Anonymous) and _is_view_function(
                node.db, node.this
            ):
                return self._read_view_function(node.this, node)
            case exp.Table() if isinstance(node.this, exp.Anonymous):
                if node.this.name.lower() in _TABLE_FUNCTIONS or node.this.name.lower().startswith("fn_"):
                    raise unsupported(f"the table function {node.this.name}")
                raise SqlServerError(208, f"Invalid object name '{node.this.name}'.")
            case exp.Table():
                return self._read_table(node)
            case exp.Subquery() if isinstance(node.this, (exp.Table, exp.Subquery)) and not node.alias:
                return f"({self.read(node.this)})"
            case exp.Subquery():
                return self._read_derived(node, lateral)
            case exp.Values():
                return self._read_values(node)
            case exp.Lateral():
                return self.read(node.this, lateral=True)
        raise unsupported(f"{node.key} in FROM")

    def join(self, left: str, join: exp.Expr) -> str:
        refuse_other_parts(join, _JOIN_PARTS)
        is_apply = isinstance(join.this, exp.Lateral)
        side = str(join.args.get("side") or "").upper()
        kind = str(join.args.get("kind") or "").upper()
        right = self._read_join_target(join)
        if is_apply:
            return (
                f"{left} CROSS JOIN {right}"
                if join.this.args.get("cross_apply")
                else f"{left} LEFT JOIN {right} ON true"
            )
        on = join.args.get("on")
        if on is None:
            return f"{left} CROSS JOIN {right}"
        word = f"{side} JOIN" if side else "CROSS JOIN" if kind == "CROSS" else "JOIN"
        return f"{left} {word} {right} ON {self.rows.predicate(on)}"

    def _read_join_target(self, join: exp.Expr) -> str:
        node = join.this
        if isinstance(node, exp.Lateral):
            inner = node.this
            if isinstance(inner, exp.Dot) and _is_view_function(inner.this.name, inner.expression):
                return self._read_view_function(inner.expression, node)
            if isinstance(inner, exp.Subquery) and not inner.alias:
                return self._read_derived(inner, True, node.alias, _alias_columns(node))
            return self.read(inner, lateral=True)
        sql = self.read(node)
        return f"({sql})" if node.args.get("joins") else sql

    def _read_table(self, node: exp.Table) -> str:
        refuse_other_parts(node, _TABLE_PARTS)
        query = self.compile_relation(node, None)
        alias = self.rows.context.new_alias()
        if query is not None:
            self._add(alias, node.alias or node.name, query.columns, _alias_columns(node))
            return f"({query.sql}) AS {alias}"
        parts = [part.name for part in node.parts]
        context = self.rows.context
        opened = context.finder.open_table(context, parts)
        qualifiers = opened.qualifiers if not node.alias else frozenset[str]()
        self._add(alias, node.alias or parts[-1], opened.columns, [], qualifiers=qualifiers)
        return f"{opened.sql} AS {alias}"

    def _read_view_function(self, called: exp.Anonymous, node: exp.Expr) -> str:
        """Read a ``sys`` view that is called: its rows for these arguments; ``node`` has its alias."""
        keys = TABLE_FUNCTIONS[called.name.lower()]
        context = self.rows.context
        opened = context.finder.open_table(context, ["sys", called.name])
        alias = context.new_alias()
        tests = [
            f"{quote_name(key)} = {convert_implicitly(self.rows.value(argument), INT).sql}"
            for key, argument in zip(keys, called.expressions, strict=True)
        ]
        self._add(alias, node.alias or called.name, opened.columns, _alias_columns(node))
        return f"LATERAL (SELECT * FROM {opened.sql} WHERE {' AND '.join(tests)}) AS {alias}"

    def _read_derived(
        self, node: exp.Expr, lateral: bool, alias_name: str = "", alias_columns: list[str] | None = None
    ) -> str:
        if isinstance(node.this, exp.Values):
            return self._read_values(node.this, node.alias or alias_name, _alias_columns(node))
        query = self.compile_relation(node.this, self.scope if lateral else self.scope.parent)
        if query is None:
            raise unsupported("this derived table")
        names = alias_columns or _alias_columns(node)
        for index, column in enumerate(query.columns, 1):
            if not column.name and not names:
                shown = node.alias or alias_name
                raise SqlServerError(8155, f"No column name was specified for column {index} of '{shown}'.")
        alias = self.rows.context.new_alias()
        self._add(alias, node.alias or alias_name, query.columns, names)
        return f"{'LATERAL ' if lateral else ''}({query.sql}) AS {alias}"

    def _read_values(self, node: exp.Expr, alias_name: str = "", names: list[str] | None = None) -> str:
        rows = [[self.rows.value(item) for item in row.expressions] for row in node.expressions]
        united = [unite(list(column)) for column in zip(*rows, strict=True)]
        texts = [
            "("
            + ", ".join(
                convert_implicitly(value, column.type).sql for value, column in zip(row, united, strict=True)
            )
            + ")"
            for row in rows
        ]
        alias = self.rows.context.new_alias()
        inner = ", ".join(f'"c{index}"' for index in range(1, len(united) + 1))
        columns = tuple(NamedValue("", value) for value in united)
        self._add(alias, node.alias or alias_name, columns, names or _alias_columns(node), numbered=True)
        return f"(VALUES {', '.join(texts)}) AS {alias}({inner})"

    def _add(
        self,
        alias: str,
        shown: str,
        columns: tuple[NamedValue, ...],
        names: list[str],
        *,
        qualifiers: frozenset[str] = frozenset(),
        numbered: bool = False,
    ) -> None:
        if any(
            source.alias.lower() == shown.lower() and source.qualifiers == qualifiers
            for source in self.scope.sources
        ):
            raise SqlServerError(
                1011 if shown else 1013,
                f"The correlation name '{shown}' is specified multiple times in a FROM clause.",
                severity=15,
            )
        renamed: list[NamedValue] = []
        for index, column in enumerate(columns):
            own = quote_name(f"c{index + 1}") if numbered else column.value.sql
            name = names[index] if index < len(names) else column.name
            renamed.append(NamedValue(name, column.value.with_sql(f"{alias}.{own}")))
        self.scope.sources.append(Source(shown, tuple(renamed), qualifiers))


def _is_view_function(schema: str, called: exp.Expr) -> bool:
    return schema.lower() == "sys" and called.name.lower() in TABLE_FUNCTIONS


def _alias_columns(node: exp.Expr) -> list[str]:
    alias = node.args.get("alias")
    return (
        [column.name for column in alias.args.get("columns") or ()]
        if isinstance(alias, exp.TableAlias)
        else []
    )
