"""
What the reference can be made of the code alone: commands, errors, limits, handles, names.

Each function gives the Markdown between `<!-- generated: its name -->` and `<!-- end -->` of a
reference page. `regenerate` writes it there, a test compares it.
"""

from __future__ import annotations

import dataclasses
import importlib
import inspect
import pkgutil
import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import typer

import freehold
from freehold import cli, db, errors
from freehold.db.statements import Change, Select, Statement
from freehold.guard import RULES
from freehold.testing import databases
from freehold.wire import limits as limits_module
from freehold.wire.limits import Limits
from tests.docs.pages import ROOT
from tests.docs.promises import attacks, promises

SRC: Final = ROOT / "src" / "freehold"
_MARK: Final = re.compile(
    r"^(<!-- generated: (\w+) -->\n)(?:.*?\n)??(<!-- end -->)$", re.DOTALL | re.MULTILINE
)
_REASON: Final = re.compile(r"((?:^ +#: .*\n)+)^ +(\w+): (?:int|float) = ", re.MULTILINE)
_RICH: Final = re.compile(r"\[/?\w*\]")

_STARS: Final[dict[Any, str]] = {
    inspect.Parameter.VAR_POSITIONAL: "*",
    inspect.Parameter.VAR_KEYWORD: "**",
}
#: Names that are values or aliases, and so have no docstring of their own.
_SAID: Final = {
    "AUTO": "The default of a field that the insert fills in: a time, a counted key.",
    "UNSET": "A field of a `Patch` that was left out: it stays as it is.",
    "Maybe": "`Maybe[T]`: a field of a `Patch` that may be left out.",
    "CreatedAt": "Epoch seconds, set by the insert.",
    "CreatedAtMs": "Epoch milliseconds, set by the insert.",
    "UpdatedAt": "Epoch seconds, set by the insert and by each update.",
    "UpdatedAtMs": "Epoch milliseconds, set by the insert and by each update.",
    "EpochSeconds": "A time in epoch seconds.",
    "EpochMillis": "A time in epoch milliseconds.",
}


def with_generated(text: str) -> str:
    """A page with its generated stretches as the code has them now."""
    return _MARK.sub(lambda m: f"{m[1]}{GENERATED[m[2]]()}\n{m[3]}", text)


def generated_names(text: str) -> list[str]:
    """Which stretches a page has."""
    return [found[2] for found in _MARK.finditer(text)]


# -- commands -----------------------------------------------------------------------------


def leaf_commands() -> Iterator[tuple[str, Any]]:
    """Every command that does something, by its full name."""
    yield from _leaves("freehold", typer.main.get_command(cli.app))


def _leaves(name: str, command: Any) -> Iterator[tuple[str, Any]]:
    inner = getattr(command, "commands", None)
    if inner is None:
        yield name, command
        return
    for word, each in inner.items():
        yield from _leaves(f"{name} {word}", each)


def commands() -> str:
    """A section for each command."""
    return "\n\n".join(_command(name, command) for name, command in leaf_commands())


def _command(name: str, command: Any) -> str:
    options = [p for p in command.params if p.opts[0].startswith("-")]
    arguments = [p for p in command.params if not p.opts[0].startswith("-")]
    usage = " ".join([name, *map(_argument, arguments), *(["[OPTIONS]"] if options else [])])
    parts = [f"### {name}", f"`{usage}`", _help(command.help)]
    rows = [(_spelling(p), _default(p), _cell(p.help or "")) for p in [*arguments, *options]]
    if rows:
        parts.append(table(("argument or option", "default", "what it says"), rows))
    return "\n\n".join(parts)


def _argument(parameter: Any) -> str:
    word = (getattr(parameter, "metavar", None) or parameter.name.upper()).strip("[]")
    word += "…" if parameter.nargs == -1 else ""
    return word if parameter.required else f"[{word}]"


def _spelling(parameter: Any) -> str:
    if not parameter.opts[0].startswith("-"):
        return f"`{_argument(parameter)}`"
    return ", ".join(f"`{word}`" for word in (*parameter.opts, *parameter.secondary_opts))


