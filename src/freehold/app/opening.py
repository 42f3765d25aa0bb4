"""
The opener: from an application's declaration to databases that run and calls that are served.

The only place that knows which drivers there are. It takes the owner lock, has the schema
brought up to date, and puts dispatch, access and drivers together; it opens no socket.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias, TypeVar

import apsw

from freehold.access import (
    ACCESS_SCHEMA,
    LATER_COLUMNS,
    LOCAL,
    Environment,
    KeyAuthenticator,
)
from freehold.access.admin import ADMIN_NAME, admin_entrypoint
from freehold.access.schema import ServiceKey
from freehold.app.checks import (
    CHECKS_TABLE,
    check_file,
    check_server,
    require_file,
    require_server,
)
from freehold.app.clock_watch import ClockWatch
from freehold.app.declaration import App, Database
from freehold.app.places import Place, places
from freehold.app.secrets import Secrets, find_secrets
from freehold.app.upgrade import UpgradeMode, bring_postgres_up_to_date, bring_up_to_date
from freehold.app.upkeep import upkeep_entrypoint, upkeep_name
from freehold.client import AsyncBinding
from freehold.clock import Clock, SystemClock
from freehold.crypto import KeyRing
from freehold.db import IN_PROCESS, Caller
from freehold.drivers.sqlite import SqliteDatabase
from freehold.errors import StartError, UnknownMethod, invariant
from freehold.ids import Ids, SystemIds
from freehold.rpc.audit import AUDIT_SCHEMA, TRIGGERS, AuditEntry, AuditLog
from freehold.rpc.contract import Contract, contract_of
from freehold.rpc.dispatch import Dispatcher, Request
from freehold.rpc.idempotency import IDEMPOTENCY_SCHEMA, KeptAnswer
from freehold.schema import Schema
from freehold.wire.codec import JSON, MSGPACK
from freehold.wire.limits import Limits

if TYPE_CHECKING:
    from freehold.drivers.postgres import Address, BlockingConnection, PostgresDatabase

Binding = TypeVar("Binding", bound=AsyncBinding)
#: A database of any engine, as this room and those above it use it.
AnyDatabase: TypeAlias = "SqliteDatabase | PostgresDatabase"
KEYS_TABLE: Final[str] = ServiceKey.__table__.name
CALLS_TABLE: Final[str] = KeptAnswer.__table__.name
AUDIT_TABLE: Final[str] = AuditEntry.__table__.name

#: Beside a database, unless said otherwise.
DATA_FOLDER: Final = ".freehold"


@dataclass(frozen=True)
class Options:
    """
    How an application is opened.

    Args:
        folder: Where its files are: databases, secrets, socket.
        database: The file of the first database, when it is not `<folder>/<name>.db`; or the
            address of a PostgreSQL server that holds all of them.
        upgrade: What to do when a database is older than its schema.
        limits: What a caller may ask for.
        clock: Where time comes from.
        ids: Where seeds come from.
        on_progress: Told what a long step is doing.
        environment: Which service keys are taken: live or test ones; None takes both.
    """

    folder: Path = Path(DATA_FOLDER)
    database: str | None = None
    upgrade: UpgradeMode = "refuse"
    limits: Limits = field(default_factory=Limits)
    clock: Clock = field(default_factory=SystemClock)
    ids: Ids = field(default_factory=SystemIds)
    on_progress: Callable[[str], None] = lambda _: None
    environment: Environment | None = None


class OpenApp:
    """
    An application whose databases are open; `close` gives them back.

    Args:
        app: The application.
        databases: Its databases by name, open.
        secrets: Its secrets.
        options: How it was opened.
    """

    def __init__(
        self,
        app: App,
        databases: dict[str, AnyDatabase],
        secrets: Secrets,
        options: Options,
    ) -> None:
        self.app = app
        self.databases = databases
        self.secrets = secrets
        self.options = options
        #: Looked at while it is served, see `housekeeping`.
        self.clock_watch = ClockWatch(options.clock)
        self.contract: Contract = contract_of(app.name, list(app.entrypoints.values()))
        first = next(iter(databases.values()))
        self.authenticator = KeyAuthenticator(
            first,
            pepper=secrets.pepper,
            clock=options.clock,
            environment=options.environment,
            limits=options.limits,
        )
        first.keys_changed = self._keys_changed
        admin = admin_entrypoint(
            database=first.name,
            pepper=secrets.pepper,
            environment=options.environment or "live",
            changing=self.authenticator.changing,
            inspect=first.inspect,
        )
        # The operator's SQL may be anything, so it is kept off the event loop.
        first.always_on_thread(f"{ADMIN_NAME}.sql")
        #: Writes and checks the audit log of each database.
        self.audits = {
            name: AuditLog(name, secrets.pepper, mode=app.databases[name].audit)
            for name in databases
        }
        upkeep = [
            upkeep_entrypoint(
                name, audit=self.audits[name], secrets=secrets, schema=app.databases[name].schema
            )
            for name in databases
        ]
        for name, database in databases.items():
            for method in ("checkAudit", "checkAuditHead", "countSealed"):
                database.always_on_thread(f"{upkeep_name(name)}.{method}")
        self.dispatcher = Dispatcher(
            [*app.entrypoints.values(), admin, *upkeep],
            databases,
            contract=self.contract,
            limits=options.limits,
            clock=options.clock,
            ids=options.ids,
            pepper=secrets.pepper,
            audits=self.audits,
        )

    def _keys_changed(self) -> None:
        """Another process has changed service keys, or taken up new column keys."""
        self.secrets.take_up()
        self.authenticator.changed()

    @property
    def first(self) -> AnyDatabase:
        """The database that holds the keys."""
        return next(iter(self.databases.values()))

    @property
    def seq(self) -> int:
        """The last commit of the first database."""
        return self.first.seq

    @property
    def writer(self) -> Literal["ok", "stopped"]:
        """`stopped` when any database's writer is."""
        stopped = any(database.state == "stopped" for database in self.databases.values())
        return "stopped" if stopped else "ok"

    @property
    def storage(self) -> Literal["ok", "full", "damaged"]:
        """The worst that any database says of its disk."""
        said = {database.storage for database in self.databases.values()}
        return "damaged" if "damaged" in said else "full" if "full" in said else "ok"

    @property
    def clock(self) -> Literal["ok", "jumped"]:
        """Whether the wall clock was set a while ago."""
        return self.clock_watch.state

    def start(self, on_loop: Callable[[Callable[[], None]], None]) -> None:
        """Start the threads; `on_loop` is how they reach the event loop."""
        for database in self.databases.values():
            database.start(on_loop)

    def bind(self, binding: type[Binding], *, caller: Caller = IN_PROCESS) -> Binding:
        """
        A generated client of this very process: the same methods, types and errors, no socket.

        Args:
            binding: The generated class; used on the event loop that `start` was given.
            caller: Whom its calls are made for.
        """

        def request(**said: Any) -> Request:
            return Request(codec=MSGPACK, caller=caller, **said)

        return binding.in_process(self.dispatcher, request=request)

    def ask(self, method: str, args: dict[str, Any]) -> Any:
        """
        Call one of the operator's own methods by name, before `start`; answers with plain values.

        Raises:
            CallError: It was refused.
        """
        target = self.dispatcher.target(method)
        if target is None:
            raise UnknownMethod(f"There is no method {method!r}.")
        request = Request(
            method=method, body=JSON.encode(args), codec=JSON, caller=LOCAL, reply=lambda _: None,
            target=target,
        )  # fmt: skip
        database = self.databases[target.database_name]
        if target.method.kind == "mutation":
            return JSON.decode(database.write(request.run, caller=LOCAL))
        return JSON.decode(database.read(request.run, caller=LOCAL))

    def seed(self) -> list[str]:
        """Load the sample data of each database that has some; the names of those."""
        seeded = []
        for name, declared in self.app.databases.items():
            if declared.seed is not None:
                self.databases[name].write(declared.seed)
                seeded.append(name)
        return seeded

    def announce(self, *, socket: str | None, address: str | None) -> None:
        """Write down beside each database where it is served."""
        for database in self.databases.values():
            database.announce(socket=socket, address=address)

    async def finish(self) -> None:
        """On the event loop, before it ends: answer what waits on it."""
        for database in self.databases.values():
            await database.finish()

    def close(self) -> None:
        """Finish what waits and give every file back."""
        for database in self.databases.values():
            database.close()


