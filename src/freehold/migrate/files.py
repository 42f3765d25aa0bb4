"""
Migration files: `0001_initial.sqlite.sql`, … in an application's `migrations/` folder.

A file is SQL that a person has reviewed. A line `-- freehold:statement` stands before each
statement, so that reading it back takes no SQL parser; `-- freehold:rebuild notes` and
`-- freehold:end` stand around the statements that make a table anew, so that `apply` can
count rows before and after. `-- freehold:seal users.token` stands for sealing every value of
a column, and `-- freehold:sealed users.token` says that a new one is, see `sealed`.
`-- freehold:nothing` says that nothing changes on this engine.
What was applied is known by its checksum, which is over the statements: comments and empty
lines may be edited freely. Which files the two engines need is decided in `pairs`.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path
from typing import Final

from freehold.errors import MigrationFailed, SchemaError, invariant
from freehold.migrate.postgres.lexing import statements as postgres_statements
from freehold.migrate.sqltext import complete_statements, tokens
from freehold.migrate.steps import Plan, Seal, SealColumn
from freehold.schema import DIALECTS, DialectName

_NAME = re.compile(r"(\d{4})_([a-z0-9_]+)\.([a-z]+)\.sql")
_MARK: Final = "-- freehold:"
_LEADING = re.compile(r"(?:\s+|--[^\n]*(?:\n|\Z)|/\*.*?(?:\*/|\Z))+", re.DOTALL)
_NUMBER_MAX: Final = 9999


@dataclass(frozen=True)
class Statement:
    """
    One statement of a migration.

    Args:
        sql: The text, without the closing semicolon.
        line: Where it stands in its file.
        rebuild: The table whose rebuild it is part of.
        seal: The column that is sealed; the text is empty then.
    """

    sql: str
    line: int = field(compare=False)
    rebuild: str | None = None
    seal: Seal | None = None


@dataclass(frozen=True)
class Migration:
    """
    A list of statements that are applied together; number 0 is one without a file.

    Args:
        sealed: What it says of columns without changing them: `("users.token", True)`.
    """

    number: int
    slug: str
    statements: tuple[Statement, ...]
    sealed: tuple[tuple[str, bool], ...] = ()

    @property
    def name(self) -> str:
        """`0001_initial`: how messages and the history call it."""
        return f"{self.number:04}_{self.slug}" if self.number else self.slug

    @property
    def rebuilds(self) -> tuple[str, ...]:
        """The tables it makes anew."""
        return tuple(dict.fromkeys(s.rebuild for s in self.statements if s.rebuild))

    @property
    def checksum(self) -> str:
        """What tells that an applied file was edited."""
        digest = hashlib.sha256()
        for statement in self.statements:
            sql = statement.sql.replace("\r\n", "\n")
            seal = f"seal {statement.seal}\0" if statement.seal else ""
            digest.update(f"{statement.rebuild or ''}\0{sql}\0{seal}".encode())
        return digest.hexdigest()

    @classmethod
    def of_plan(cls, plan: Plan, *, number: int, slug: str) -> Migration:
        """The plan's steps as a migration that needs no file."""
        statements = []
        for step in plan.steps:
            statements += [Statement(_canonical(sql), 0, step.rewritten) for sql in step.sql]
            if isinstance(step, SealColumn):
                statements.append(Statement("", 0, None, step.seal))
        return cls(number, slug, tuple(statements), plan.sealed)


def load(folder: Path, dialect: DialectName = "sqlite") -> list[Migration]:
    """
    The folder's migrations for one engine, in order; none when there is no folder.

    Raises:
        MigrationFailed: A number is missing or there twice, a name or a mark is not known,
            or a file says nothing.
    """
    found: dict[int, Path] = {}
    for path in sorted(folder.glob("*.sql")) if folder.is_dir() else ():
        match = _NAME.fullmatch(path.name)
        if match is None or match.group(3) not in DIALECTS:
            raise MigrationFailed(
                f"{path.name} is not the name of a migration.",
                hint="Names read 0002_what_it_does.sqlite.sql, in small letters.",
            )
        if match.group(3) != dialect:
            continue
        number = int(match.group(1))
        if number in found:
            raise MigrationFailed(
                f"{found[number].name} and {path.name} have the same number.",
                hint="Give the one that was applied nowhere yet the next free number.",
            )
        found[number] = path
    for expected, number in enumerate(sorted(found), start=1):
        if number != expected:
            raise MigrationFailed(
                f"Migration {expected:04} is missing: the next one is {found[number].name}.",
                hint="Bring the file back; numbers count up from 0001 without a gap.",
            )
    return [_read(found[number], dialect) for number in sorted(found)]


def write(folder: Path, plan: Plan, slug: str, *, number: int | None = None) -> Path:
    """
    Write the plan as a migration of its engine and say which file it is.

    Args:
        number: Left out, the folder's next one. With one, also a plan without steps is
            written: the other engine has that migration.

    Raises:
        SchemaError: The plan is refused or empty, or the slug has no letter or digit.
    """
    if plan.refusals:
        raise SchemaError(" ".join(str(refusal) for refusal in plan.refusals))
    if not plan.steps and number is None:
        raise SchemaError("There is nothing to migrate: the files already lead to the schema.")
    words = slug_of(slug)
    number = number or len(load(folder, plan.dialect)) + 1
    invariant(number <= _NUMBER_MAX, "migration numbers have four digits")
    path = folder / f"{number:04}_{words}.{plan.dialect}.sql"
    text = _render(path.name, plan)
    planned = Migration.of_plan(plan, number=number, slug=words)
    invariant(parse(path.name, text, plan.dialect) == planned.statements, "a plan reads back")
    invariant(_sealed(text) == planned.sealed, "a plan reads back")
    folder.mkdir(parents=True, exist_ok=True)
    with path.open("xb") as file:
        file.write(text.encode())
    return path


