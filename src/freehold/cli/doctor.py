"""
`freehold doctor`: looks at everything that tends to be wrong, and says what to do.
"""

from __future__ import annotations

import shutil
import stat
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer
from rich.text import Text

from freehold.app import App
from freehold.app.places import places
from freehold.cli.console import OUT, show_json
from freehold.cli.finding import (
    DEFAULT_FOLDER,
    AppOption,
    DatabaseOption,
    FolderOption,
    JsonOption,
    find_app,
)
from freehold.errors import FreeholdError

if TYPE_CHECKING:
    from freehold.drivers.postgres import Address

#: Damaged pages that are named one by one.
_SHOWN_MAX: Final = 20
_FREE_BYTES_MIN: Final = 256 * 1024 * 1024
#: What one more process of the data layer needs: queries, a writer, a listener, and some room.
_CONNECTIONS_MIN: Final = 12


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at."""

    what: str
    is_well: bool
    detail: str
    advice: str = ""


def doctor(
    app: AppOption = None,
    database: DatabaseOption = None,
    folder: FolderOption = DEFAULT_FOLDER,
    scrub: Annotated[
        bool, typer.Option("--scrub", help="Read every page of the files and name damaged ones.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """
    Check engine, application, files, owner, migrations and clients; exit 1 when one is ill.

    Example: [bold]freehold doctor --json[/]
    """
    findings = list(_findings(app, database, folder, scrub=scrub))
    if as_json:
        show_json([vars(finding) for finding in findings])
    for finding in findings if not as_json else ():
        line = Text("✓ " if finding.is_well else "✗ ", style="green" if finding.is_well else "red")
        line.append(f"{finding.what}: ", style="bold").append(finding.detail, style="default")
        OUT.print(line)
        if finding.advice and not finding.is_well:
            OUT.print(Text(f"    {finding.advice}", style="dim"))
    if not all(finding.is_well for finding in findings):
        raise typer.Exit(1)


def _findings(
    said: str | None, database: str | None, folder: Path, *, scrub: bool
) -> Iterator[Finding]:
    yield _guarded("engine", _engine)
    yield _guarded("folder", lambda: _folder(folder))
    yield _guarded("disk", lambda: _disk(folder))
    found: list[App] = []

    def load() -> Finding:
        found.append(find_app(said))
        app = found[0]
        methods = sum(len(each.__methods__) for each in app.entrypoints.values())
        return Finding("application", True, f"{app.name} {app.version}, {methods} methods")

    yield _guarded("application", load)
    for app in found:
        wheres = list(places(app, folder.resolve(), database).values())
        where = wheres[0]
        for file in wheres:
            if isinstance(file, Path):
                yield _guarded("pages", lambda file=file: _pages(file, scrub=scrub))  # type: ignore[misc]
        if isinstance(where, Path):
            yield _guarded("owner", lambda app=app: _owner(app, folder, database))  # type: ignore[misc]
        else:
            yield _guarded("server", lambda where=where: _server(where))  # type: ignore[misc]
        yield _guarded("migrations", lambda app=app: _migrations(app))  # type: ignore[misc]
        yield _guarded("clients", lambda app=app: _clients(app))  # type: ignore[misc]


def _guarded(what: str, look: Callable[[], Finding]) -> Finding:
    try:
        return look()
    except FreeholdError as error:
        return Finding(what, False, error.detail, error.hint)


def _engine() -> Finding:
    import apsw

    from freehold.drivers.sqlite import check_engine

    check_engine()
    version = ".".join(str(part) for part in sys.version_info[:3])
    return Finding("engine", True, f"SQLite {apsw.sqlite_lib_version()}, Python {version}")


def _folder(folder: Path) -> Finding:
    if not folder.exists():
        return Finding("folder", True, f"{folder} will be made")
    open_to = [
        str(path)
        for path in (folder, folder / "secrets.json", folder / "dev.key")
        if path.exists() and path.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO)
    ]
    if open_to:
        return Finding(
            "folder", False, f"others can open {', '.join(open_to)}",
            f"chmod go-rwx {' '.join(open_to)}",
        )  # fmt: skip
    return Finding("folder", True, f"{folder} is the owner's alone")


def _disk(folder: Path) -> Finding:
    place = folder if folder.exists() else Path.cwd()
    free = shutil.disk_usage(place).free
    well = free >= _FREE_BYTES_MIN
    return Finding("disk", well, f"{free // 1024**2:,} MiB free at {place}", "Free some space.")


def _pages(path: Path, *, scrub: bool) -> Finding:
    from freehold.drivers.sqlite.scrub import forget_cached, open_pages

    if scrub:
        forget_cached(path)
    with open_pages(path) as pages:
        if pages is None:
            return Finding("pages", True, f"{path.name} is not there, or has no checksums to keep")
        if not pages.has_checksums:
            said = f"{path.name} has no checksums; `freehold checksums --on` gives it some"
            return Finding("pages", True, said)
        if not scrub:
            return Finding("pages", True, f"{path.name} has a checksum on each of {pages.pages}")
        damaged = pages.damaged(1, pages.pages)
        if damaged:
            shown = ", ".join(map(str, damaged[:_SHOWN_MAX]))
            more = f" and {len(damaged) - _SHOWN_MAX} more" if len(damaged) > _SHOWN_MAX else ""
            return Finding(
                "pages", False, f"{path.name}: {len(damaged)} of {pages.pages} are damaged: "
                f"{shown}{more}", "Restore a backup, and look at the disk. When another program "
                "wrote into the file: `freehold checksums --accept`.",
            )  # fmt: skip
        return Finding("pages", True, f"{path.name}: all {pages.pages} are as they were written")


def _owner(app: App, folder: Path, database: str | None) -> Finding:
    from freehold.cli.operator import AnyBinding, owner_socket

    socket = owner_socket(app, folder, database)
    if socket is None:
        return Finding("owner", True, "nobody serves it now")
    with AnyBinding.connect(socket, timeout_s=5) as binding:
        keys = binding.ask("Freehold.listKeys", {})
    return Finding("owner", True, f"answers at {socket}, {len(keys)} keys")


def _server(address: Address) -> Finding:
    from freehold.drivers.postgres import blocking_connection, server_facts

    with blocking_connection(address.url) as connection:
        facts = server_facts(connection)
    wrong = {
        "it takes no writes": (facts.is_standby, "Give the primary's address."),
        f"it is in {facts.encoding}": (facts.encoding != "UTF8", "Use a database in UTF8."),
        "fsync is off: a power cut loses commits": (not facts.syncs, "Set fsync = on."),
        "this user may make no tables": (
            not facts.may_create, "Grant it CREATE on the schema, or on the database.",
        ),
        f"it takes {facts.connections_left} more connections": (
            facts.connections_left < _CONNECTIONS_MIN, "Raise max_connections.",
        ),
    }  # fmt: skip
    found = [(said, advice) for said, (is_so, advice) in wrong.items() if is_so]
    sums = "with" if facts.has_checksums else "without"
    detail = f"PostgreSQL {facts.version} at {address.shown}, {sums} page checksums"
    if found:
        said = "; ".join(said for said, _ in found)
        return Finding("server", False, f"{detail}: {said}", " ".join(a for _, a in found))
    return Finding("server", True, detail)


def _migrations(app: App) -> Finding:
    from freehold.migrate.pairs import check_pair

    wrong = [
        f"{declared.name}: {sentence}"
        for declared in app.databases.values()
        if declared.migrations is not None
        for sentence in check_pair(declared.schema, declared.migrations)
    ]
    if wrong:
        return Finding("migrations", False, "; ".join(wrong), "Run `freehold migrate plan`.")
    return Finding("migrations", True, "the files lead to the schema")


def _clients(app: App) -> Finding:
    from freehold.cli.generate import clients_folder, stale_clients

    folder = clients_folder(app)
    if not folder.is_dir():
        return Finding("clients", True, "none are generated")
    stale = [path.name for path in stale_clients(app, folder)]
    if stale:
        return Finding("clients", False, f"stale: {', '.join(stale)}", "Run `freehold generate`.")
    return Finding("clients", True, f"{folder} is up to date")