def _default(parameter: Any) -> str:
    notes = []
    if parameter.required:
        notes.append("must be given")
    elif getattr(parameter, "is_flag", False):
        notes.append("on" if parameter.default else "off")
    elif parameter.default is not None:
        notes.append(f"`{parameter.default}`")
    if getattr(parameter, "multiple", False):
        notes.append("as often as needed")
    if getattr(parameter, "envvar", None):
        notes.append(f"`{parameter.envvar}`")
    return ", ".join(notes)


def _help(text: str) -> str:
    """A command's help; its examples as code."""
    paragraphs = []
    for paragraph in inspect.cleandoc(text).split("\n\n"):
        plain = _RICH.sub("", " ".join(paragraph.split()))
        shown = re.match(r"Example: (freehold.*?)((?: in CI)?\.?)$", plain)
        paragraphs.append(f"Example{shown[2].rstrip('.')}: `{shown[1]}`" if shown else plain)
    return "\n\n".join(paragraphs)


# -- errors -------------------------------------------------------------------------------


def all_errors() -> list[type[errors.FreeholdError]]:
    """Every error of the library, parents before children."""
    for module in pkgutil.walk_packages([str(SRC)], "freehold."):
        if not module.name.endswith("__main__"):
            importlib.import_module(module.name)
    found: list[type[errors.FreeholdError]] = []

    def visit(kind: type[errors.FreeholdError]) -> None:
        if kind.__module__.partition(".")[0] == "freehold" and kind not in found:
            found.append(kind)
        # The root's own in the order of its file; then room by room, whichever came first.
        rooms = {child: child.__module__ for child in kind.__subclasses__()}
        for child in sorted(rooms, key=lambda c: "" if rooms[c] == errors.__name__ else rooms[c]):
            visit(child)

    visit(errors.FreeholdError)
    return found


def call_errors() -> str:
    """What a call can end with."""
    return _call_table(lambda kind: kind.__module__ == errors.__name__)


def server_errors() -> str:
    """The same, as only a server says them."""
    return _call_table(lambda kind: kind.__module__.startswith("freehold.server"))


def client_errors() -> str:
    """The same, as only a client says them."""
    return _call_table(lambda kind: kind.__module__.startswith("freehold.client"))


def _call_table(wanted: Callable[[type], bool]) -> str:
    rows = [
        (
            f"`{kind.__name__}`",
            f"`{kind.code}`",
            str(kind.status),
            "yes" if kind.retryable else "no",
            kind.outcome,
            _summary(kind),
        )
        for kind in all_errors()
        if issubclass(kind, errors.CallError) and kind is not errors.CallError and wanted(kind)
    ]
    return table(("error", "code", "status", "retryable", "outcome", "when"), rows)


def start_errors() -> str:
    """Why a process does not start, with its exit code."""
    rows = [
        (f"`{kind.__name__}`", str(kind.exit_code), _summary(kind))
        for kind in all_errors()
        if issubclass(kind, errors.StartError)
    ]
    return table(("error", "exit code", "when"), rows)


def authoring_errors() -> str:
    """Mistakes in an application's code, and defects."""
    travel = (errors.CallError, errors.StartError)
    rows = [
        (f"`{kind.__name__}`", _summary(kind))
        for kind in all_errors()
        if not issubclass(kind, travel) and kind is not errors.FreeholdError
    ]
    return table(("error", "when"), rows)


# -- limits -------------------------------------------------------------------------------


def limits() -> str:
    """Every limit with its default and its reason."""
    source = Path(limits_module.__file__).read_text()
    reasons = {m[2]: " ".join(re.findall(r"#: (.*)", m[1])) for m in _REASON.finditer(source)}
    rows = [
        (
            f"`{field.name}`",
            _number(field.name, field.default),
            _cell(reasons[field.name]),
            _is_used(field.name),
        )
        for field in dataclasses.fields(Limits)
    ]
    return table(("limit", "default", "reason", "in force"), rows)


def _number(name: str, value: Any) -> str:
    for size, unit in ((1024**2, "MiB"), (1024, "KiB")):
        if "_bytes_" in name and value >= size and value % size == 0:
            return f"{value} ({value // size} {unit})"
    return f"{value:g}" if isinstance(value, float) else str(value)


def _is_used(name: str) -> str:
    """Whether any room asks for the limit; one that none asks for is a promise, and says so."""
    asks = re.compile(rf"\.{name}\b")
    used = any(
        asks.search(path.read_text()) for path in SRC.rglob("*.py") if path.name != "limits.py"
    )
    return "yes" if used else "not yet"


