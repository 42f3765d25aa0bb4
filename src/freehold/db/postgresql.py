"""
SQLAlchemy's PostgreSQL, made to say what SQLite says.

A statement is written once and must give the same rows, values and order on both engines.
Where the same words mean two things, this dialect writes other words: every parameter has a
type, text compares by code points, nulls come first, a division by zero is null, LIKE does
not tell ASCII capitals, `sum` and `avg` give numbers of the same Python type. What a value
may be is not here, see `affinity`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql.base import PGCompiler, PGDialect
from sqlalchemy.engine.interfaces import BindTyping
from sqlalchemy.sql import elements, functions, operators, visitors

from freehold.schema.sqltext import literal

_TEXT: Final = 'TEXT COLLATE "C"'
_FLOAT: Final = "DOUBLE PRECISION"
#: What a parameter is cast to, by the sort of its type; never narrower than SQLite's values.
_CASTS: Final[dict[Any, str]] = {
    sa.String: _TEXT,
    sa.Integer: "BIGINT",
    sa.Numeric: _FLOAT,
    sa.Float: _FLOAT,
    sa.LargeBinary: "BYTEA",
    sa.types._Binary: "BYTEA",
    sa.Boolean: "BOOLEAN",
}
#: Bits after the point that the two parts of a float hold, and 1 so often halved.
_HIGH: Final = 26
_LOW: Final = 62
_HALVED: Final = {bits: f"0.{5**bits:0{bits}}" for bits in (_HIGH, _HIGH + _LOW)}
_LONG: Final = 1_000
_NULLS: Final = (operators.nulls_first_op, operators.nulls_last_op)
#: Functions whose arguments at these places PostgreSQL takes as `integer` only.
_SMALL: Final[dict[str, tuple[int, ...]]] = {
    "lag": (1,), "lead": (1,), "nth_value": (1,), "ntile": (0,)
}  # fmt: skip


#: Functions that always make a number of one sort, and such as keep that of their arguments.
_MADE: Final = {
    "round": "real", "avg": "real", "total": "real", "length": "integer", "instr": "integer",
    "count": "integer", "row_number": "integer", "rank": "integer",
}  # fmt: skip
_KEPT: Final = ("abs", "coalesce", "ifnull", "max", "min", "sum")
_ARITHMETIC: Final = (
    operators.add, operators.sub, operators.mul, operators.mod, operators.floordiv
)  # fmt: skip


class _Compiler(PGCompiler):
    """Writes one statement."""

    # -- parameters and conditions ---------------------------------------------------------

    def render_bind_cast(self, type_: Any, dbapi_type: Any, sqltext: str) -> str:
        of_list: str | None = getattr(type_, "list_cast", None)
        return f"{sqltext}::{of_list or _CASTS[dbapi_type._type_affinity]}"

    def _generate_delimited_and_list(self, clauses: Any, **kw: Any) -> Any:
        conditions = [_condition(each) for each in clauses]
        return super()._generate_delimited_and_list(conditions, **kw)  # type: ignore[no-untyped-call]

    def visit_expression_clauselist(self, clauselist: Any, **kw: Any) -> Any:
        # BETWEEN has a list with AND too, of values.
        if isinstance(clauselist, elements.BooleanClauseList):
            clauselist = clauselist._clone()
            clauselist.clauses = [_condition(each) for each in clauselist.clauses]
        return super().visit_expression_clauselist(clauselist, **kw)  # type: ignore[no-untyped-call]

    def visit_unary(self, unary: Any, *args: Any, **kw: Any) -> Any:
        if unary.operator is operators.inv:
            unary = unary._clone()
            unary.element = _condition(unary.element)
        return super().visit_unary(unary, *args, **kw)  # type: ignore[no-untyped-call]

    def visit_case(self, clause: Any, **kw: Any) -> Any:
        if clause.value is None:
            clause = clause._clone()
            clause.whens = [(_condition(when), then) for when, then in clause.whens]
        return super().visit_case(clause, **kw)  # type: ignore[no-untyped-call]

    def visit_is__binary(self, binary: Any, operator: Any, **kw: Any) -> str:
        return self._is(binary, "{0} = {1} AND {0} IS NOT NULL", "{0} IS NOT DISTINCT FROM {1}", kw)

    def visit_is_not_binary(self, binary: Any, operator: Any, **kw: Any) -> str:
        return self._is(binary, "{0} <> {1} OR {0} IS NULL", "{0} IS DISTINCT FROM {1}", kw)

    def _is(self, binary: Any, known: str, unknown: str, kw: dict[str, Any]) -> str:
        """IS of SQLite: also of two values. Said so that an index can be used."""
        right = binary.right
        if isinstance(right, elements.Null):
            word = "IS" if binary.operator is operators.is_ else "IS NOT"
            return f"{self.process(binary.left, **kw)} {word} NULL"
        is_value = isinstance(right, (elements.True_, elements.False_)) or (
            isinstance(right, sa.BindParameter) and not right.required and right.value is not None
        )
        left = _number(binary.left)
        right = _number(right)
        parts = self.process(left, **kw), self.process(right, **kw)
        return f"({(known if is_value else unknown).format(*parts)})"

    def visit_eq_binary(self, binary: Any, operator: Any, **kw: Any) -> str:
        return self._compared(binary, " = ", kw)

    def visit_ne_binary(self, binary: Any, operator: Any, **kw: Any) -> str:
        return self._compared(binary, " != ", kw)

    def _compared(self, binary: Any, sign: str, kw: dict[str, Any]) -> str:
        """A truth is compared as the number that it is stored as."""
        if is_truth(binary.left) != is_truth(binary.right):
            binary = binary._clone()
            binary.left, binary.right = _number(binary.left), _number(binary.right)
        return str(self._generate_generic_binary(binary, sign, **kw))

    # -- order -----------------------------------------------------------------------------

    def order_by_clause(self, select: Any, **kw: Any) -> str:
        ordered = [_Ordered(each, select) for each in select._order_by_clauses]
        text = ", ".join(each._compiler_dispatch(self, **kw) for each in ordered)
        return f" ORDER BY {text}" if text else ""

    def visit_over(self, over: Any, **kw: Any) -> Any:
        inner = _function_of(over)
        if inner.name.lower() in _WRAPPED:
            return _WRAPPED[inner.name.lower()](self, over, inner, kw)
        return self._over(over, **kw)

    def _over(self, over: Any, **kw: Any) -> Any:
        if over.order_by is not None and len(over.order_by):
            select = self.stack[-1]["selectable"] if self.stack else None
            over = over._clone()
            over.order_by = over.order_by._clone()
            over.order_by.clauses = [_Ordered(each, select) for each in over.order_by.clauses]
        return super().visit_over(over, **kw)  # type: ignore[no-untyped-call]

    def visit_funcfilter(self, funcfilter: Any, **kw: Any) -> Any:
        inner = _function_of(funcfilter)
        if inner.name.lower() in _WRAPPED:
            return _WRAPPED[inner.name.lower()](self, funcfilter, inner, kw)
        return _around(self, funcfilter, self.process(funcfilter.func, **kw), kw)

    # -- text ------------------------------------------------------------------------------

    def visit_like_op_binary(self, binary: Any, operator: Any, **kw: Any) -> str:
        return self._like(binary, "LIKE", kw)

    def visit_not_like_op_binary(self, binary: Any, operator: Any, **kw: Any) -> str:
        return self._like(binary, "NOT LIKE", kw)

    visit_ilike_op_binary = visit_like_op_binary
    visit_not_ilike_op_binary = visit_not_like_op_binary

    def _like(self, binary: Any, word: str, kw: dict[str, Any]) -> str:
        # `lower` under the collation C folds ASCII letters only, which is what SQLite does.
        left, right = (self.process(_text(side), **kw) for side in (binary.left, binary.right))
        escape = literal(binary.modifiers.get("escape") or "")
        return f"lower({left}) {word} lower({right}) ESCAPE {escape}"

    def visit_ilike_case_insensitive_operand(self, element: Any, **kw: Any) -> Any:
        return element.element._compiler_dispatch(self, **kw)

    def visit_concat_op_binary(self, binary: Any, operator: Any, **kw: Any) -> str:
        binary = binary._clone()
        binary.left, binary.right = _text(binary.left), _text(binary.right)
        return str(self._generate_generic_binary(binary, " || ", **kw))

    def visit_concat_op_expression_clauselist(
        self, clauselist: Any, operator: Any, **kw: Any
    ) -> str:
        return " || ".join(self.process(_text(each), **kw) for each in clauselist.clauses)

    # -- upserts by statement --------------------------------------------------------------

    def visit_on_conflict_do_update(self, on_conflict: Any, **kw: Any) -> Any:
        return super().visit_on_conflict_do_update(_portable(on_conflict), **kw)  # type: ignore[no-untyped-call]

    def visit_on_conflict_do_nothing(self, on_conflict: Any, **kw: Any) -> Any:
        return super().visit_on_conflict_do_nothing(_portable(on_conflict), **kw)  # type: ignore[no-untyped-call]

    # -- numbers ---------------------------------------------------------------------------

    def visit_truediv_binary(self, binary: Any, operator: Any, **kw: Any) -> str:
        left, right = self.process(binary.left, **kw), self.process(binary.right, **kw)
        return f"CAST({left} AS {_FLOAT}) / NULLIF(CAST({right} AS {_FLOAT}), 0)"

    def visit_floordiv_binary(self, binary: Any, operator: Any, **kw: Any) -> str:
        left, right = self.process(binary.left, **kw), self.process(binary.right, **kw)
        whole = "real" not in (_sort(binary.left), _sort(binary.right))
        return f"{left} / NULLIF({right}, 0)" if whole else f"FLOOR({left} / NULLIF({right}, 0))"

    def visit_mod_binary(self, binary: Any, operator: Any, **kw: Any) -> str:
        left, right = self.process(binary.left, **kw), self.process(binary.right, **kw)
        return f"{left} % NULLIF({right}, 0)"

    def visit_cast(self, cast: Any, **kw: Any) -> str:
        wanted, inner = cast.typeclause.type._type_affinity, self.process(cast.clause, **kw)
        given = _affinity(cast.clause)
        if given is sa.Boolean and wanted is not sa.Boolean:
            inner = f"CAST({inner} AS INTEGER)"
        if wanted is sa.Integer and _sort(cast.clause) == "real":
            inner = f"trunc({inner})"
        name = _CASTS.get(wanted)
        if name is None:
            return str(super().visit_cast(cast, **kw))  # type: ignore[no-untyped-call]
        if wanted is sa.String:
            return f'(CAST({inner} AS TEXT) COLLATE "C")'
        return f"CAST({inner} AS {name})"

    # -- functions -------------------------------------------------------------------------

    def visit_function(self, func: Any, *args: Any, **kw: Any) -> str:
        small = _SMALL.get(func.name.lower())
        if small is None:
            return super().visit_function(func, *args, **kw)
        parts = [self.process(each, **kw) for each in func.clauses.clauses]
        for place in small:
            if place < len(parts):
                parts[place] = f"CAST({parts[place]} AS INTEGER)"
        return f"{func.name}({', '.join(parts)})"

    def visit_sum_func(self, func: Any, **kw: Any) -> str:
        return _sum(self, func, func, kw)

    def visit_total_func(self, func: Any, **kw: Any) -> str:
        return _total(self, func, func, kw)

    def visit_avg_func(self, func: Any, **kw: Any) -> str:
        return _avg(self, func, func, kw)

    def visit_max_func(self, func: Any, **kw: Any) -> str:
        return self._largest(func, "max", "greatest", kw)

    def visit_min_func(self, func: Any, **kw: Any) -> str:
        return self._largest(func, "min", "least", kw)

    def _largest(self, func: Any, over_rows: str, of_values: str, kw: dict[str, Any]) -> str:
        parts = [self.process(_number(each), **kw) for each in func.clauses.clauses]
        if len(parts) < 2:
            return f"{over_rows}({', '.join(parts)})"
        nulls = " OR ".join(f"{part} IS NULL" for part in parts)
        return f"CASE WHEN {nulls} THEN NULL ELSE {of_values}({', '.join(parts)}) END"

    def visit_round_func(self, func: Any, **kw: Any) -> str:
        value, *digits = [self.process(each, **kw) for each in func.clauses.clauses]
        places = f", CAST({digits[0]} AS INTEGER)" if digits else ""
        return f"CAST(round({_decimal(value)}{places}) AS {_FLOAT})"

    def visit_length_func(self, func: Any, **kw: Any) -> str:
        [value] = func.clauses.clauses
        is_blob = _affinity(value) in (sa.types._Binary, sa.LargeBinary)
        return f"CAST(length({self.process(value if is_blob else _text(value), **kw)}) AS BIGINT)"

    def visit_substr_func(self, func: Any, **kw: Any) -> str:
        value, start, *length = func.clauses.clauses
        text, at = self.process(_text(value), **kw), self.process(start, **kw)
        is_plain = isinstance(start, sa.BindParameter) and (start.value or -1) > 0
        if not is_plain:
            at = f"CASE WHEN {at} < 0 THEN length({text}) + {at} + 1 ELSE {at} END"
        parts = [text, f"CAST({at} AS INTEGER)"]
        parts += [f"CAST({self.process(each, **kw)} AS INTEGER)" for each in length]
        return f"substr({', '.join(parts)})"

    visit_substring_func = visit_substr_func

    def visit_instr_func(self, func: Any, **kw: Any) -> str:
        parts = ", ".join(self.process(_text(each), **kw) for each in func.clauses.clauses)
        return f"CAST(strpos({parts}) AS BIGINT)"

    def visit_ifnull_func(self, func: Any, **kw: Any) -> str:
        return f"coalesce({', '.join(self.process(each, **kw) for each in func.clauses.clauses)})"

    def visit_iif_func(self, func: Any, **kw: Any) -> str:
        when, then, *other = func.clauses.clauses
        return self.process(sa.case((when, then), else_=other[0] if other else None), **kw)

    def visit_group_concat_func(self, func: Any, **kw: Any) -> str:
        value, *between = func.clauses.clauses
        by = self.process(between[0], **kw) if between else "','"
        return f"string_agg({self.process(_text(value), **kw)}, {by})"

    def visit_json_group_array_func(self, func: Any, **kw: Any) -> str:
        [value] = func.clauses.clauses
        return f"coalesce(CAST(json_agg({self.process(value, **kw)}) AS TEXT), '[]')"


class _Type:
    """A type whose parameters are cast; which cast is said by `_Compiler`."""

    render_bind_cast = True


class _String(_Type, sa.String): ...


class _Integer(_Type, sa.Integer): ...


class _Float(_Type, sa.Float[Any]): ...


class _Bytes(_Type, sa.LargeBinary): ...


class _Boolean(_Type, sa.Boolean): ...


class Dialect(PGDialect):
    """Writes `$1` for a parameter, with its type."""

    supports_statement_cache = True
    statement_compiler = _Compiler
    bind_typing = BindTyping.RENDER_CASTS
    colspecs = {
        **PGDialect.colspecs,
        sa.String: _String,
        sa.Integer: _Integer,
        sa.Numeric: _Float,
        sa.Float: _Float,
        sa.LargeBinary: _Bytes,
        sa.Boolean: _Boolean,
    }

    def __init__(self) -> None:
        super().__init__(paramstyle="numeric_dollar")  # type: ignore[no-untyped-call]


class _Ordered:
    """One ORDER BY clause, with nulls where SQLite has them: as if smaller than all values."""

    def __init__(self, clause: Any, select: Any) -> None:
        self.clause = clause
        self.select = select

    def _compiler_dispatch(self, compiler: _Compiler, **kw: Any) -> str:
        text = str(self.clause._compiler_dispatch(compiler, **kw))
        descending, inner = False, self.clause
        while isinstance(inner, (elements._label_reference, elements.UnaryExpression)):
            if isinstance(inner, elements.UnaryExpression):
                if inner.modifier in _NULLS:
                    return text
                if inner.modifier is None:
                    break
                descending = descending or inner.modifier is operators.desc_op
            inner = inner.element
        if not _may_be_null(inner, self.select):
            return text
        return f"{text} NULLS {'LAST' if descending else 'FIRST'}"


def _may_be_null(inner: Any, select: Any) -> bool:
    """Whether the order needs to be told where nulls go; an index gives it without, else."""
    while isinstance(inner, sa.Label):
        inner = inner.element
    if isinstance(inner, functions.count):
        return False
    if not isinstance(inner, sa.Column) or inner.nullable:
        return True
    table = inner.table
    bare = table.element if isinstance(table, sa.Alias) else table
    return not isinstance(bare, sa.Table) or any(table is each for each in _outer(select))


def _outer(select: Any) -> list[Any]:
    """What an outer join of the statement may leave empty."""
    found: list[Any] = []
    froms = select.get_final_froms() if isinstance(select, sa.Select) else []
    waiting = [(part, False) for part in froms]
    while waiting:
        part, may_lack = waiting.pop()
        if isinstance(part, sa.Join):
            waiting.append((part.left, may_lack or part.full))
            waiting.append((part.right, may_lack or part.isouter or part.full))
        elif may_lack:
            found.append(part)
    return found


# -- aggregates: SQLite's types, and sums that do not depend on the order of the rows ----------


def _decimal(text: str) -> str:
    """
    A float as a decimal number: what is stored, to the last bit.

    PostgreSQL has no such cast (its own keeps 15 digits). What is so small, so large or so
    long in the text that it cannot be taken apart is the number that it is written as.
    """
    written = f"CAST(CAST({text} AS TEXT) AS NUMERIC)"
    if len(text) > _LONG:
        return written
    high = f"({text}) * {2**_HIGH}"
    low = f"({high} - trunc({high})) * CAST({2**_LOW} AS {_FLOAT})"
    return (
        f"CASE WHEN abs({text}) BETWEEN 1e-9 AND 6e10 "
        f"THEN CAST(trunc({high}) AS BIGINT) * {_HALVED[_HIGH]} "
        f"+ CAST(trunc({low}) AS BIGINT) * {_HALVED[_HIGH + _LOW]} ELSE {written} END"
    )


def _added(compiler: _Compiler, func: Any, kw: dict[str, Any]) -> tuple[str, str | None]:
    """What `sum` adds up, and what the sum is cast to; None when its sort is not known."""
    [argument] = func.clauses.clauses
    distinct = ""
    if isinstance(argument, elements.UnaryExpression) and (
        argument.operator is operators.distinct_op
    ):
        distinct, argument = "DISTINCT ", argument.element
    text = compiler.process(_number(argument), **kw)
    sort = _sort(argument)
    if sort == "real":
        return distinct + _decimal(text), _FLOAT
    return distinct + text, "BIGINT" if sort == "integer" else None


def _around(compiler: _Compiler, whole: Any, text: str, kw: dict[str, Any]) -> str:
    """The text of an aggregate with the FILTER and the OVER that stand around it."""
    if isinstance(whole, elements.Over):
        over = whole._clone()
        over.element = _Said(_around(compiler, whole.element, text, kw))  # type: ignore[assignment]
        return str(compiler._over(over, **kw))
    if isinstance(whole, elements.FunctionFilter):
        condition = compiler.process(_condition(whole.criterion), **kw)
        return f"{text} FILTER (WHERE {condition})"
    return text


class _Said:
    """SQL that is written already."""

    def __init__(self, text: str) -> None:
        self.text = text

    def _compiler_dispatch(self, compiler: _Compiler, **kw: Any) -> str:
        return self.text


def _sum(compiler: _Compiler, whole: Any, func: Any, kw: dict[str, Any]) -> str:
    added, made = _added(compiler, func, kw)
    text = _around(compiler, whole, f"sum({added})", kw)
    return text if made is None else f"CAST({text} AS {made})"


def _total(compiler: _Compiler, whole: Any, func: Any, kw: dict[str, Any]) -> str:
    added, _ = _added(compiler, func, kw)
    return f"coalesce(CAST({_around(compiler, whole, f'sum({added})', kw)} AS {_FLOAT}), 0)"


def _avg(compiler: _Compiler, whole: Any, func: Any, kw: dict[str, Any]) -> str:
    added, _ = _added(compiler, func, kw)
    total = _around(compiler, whole, f"sum({added})", kw)
    count = _around(compiler, whole, f"count({added})", kw)
    return f"(CAST({total} AS {_FLOAT}) / NULLIF({count}, 0))"


_WRAPPED: Final[dict[str, Callable[[_Compiler, Any, Any, dict[str, Any]], str]]] = {
    "sum": _sum, "total": _total, "avg": _avg
}  # fmt: skip


def _function_of(whole: Any) -> Any:
    """The function inside OVER and FILTER."""
    while isinstance(whole, (elements.Over, elements.FunctionFilter)):
        whole = whole.element if isinstance(whole, elements.Over) else whole.func
    return whole


# -- sorts of expressions ----------------------------------------------------------------------


def _affinity(expression: Any) -> Any:
    return expression.type._type_affinity


def is_truth(expression: Any) -> bool:
    """Whether it is true or false; SQLAlchemy gives some comparisons no type."""
    while isinstance(expression, (sa.Label, elements.Grouping)):
        expression = expression.element
    operator = getattr(expression, "operator", None)
    if operator is operators.inv or (operator is not None and operators.is_comparison(operator)):
        return True
    return _affinity(expression) is sa.Boolean


def _sort(expression: Any) -> str | None:
    """
    Whether a number is `integer` or `real`; None when nobody knows.

    SQLAlchemy calls a quotient of whole numbers whole, and most functions nothing at all.
    """
    while isinstance(expression, (sa.Label, elements.Grouping)):
        expression = expression.element
    if isinstance(expression, functions.FunctionElement):
        name = str(getattr(expression, "name", "")).lower()
        if name in _MADE:
            return _MADE[name]
        if name in _KEPT:
            return _joined([_sort(each) for each in expression.clauses])
    if isinstance(expression, sa.BinaryExpression):
        if expression.operator is operators.truediv:
            return "real"
        if expression.operator in _ARITHMETIC:
            return _joined([_sort(expression.left), _sort(expression.right)])
    if isinstance(expression, elements.UnaryExpression) and expression.operator is operators.neg:
        return _sort(expression.element)
    if isinstance(expression, sa.Case):
        results = [result for _, result in expression.whens]
        return _joined([_sort(each) for each in (*results, expression.else_) if each is not None])
    affinity = _affinity(expression)
    if is_truth(expression) or affinity is sa.Integer:
        return "integer"
    return "real" if affinity in (sa.Numeric, sa.Float) else None


def _joined(sorts: list[str | None]) -> str | None:
    if "real" in sorts:
        return "real"
    return None if None in sorts else "integer"


def _number(expression: Any) -> Any:
    """A truth as 1 and 0; anything else as it is."""
    if isinstance(expression, elements.True_):
        return sa.literal_column("1", sa.Integer())
    if isinstance(expression, elements.False_):
        return sa.literal_column("0", sa.Integer())
    return sa.cast(expression, sa.Integer()) if is_truth(expression) else expression


def _portable(on_conflict: Any) -> Any:
    """SQLite's clause of that name, which says the same and knows no names of constraints."""
    if not hasattr(on_conflict, "constraint_target"):
        on_conflict = on_conflict._clone()
        on_conflict.constraint_target = None
    return on_conflict


def _condition(expression: Any) -> Any:
    """A number as a condition: whether it is not 0."""
    if _affinity(expression) in (sa.Integer, sa.Numeric, sa.Float):
        zero = sa.literal_column("0", sa.Integer())
        made: Any = elements.BinaryExpression(
            expression, zero, operators.ne, type_=sa.Boolean()
        ).self_group(operators.and_)
        return made
    return expression


def _text(expression: Any) -> Any:
    """A number as text; anything else as it is."""
    if _affinity(expression) in (sa.Integer, sa.Numeric, sa.Float, sa.Boolean):
        return sa.cast(expression, sa.Text())
    return expression


def retyped(core: Any, types: dict[str, Any]) -> Any:
    """
    The statement with these parameters under other types.

    Args:
        core: The statement.
        types: The type of each parameter by its name; None makes a NULL of it.
    """

    def replace(element: Any, **_: Any) -> Any:
        if isinstance(element, sa.BindParameter) and element.required and element.key in types:
            type_ = types[element.key]
            if type_ is None:
                return sa.null()
            return sa.bindparam(element.key, required=True, type_=type_)
        return None

    return visitors.replacement_traverse(core, {}, replace)
