"""
`freehold generate`: the clients and OpenAPI, from the contract.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import msgspec
import typer

from freehold.app import App
from freehold.cli.console import say, show_json
from freehold.cli.finding import AppOption, JsonOption, find_app


def generate(
    app: AppOption = None,
    out: Annotated[
        Path | None, typer.Option("--out", help="Default: the clients folder beside the app.")
    ] = None,
    check: Annotated[
        bool, typer.Option("--check", help="Change nothing; exit 1 when a file is stale.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """
    Write the clients (Python and TypeScript), openapi.json and contract.json.

    Example: [bold]freehold generate --check[/] in CI.
    """
    found = find_app(app)
    folder = out or clients_folder(found)
    changed = stale_clients(found, folder) if check else write_clients(found, folder)
    if as_json:
        show_json({"stale" if check else "written": [str(path) for path in changed]})
    for path in changed if not as_json else ():
        say(f"{path} {'is stale: run `freehold generate`' if check else 'written'}")
    if not changed and not as_json:
        say(f"{folder} is up to date")
    if check and changed:
        raise typer.Exit(1)


def clients_folder(app: App) -> Path:
    """Where an application's clients are: `clients` beside the file that makes it."""
    return app.made_in.parent / "clients"


def write_clients(app: App, folder: Path) -> list[Path]:
    """Bring the files up to date; those that were not."""
    from freehold.generate.files import write

    return [folder / name for name, text in _files(app).items() if write(folder / name, text)]


def renew_clients(app: App) -> None:
    """Bring a `clients` folder that is there up to date, and say which files were not."""
    if clients_folder(app).is_dir():
        for path in write_clients(app, clients_folder(app)):
            say(f"generated {path}")


def stale_clients(app: App, folder: Path) -> list[Path]:
    """The files that say something else than the contract."""
    from freehold.generate.files import check

    return [folder / name for name, text in _files(app).items() if not check(folder / name, text)]


def _files(app: App) -> dict[str, str | bytes]:
    from freehold.generate import openapi, python_client, typescript_client
    from freehold.rpc.contract import contract_of

    contract = contract_of(app.name, list(app.entrypoints.values()))
    document = msgspec.json.decode(contract.to_json())
    name = app.name.replace("-", "_")
    return {
        "__init__.py": f'"""Generated clients of {app.name}."""\n',
        f"{name}.py": python_client(document),
        f"{name}.ts": typescript_client(document),
        "openapi.json": openapi(document),
        "contract.json": contract.to_json(),
    }