def private_folder(folder: Path) -> Path:
    """
    The folder, made with what is missing above it, for its owner alone.

    Raises:
        StartError: It cannot be made.
    """
    folder = folder.resolve()
    try:
        missing = [path for path in (folder, *folder.parents) if not path.exists()]
        for path in reversed(missing):
            path.mkdir(mode=0o700, exist_ok=True)
    except OSError as error:
        raise StartError(
            f"the folder {folder} cannot be made: {error.strerror}.",
            hint="Choose a folder that this user may write, with --data-dir.",
        ) from None
    return folder


def open_app(app: App, options: Options | None = None) -> OpenApp:
    """
    Open every database of an application.

    Raises:
        StartError: One cannot be opened, migrated or unlocked; those that were are closed again.
    """
    options = options or Options()
    private_folder(options.folder)
    for own in (ADMIN_NAME, *map(upkeep_name, app.databases)):
        if own in app.entrypoints:
            raise StartError(f"the entrypoint {own!r} is the data layer's own.")
    found = places(app, options.folder, options.database)
    first = next(iter(found.values()))
    secrets = find_secrets(
        app,
        secrets_folder(options, first),
        may_create=not any(_is_there(place) for place in found.values()),
        clock=options.clock,
        ids=options.ids,
    )
    opened: dict[str, AnyDatabase] = {}
    try:
        for name, declared in app.databases.items():
            place, is_first = found[name], not opened
            if isinstance(place, Path):
                opened[name] = _open_file(declared, place, secrets, options, is_first=is_first)
            else:
                opened[name] = _open_server(declared, place, secrets, options, is_first=is_first)
        return OpenApp(app, opened, secrets, options)
    except BaseException:
        for database in opened.values():
            database.close()
        raise


