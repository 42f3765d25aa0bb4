"""
From a request to exactly one answer.

    request ── look up ── may the caller? ── known contract? ── arguments ──> database
                                                                                 │
    answer <── result or CallError ── encoded in the snapshot or savepoint <── function

A transport makes a `Request` and gives it to `Dispatcher.call`, on the event loop's thread.
The request is then itself the call that the database drives (`db.ports.Call`): no second
object is made. Running one method against a handle (`Target.decode`, `Target.invoke`) knows
neither transport nor request, so that several calls can share one handle.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, Final, cast

import msgspec

from freehold.clock import Clock, SystemClock
from freehold.crypto import Secret
from freehold.db import Caller, Reader, Writer
from freehold.db.caller import Allowance
from freehold.db.ports import Database
from freehold.errors import (
    CallError,
    ContractError,
    ContractMismatch,
    InvalidArgument,
    PermissionDenied,
    TooLarge,
    UnknownMethod,
)
from freehold.ids import Ids, SystemIds
from freehold.rpc.arguments import Arguments
from freehold.rpc.audit import AuditLog
from freehold.rpc.checks import result_check
from freehold.rpc.contract import Contract
from freehold.rpc.entrypoint import Entrypoint
from freehold.rpc.failures import LOG, Failures, log
from freehold.rpc.idempotency import Replayed, run_once
from freehold.rpc.live_keys import LiveKeys
from freehold.rpc.method import Method
from freehold.rpc.names import nearest
from freehold.rpc.refusals import place_of
from freehold.rpc.together import TOGETHER, Together, read_steps
from freehold.wire.codec import Codec
from freehold.wire.limits import Limits

_NS_PER_MS: Final = 1_000_000
_NAME_SHOWN_MAX: Final = 120
#: What a call of another contract may look like: a method or an argument is not there.
_OF_ANOTHER: Final = (UnknownMethod, InvalidArgument)


class Answer(msgspec.Struct, eq=False):
    """What a call ended with: a body, or an error."""

    #: The mutation's own commit, or the one a query saw; 0 when the database was not asked.
    seq: int
    #: The result in the request's codec; empty when there is an error.
    body: bytes
    error: CallError | None = None


class Request(msgspec.Struct, eq=False):
    """
    One call, as a transport hands it over.

    Args:
        method: `DataLayer.getUserById`, in either spelling.
        body: The arguments: an object by name or a list by position; empty for none.
        codec: What the body is written in, and the answer will be.
        caller: Who calls.
        reply: Takes the answer: exactly once, on the event loop's thread, sometimes before
            `Dispatcher.call` returns. What it raises is logged and goes nowhere.
        min_seq: The commit that the call must see.
        timeout_ms: How long the caller waits, None for the default; held to the limits.
        idempotency_key: Names the logical call: a mutation is done once under it.
        contract: The hash of the contract that the client was generated from.
    """

    method: str
    body: bytes
    codec: Codec
    caller: Caller
    reply: Callable[[Answer], None]
    min_seq: int = 0
    timeout_ms: int | None = None
    idempotency_key: str | None = None
    contract: str | None = None
    # Set by dispatch.
    deadline_ns: int = 0
    #: What the call counts against until it is answered.
    allowance: Allowance | None = None
    target: Any = None
    args: tuple[Any, ...] | None = None

    def run(self, db: Reader, /) -> bytes:
        """Run the method and encode its result. Run again, it starts from fresh arguments."""
        target, args = self.target, self.args
        if args is None:
            args = target.decode(self.body, self.codec)
        self.args = None
        key = self.idempotency_key
        if key is None or not isinstance(db, Writer):
            return self._invoke(db, args)
        return run_once(
            db,
            key,
            target.method,
            args=args,
            codec=self.codec,
            invoke=lambda: self._invoke(db, args),
            failures=target.failures,
            pepper=target.pepper,
            live=target.live,
        )

    def _invoke(self, db: Reader, args: tuple[Any, ...]) -> bytes:
        target = self.target
        body = self.codec.encode(target.invoke(db, args))
        if len(body) > target.answer_bytes_max:
            raise TooLarge(
                f"The answer of {self.method} has {len(body)} bytes; "
                f"{target.answer_bytes_max} are the most.",
                hint="Ask for less: give a filter, or a page at a time.",
            )
        return bytes(body)

    def done(self, seq: int, value: Any, /) -> None:
        """Answer with the encoded result."""
        if self.idempotency_key is not None and self.target.live is not None:
            self.target.live.add(self.caller)
        if (allowance := self.allowance) is not None:
            self.allowance = None
            allowance.end()
        reply, self.reply = self.reply, _answered
        try:
            reply(Answer(seq, value))
        except Exception as error:
            log(f"the answer to {self.method} could not be handed over", error)

    def failed(self, seq: int, error: BaseException, /) -> None:
        """Answer with an error; what is no CallError becomes `Internal`."""
        target = self.target
        if isinstance(error, Replayed):
            if error.error is None:
                self._answer(Answer(seq, error.body))
                return
            error = error.error
        if isinstance(error, CallError):
            target.place(error)
        self._answer(Answer(seq, b"", target.failures.told(error, self.method)))

    def withdraw(self) -> None:
        """
        The caller is gone: a call that has not begun will not begin.

        It is answered all the same, by `DeadlineExceeded`. One that has begun goes its way.
        """
        self.deadline_ns = 0

    def _answer(self, answer: Answer) -> None:
        if (allowance := self.allowance) is not None:
            self.allowance = None
            allowance.end()
        reply, self.reply = self.reply, _answered
        try:
            reply(answer)
        except Exception as error:
            log(f"the answer to {self.method} could not be handed over", error)


def _answered(_: Answer) -> None:
    """Stands in for `reply` once it was called."""
    LOG.error("a call was answered twice; the second answer was dropped")


class Target:
    """
    One method, ready to be called: pure of transports, threads and transactions.

    Args:
        method: The method.
        database: The database it works on.
        database_name: What the application calls that.
        limits: How deep its arguments may be nested, and how long its answer may be.
        failures: Makes errors of exceptions.
        pepper: What fingerprints of arguments are made with.
        audit: The database's audit log, if it has one.
        live: Counts the idempotency keys of the database; of a mutation only.
    """

    __slots__ = (
        "_audit",
        "_check",
        "_function",
        "answer_bytes_max",
        "database_name",
        "decode",
        "failures",
        "full_name",
        "hand_over",
        "is_audited",
        "live",
        "method",
        "pepper",
    )

    def __init__(
        self,
        method: Method,
        database: Database,
        *,
        database_name: str,
        limits: Limits,
        failures: Failures,
        pepper: Secret | None = None,
        audit: AuditLog | None = None,
        live: LiveKeys | None = None,
    ) -> None:
        self._audit = audit if method.kind == "mutation" else None
        #: Whoever calls it, it is written down.
        self.is_audited = audit is not None and (method.audited or audit.everything)
        self.method = method
        self.live = live if method.kind == "mutation" else None
        self.pepper = pepper
        self.database_name = database_name
        self.answer_bytes_max = limits.answer_bytes_max
        self.full_name = method.full_name
        self.failures = failures
        #: `decode(body, codec)`: the arguments, each time anew. Raises InvalidArgument.
        self.decode: Callable[[bytes, Codec], tuple[Any, ...]] = Arguments(
            method, depth_max=limits.depth_max
        ).decode
        self.hand_over: Callable[[Request], None] = (
            database.submit if method.kind == "mutation" else database.run_query
        )
        self._function = _by_position(method)
        self._check = result_check(method.returns)

    def place(self, error: CallError) -> None:
        """Say an error's path as the caller wrote it."""
        place_of(error, self.method)

    def invoke(self, db: Reader, args: tuple[Any, ...]) -> Any:
        """
        Call the function with a handle and its decoded arguments.

        A mutation that is to be audited is written down behind what it did, if it did not fail.

        Raises:
            ContractError: What it returned is not what its contract promises.
        """
        audit = self._audit
        if audit is not None and (self.is_audited or audit.takes(db.caller)):
            # Taken first: the function may change what it was given.
            arguments = audit.arguments(args)
            result = self._function(db, *args)
            audit.append(cast("Writer", db), self.full_name, arguments)
        else:
            result = self._function(db, *args)
        check = self._check
        if check is not None and (wrong := check(result)) is not None:
            raise ContractError(f"{self.full_name}: the result{wrong}.")
        return result


