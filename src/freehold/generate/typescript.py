"""
Contract → one TypeScript module without a dependency: types, errors, a class per entrypoint.

What every such module has in common (errors, values on the wire, calls and their repetition,
bindings and transactions) is TypeScript itself, in `typescript_runtime/`, and is copied into
each of them. How types are written is `typescript_types`; text is `typescript_text`.
"""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from typing import Any, Final

from freehold.errors import CallError, call_errors
from freehold.generate.model import (
    Contract,
    Entrypoint,
    Error,
    Field,
    Method,
    Type,
    parents_first,
    read_contract,
)
from freehold.generate.names import check_names
from freehold.generate.python_types import can_be_none
from freehold.generate.typescript_text import (
    INDENT,
    WIDTH,
    bracketed,
    comment,
    literal,
    union_lines,
)
from freehold.generate.typescript_types import RESERVED, Names, Types, words_of

_RUNTIME: Final = Path(__file__).with_name("typescript_runtime")
#: What is public of the runtime, besides the library's errors.
_VALUES: Final = ("AnswerUnreadable", "CallError", "Step", "connect")
_PUBLIC_TYPES: Final = (
    "CallOptions", "ConnectOptions", "EpochMillis", "EpochSeconds", "Given", "Hashed", "Outcome",
    "Page", "Problem", "Ref", "Results", "Sealed",
)  # fmt: skip
#: What every error has; a part of that name gets an underscore behind it.
_ERROR_ATTRIBUTES: Final = frozenset(
    re.findall(
        r"\w+",
        """
        cause code constructor data detail hasOwnProperty hint isPrototypeOf message name outcome
        path propertyIsEnumerable retryAfterS retryable stack status toLocaleString toString valueOf
        """,
    )
)
_TRANSACTION_WORDS: Final = (
    "Several calls, all or nothing, in one commit and one request. The function only collects",
    "them: `step.ref` stands for a result, or a part of it, in the calls behind it. Resolves to",
    "the results of the steps that the function returns.",
)
#: What stands in generated code besides the runtime's own words.
_ALSO_USED: Final = frozenset(("Promise", "Record", "Uint8Array", "Map", "ReadonlyMap"))


def typescript_client(contract: dict[str, Any]) -> str:
    """
    The text of the client's module.

    Raises:
        ContractError: It is no contract, or one of its words cannot be a name.
    """
    read = read_contract(contract)
    check_names(read)
    return _Module(read).text()


@cache
def _runtime() -> str:
    """What all modules have in common; the library's errors are those of this very version."""
    parts = [
        _part("errors"),
        *("\n".join(_library_error(name)) for name in _library_errors()),
        *(_part(name) for name in ("problems", "values", "calls", "bindings")),
    ]
    return "\n\n".join(parts)


def _part(name: str) -> str:
    return (_RUNTIME / f"{name}.ts").read_text(encoding="utf-8").strip("\n")


def _library_errors() -> list[str]:
    """The library's errors by name, each after the one it extends."""
    ordered: dict[str, None] = {}
    known = call_errors()

    def add(name: str) -> None:
        if name != CallError.__name__:
            add(known[name].__bases__[0].__name__)
            ordered[name] = None

    for name in sorted(known):
        add(name)
    return list(ordered)


def _library_error(name: str) -> list[str]:
    kind = call_errors()[name]
    own = vars(kind)
    said = [f"error: {literal(name)}"]
    for each in ("code", "status", "retryable", "outcome"):
        said += [f"{each}: {literal(own[each])}"] if each in own else []
    return [
        *comment([kind.__doc__ or ""]),
        f"class {name} extends {kind.__bases__[0].__name__} {{",
        *_constructor(said, []),
        "}",
    ]


def _constructor(said: list[str], rest: list[str]) -> list[str]:
    return [
        f"{INDENT}constructor(problem: Problem) {{",
        f"{INDENT * 2}super({{ {', '.join([*said, '...problem'])} }});",
        *rest,
        f"{INDENT}}}",
    ]