def secrets_folder(options: Options, place: Place) -> Path:
    """Where the secrets are: beside a file that was named, else in the application's folder."""
    return place.parent if options.database and isinstance(place, Path) else options.folder


def _is_there(place: Place) -> bool:
    """Whether the database was opened before: then its secrets are somewhere."""
    if isinstance(place, Path):
        return place.exists()
    from freehold.drivers.postgres import is_known

    return is_known(place)


def _open_file(
    declared: Database, path: Path, secrets: Secrets, options: Options, *, is_first: bool
) -> SqliteDatabase:
    database = SqliteDatabase(
        path,
        declared.schema,
        name=declared.name,
        clock=options.clock,
        ids=options.ids,
        ring=secrets.ring,
        limits=options.limits,
    )

    def prepare(connection: apsw.Connection) -> None:
        # Before a migration seals anything: other secrets would seal what nobody can open.
        require_file(connection, secrets)
        prepare_file(
            connection, declared, path, options=options, is_first=is_first, ring=secrets.ring
        )
        check_file(connection, secrets)

    database.open(prepare)
    invariant(database.path is not None, "an application's database is a file")
    return database


def _open_server(
    declared: Database, address: Address, secrets: Secrets, options: Options, *, is_first: bool
) -> PostgresDatabase:
    from freehold.drivers.postgres import PostgresDatabase, watch_keys

    database = PostgresDatabase(
        address,
        declared.schema,
        name=declared.name,
        clock=options.clock,
        ids=options.ids,
        ring=secrets.ring,
        limits=options.limits,
    )

    def prepare(connection: BlockingConnection) -> None:
        require_server(connection, secrets)
        prepare_server(connection, declared, options, is_first=is_first, ring=secrets.ring)
        check_server(connection, secrets)
        if is_first:
            # A rotation in one process is told to the others, as a change of service keys is.
            watch_keys(connection, CHECKS_TABLE)

    database.open(prepare)
    return database


def prepare_file(
    connection: apsw.Connection,
    declared: Database,
    path: Path,
    *,
    options: Options,
    is_first: bool,
    ring: KeyRing | None = None,
) -> None:
    """What is done to a database's file before anything else is: its schema, the keys' table."""
    bring_up_to_date(
        connection,
        declared,
        path,
        mode=options.upgrade,
        clock=options.clock,
        on_progress=options.on_progress,
        ring=ring,
    )
    _create_own_tables(connection, IDEMPOTENCY_SCHEMA.ddl("sqlite"))
    _create_own_tables(connection, [*AUDIT_SCHEMA.ddl("sqlite"), *TRIGGERS["sqlite"]])
    if is_first:
        _create_own_tables(connection, ACCESS_SCHEMA.ddl("sqlite"))
        _add_key_columns(connection)


def prepare_server(
    connection: BlockingConnection,
    declared: Database,
    options: Options,
    *,
    is_first: bool,
    ring: KeyRing | None = None,
) -> None:
    """The same on a server."""
    from freehold.drivers.postgres import add_columns, create_once, watch_keys

    bring_postgres_up_to_date(
        connection,
        declared,
        mode=options.upgrade,
        clock=options.clock,
        on_progress=options.on_progress,
        ring=ring,
    )
    create_once(connection, CALLS_TABLE, IDEMPOTENCY_SCHEMA.ddl("postgresql"))
    audit = [*AUDIT_SCHEMA.ddl("postgresql"), *TRIGGERS["postgresql"]]
    create_once(connection, AUDIT_TABLE, audit)
    if is_first:
        for record in ACCESS_SCHEMA.records:
            alone = Schema([record], is_system=True)
            create_once(connection, record.__table__.name, alone.ddl("postgresql"))
        add_columns(connection, KEYS_TABLE, {n: kinds[1] for n, kinds in LATER_COLUMNS.items()})
        watch_keys(connection, KEYS_TABLE)


def _create_own_tables(connection: apsw.Connection, statements: Sequence[str]) -> None:
    with connection:
        for sql in statements:
            verb, kind, rest = sql.split(" ", 2)
            connection.execute(f"{verb} {kind} IF NOT EXISTS {rest}")


def _add_key_columns(connection: apsw.Connection) -> None:
    """What the table of keys did not have in the versions before."""
    there = {row[1] for row in connection.execute(f"PRAGMA table_info({KEYS_TABLE})")}
    with connection:
        for name, (kind, _) in LATER_COLUMNS.items():
            if name not in there:
                connection.execute(f"ALTER TABLE {KEYS_TABLE} ADD COLUMN {name} {kind}")
