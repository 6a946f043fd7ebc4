"""Expressions and conditions: from sqlglot's tree to typed DuckDB text.

One ``ExpressionCompiler`` serves one place of one SELECT: it knows the names in scope and, in a
grouped query, which expressions are grouping keys. Calls are looked up in ``function_table``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from decimal import Decimal

from sqlglot import exp

from blb_migration.model import ColumnType
from blb_migration.sandbox.emulator.results import SqlServerError
from blb_migration.sandbox.emulator.tsql import comparisons
from blb_migration.sandbox.emulator.tsql.arithmetic import binary_operation, stronger_type, unite
from blb_migration.sandbox.emulator.tsql.collation_rules import check_collation
from blb_migration.sandbox.emulator.tsql.context import StatementContext
from blb_migration.sandbox.emulator.tsql.conversions import convert, convert_implicitly, text_constant
from blb_migration.sandbox.emulator.tsql.datatypes import INT, MONEY, duckdb_type, family, is_text
from blb_migration.sandbox.emulator.tsql.function_table import call_function
from blb_migration.sandbox.emulator.tsql.methods import call_method
from blb_migration.sandbox.emulator.tsql.scopes import Scope
from blb_migration.sandbox.emulator.tsql.server_errors import syntax_error, unsupported
from blb_migration.sandbox.emulator.tsql.type_names import read_type
from blb_migration.sandbox.emulator.tsql.typed import Typed, quote_bytes

_OPERATORS = {exp.Add: "+", exp.Sub: "-", exp.Mul: "*", exp.Div: "/", exp.Mod: "%", exp.DPipe: "+"}
_BIT_OPERATORS = {exp.BitwiseAnd: "&", exp.BitwiseOr: "|", exp.BitwiseXor: "^"}
_BARE_FUNCTIONS = {
    "current_timestamp", "current_user", "session_user", "system_user", "user",
}  # fmt: skip
PREDICATES = (
    exp.And, exp.Or, exp.Not, exp.EQ, exp.NEQ, exp.GT, exp.GTE, exp.LT, exp.LTE, exp.Like, exp.Escape,
    exp.In, exp.Between, exp.Is, exp.Exists,
)  # fmt: skip

SubqueryCompiler = Callable[[exp.Expr, Scope, StatementContext], "tuple[str, tuple[Typed, ...]]"]


class ExpressionCompiler:
    """Compiles against one scope. ``groups`` maps the SQL of each grouping expression to the value
    that stands for it after grouping; None outside grouped queries."""

    def __init__(
        self,
        context: StatementContext,
        scope: Scope,
        compile_subquery: SubqueryCompiler,
        groups: Mapping[str, Typed] | None = None,
    ) -> None:
        self.context = context
        self.scope = scope
        self.compile_subquery = compile_subquery
        self.groups = groups

    def before_grouping(self) -> ExpressionCompiler:
        """Return the compiler for arguments of aggregates: single rows, no groups."""
        return ExpressionCompiler(self.context, self.scope, self.compile_subquery)

    def value(self, node: exp.Expr) -> Typed:  # noqa: PLR0911, PLR0912  # one kind of node each
        """Return a value; raises SqlServerError for what has no meaning or is not known."""
        if self.groups and not isinstance(node, (exp.Literal, exp.Null, exp.National)):
            grouped = self._grouped_value(node)
            if grouped is not None:
                return grouped
        match node:
            case exp.Paren():
                return self.value(node.this)
            case exp.Dot() if isinstance(node.expression, exp.Anonymous):
                return call_method(self, node)
            case exp.Column() | exp.Dot():
                return self._column(node)
            case exp.Literal():
                return self._literal(node)
            case exp.National():
                return text_constant(node.name, ColumnType("nvarchar", length=max(len(node.name), 1)))
            case exp.HexString():
                return _binary_literal(node.name)
            case exp.Null():
                return Typed("NULL", INT, is_constant=True, is_untyped_null=True)
            case exp.Neg():
                return self._negate(node)
            case exp.Parameter():
                return self._variable(node)
            case exp.Collate():
                return self._collate(node)
            case exp.Case():
                return self._case(node)
            case exp.Cast() | exp.TryCast() | exp.Convert():
                return self._cast(node)
            case exp.BitwiseNot():
                operand = self.value(node.this)
                sql = f"(NOT {operand.sql})" if operand.type.name == "bit" else f"(~{operand.sql})"
                return operand.derive(sql, operand.type)
            case exp.Subquery() | exp.Select() | exp.SetOperation():
                return self._scalar_subquery(node)
            case exp.AtTimeZone():
                return self.call("AT TIME ZONE", [node.this, node.args["zone"]], node)
            case exp.Window():
                return self.call("OVER", [node], node)
            case exp.Anonymous():
                return self.call(str(node.this), node.expressions, node)
            case exp.GroupConcat():
                return self.call("STRING_AGG", [node.this, node.args.get("separator")], node)
            case exp.Trim():
                return self.call("TRIM", [node.this, node.args.get("expression")], node)
        for operator_class, operator in _OPERATORS.items():
            if type(node) is operator_class:
                return binary_operation(operator, self.value(node.this), self.value(node.args["expression"]))
        for operator_class, operator in _BIT_OPERATORS.items():
            if type(node) is operator_class:
                return self._bit_operation(operator, node)
        if isinstance(node, PREDICATES):
            raise syntax_error(comparisons.OPERATORS.get(type(node), node.key))
        raise unsupported(f"{node.key} expression")

    def predicate(self, node: exp.Expr) -> str:  # noqa: PLR0911  # one kind of node each
        """Return a condition as DuckDB text; raises error 4145 for a value."""
        match node:
            case exp.Paren():
                return f"({self.predicate(node.this)})"
            case exp.And():
                return f"({self.predicate(node.this)} AND {self.predicate(node.expression)})"
            case exp.Or():
                return f"({self.predicate(node.this)} OR {self.predicate(node.expression)})"
            case exp.Not():
                return f"(NOT {self.predicate(node.this)})"
            case exp.Exists():
                sql, _ = self.compile_subquery(node.this, self.scope, self.context)
                return f"EXISTS ({sql})"
            case exp.Is():
                return self._is(node)
            case exp.Between():
                operand = self.value(node.this)
                low, high = (self.value(node.args[name]) for name in ("low", "high"))
                compare = comparisons.compare
                default = self.context.collation
                return f"({compare('>=', operand, low, default)} AND {compare('<=', operand, high, default)})"
            case exp.In():
                return self._in(node)
            case exp.Like() | exp.Escape():
                return self._like(node)
        for comparison, operator in comparisons.OPERATORS.items():
            if type(node) is comparison:
                if isinstance(node.expression, (exp.Any, exp.All)):
                    raise unsupported("a comparison with ANY or ALL")
                left, right = self.value(node.this), self.value(node.expression)
                return comparisons.compare(operator, left, right, self.context.collation)
        raise SqlServerError(
            4145,
            "An expression of non-boolean type specified in a context where a condition is expected, "
            f"near '{node.sql()[:40]}'.",
            severity=15,
        )

    def call(self, name: str, arguments: Sequence[exp.Expr | None], node: exp.Expr) -> Typed:
        """Return a function call; raises error 195 for an unknown name."""
        return call_function(self, name.upper(), [each for each in arguments if each is not None], node)

    def _grouped_value(self, node: exp.Expr) -> Typed | None:
        """Return the grouping value the node stands for; None if it is none."""
        if self.groups is None or isinstance(node, exp.Window):
            return None
        try:
            plain = self.before_grouping().value(node)
        except SqlServerError:
            return None
        if plain.sql in self.groups:
            return self.groups[plain.sql]
        return None

    def _column(self, node: exp.Expr) -> Typed:
        parts = [part.name for part in node.parts] if isinstance(node, exp.Column) else []
        if not parts:
            raise unsupported(f"'{node.sql()}'")
        name, qualifier = parts[-1], ".".join(parts[:-1]) or None
        if parts[0].startswith("$") and ".".join(parts)[1:].replace(".", "", 1).isdigit():
            return _number_literal(".".join(parts))  # money, which sqlglot takes for a name
        identifier = node.this
        is_quoted = bool(identifier.args.get("quoted")) if isinstance(identifier, exp.Identifier) else False
        if qualifier is None and not is_quoted and name.lower() in _BARE_FUNCTIONS:
            return self.call(name, [], node)
        found = self.scope.resolve(name, qualifier)
        if self.groups is not None and found.sql not in self.groups and self._is_local(found):
            shown = f"{qualifier}.{name}" if qualifier else name
            raise SqlServerError(
                8120,
                f"Column '{shown}' is invalid in the select list because it is not contained in either "
                "an aggregate function or the GROUP BY clause.",
            )
        return found

    def _is_local(self, value: Typed) -> bool:
        return any(column.value == value for source in self.scope.sources for column in source.columns)

    def _literal(self, node: exp.Literal) -> Typed:
        text = str(node.this)
        if node.is_string:
            return text_constant(text, ColumnType("varchar", length=max(len(text), 1)))
        return _number_literal(text)

    def _negate(self, node: exp.Neg) -> Typed:
        operand = self.value(node.this)
        if operand.is_constant and isinstance(operand.constant, (int, Decimal)):
            value = -operand.constant
            column_type = INT if isinstance(value, int) and -(2**31) <= value < 2**31 else operand.type
            return replace(operand, sql=f"(-{operand.sql})", constant=value, type=column_type)
        column_type = ColumnType("smallint") if operand.type.name == "tinyint" else operand.type
        if is_text(column_type) or column_type.name == "bit":
            raise SqlServerError(8117, f"Operand data type {column_type.name} is invalid for minus operator.")
        return operand.derive(f"(-{convert(operand, column_type).sql})", column_type)

    def _variable(self, node: exp.Parameter) -> Typed:
        inner = node.this
        if isinstance(inner, exp.Parameter):
            return self.call("@@" + inner.name, [], node)
        variable = self.context.variables.get("@" + node.name.lower())
        if variable is None:
            raise SqlServerError(
                137, f'Must declare the scalar variable "@{node.name}".', severity=15, state=2
            )
        return variable

    def _collate(self, node: exp.Collate) -> Typed:
        operand = self.value(node.this)
        collation = check_collation(node.expression.name)
        if not is_text(operand.type):
            raise SqlServerError(447, f"Expression type {operand.type.name} is invalid for COLLATE clause.")
        if collation.lower() == "database_default":
            collation = self.context.collation
        return replace(operand, collation=collation, has_explicit_collation=True)

    def _case(self, node: exp.Case) -> Typed:
        conditions: list[str] = []
        values: list[Typed] = []
        operand = self.value(node.this) if node.this is not None else None
        for branch in node.args["ifs"]:
            if operand is None:
                conditions.append(self.predicate(branch.this))
            else:
                compared = self.value(branch.this)
                conditions.append(comparisons.compare("=", operand, compared, self.context.collation))
            values.append(self.value(branch.args["true"]))
        default = node.args.get("default")
        values.append(
            self.value(default) if default is not None else Typed("NULL", INT, is_untyped_null=True)
        )
        return self.choose(conditions, values)

    def choose(self, conditions: Sequence[str], values: Sequence[Typed]) -> Typed:
        """CASE: one value more than conditions, all converted to the strongest of their types."""
        common = unite(values)
        branches = [convert_implicitly(each, common.type).sql for each in values]
        body = " ".join(f"WHEN {when} THEN {then}" for when, then in zip(conditions, branches, strict=False))
        return common.with_sql(f"CASE {body} ELSE {branches[-1]} END")

    def _cast(self, node: exp.Expr) -> Typed:
        if isinstance(node, exp.Convert):
            target, operand, style_node = node.this, node.expression, node.args.get("style")
            is_try = bool(node.args.get("safe"))
        else:
            target, operand, style_node = node.args["to"], node.this, None
            is_try = isinstance(node, exp.TryCast)
        style: int | None = None
        if style_node is not None:
            constant = self.value(style_node).constant
            if not isinstance(constant, int):
                raise unsupported("CONVERT with a style that is not constant")
            style = constant
        column_type = read_type(target, self.context.database, is_cast=True)
        converted = convert(self.value(operand), column_type, style, is_try)
        return replace(converted, nullable=converted.nullable or is_try, identity=False)

    def _bit_operation(self, operator: str, node: exp.Expr) -> Typed:
        left, right = self.value(node.this), self.value(node.args["expression"])
        target = stronger_type(left, right)
        if family(target) != "integer":
            raise SqlServerError(
                402,
                f"The data types {left.type.name} and {right.type.name} are incompatible in the "
                f"'{operator}' operator.",
            )
        if target.name == "bit":
            target_sql, cast = "UTINYINT", " <> 0"
        else:
            target_sql, cast = duckdb_type(target), ""
        first, second = (f"CAST({each.sql} AS {target_sql})" for each in (left, right))
        sql = f"xor({first}, {second})" if operator == "^" else f"({first} {operator} {second})"
        return Typed(f"({sql}{cast})", target, left.nullable or right.nullable)

    def _scalar_subquery(self, node: exp.Expr) -> Typed:
        query = node.this if isinstance(node, exp.Subquery) else node
        sql, values = self.compile_subquery(query, self.scope, self.context)
        if len(values) != 1:
            raise SqlServerError(
                116,
                "Only one expression can be specified in the select list when the subquery is not "
                "introduced with EXISTS.",
            )
        return replace(values[0].with_sql(f"({sql})"), nullable=True, identity=False)

    def _is(self, node: exp.Is) -> str:
        if isinstance(node.expression, exp.Not):
            return f"({self.value(node.this).sql} IS NOT NULL)"
        return f"({self.value(node.this).sql} IS NULL)"

    def _in(self, node: exp.In) -> str:
        operand = self.value(node.this)
        query = node.args.get("query")
        if query is not None:
            inner = query.this if isinstance(query, exp.Subquery) else query
            sql, values = self.compile_subquery(inner, self.scope, self.context)
            if len(values) != 1:
                raise SqlServerError(
                    116,
                    "Only one expression can be specified in the select list when the subquery is not "
                    "introduced with EXISTS.",
                )
            alias = self.context.new_alias()
            item = values[0].with_sql(f'{alias}."c1"')
            left, right = comparisons.comparable(operand, item, self.context.collation)
            return f"({left} IN (SELECT {right} FROM ({sql}) AS {alias}))"
        items = [self.value(each) for each in node.expressions]
        return (
            "("
            + " OR ".join(comparisons.compare("=", operand, each, self.context.collation) for each in items)
            + ")"
        )

    def _like(self, node: exp.Expr) -> str:
        escape: str | None = None
        if isinstance(node, exp.Escape):
            escape = str(self.value(node.expression).constant)
            node = node.this
        return comparisons.like(
            self.value(node.this), self.value(node.args["expression"]), escape, self.context.collation
        )


def _number_literal(text: str) -> Typed:
    if text.startswith(("$", "-$")):
        return Typed(f"CAST('{text.replace('$', '')}' AS DECIMAL(19,4))", MONEY, False)
    if "e" in text.lower():
        return Typed(
            f"CAST('{text}' AS DOUBLE)", ColumnType("float"), False, is_constant=True, constant=float(text)
        )
    if "." not in text:
        number = int(text)
        if number < 2**31:
            return Typed(f"{number}::INTEGER", INT, False, is_constant=True, constant=number)
        digits = ColumnType("numeric", precision=min(len(text), 38), scale=0)
        return Typed(
            f"CAST('{text}' AS {duckdb_type(digits)})", digits, False, is_constant=True, constant=number
        )
    whole, fraction = text.split(".")
    precision = max(len(whole.lstrip("0")) + len(fraction), 1)
    if precision > 38:
        raise SqlServerError(
            1007,
            f"The number '{text}' is out of the range for numeric representation (maximum precision 38).",
            severity=15,
        )
    digits = ColumnType("numeric", precision=precision, scale=len(fraction))
    sql = f"CAST('{text}' AS {duckdb_type(digits)})"
    return Typed(sql, digits, False, is_constant=True, constant=Decimal(text))


def _binary_literal(text: str) -> Typed:
    digits = text if len(text) % 2 == 0 else "0" + text
    value = bytes.fromhex(digits)
    column_type = ColumnType("varbinary", length=max(len(value), 1))
    return Typed(quote_bytes(value), column_type, False, is_constant=True, constant=value)
