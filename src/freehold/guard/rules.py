"""
The rules: what counts as opening the database, why, and what to do instead.

An id never changes its meaning: configurations, baselines and other programs hold on to it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

#: `error` makes the command fail; `note` is only told; `off` is not looked for.
Level = Literal["error", "note", "off"]
LEVELS: Final[tuple[Level, ...]] = ("error", "note", "off")

_CALL = "Call the data layer through its generated client."
_MOVE = "Move it to the data layer, and call that through its generated client."
_BINDING = "Take the binding away, and bind the data layer instead."


@dataclass(frozen=True)
class Rule:
    """
    One thing that is looked for.

    Args:
        id: Its name in settings, in JSON and in SARIF.
        finds: What it finds, as a sentence's end.
        why: Why that is a way to the database.
        next_step: What to do about it.
        level: What it does when nothing else is said.
    """

    id: str
    finds: str
    why: str
    next_step: str
    level: Level = "error"


_ALL: Final = (
    Rule(
        "python-driver",
        "an import of a database driver, written or by name",
        "Whoever has a driver can open the database.",
        _CALL,
    ),
    Rule(
        "python-orm",
        "an import of an ORM or a query builder",
        "It opens the database and writes SQL of its own.",
        _CALL,
    ),
    Rule(
        "python-data-layer",
        "an import of the data layer's own rooms: schema, domains, drivers",
        "What belongs to the data layer runs against the database in whichever process loads it.",
        "Import the generated client.",
    ),
    Rule(
        "python-connect",
        "a call that opens a database file",
        "Two processes with one file are two owners.",
        _MOVE,
    ),
    Rule(
        "python-sql",
        "SQL that is handed to a connection",
        "A connection that was handed in is still a connection.",
        _MOVE,
    ),
    Rule(
        "python-unknown-import",
        "an import whose name is only known at run time",
        "What it loads cannot be read from here.",
        "Write the name, or look at it and allow it.",
        level="note",
    ),
    Rule(
        "js-driver",
        "an import, a require or a dynamic import of a database driver, its types included",
        "Whoever has a driver, or is handed its connection, reaches the database.",
        _CALL,
    ),
    Rule(
        "js-orm",
        "an import of an ORM or a query builder",
        "It opens the database and writes SQL of its own.",
        _CALL,
    ),
    Rule(
        "js-data-layer",
        "an import of the data layer's own modules (its types alone are fine)",
        "What belongs to the data layer runs against the database wherever it is loaded.",
        "Import the generated client, or types only.",
    ),
    Rule(
        "js-connect",
        "a call that opens a database file",
        "Two processes with one file are two owners.",
        _MOVE,
    ),
    Rule(
        "js-prepare",
        "`.prepare(…)` on a database's handle",
        "It is a statement of this service's own.",
        _MOVE,
    ),
    Rule(
        "js-sql",
        "SQL that is handed to a method, `.exec(…)` or `.query(…)`",
        "A connection that was handed in is still a connection.",
        _MOVE,
    ),
    Rule(
        "js-sql-template",
        "SQL as a tagged template",
        "The tag runs it, or builds it for somebody who does.",
        _MOVE,
    ),
    Rule(
        "js-binding",
        "a database's binding: `env.WRITER_DB`, or its place in a type",
        "The binding is the database.",
        _BINDING,
    ),
    Rule(
        "js-database-type",
        "a type of a database's binding, as `D1Database`",
        "Who takes such a value can run any statement.",
        "Take the data layer's client instead.",
    ),
    Rule(
        "js-unknown-import",
        "an import whose name is only known at run time",
        "What it loads cannot be read from here.",
        "Write the name, or look at it and allow it.",
        level="note",
    ),
    Rule(
        "connection-string",
        "the address of a database",
        "Who has the address, and a password in it, needs nobody's leave.",
        "Give the service the data layer's address and a key of its own.",
    ),
    Rule(
        "database-variable",
        "a variable of the environment that names a database, read by code",
        "It is there to open the database.",
        "Read FREEHOLD_DAL and FREEHOLD_DAL_KEY, as the generated client does.",
    ),
    Rule(
        "command-line-client",
        "a database's own command line: `sqlite3`, `psql`, `wrangler d1`",
        "It opens the database beside its owner.",
        "Use `freehold sql`, `freehold call` or a method of the data layer.",
    ),
    Rule(
        "worker-binding",
        "a binding of a worker to a database: `d1_databases`, `hyperdrive`",
        "The platform hands the database to this worker.",
        _BINDING,
    ),
    Rule(
        "package-driver",
        "a dependency of a package on a driver or an ORM",
        "What is installed will be used.",
        "Take it out of the dependencies.",
    ),
    Rule(
        "prisma-datasource",
        "a datasource of a Prisma schema",
        "A client that opens the database is generated from it.",
        _CALL,
    ),
    Rule(
        "compose-variable",
        "a service of a compose file that is given a database's address",
        "The container can open the database.",
        "Give it the data layer's address and a key of its own.",
    ),
    Rule(
        "compose-volume",
        "a service of a compose file that mounts the database's file or folder",
        "The container can open the file, past the owner's lock when it runs elsewhere.",
        "Mount it into the data layer alone.",
    ),
    Rule(
        "env-variable",
        "a variable of an environment file that names a database",
        "Every process that reads the file can open the database.",
        "Give the data layer a file of its own.",
    ),
    Rule(
        "allowance-without-reason",
        "an allowance that does not say why",
        "Nobody can judge it later.",
        "Write the reason behind it: `freehold: allow-database — reason`.",
    ),
    Rule(
        "unused-allowance",
        "an allowance, a store or a pattern in the settings that nothing needs",
        "It would let the next one pass unseen.",
        "Take it out.",
        level="note",
    ),
)

#: By their ids, in the order of the documentation.
RULES: Final[dict[str, Rule]] = {rule.id: rule for rule in _ALL}
