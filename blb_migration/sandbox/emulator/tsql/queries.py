"""SELECT, set operations and CTEs: from sqlglot's tree to one DuckDB query and its typed columns.

Every compiled query names its columns ``c1``, ``c2``, ...; the names the client sees travel beside.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from sqlglot import exp

from blb_migration.sandbox.emulator.results import SqlServerError
from blb_migration.sandbox.emulator.tsql.arithmetic import unite
from blb_migration.sandbox.emulator.tsql.comparisons import sort_key
from blb_migration.sandbox.emulator.tsql.compiled import (
    CompiledQuery,
    distinct_rows,
    order_position,
    output_columns,
)
from blb_migration.sandbox.emulator.tsql.context import StatementContext
from blb_migration.sandbox.emulator.tsql.conversions import convert_implicitly
from blb_migration.sandbox.emulator.tsql.datatypes import BIGINT
from blb_migration.sandbox.emulator.tsql.expression_compiler import ExpressionCompiler
from blb_migration.sandbox.emulator.tsql.function_table import is_aggregate_call
from blb_migration.sandbox.emulator.tsql.row_sources import compile_sources, refuse_other_parts
from blb_migration.sandbox.emulator.tsql.scopes import NamedValue, Scope
from blb_migration.sandbox.emulator.tsql.server_errors import unsupported
from blb_migration.sandbox.emulator.tsql.typed import Typed

Ctes = Mapping[str, CompiledQuery]


@dataclass
class _Clauses:
    """The parts of one SELECT as they are compiled."""

    items: list[NamedValue] = field(default_factory=list)
    from_sql: str = ""
    where: str = ""
    group: str = ""
    having: str = ""


def compile_query(
    node: exp.Expr, context: StatementContext, parent: Scope | None = None, ctes: Ctes | None = None
) -> CompiledQuery:
    """Compile the whole query; raises SqlServerError for names, types and grammar that do not fit."""
    known: Ctes = ctes or {}
    with_clause = node.args.get("with_")
    if with_clause is not None:
        known = _add_ctes(with_clause, context, known)
    match node:
        case exp.Subquery():
            inner = compile_query(node.this, context, parent, known)
            outer_clauses = [key for key in ("order", "limit", "offset") if node.args.get(key)]
            if outer_clauses:
                raise unsupported("ORDER BY on a parenthesized query")
            return inner
        case exp.SetOperation():
            return _compile_set_operation(node, context, parent, known)
        case exp.Select():
            return _SelectCompiler(node, context, parent, known).compile()
        case exp.Values():
            raise unsupported("VALUES outside FROM")
    raise unsupported(f"a {node.key} query")


def _add_ctes(with_clause: exp.Expr, context: StatementContext, known: Ctes) -> Ctes:
    named = dict(known)
    for cte in with_clause.expressions:
        query = compile_query(cte.this, context, None, named)
        names = [column.name for column in cte.args["alias"].args.get("columns") or ()]
        if names and len(names) != len(query.columns):
            raise SqlServerError(
                8158 if len(names) < len(query.columns) else 8159,
                f"'{cte.alias}' has {'more' if len(names) < len(query.columns) else 'fewer'} columns than "
                "were "
                "specified in the column list.",
            )
        if names:
            renamed = tuple(
                replace(column, name=name) for column, name in zip(query.columns, names, strict=True)
            )
            query = CompiledQuery(query.sql, renamed)
        named[cte.alias.lower()] = query
    return named


_SELECT_PARTS = frozenset(
    [
        "with_",
        "expressions",
        "from_",
        "joins",
        "where",
        "group",
        "having",
        "order",
        "limit",
        "offset",
        "distinct",
        "options",
    ]
)


class _SelectCompiler:
    def __init__(self, node: exp.Select, context: StatementContext, parent: Scope | None, ctes: Ctes) -> None:
        self.node = node
        self.context = context
        self.scope = Scope(parent=parent)
        self.ctes = ctes
        self.rows = ExpressionCompiler(context, self.scope, self._compile_subquery)
        self.values = self.rows

    def _compile_subquery(
        self, node: exp.Expr, scope: Scope, context: StatementContext
    ) -> tuple[str, tuple[Typed, ...]]:
        query = compile_query(node, context, scope, self.ctes)
        return query.sql, tuple(column.value for column in query.columns)

    def compile(self) -> CompiledQuery:
        node, clauses = self.node, _Clauses()
        if node.args.get("into") is not None:
            raise unsupported("SELECT INTO")
        refuse_other_parts(node, _SELECT_PARTS)
        from_clause = node.args.get("from_")
        if from_clause is not None:
            sources = compile_sources(node, self.scope, self.rows, self._compile_relation)
            clauses.from_sql = f" FROM {sources}"
        elif node.args.get("joins"):
            raise unsupported("a join without FROM")
        where = node.args.get("where")
        if where is not None:
            clauses.where = f" WHERE {self.rows.predicate(where.this)}"
        self._compile_grouping(clauses)
        self._compile_items(clauses)
        having = node.args.get("having")
        if having is not None:
            clauses.having = f" HAVING {self.values.predicate(having.this)}"
        return self._assemble(clauses)

    def _compile_relation(self, node: exp.Expr, parent: Scope | None) -> CompiledQuery | None:
        """Compile a derived table, or a CTE by its name; None for any other table name."""
        if isinstance(node, exp.Table):
            if node.args.get("db") is not None:
                return None
            return self.ctes.get(node.name.lower())
        return compile_query(node, self.context, parent, self.ctes)

    def _compile_grouping(self, clauses: _Clauses) -> None:
        group = self.node.args.get("group")
        searched = [*self.node.expressions, self.node.args.get("having"), self.node.args.get("order")]
        has_aggregates = any(each is not None and _contains_aggregate(each) for each in searched)
        if group is None and not has_aggregates and self.node.args.get("having") is None:
            return
        groups: dict[str, Typed] = {}
        keys: list[str] = []
        if group is not None:
            if any(group.args.get(key) for key in ("rollup", "cube", "grouping_sets")):
                raise unsupported("GROUP BY with ROLLUP, CUBE or GROUPING SETS")
            for expression in group.expressions:
                value = self.rows.value(expression)
                if value.is_constant:
                    raise SqlServerError(
                        164,
                        "Each GROUP BY expression must contain at least one column that is not an outer "
                        "reference.",
                        severity=15,
                    )
                key = sort_key(value, self.context.collation)
                keys.append(key)
                groups[value.sql] = value if key == value.sql else value.with_sql(f"any_value({value.sql})")
            clauses.group = f" GROUP BY {', '.join(keys)}"
        self.values = ExpressionCompiler(self.context, self.scope, self._compile_subquery, groups)

    def _compile_items(self, clauses: _Clauses) -> None:
        for item in self.node.expressions:
            if isinstance(item, exp.Star) or (
                isinstance(item, exp.Column) and isinstance(item.this, exp.Star)
            ):
                qualifier = (
                    ".".join(part.name for part in item.parts[:-1]) if isinstance(item, exp.Column) else ""
                )
                starred = self.scope.star(qualifier or None)
                if not starred:
                    raise SqlServerError(263, "Must specify table to select from.")
                if self.values is not self.rows:
                    starred = [
                        NamedValue(each.name, self.values.value(exp.column(each.name, quoted=True)))
                        for each in starred
                    ]
                clauses.items.extend(starred)
                continue
            clauses.items.append(self._compile_item(item))

    def _compile_item(self, item: exp.Expr) -> NamedValue:
        if isinstance(item, exp.EQ) and isinstance(item.this, exp.Column) and not item.this.args.get("table"):
            return NamedValue(item.this.name, self.values.value(item.expression))
        if isinstance(item, exp.PropertyEQ):
            return NamedValue(item.this.name, self.values.value(item.expression))
        if isinstance(item, exp.Alias):
            return NamedValue(item.alias, self.values.value(item.this))
        value = self.values.value(item)
        is_column = isinstance(item, exp.Column) and not isinstance(item.this, exp.Star)
        inner = item.this if isinstance(item, exp.Collate) else item
        named = is_column or (isinstance(inner, exp.Column) and inner is not item)
        return NamedValue(inner.name if named else "", value)

    def _assemble(self, clauses: _Clauses) -> CompiledQuery:
        order = self.node.args.get("order")
        is_distinct = self.node.args.get("distinct") is not None
        columns = tuple(clauses.items)
        selected = ", ".join(f'{item.value.sql} AS "c{index}"' for index, item in enumerate(columns, 1))
        core = f"SELECT {selected}{clauses.from_sql}{clauses.where}{clauses.group}{clauses.having}"
        if is_distinct:
            core = distinct_rows(core, columns, self.context)
        keys = self._order_keys(order, columns, is_distinct) if order is not None else []
        limit, with_ties = self._limit(bool(keys))
        if with_ties:
            core += f" QUALIFY rank() OVER (ORDER BY {', '.join(keys)}) <= {with_ties}"
        if keys:
            core += f" ORDER BY {', '.join(keys)}"
        return CompiledQuery(core + limit, output_columns(columns))

    def _order_keys(self, order: exp.Expr, columns: Sequence[NamedValue], is_distinct: bool) -> list[str]:
        keys: list[str] = []
        for ordered in order.expressions:
            value = self._order_value(ordered.this, columns, is_distinct)
            if value is None:
                continue
            direction = "DESC NULLS LAST" if ordered.args.get("desc") else "ASC NULLS FIRST"
            keys.append(f"{sort_key(value, self.context.collation)} {direction}")
        return keys

    def _order_value(self, node: exp.Expr, columns: Sequence[NamedValue], is_distinct: bool) -> Typed | None:
        position = order_position(node, columns)
        if position is None and is_distinct:
            value = self.values.value(node)
            matches = [index for index, column in enumerate(columns) if column.value.sql == value.sql]
            if not matches:
                raise SqlServerError(
                    145,
                    "ORDER BY items must appear in the select list if SELECT DISTINCT is specified.",
                    severity=15,
                )
            position = matches[0]
        if position is not None:
            value = columns[position].value
            return value.with_sql(f'"c{position + 1}"') if is_distinct else value
        if (
            isinstance(node, exp.Subquery)
            and isinstance(node.this, exp.Select)
            and not node.this.args.get("from_")
        ):
            return None
        value = self.values.value(node)
        if value.is_constant:
            raise SqlServerError(
                408, "A constant expression was encountered in the ORDER BY list, position 1."
            )
        return value

    def _limit(self, is_ordered: bool) -> tuple[str, str]:
        limit, offset = self.node.args.get("limit"), self.node.args.get("offset")
        sql = ""
        if isinstance(limit, exp.Limit):
            count = convert_implicitly(self.rows.value(limit.expression), BIGINT).sql
            options = limit.args.get("limit_options")
            if options is not None and options.args.get("with_ties"):
                if not is_ordered:
                    raise SqlServerError(
                        1062,
                        "The TOP N WITH TIES clause is not allowed without a corresponding ORDER BY clause.",
                        severity=15,
                    )
                return "", count
            sql = (
                f" LIMIT ({count})%"
                if options is not None and options.args.get("percent")
                else f" LIMIT ({count})"
            )
        elif isinstance(limit, exp.Fetch):
            sql = f" LIMIT ({self.rows.value(limit.args['count']).sql})"
        if offset is not None:
            if not is_ordered:
                raise SqlServerError(102, f"Incorrect syntax near '{offset.expression.sql()}'.", severity=15)
            sql += f" OFFSET ({self.rows.value(offset.expression).sql})"
        return sql, ""


def _compile_set_operation(
    node: exp.SetOperation, context: StatementContext, parent: Scope | None, ctes: Ctes
) -> CompiledQuery:
    left = compile_query(node.this, context, parent, ctes)
    right = compile_query(node.expression, context, parent, ctes)
    if len(left.columns) != len(right.columns):
        raise SqlServerError(
            205,
            "All queries combined using a UNION, INTERSECT or EXCEPT operator must have an equal number of "
            "expressions in their target lists.",
        )
    pairs = zip(left.columns, right.columns, strict=True)
    columns = tuple(NamedValue(first.name, unite([first.value, second.value])) for first, second in pairs)
    sides = [_converted(side, columns, context) for side in (left, right)]
    if isinstance(node, exp.Union):
        sql = f"{sides[0]} UNION ALL {sides[1]}"
        if node.args.get("distinct"):
            sql = distinct_rows(sql, columns, context)
    else:
        tests = [
            f"{sort_key(column.value.with_sql(f'l.c{index}'), context.collation)} IS NOT DISTINCT FROM "
            f"{sort_key(column.value.with_sql(f'r.c{index}'), context.collation)}"
            for index, column in enumerate(columns, 1)
        ]
        negation = "NOT " if isinstance(node, exp.Except) else ""
        semi = (
            f"SELECT * FROM ({sides[0]}) AS l WHERE {negation}EXISTS (SELECT 1 FROM ({sides[1]}) AS r "
            f"WHERE {' AND '.join(tests)})"
        )
        sql = distinct_rows(semi, columns, context)
    result = tuple(
        replace(column, value=column.value.with_sql(f'"c{index}"')) for index, column in enumerate(columns, 1)
    )
    order = node.args.get("order")
    if order is not None:
        keys: list[str] = []
        for ordered in order.expressions:
            position = order_position(ordered.this, result)
            if position is None:
                raise SqlServerError(
                    104,
                    "ORDER BY items must appear in the select list if the statement contains a UNION, "
                    "INTERSECT or EXCEPT operator.",
                )
            direction = "DESC NULLS LAST" if ordered.args.get("desc") else "ASC NULLS FIRST"
            keys.append(f"{sort_key(result[position].value, context.collation)} {direction}")
        sql = f"SELECT * FROM ({sql}) AS u ORDER BY {', '.join(keys)}"
    if node.args.get("limit") is not None or node.args.get("offset") is not None:
        raise unsupported("OFFSET after a set operation")
    return CompiledQuery(sql, output_columns(result))


def _converted(query: CompiledQuery, columns: Sequence[NamedValue], context: StatementContext) -> str:
    alias = context.new_alias()
    values = [
        convert_implicitly(
            own.value.with_sql(f'{alias}."c{index}"') if not own.value.is_untyped_null else own.value,
            target.value.type,
        ).sql
        for index, (own, target) in enumerate(zip(query.columns, columns, strict=True), 1)
    ]
    selected = ", ".join(f'{value} AS "c{index}"' for index, value in enumerate(values, 1))
    return f"SELECT {selected} FROM ({query.sql}) AS {alias}"


def _contains_aggregate(node: exp.Expr) -> bool:
    """Whether the tree calls an aggregate outside OVER and outside subqueries."""
    if isinstance(node, (exp.Subquery, exp.Select, exp.SetOperation)):
        return False
    if isinstance(node, exp.Window):
        inner = node.this
        return any(_contains_aggregate(child) for child in inner.iter_expressions()) or any(
            _contains_aggregate(child) for child in node.iter_expressions() if child is not inner
        )
    if is_aggregate_call(node):
        return True
    return any(_contains_aggregate(child) for child in node.iter_expressions())
