"""
The command line: one file for each command, and `main`, which puts them together.

What a command does is done in the rooms below; here are its options, its words and its exit
code. Rooms are imported inside the commands, so that `--help` answers at once.

Exit codes: 0 it is done · 1 it was refused or a check failed · 2 the command was misspelt ·
64 to 78 the process could not start (each `StartError` has its own) · 130 Ctrl-C.
"""

from __future__ import annotations

import os
import sys

import typer

from freehold.cli import (
    audit,
    call,
    checksums,
    copy,
    dev,
    doctor,
    export,
    generate,
    guard,
    import_,
    init,
    keys,
    migrate,
    secrets,
    seed,
    serve,
    sql,
)
from freehold.cli.console import refuse
from freehold.errors import FreeholdError, StartError

app = typer.Typer(
    name="freehold",
    help="One process owns the data; everyone else calls its typed methods.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command("init")(init.init)
app.command("dev")(dev.dev)
app.command("serve")(serve.serve)
app.add_typer(migrate.commands, name="migrate")
app.command("generate")(generate.generate)
app.command("call")(call.call)
app.command("seed")(seed.seed)
app.add_typer(keys.commands, name="keys")
app.add_typer(audit.commands, name="audit")
app.add_typer(secrets.commands, name="secrets")
app.command("sql")(sql.sql)
app.command("copy")(copy.copy)
app.command("import")(import_.import_)
app.command("export")(export.export)
app.command("checksums")(checksums.checksums)
app.command("guard")(guard.guard)
app.command("doctor")(doctor.doctor)


def main() -> None:
    """Run the command line; errors become one or two sentences and an exit code."""
    try:
        app()
    except FreeholdError as error:
        if os.environ.get("FREEHOLD_DEBUG"):
            raise
        refuse(error)
        sys.exit(error.exit_code if isinstance(error, StartError) else 1)
    except KeyboardInterrupt:
        sys.exit(130)
