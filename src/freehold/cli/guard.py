"""
`freehold guard`: proof that nobody but the data layer opens the database, or the places.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
from rich.text import Text

import freehold
from freehold.cli.console import OUT, TALK, refuse, say, show_json
from freehold.cli.finding import (
    DEFAULT_FOLDER,
    AppOption,
    DatabaseOption,
    FolderOption,
    JsonOption,
)
from freehold.errors import FreeholdError

if TYPE_CHECKING:
    from freehold.guard import Finding, Report, Settings
    from freehold.guard.look import Progress as Told

#: What could not be looked at, or was said wrongly.
CANNOT_TELL: Final = 2
#: A bar for fewer files would be gone before it is seen.
_BAR_FROM: Final = 300
#: Places in one file that are shown to people.
_SHOWN_MAX: Final = 20
_RUNTIME: Final = "--running"


def guard(
    folder: Annotated[
        Path, typer.Argument(metavar="[FOLDER]", help="A repository, or a folder in it.")
    ] = Path("."),
    config: Annotated[
        Path | None,
        typer.Option("--config", help="Default: freehold-guard.toml, then pyproject.toml."),
    ] = None,
    baseline: Annotated[
        Path | None, typer.Option("--baseline", help="Places that are known do not count.")
    ] = None,
    new_baseline: Annotated[
        Path | None,
        typer.Option(
            "--write-baseline", help="Write what there is now; a file that is there only shrinks."
        ),
    ] = None,
    as_sarif: Annotated[bool, typer.Option("--sarif", help="Print SARIF 2.1.0.")] = False,
    running: Annotated[
        bool,
        typer.Option(_RUNTIME, help="Look at the live database instead: who has it open."),
    ] = False,
    postgres_role: Annotated[
        str | None,
        typer.Option(
            "--postgres-role",
            metavar="ROLE",
            help="Print SQL after which only ROLE reaches the tables.",
        ),
    ] = None,
    apply: Annotated[
        bool, typer.Option("--apply", help="With --postgres-role: run it, as --admin-url.")
    ] = False,
    admin_url: Annotated[
        str | None,
        typer.Option("--admin-url", envvar="FREEHOLD_ADMIN_URL", help="A superuser's address."),
    ] = None,
    app: AppOption = None,
    database: DatabaseOption = None,
    data_folder: FolderOption = DEFAULT_FOLDER,
    as_json: JsonOption = False,
) -> None:
    """
    Prove that nobody but the data layer opens the database, or name the places where one does.

    Exit codes: 0 it is so, 1 there are places, 2 something could not be read.

    Example: [bold]freehold guard --baseline guard-baseline.json[/]
    """
    from freehold.cli.guard_live import postgres_owner, running_database

    try:
        if running:
            code = running_database(app, data_folder, database, as_json=as_json)
        elif postgres_role is not None:
            code = postgres_owner(
                app, database, role=postgres_role, admin_url=admin_url, apply=apply
            )
        else:
            _check_options(as_sarif=as_sarif, as_json=as_json, apply=apply)
            code = _repository(
                folder, config, baseline=baseline, new_baseline=new_baseline,
                form="sarif" if as_sarif else "json" if as_json else "people",
            )  # fmt: skip
    except FreeholdError as error:
        refuse(error)
        raise typer.Exit(CANNOT_TELL) from None
    if code:
        raise typer.Exit(code)


def _check_options(*, as_sarif: bool, as_json: bool, apply: bool) -> None:
    if as_sarif and as_json:
        raise typer.BadParameter("--json and --sarif are two forms of one answer; choose one.")
    if apply:
        raise typer.BadParameter("--apply goes with --postgres-role.")


def _repository(
    folder: Path, config: Path | None, *, baseline: Path | None, new_baseline: Path | None,
    form: str,
) -> int:  # fmt: skip
    from freehold import guard as room

    if not folder.is_dir():
        raise typer.BadParameter(f"there is no folder {folder}.")
    root = room.find_root(folder)
    settings = room.load_settings(root, file=config)
    with _progress() as told:
        report = room.look(root, settings, progress=told)
    if baseline is not None:
        room.apply_baseline(report, room.read_baseline(baseline))
    if new_baseline is not None:
        count = room.write_baseline(new_baseline, report)
        say(f"{new_baseline} written: {count} places")
    if form == "json":
        show_json(room.as_json(report))
    elif form == "sarif":
        show_json(room.sarif(report, version=freehold.__version__))
    else:
        _show(report, settings)
    return report.exit_code


@contextmanager
def _progress() -> Iterator[Told | None]:
    """A bar on a terminal, where there is enough to read."""
    if not TALK.is_terminal:
        yield None
        return
    columns = (TextColumn("reading"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, console=TALK, transient=True) as bar:
        task = bar.add_task("reading", total=None, visible=False)

        def told(done: int, of: int) -> None:
            if of >= _BAR_FROM and done % 10 == 0:
                bar.update(task, completed=done, total=of, visible=True)

        yield told


def _show(report: Report, settings: Settings) -> None:
    for path, found in groupby(report.errors, key=lambda each: each.path):
        _show_file(path, list(found))
    for each in report.not_read:
        line = Text("? ", style="yellow").append(each.path, style="bold")
        OUT.print(line.append(f" was not read: {each.reason}. {each.next_step}", style="default"))
    for found_note in report.notes:
        where = f"{found_note.path}:{found_note.line}:{found_note.column}"
        OUT.print(Text(f"· {where} {found_note.rule}: {found_note.what}", style="dim"))
    _show_summary(report, settings)


def _show_file(path: str, found: list[Finding]) -> None:
    OUT.print(Text(path, style="bold"))
    for each in found[:_SHOWN_MAX]:
        line = Text(f"  {each.line}:{each.column} ", style="dim")
        line.append(each.rule, style="bold red").append(f"  {each.what}", style="default")
        OUT.print(line)
        OUT.print(Text(f"      {each.text}"))
    if len(found) > _SHOWN_MAX:
        OUT.print(Text(f"  and {len(found) - _SHOWN_MAX} more; --json has all", style="dim"))
    for rule in dict.fromkeys(each.rule for each in found):
        first = next(each for each in found if each.rule == rule)
        OUT.print(Text(f"  {rule}: {first.why} {first.next_step}", style="dim"))
    OUT.print()


def _show_summary(report: Report, settings: Settings) -> None:
    kinds = ", ".join(f"{kind} {count}" for kind, count in report.read.most_common())
    OUT.print(Text(f"read {report.read.total()} files ({kinds or 'none'})"))
    beside = {
        "of the data layer": report.data_layer,
        "in which nothing runs": report.not_code,
        "excluded": report.excluded,
        "that are links to others": report.links,
    }
    said = ", ".join(f"{count} {what}" for what, count in beside.items() if count)
    OUT.print(Text(f"not looked at: {said or 'none'}"))
    if report.listed_by == "walk":
        OUT.print(Text("git lists no files here: .gitignore was not asked"))
    if report.allowed:
        files = len({found.path for found, _ in report.allowed})
        OUT.print(Text(f"allowed, with a reason: {len(report.allowed)} places in {files} files"))
    if report.rules_off:
        OUT.print(Text(f"rules that are off: {', '.join(report.rules_off)}"))
    if report.fixed:
        OUT.print(Text(
            f"{report.fixed} places of the baseline are gone: let it shrink by --write-baseline"
        ))  # fmt: skip
    if not settings.data_layer:
        OUT.print(Text(
            "no data layer is named: say data_layer = [\"…\"] under [tool.freehold.guard] in "
            "pyproject.toml, or in freehold-guard.toml", style="yellow",
        ))  # fmt: skip
    OUT.print(_verdict(report))


def _verdict(report: Report) -> Text:
    if report.errors:
        files = len({each.path for each in report.errors})
        places = f"{len(report.errors)} place{'s' if len(report.errors) > 1 else ''}"
        text = f"✗ {places} in {files} file{'s' if files > 1 else ''}"
        text += " where the database is reached past the data layer"
        if report.not_read:
            text += f"; {len(report.not_read)} files were not read"
        return Text(text, style="bold red")
    if report.not_read:
        count = len(report.not_read)
        return Text(f"? no proof: {count} could not be read", style="bold yellow")
    if report.known:
        text = f"✓ no new places; the baseline knows {len(report.known)}"
        return Text(text, style="bold yellow")
    if report.rules_off:
        return Text("✓ nothing was found by the rules that are on", style="bold yellow")
    return Text("✓ proof: nobody but the data layer opens the database", style="bold green")