class _Module:
    """One module on its way."""

    def __init__(self, contract: Contract) -> None:
        self._contract = contract
        own = words_of(_runtime()) | _ALSO_USED
        self._names = Names(contract, own)
        self._types = Types(contract, self._names)
        #: Declared under one name, exported under another.
        self._renamed: dict[bool, list[str]] = {True: [], False: []}

    def text(self) -> str:
        contract = self._contract
        interfaces = [
            block for name in sorted(contract.types)
            for block in self._interfaces(name, contract.types[name])
        ]  # fmt: skip
        errors = parents_first(contract)
        faces = []
        for name in sorted(contract.entrypoints):
            faces += self._entrypoint(name, contract.entrypoints[name])
        blocks = [
            self._header(),
            *interfaces,
            [_runtime()],
            *(self._error(name, contract.errors[name]) for name in errors),
            self._tables(errors),
            *faces,
            self._exports(),
        ]
        return "\n\n".join("\n".join(block) for block in blocks) + "\n"

    def _header(self) -> list[str]:
        return [
            f"// Generated by `freehold generate` from the contract {self._contract.hash}.",
            "// Do not edit: the next run overwrites it.",
            "// Regenerate with `freehold generate` when the contract has changed.",
            f"// The typed client of {self._contract.app}: its types, its errors, its methods.",
        ]

    def _declared(self, name: str, *, is_type: bool) -> tuple[str, str]:
        """`export ` or nothing, and the name inside the module."""
        local = self._names.local(name)
        if local == name:
            return "export ", name
        self._renamed[is_type].append(f"{local} as {name}")
        return "", local

    # -- types ----------------------------------------------------------------------------------

    def _interfaces(self, name: str, kind: Type) -> list[list[str]]:
        """The type as it is answered, and as it is sent where that is something else."""
        export, local = self._declared(name, is_type=True)
        is_sent = name in self._types.sent and name not in self._types.answered
        found = [self._interface(f"{export}interface {local}", kind, sent=is_sent)]
        twin = self._types.given.get(name)
        if twin is not None:
            lines = self._interface(f"export interface {twin}", kind, sent=True)
            doc = comment([f"`{name}` as it is handed over: what has a default may be left out."])
            found.append([*doc, *lines[lines.index(f"export interface {twin} {{") :]])
        return found

    def _interface(self, head: str, kind: Type, *, sent: bool) -> list[str]:
        fields = [
            line
            for each in kind.fields
            for line in union_lines(
                INDENT,
                f"{each.wire}{'?' if self._types.is_left_out(each, sent=sent) else ''}:",
                self._parts_of(each, sent=sent),
            )
        ]
        return [*comment([kind.doc or ""]), f"{head} {{", *fields, "}"]

    def _parts_of(self, each: Field, *, sent: bool) -> list[str]:
        if each.type.t in ("optional", "maybe", "union", "literal"):
            return self._types.members(each.type, sent=sent)
        return [self._types.text(each.type, sent=sent)]

    # -- errors ---------------------------------------------------------------------------------

    def _error(self, name: str, error: Error) -> list[str]:
        export, local = self._declared(name, is_type=False)
        base = error.extends if error.extends in call_errors() else self._names.local(error.extends)
        inherited = {each.wire for each in self._inherited(error)}
        fields, reads = [], []
        for each in error.fields:
            attribute = f"{each.wire}_" if each.wire in _ERROR_ATTRIBUTES else each.wire
            text = self._types.text(each.type, sent=False)
            if not each.required and not can_be_none(each.type):
                text += " | null"
            override = "override " if each.wire in inherited else ""
            fields.append(f"{INDENT}{override}readonly {attribute}: {text};")
            shape = self._types.shape(each.type)
            read = f"this._part({literal(each.wire)}, {shape}) as {text}"
            reads.append(f"{INDENT * 2}this.{attribute} = {read};")
        return [
            *comment([error.doc or ""]),
            f"{export}class {local} extends {base} {{",
            *([*fields, ""] if fields else []),
            *_constructor([f"error: {literal(name)}"], reads),
            "}",
        ]

    def _inherited(self, error: Error) -> list[Field]:
        parent = self._contract.errors.get(error.extends)
        return [] if parent is None else [*self._inherited(parent), *parent.fields]

    # -- tables that the runtime reads ----------------------------------------------------------

    def _tables(self, errors: list[str]) -> list[str]:
        library = _library_errors()
        kinds = [
            *(f"[{literal(name)}, {name}]" for name in library),
            *(f"[{literal(name)}, {self._names.local(name)}]" for name in errors),
        ]
        known = call_errors()
        codes = [
            f"[{literal(known[name].code)}, {name}]"
            for name in library
            if "code" in vars(known[name])
        ]
        types = [
            line
            for name in sorted(self._contract.types)
            for line in self._fields(INDENT, f"{name}: ", self._contract.types[name].fields)
        ]
        return [
            f"const _CONTRACT = {literal(self._contract.hash)};",
            *bracketed(
                "", "const _KINDS: ReadonlyMap<string, _Kind> = new Map<string, _Kind>(", kinds,
                brackets="[]", tail=");",
            ),
            *bracketed(
                "", "const _CODES: ReadonlyMap<string, _Kind> = new Map<string, _Kind>(", codes,
                brackets="[]", tail=");",
            ),
            "const _STRUCTS: { readonly [name: string]: _Fields } = {",
            *types,
            "} as const;",
        ]  # fmt: skip

    def _fields(self, indent: str, head: str, fields: list[Field]) -> list[str]:
        items = [f"{each.wire}: {self._shape(each)}" for each in fields]
        return bracketed(indent, head, items, brackets="{}", tail=",")

    def _shape(self, each: Field) -> str:
        return self._types.shape(each.type)

    # -- entrypoints ----------------------------------------------------------------------------

    def _entrypoint(self, name: str, entrypoint: Entrypoint) -> list[list[str]]:
        """The table of methods, the class of a transaction, and the binding itself."""
        export, local = self._declared(name, is_type=False)
        steps = self._names.fresh(f"{name}Transaction")
        table = f"_{name}Methods"
        methods = [entrypoint.methods[wire] for wire in sorted(entrypoint.methods)]
        wires = sorted(entrypoint.methods)
        listed = [
            line
            for wire, method in zip(wires, methods, strict=True)
            for line in self._method_entry(f"{name}.{wire}", wire, method)
        ]
        calls, collected = [], []
        for wire, method in zip(wires, methods, strict=True):
            calls += ["", *self._method(wire, method, table=table, in_transaction=False)]
            collected += ["", *self._method(wire, method, table=table, in_transaction=True)]
        doc = [f"The calls of `{name}` in one transaction; see `transaction` there."]
        blocks = [
            [f"const {table} = {{", *listed, "} as const satisfies Record<string, _Method>;"],
            [*comment(doc), f"export class {steps} extends _Steps {{", *collected[1:], "}"],
            [
                *comment([entrypoint.doc or ""]),
                f"{export}class {local} extends _Binding {{",
                *_transaction(steps),
                *calls,
                "}",
            ],
        ]
        return blocks if methods else blocks[1:]

    def _method_entry(self, full_name: str, wire: str, method: Method) -> list[str]:
        inner = INDENT * 2
        is_query = literal(method.kind == "query")
        return [
            f"{INDENT}{wire}: {{",
            f"{inner}name: {literal(full_name)},",
            f"{inner}isQuery: {is_query},",
            *self._fields(inner, "params: ", method.params),
            f"{inner}returns: {self._types.shape(method.returns)},",
            f"{INDENT}}},",
        ]

    def _method(
        self, wire: str, method: Method, *, table: str, in_transaction: bool
    ) -> list[str]:  # fmt: skip
        places = [each for each in method.params if each.required and not each.keyword]
        named = [each for each in method.params if each not in places]
        given = "given"
        while any(each.wire == given for each in method.params):
            given = f"_{given}"
        params = [f"{_variable(each)}: {self._param(each, in_transaction)}" for each in places]
        if named:
            params.append(self._named(given, named, in_transaction))
        args = [
            *(_pair(each.wire, _variable(each)) for each in places),
            *(f"{each.wire}: {given}.{each.wire}" for each in named),
        ]
        result = "void" if method.returns.t == "none" else ""
        result = result or self._types.text(method.returns, sent=False)
        wraps, call = ("Step", "_step") if in_transaction else ("Promise", "_call")
        head = f"return this.{call}({table}.{wire}, "
        lines = bracketed(INDENT * 2, head, args, brackets="{}", tail=");")
        return [
            *comment(self._words(method), INDENT),
            *bracketed(INDENT, wire, params, tail=f": {wraps}<{result}> {{"),
            *lines,
            f"{INDENT}}}",
        ]

    def _param(self, each: Field, in_transaction: bool) -> str:
        text = self._types.text(each.type, sent=True)
        return f"Given<{text}>" if in_transaction and text != "unknown" else text

    def _named(self, given: str, named: list[Field], in_transaction: bool) -> str:
        """The last parameter: what can be left out, and what must be given by its name."""
        parts = [
            f"{each.wire}{'' if each.required else '?'}: {self._param(each, in_transaction)}"
            for each in named
        ]
        default = "" if any(each.required for each in named) else " = {}"
        flat = f"{given}: {{ {'; '.join(parts)} }}{default}"
        if len(INDENT * 2 + flat) < WIDTH:
            return flat
        lines = [f"{INDENT * 3}{part};" for part in parts]
        return "\n".join([f"{given}: {{", *lines, f"{INDENT * 2}}}{default}"])

    def _words(self, method: Method) -> list[str]:
        said = [(method.doc or "").strip("\n")]
        told = [
            f"`{each.wire}` = {literal(each.default)}"
            for each in method.params
            if not each.required and isinstance(each.default, str | int | float)
        ]
        said += ["", f"Left out: {', '.join(told)}."] if told else []
        if method.errors:
            said += ["", *(self._throws(name) for name in sorted(method.errors))]
        return said

    def _throws(self, name: str) -> str:
        own = self._contract.errors.get(name)
        kind = call_errors().get(name)
        doc = (own.doc if own is not None else kind.__doc__ if kind is not None else "") or ""
        first = doc.strip().partition("\n")[0]
        return f"@throws {{{name}}} {first}".rstrip()

    def _exports(self) -> list[str]:
        own = self._names.exported
        values = [_exported(name, own) for name in sorted({*_VALUES, *_library_errors()})]
        types = [_exported(name, own) for name in _PUBLIC_TYPES]
        return [
            *bracketed("", "export ", values + self._renamed[False], brackets="{}", tail=";"),
            *bracketed("", "export type ", types + self._renamed[True], brackets="{}", tail=";"),
        ]


def _exported(name: str, own: set[str]) -> str:
    """A name of the runtime's; the contract's own come first."""
    return f"{name} as _{name}" if name in own else name


def _transaction(steps: str) -> list[str]:
    return [
        *comment(_TRANSACTION_WORDS, INDENT),
        f"{INDENT}transaction<const R extends _Wanted>(",
        f"{INDENT * 2}build: (t: {steps}) => R, options: CallOptions = {{}},",
        f"{INDENT}): Promise<Results<R>> {{",
        f"{INDENT * 2}return this.withOptions(options)._together(new {steps}(), build);",
        f"{INDENT}}}",
    ]


def _variable(each: Field) -> str:
    return f"_{each.wire}" if each.wire in RESERVED else each.wire


def _pair(wire: str, variable: str) -> str:
    return wire if wire == variable else f"{wire}: {variable}"