def slug_of(name: str) -> str:
    """
    The name as it stands in a file's name.

    Raises:
        SchemaError: It has no letter and no digit.
    """
    words = "_".join(re.findall(r"[a-z0-9]+", name.lower()))
    if not words:
        raise SchemaError(f"{name!r} is no name for a migration.", hint="Write what it does.")
    return words


def parse(name: str, text: str, dialect: DialectName) -> tuple[Statement, ...]:
    """
    The statements of a migration's text.

    Raises:
        MigrationFailed: A mark is not known or not closed, or there is no statement.
    """
    statements: list[Statement] = []
    rebuild: str | None = None
    is_nothing = False
    for mark, line, chunk in _chunks(text):
        verb, _, rest = mark.partition(" ")
        match verb:
            case "" | "statement":
                pass
            case "rebuild" if rebuild is None and rest:
                rebuild = rest
            case "end" if rebuild is not None:
                rebuild = None
            case "nothing" if not rest:
                is_nothing = True
            case "seal" if rebuild is None and (seal := Seal.read(rest)):
                statements.append(Statement("", line, None, seal))
            case "sealed" | "plain" if Seal.read(rest):
                pass
            case _:
                raise MigrationFailed(
                    f"{name}, line {line}: `{_MARK}{mark}` means nothing here.",
                    hint="Marks are statement, rebuild TABLE, end, nothing, seal, sealed and "
                    "plain TABLE.COLUMN.",
                )
        statements += _statements(chunk, line, rebuild, dialect)
    if rebuild is not None:
        raise MigrationFailed(
            f"{name}: the rebuild of {rebuild} is not closed.", hint=f"Write `{_MARK}end`."
        )
    if is_nothing and statements:
        raise MigrationFailed(
            f"{name} says `{_MARK}nothing` and holds statements.", hint="Take one of them away."
        )
    if not statements and not is_nothing:
        raise MigrationFailed(
            f"{name} holds no statement.",
            hint=f"Write what it should do, or `{_MARK}nothing`.",
        )
    return tuple(statements)


def _read(path: Path, dialect: DialectName) -> Migration:
    try:
        # As bytes: Python's newlines would change a text that holds one of its own.
        text = path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise MigrationFailed(
            f"{path.name} is not UTF-8 text: {error.reason} at byte {error.start}.",
            hint="Save it as UTF-8.",
        ) from None
    statements = parse(path.name, text, dialect)
    number, _, slug = path.name.split(".")[0].partition("_")
    return Migration(int(number), slug, statements, _sealed(text))


def _sealed(text: str) -> tuple[tuple[str, bool], ...]:
    """What a file says of columns without changing them."""
    marks = [mark.partition(" ") for mark, _, _ in _chunks(text)]
    return tuple(
        (rest.strip(), verb == "sealed") for verb, _, rest in marks if verb in ("sealed", "plain")
    )


def _chunks(text: str) -> Iterator[tuple[str, int, str]]:
    """Each mark with its line and the text up to the next one; the head of the file has none."""
    mark, start = "", 1
    lines: list[str] = []
    for number, line in enumerate(text.split("\n"), start=1):
        if line.startswith(_MARK):
            yield mark, start, "\n".join(lines)
            mark, start, lines = line[len(_MARK) :].strip(), number, [""]
        else:
            lines.append(line)
    yield mark, start, "\n".join(lines)


def _statements(
    chunk: str, line: int, rebuild: str | None, dialect: DialectName
) -> Iterator[Statement]:
    """A chunk by hand may hold several; only SQLite's own rule can tell for SQLite."""
    pieces: Iterable[tuple[int, str]] = (
        complete_statements(chunk) if dialect == "sqlite" else postgres_statements(chunk)
    )
    for offset, piece in pieces:
        head = _LEADING.match(piece)
        begin = head.end() if head else 0
        if all(token.text == ";" for token in tokens(piece)):
            continue
        at = line + chunk.count("\n", 0, offset + begin)
        yield Statement(_canonical(piece[begin:]), at, rebuild)


def _canonical(sql: str) -> str:
    return sql.strip().rstrip(";").rstrip()


def _render(name: str, plan: Plan) -> str:
    lines = [
        f"-- {name}",
        f"-- Written by freehold {_version()} from the schema. Review me: this runs as it stands,",
        "-- in one transaction with everything else that is waiting. Once applied anywhere, leave",
        "-- the statements as they are and write the next migration instead.",
        "--",
        *_sentences(plan.sentences),
    ]
    if not plan.steps:
        lines += ["-- Nothing changes on this engine.", "", f"{_MARK}nothing"]
    for step in plan.steps:
        lines += ["", f"{_MARK}seal {step.seal}"] if isinstance(step, SealColumn) else []
        is_rebuild = step.rewritten is not None
        lines += ["", f"{_MARK}rebuild {step.rewritten}"] if is_rebuild else []
        for sql in step.sql:
            lines += ["", f"{_MARK}statement", f"{_canonical(sql)};"]
        lines += ["", f"{_MARK}end"] if is_rebuild else []
    lines += [""] if plan.sealed else []
    lines += [f"{_MARK}{'sealed' if is_so else 'plain'} {name}" for name, is_so in plan.sealed]
    return "\n".join(lines) + "\n"


def _sentences(sentences: Sequence[str]) -> list[str]:
    one_line = (" ".join(sentence.split()) for sentence in sentences)
    return [f"-- {number}. {text}" for number, text in enumerate(one_line, start=1)]


def _version() -> str:
    try:
        return metadata.version("freehold")
    except metadata.PackageNotFoundError:
        return "from source"