def _by_position(method: Method) -> Callable[..., Any]:
    """The function as one that takes everything by position."""
    function = method.function
    names = [each.name for each in method.params if each.is_keyword]
    if not names:
        return function
    first = len(method.params) - len(names)

    def call(db: Reader, *values: Any) -> Any:
        return function(db, *values[:first], **dict(zip(names, values[first:], strict=True)))

    return call


class Dispatcher:
    """
    All methods of an application, by name.

    Args:
        entrypoints: What is served.
        databases: Each by its name, as entrypoints say it.
        contract: What clients were generated from, if they are of today.
        contracts_known: Hashes of earlier contracts that clients may still be of.
        limits: Depth and timeouts.
        clock: For deadlines.
        ids: For incident numbers.
        pepper: What the arguments of calls with an idempotency key are remembered with.
        audits: The audit log of each database that has one.

    Raises:
        ContractError: An entrypoint serves a database that there is not.
    """

    def __init__(
        self,
        entrypoints: Sequence[type[Entrypoint]],
        databases: Mapping[str, Database],
        *,
        contract: Contract,
        contracts_known: Collection[str] = (),
        limits: Limits | None = None,
        clock: Clock | None = None,
        ids: Ids | None = None,
        pepper: Secret | None = None,
        audits: Mapping[str, AuditLog] | None = None,
    ) -> None:
        self._pepper = pepper
        limits = limits or Limits()
        self._limits = limits
        self._failures = Failures(ids or SystemIds())
        self._monotonic_ns = (clock or SystemClock()).monotonic_ns
        self._timeout_default_ns = limits.timeout_ms_default * _NS_PER_MS
        self._timeout_ms_max = limits.timeout_ms_max
        self._contract = contract.hash
        self._contracts = frozenset((contract.hash, *contracts_known))
        self._targets: dict[str, Target] = {}
        #: The idempotency keys of each database, by its name.
        self.live_keys = {name: LiveKeys(limits.idempotency_keys_max) for name in databases}
        for entrypoint in entrypoints:
            database = _database(entrypoint, databases)
            for method in entrypoint.__methods__.values():
                target = Target(
                    method,
                    database,
                    database_name=entrypoint.database,
                    limits=limits,
                    failures=self._failures,
                    pepper=pepper,
                    audit=(audits or {}).get(entrypoint.database),
                    live=self.live_keys[entrypoint.database],
                )
                self._targets[f"{entrypoint.__name__}.{method.name}"] = target
                self._targets[target.full_name] = target

    @property
    def names(self) -> list[str]:
        """Every name that can be called, each method in both spellings."""
        return list(self._targets)

    def target(self, name: str) -> Target | None:
        """The method of that name, in either spelling."""
        return self._targets.get(name)

    def call(self, request: Request, /) -> None:
        """
        Answer the request, exactly once, now or later. Called on the event loop's thread.

        Queries that keep their budget are answered before this returns.
        """
        try:
            now_ns = self._monotonic_ns()
            if (allowance := request.caller.allowance) is not None:
                allowance.begin(now_ns)
                request.allowance = allowance
            self._set_deadline(request, now_ns)
            target = self._targets.get(request.method)
            if target is None:
                if request.method == TOGETHER:
                    self._together(request)
                    return
                raise self._unknown(request, request.method)
            if not request.caller.allows(target.full_name, target.method.scope):
                raise _denied(request.caller, target.method)
            request.args = target.decode(request.body, request.codec)
            request.target = target
            request.method = target.full_name
            target.hand_over(request)
        except BaseException as error:
            sent = request.contract
            if isinstance(error, _OF_ANOTHER) and sent is not None and sent not in self._contracts:
                error = self._mismatch(sent, error)
            request._answer(Answer(0, b"", self._failures.told(error, request.method)))
            if not isinstance(error, Exception):
                raise

    def _set_deadline(self, request: Request, now_ns: int) -> None:
        timeout_ms = request.timeout_ms
        if timeout_ms is None:
            timeout_ns = self._timeout_default_ns
        else:
            timeout_ns = max(1, min(timeout_ms, self._timeout_ms_max)) * _NS_PER_MS
        request.deadline_ns = now_ns + timeout_ns

    def _together(self, request: Request) -> None:
        """Several calls as one: a mutation when one of them is, else a query."""

        def find(name: str) -> Target:
            target = self._targets.get(name)
            if target is None:
                raise self._unknown(request, name)
            return target

        steps = read_steps(
            request.body, request.codec, find=find, caller=request.caller, limits=self._limits,
            may=_require,
        )  # fmt: skip
        if request.allowance is not None:
            request.allowance.spend(len(steps) - 1)
        whole = Together(steps, failures=self._failures, limits=self._limits, pepper=self._pepper)
        request.args = whole.decode(request.body, request.codec)
        request.target = whole
        writes = [step.target for step in steps if step.target.method.kind == "mutation"]
        (writes or [steps[0].target])[0].hand_over(request)

    def _unknown(self, request: Request, named: str) -> UnknownMethod:
        """The names in the hint are those that this caller may call."""
        allowed = [
            target.full_name
            for name, target in self._targets.items()
            if name == target.full_name
            and request.caller.allows(target.full_name, target.method.scope)
        ]
        name = named[:_NAME_SHOWN_MAX]
        return UnknownMethod(f"There is no method {name!r}.", hint=nearest(name, allowed))

    def _mismatch(self, sent: str, error: CallError) -> ContractMismatch:
        """
        Why a client of another contract was refused.

        Its calls are served as long as they fit: most changes of a contract only add to it.
        """
        return ContractMismatch(
            f"{error.detail} The client is of the contract {sent[:_NAME_SHOWN_MAX]!r}; "
            f"this server serves {self._contract!r}.",
            hint="Generate the client again: freehold generate.",
            path=error.path,
            data={"contract": self._contract},
        )


def _database(entrypoint: type[Entrypoint], databases: Mapping[str, Database]) -> Database:
    database = databases.get(entrypoint.database)
    if database is None:
        raise ContractError(
            f"{entrypoint.__name__}: there is no database {entrypoint.database!r}.",
            hint=f"The application has {', '.join(sorted(databases)) or 'none'}.",
        )
    return database


def _require(caller: Caller, target: Target) -> None:
    if not caller.allows(target.full_name, target.method.scope):
        raise _denied(caller, target.method)


def _denied(caller: Caller, method: Method) -> PermissionDenied:
    scope = method.scope
    wanted = f"the scope {scope!r}" if scope else f"a scope like {method.full_name!r}"
    return PermissionDenied(
        f"The key {caller.key_id!r} may not call {method.full_name}.",
        hint=f"Use a key that has {wanted}.",
    )
