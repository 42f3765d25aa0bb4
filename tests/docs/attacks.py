"""
The 46 attacks that the data layer is held against, and what stands in their way.

An attack on something that is not built yet says so instead of naming a defence.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True)
class Attack:
    """One of them."""

    number: str
    #: What is tried, in a few words.
    tried: str
    #: What stands in its way; None when the thing attacked does not exist.
    defence: str | None
    #: Why there is nothing to attack.
    absent: str | None = None


_STUDIO: Final = "There is no studio yet."
_BACKUP: Final = "There are no backups yet; a copy by the operator's own means is outside."

ATTACKS: Final = (
    Attack("A1", "no key, a wrong, expired, revoked one, one of another environment",
           "one answer for all of them, the same for every method"),
    Attack("A2", "a method beyond the key's scope; names with dunders, look-alikes, encodings",
           "the table of methods is the only router"),
    Attack("A3", "another user's id as an argument, in a list, a cursor, a filter",
           "the handle adds the owner; foreign and missing are the same `not_found`"),
    Attack("A4", "columns in an update that are not the caller's to set",
           "typed inputs; unknown fields are refused"),
    Attack("A5", "hashes, ciphertexts and own columns in answers",
           "answers have a type; sealed and hashed ones have no way out"),
    Attack("A6", "SQL in any text",
           "values are only ever bound, names come from the schema"),
    Attack("A7", "guessing a hidden value by filter or order",
           "filters and orders are declared; sealed and hashed columns cannot be compared"),
    Attack("A8", "a changed or borrowed page cursor",
           "signed, and bound to its query and caller"),
    Attack("A9", "another caller's idempotency key",
           "keys are looked up under service key and user"),
    Attack("A10", "one idempotency key for two calls, odd ones, a million of them",
           "a fingerprint of the arguments; ASCII of bounded length; a quota"),
    Attack("A11", "a one-time secret in a kept answer",
           "kept sealed, for ten minutes"),
    Attack("A12", "a stolen hash shown as the token",
           "tokens are hashed under a pepper that is not in the database"),
    Attack("A13", "the time that a comparison takes",
           "constant time, and a comparison also when there is no such key"),
    Attack("A14", "guessing keys",
           "256 bits; a budget of failures for each source"),
    Attack("A15", "an OAuth state used twice, elsewhere, late",
           "taken by one statement that names all it is bound to"),
    Attack("A16", "taking over an account by its e-mail address",
           "accounts are joined by an address only when both providers vouch for it"),
    Attack("A17", "making the server call an address inside", None,
           absent="The data layer makes no outbound call."),
    Attack("A18", "secrets in logs, errors, metrics, the process's memory image",
           "`Secret` cannot be printed; no bound value is ever logged; no core dumps"),
    Attack("A19", "learning of another's row from an error",
           "the same refusal, whoever's row it is"),
    Attack("A20", "forging a request to the studio", None, absent=_STUDIO),
    Attack("A21", "a web page that reaches a listener by a name of its own",
           "each listener knows its names and origins"),
    Attack("A22", "scripts in rows that the studio shows", None, absent=_STUDIO),
    Attack("A23", "framing, sniffing and caching of answers",
           "headers on every answer"),
    Attack("A24", "paths that lead elsewhere",
           "assets are a fixed map; names of files are checked"),
    Attack("A25", "more rights by the operator's SQL",
           "one SELECT, on a connection that cannot write, with a cap on time and rows"),
    Attack("A26", "another local user at the socket, or one who was there first",
           "a folder and a socket of the owner alone, and a look at who connects"),
    Attack("A27", "requests that two parsers read differently",
           "refused: two lengths, two hosts, bare line feeds, folded headers"),
    Attack("A28", "input that blows up in the decoder",
           "bytes and depth are bounded before; decoded straight into types"),
    Attack("A29", "queries that cost too much",
           "pages by key, a cap on rows, a time for every statement"),
    Attack("A30", "clients that send or read very slowly",
           "a deadline for head, body, answer and silence"),
    Attack("A31", "bodies, heads and frames that are too long",
           "refused by their length, before they are kept"),
    Attack("A32", "taking all connections, descriptors or the writer's queue",
           "caps, descriptors kept back, and a turn for each key"),
    Attack("A33", "a small request that makes much work",
           "calls, references and bytes of a transaction are counted"),
    Attack("A34", "clear text on the network by accident",
           "another address than loopback needs a word for it"),
    Attack("A35", "a right that was taken away and still works",
           "keys are looked at on every message, also on a repeated call"),
    Attack("A36", "changing the audit table",
           "rows are chained by HMAC and cannot be changed through the database"),
    Attack("A37", "moving a ciphertext to another place",
           "database, table, column and row are authenticated with it"),
    Attack("A38", "using a nonce twice",
           "96 random bits from the system for each value, never a stored counter"),
    Attack("A39", "reading a backup", None, absent=_BACKUP),
    Attack("A40", "a restore that brings back what was revoked", None, absent=_BACKUP),
    Attack("A41", "a database file made to do harm",
           "its schema is compared, triggers of strangers are refused, nothing in it is trusted"),
    Attack("A42", "a dependency that is not what it says",
           "few of them, each held to its hashes"),
    Attack("A43", "pickle, YAML, eval",
           "refused by the linter; none is used"),
    Attack("A44", "names that become code in a generated client",
           "identifiers only; whatever the schema says, the client is inert"),
    Attack("A45", "line feeds and escapes in logs",
           "written escaped"),
    Attack("A46", "another process of the machine reading memory",
           "no dumps, no tracing by others of the user; the unit file shuts the rest"),
)  # fmt: skip