# -- handles and names --------------------------------------------------------------------


def reader_methods() -> str:
    """What `Reader` has."""
    return _methods("db", db.Reader)


def writer_methods() -> str:
    """What `Writer` has beyond `Reader`."""
    return _methods("db", db.Writer)


def caller_methods() -> str:
    """What `db.caller` has."""
    fields = [f.name for f in dataclasses.fields(db.Caller) if not f.name.startswith("_")]
    said = dict(re.findall(r"^    (\w+): (.*)$", inspect.getdoc(db.Caller) or "", re.MULTILINE))
    rows = [(f"`db.caller.{name}`", _cell(said[name])) for name in fields]
    return table(("attribute", "what it is"), rows)


def statement_methods() -> str:
    """What statements have, and what makes them."""
    makers: list[Any] = [db.select, db.update, db.delete, db.statement, db.param, db.any_of]
    rows = [(_call(maker.__name__, maker), _summary(maker)) for maker in makers]
    for word, kind in (("select(…)", Select), ("update(…)", Change), ("", Statement)):
        rows += _method_rows(word, kind, ("where", "where_given", "order_by", "orders", "limit",
                                          "join", "group_by", "values", "returning_record",
                                          "returning"))  # fmt: skip
    return table(("call", "what it does"), rows)


def testing_names() -> str:
    """What tests begin with."""
    makers: list[Any] = [databases.memory_database, databases.file_database]
    rows = [(_call(maker.__name__, maker), _summary(maker)) for maker in makers]
    rows += _method_rows("database", databases.TestDatabase, ("write", "read"))
    return table(("call", "what it does"), rows)


def public_names() -> str:
    """Everything that `from freehold import …` gives."""
    rows = []
    for name in freehold.__all__:
        value = getattr(freehold, name)
        said = _SAID.get(name) or _summary(value)
        rows.append((f"`{name}`", said))
    return table(("name", "what it is"), rows)


def _methods(word: str, kind: type) -> str:
    names = [name for name in vars(kind) if not name.startswith("_")]
    return table(("call", "what it does"), _method_rows(word, kind, names))


def _method_rows(word: str, kind: type, names: Sequence[str]) -> list[tuple[str, str]]:
    rows = []
    for name in names:
        value = vars(kind).get(name)
        if isinstance(value, property):
            rows.append((f"`{word}.{name}`", _summary(value)))
        elif inspect.isfunction(value):
            rows.append((_call(f"{word}.{name}", value), _summary(value)))
    return rows


def _call(name: str, function: Any) -> str:
    """The call as one writes it: names and defaults, no types."""
    parts, has_star = [], False
    for each in inspect.signature(function).parameters.values():
        if each.name == "self":
            continue
        if each.kind is each.KEYWORD_ONLY and not has_star:
            parts.append("*")
            has_star = True
        stars = _STARS.get(each.kind, "")
        has_star = has_star or stars == "*"
        default = "" if each.default is each.empty else f"={_written(each.default)}"
        parts.append(f"{stars}{each.name}{default}")
    return f"`{name}({', '.join(parts)})`"


def _written(value: Any) -> str:
    """A default as one writes it; a value that cannot be written is three dots."""
    plain = value is None or isinstance(value, (str, int, float, bool, tuple))
    return repr(value) if plain else "…"


# -- Markdown -----------------------------------------------------------------------------


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _summary(thing: Any) -> str:
    """The first paragraph of a docstring, on one line."""
    return _cell((inspect.getdoc(thing) or "").split("\n\n")[0])


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", r"\|")


def guard_rules() -> str:
    """What the guard looks for."""
    rows = [
        (f"`{rule.id}`", rule.level, _cell(rule.finds), _cell(f"{rule.why} {rule.next_step}"))
        for rule in RULES.values()
    ]
    return table(("rule", "level", "finds", "why, and the next step"), rows)


GENERATED: Final[dict[str, Callable[[], str]]] = {
    function.__name__: function
    for function in (
        commands, call_errors, server_errors, client_errors, start_errors, authoring_errors,
        limits, reader_methods, writer_methods, caller_methods, statement_methods, testing_names,
        public_names, promises, attacks, guard_rules,
    )
}  # fmt: skip
