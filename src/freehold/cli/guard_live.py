"""
The guard at run time: who has the live database open, and who could open it on a server.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from rich.text import Text

from freehold.app.places import places
from freehold.cli.console import OUT, say, show_json, tell
from freehold.cli.doctor import Finding
from freehold.cli.finding import find_app
from freehold.errors import StartError

if TYPE_CHECKING:
    from freehold.drivers.postgres import Address
    from freehold.drivers.sqlite.holders import Held

_CANNOT_TELL = 2


def running_database(app: str | None, folder: Path, database: str | None, *, as_json: bool) -> int:
    """
    Say who has each database of the application open, and who could.

    Returns:
        The exit code: 0 its owner alone, 1 somebody else too, 2 it cannot be told here.

    Raises:
        StartError: There is no such application, or the server does not let us in.
    """
    found: list[Finding] = []
    code = 0
    for name, place in places(find_app(app), folder.resolve(), database).items():
        if isinstance(place, Path):
            from freehold.drivers.sqlite.holders import holders_of

            held = holders_of(place)
            found += _of_file(name, place, held)
            if not held.can_tell or held.untold:
                code = _CANNOT_TELL
        else:
            found += _on_server(name, place)
    if as_json:
        show_json([vars(each) for each in found])
    for each in found if not as_json else ():
        line = Text("✓ " if each.is_well else "✗ ", style="green" if each.is_well else "red")
        line.append(f"{each.what}: ", style="bold").append(each.detail, style="default")
        OUT.print(line)
        if each.advice and not each.is_well:
            OUT.print(Text(f"    {each.advice}", style="dim"))
    somebody = any(not each.is_well and each.what != "untold" for each in found)
    return 1 if somebody else code


def _of_file(name: str, path: Path, held: Held) -> list[Finding]:
    if not path.exists():
        return [Finding(name, True, f"{path} is not there")]
    owner = held.owner
    who = "nobody owns it now" if owner is None else f"process {owner.pid} owns it"
    if not held.can_tell:
        said = f"{path}: {who}; this system does not tell who else has it open"
        return [Finding("untold", False, said, "Look with lsof, as the superuser.")]
    found = [Finding(name, True, f"{path}: {who}, and nobody else has it open")]
    if held.others:
        others = "; ".join(
            f"process {each.pid} ({each.command}) has {', '.join(each.files)} open"
            for each in held.others
        )
        found = [Finding(name, False, f"{path}: {who}, and {others}",
                         "Stop it: only the owner's connection may touch the file.")]  # fmt: skip
    if held.untold:
        count = len(held.untold)
        said = f"{count} processes cannot be looked into by this user: {held.untold[:5]}"
        found.append(Finding("untold", False, said, "Ask again as the superuser."))
    return found


def _on_server(name: str, address: Address) -> list[Finding]:
    from freehold.drivers.postgres import blocking_connection
    from freehold.drivers.postgres.roles import reach_of

    with blocking_connection(address.url) as connection:
        reach = reach_of(connection, address.schema)
    where = address.shown
    found = []
    if reach.is_superuser:
        found.append(Finding(
            name, False, f"{where}: {reach.role} is a superuser, and no role of the data layer's",
            "`freehold guard --postgres-role ROLE` prints the SQL that makes one.",
        ))  # fmt: skip
    found += [
        Finding(name, False, f"{where}: {each.role} reaches the tables: {each.how}",
                f"REVOKE it from {each.role}, or run --postgres-role again.")
        for each in reach.roles
    ]  # fmt: skip
    found += [
        Finding(name, False, f"{where}: {each.role} is connected: {each.how}",
                "End it, and give what it needs as a method of the data layer.")
        for each in reach.connected
    ]  # fmt: skip
    if reach.is_alone:
        found.append(Finding(name, True, f"{where}: only {reach.role} reaches the tables"))
    if reach.superusers:
        said = f"superusers, who always may: {', '.join(reach.superusers)}"
        found.append(Finding("operator", True, said))
    if reach.public_may_connect:
        said = "every role of the server may connect to the database, and see no table"
        found.append(Finding("public", True, said))
    return found


def postgres_owner(
    app: str | None, database: str | None, *, role: str, admin_url: str | None, apply: bool
) -> int:
    """
    Print the SQL after which only one role reaches the tables, or run it as the administrator.

    Raises:
        StartError: No server is named, the role's name is none, or the server refuses.
    """
    from freehold.drivers.postgres import Address, blocking_connection
    from freehold.drivers.postgres.roles import make_owner, owner_statements

    if database is None or "://" not in database:
        raise StartError(
            "no server is named.", hint="Say --database postgresql://host/name, as for serve."
        )
    found = places(find_app(app), Path(), database).values()
    addresses = [each for each in found if isinstance(each, Address)]
    name = unquote(urlsplit(addresses[0].url).path.lstrip("/"))
    statements = [
        statement
        for each in addresses
        for statement in owner_statements(role, database=name, schema=each.schema)
    ]
    if not apply:
        tell("".join(f"{statement};\n" for statement in statements).rstrip())
        say(f"Run it as a superuser in {name}; then give {role} a password: \\password {role}")
        return 0
    if admin_url is None:
        raise StartError(
            "--apply needs the address of who may make roles.",
            hint="Say --admin-url, or FREEHOLD_ADMIN_URL, which no list of processes shows.",
        )
    with blocking_connection(admin_url) as connection:
        make_owner(connection, statements, database=name)
    tell(f"{role} owns {', '.join(each.schema for each in addresses)}; PUBLIC has nothing there")
    say(f"Give it a password when it has none: \\password {role}")
    return 0
