"""
Random calls, made from a contract's types and from what earlier answers held.

The same generator feeds the seeded driver and hypothesis: all it asks is a `Random`.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from random import Random
from typing import Any, Final

from freehold.rpc.contract import contract_of
from tests.lockstep import words
from tests.lockstep.calls import Call, Step, json_body, msgpack_body
from tests.lockstep.habits import Habits, Pool

_SNAKE: Final = re.compile(r"(?<=[a-z0-9])([A-Z])")
_BATCH: Final = 0.07


class Generator:
    """
    Makes calls of every method of an application.

    Args:
        habits: The application and what its names stand for.
    """

    def __init__(self, habits: Habits) -> None:
        self.habits = habits
        app = habits.app
        document = contract_of(app.name, list(app.entrypoints.values())).document
        self.types: dict[str, Any] = document["types"]
        self.methods: dict[str, dict[str, Any]] = {
            f"{entrypoint}.{wire}": {**method, "wire": wire}
            for entrypoint, said in document["entrypoints"].items()
            for wire, method in said["methods"].items()
        }
        self._names = list(self.methods)
        self._weights = [self._weight(name) for name in self._names]
        self._mutations = [
            (name, weight)
            for name, weight in zip(self._names, self._weights, strict=True)
            if self.methods[name]["kind"] == "mutation"
        ]

    def _weight(self, name: str) -> float:
        method = self.methods[name]
        wire = method["wire"]
        if wire in self.habits.rare:
            return 0.2
        return 2.5 if wire.startswith(("create", "schedule", "claim", "add")) else 1.0

    def step(self, random: Random, pool: Pool, *, number: int, now_s: int) -> Step:
        """The next step; it may let time pass first."""
        now_s += _pause(random)
        if random.random() < _BATCH:
            names = random.choices(
                [name for name, _ in self._mutations],
                [weight for _, weight in self._mutations],
                k=random.choice((2, 2, 2, 3, 5)),
            )
        else:
            names = random.choices(self._names, self._weights)
        calls = tuple(
            self.call(name, random, pool, now_s=now_s, is_alone=len(names) == 1) for name in names
        )
        return Step(number, now_s, calls)

    def call(
        self, name: str, random: Random, pool: Pool, *, now_s: int, is_alone: bool = True
    ) -> Call:
        """One call of that method."""
        method = self.methods[name]
        values = _Values(self, random, pool, now_s)
        tree = values.arguments(method)
        chance = random.random()
        if chance < 0.06:
            values.spoil(tree, values.edge)
        elif chance < 0.10:
            values.spoil(tree, lambda _: random.choice(words.WRONG))
        elif chance < 0.12:
            _misname(random, tree)
        body, codec = self._written(random, method, tree)
        if random.random() < 0.004:
            body = _damaged(random, body)
        caller = "owner"
        behind = None
        if is_alone:
            caller = random.choices(("owner", "key", "reader"), (90, 5, 5))[0]
            if random.random() < 0.05:
                behind = random.choice((0, 0, 1, 5, -1, -1_000_000))
        if method["kind"] == "mutation" and random.random() < 0.12:
            return self._keyed(Call(name, body, codec, caller), random, pool)
        spelled = name if random.random() < 0.97 else f"{name.partition('.')[0]}.{method['name']}"
        return Call(spelled, body, codec, caller, behind)

    def _keyed(self, call: Call, random: Random, pool: Pool) -> Call:
        """The call under a key; often it is one that was made before, or has the key of another."""
        chance = random.random()
        earlier = pool.any("call", random) if chance < 0.5 else None
        if earlier is not None:
            return replace(call, key=earlier.key) if chance < 0.1 else earlier
        keyed = replace(call, key=f"key-{random.randint(1, 10**6)}")
        pool.add("call", keyed)
        return keyed

    def _written(
        self, random: Random, method: dict[str, Any], tree: dict[str, Any]
    ) -> tuple[bytes, str]:
        said: Any = tree
        form = random.random()
        if form < 0.08:
            said = _by_position(method, tree)
        elif form < 0.14:
            said = _in_snake_case(tree)
        elif not tree and form < 0.5:
            return b"", "json"
        if random.random() < 0.5 and not _has_cursor(tree):
            packed = msgpack_body(said)
            if packed is not None:
                return packed, "msgpack"
        return json_body(said, escaped=random.random() < 0.8), "json"

    def harvest(self, call: Call, answer: Any, pool: Pool) -> None:
        """Remember what an answer held, and what was asked for with success."""
        entrypoint, _, wire = call.method.partition(".")
        method = self.methods.get(call.method)
        if method is None:
            camel = re.sub(r"_([a-z])", lambda found: found[1].upper(), wire)
            method = self.methods.get(f"{entrypoint}.{camel}")
        if method is None:
            return
        for owner, name, value in self._leaves(method["wire"], "", method["returns"], answer):
            kind = self.habits.kind(owner, name)
            if kind is not None:
                pool.add(kind, value)
        if method["returns"]["t"] == "page" and answer["nextCursor"] is not None:
            pool.add("cursor", answer["nextCursor"].rstrip("."))
        if method["kind"] == "mutation":
            self._remember_arguments(call, method, pool)

    def _remember_arguments(self, call: Call, method: dict[str, Any], pool: Pool) -> None:
        if not call.body:
            return
        tree = call.spoken.decode(call.body)
        if not isinstance(tree, dict):
            return
        for param in method["params"]:
            value = tree.get(param["wire"])
            for owner, name, leaf in self._leaves(
                method["wire"], param["wire"], param["type"], value
            ):
                kind = self.habits.kind(owner, name)
                # Of an id that somebody looked for in vain it is not known whether there is one.
                if kind is not None and (name != "id" or owner != method["wire"]):
                    pool.add(kind, leaf)

    def _leaves(
        self, owner: str, name: str, kind: dict[str, Any], value: Any
    ) -> Iterator[tuple[str, str, Any]]:
        """Every text and number of a value, with the struct and the field it stands in."""
        if value is None:
            return
        match kind["t"]:
            case "optional" | "maybe":
                yield from self._leaves(owner, name, kind["of"], value)
            case "list" if isinstance(value, list):
                for item in value:
                    yield from self._leaves(owner, name, kind["of"], item)
            case "page" if isinstance(value, dict):
                for item in value.get("items", ()):
                    yield from self._leaves(owner, name, kind["of"], item)
            case "ref" if isinstance(value, dict):
                for each in self.types[kind["name"]]["fields"]:
                    yield from self._leaves(
                        kind["name"], each["wire"], each["type"], value.get(each["wire"])
                    )
            case "str" | "int" | "int64" | "epoch_seconds" if isinstance(value, str | int):
                yield owner, name, value


class _Values:
    """Values for one call."""

    def __init__(self, generator: Generator, random: Random, pool: Pool, now_s: int) -> None:
        self._types = generator.types
        self._habits = generator.habits
        self._random = random
        self._pool = pool
        self._now_s = now_s

    def arguments(self, method: dict[str, Any]) -> dict[str, Any]:
        """By name; some of those that may be left out are."""
        return self._fields(method["wire"], method["params"], absent=0.4)

    def _fields(self, owner: str, fields: list[dict[str, Any]], *, absent: float) -> dict[str, Any]:
        random = self._random
        return {
            each["wire"]: self.value(owner, each["wire"], each["type"])
            for each in fields
            if each["required"] or random.random() >= absent
        }

    def value(self, owner: str, name: str, kind: dict[str, Any]) -> Any:
        """A value of a type, as it is written on the wire."""
        random = self._random
        maker = self._habits.makers.get(f"{owner}.{name}")
        if maker is not None and random.random() < 0.85:
            return maker(random)
        match kind["t"]:
            case "optional":
                return None if random.random() < 0.25 else self.value(owner, name, kind["of"])
            case "maybe":
                return self.value(owner, name, kind["of"])
            case "list":
                count = random.choice((0, 1, 1, 2, 3))
                return [self.value(owner, name, kind["of"]) for _ in range(count)]
            case "dict":
                return {words.word(random): self.value(owner, name, kind["of"])}
            case "union":
                return self.value(owner, name, random.choice(kind["of"]))
            case "literal":
                return random.choice(kind["values"])
            case "ref":
                said = self._types[kind["name"]]
                absent = 0.6 if said["role"] == "patch" else 0.35
                return self._fields(kind["name"], said["fields"], absent=absent)
        return self._leaf(owner, name, kind["t"])

    def _leaf(self, owner: str, name: str, type_name: str) -> Any:
        random = self._random
        kind = self._habits.kind(owner, name)
        if kind is not None:
            is_new = name == "id" and owner.startswith(("Create", "New"))
            found = self._of_kind(kind, is_new=is_new)
            if found is not None:
                return found
        match type_name:
            case "int":
                return words.whole(random)
            case "int64":
                return random.choice(words.INT64_EDGES) if random.random() < 0.2 else str(
                    random.randint(-5, 5))  # fmt: skip
            case "epoch_seconds":
                return words.moment(random, self._now_s)
            case "epoch_millis":
                return words.moment(random, self._now_s) * 1_000 + random.randint(0, 1)
            case "float":
                return words.fraction(random)
            case "bool":
                return random.random() < 0.5
            case "bytes":
                return words.word(random).encode("utf-8", "surrogatepass")
            case "any":
                return random.choice(words.WRONG)
            case "none":
                return None
        return words.word(random)

    def _of_kind(self, kind: str, *, is_new: bool) -> Any:
        """One that was seen, a word of the kind, or one that nobody has yet."""
        random = self._random
        said = self._habits.words.get(kind)
        chance = random.random()
        if chance < 0.03:
            return None
        if kind in self._habits.fresh and (chance < 0.08 or (is_new and chance < 0.85)):
            return f"{kind}-{int(random.random() ** 2 * 50)}"
        if said is not None and chance < 0.6:
            return random.choice(said)
        return self._pool.any(kind, random)

    def edge(self, value: Any) -> Any:
        """In place of a value, an edge of its type."""
        random = self._random
        match value:
            case bool():
                return not value
            case int():
                return random.choice(words.INT_EDGES + words.TIME_EDGES)
            case float():
                return random.choice(words.FLOAT_EDGES)
            case str():
                return random.choice(words.TEXT_EDGES)
            case bytes():
                return random.choice((b"", b"\0", b"\xff" * 300))
            case list():
                return value * random.choice((0, 2, 5))
            case None:
                return random.choice((0, "", False))
        return {}

    def spoil(self, tree: dict[str, Any], change: Callable[[Any], Any]) -> None:
        """Change one value, anywhere in the tree."""
        places: list[tuple[Any, Any]] = []
        waiting: list[Any] = [tree]
        while waiting:
            node = waiting.pop()
            keys = list(node) if isinstance(node, dict) else range(len(node))
            for key in keys:
                places.append((node, key))
                if isinstance(node[key], dict | list):
                    waiting.append(node[key])
        if not places:
            tree["nobody"] = self._random.choice(words.WRONG)
            return
        node, key = self._random.choice(places)
        node[key] = change(node[key])


def _pause(random: Random) -> int:
    """Mostly none: many calls fall into the same second, so that ties are common."""
    chance = random.random()
    if chance < 0.7:
        return 0
    if chance < 0.9:
        return random.randint(1, 3)
    if chance < 0.99:
        return random.randint(30, 400)
    return random.choice((3_599, 3_600, 3_601, words.DAY_S, 7 * words.DAY_S))


def _misname(random: Random, tree: dict[str, Any]) -> None:
    """Leave one argument or field out, or bring one that there is not."""
    inner = [value for value in tree.values() if isinstance(value, dict)]
    node = random.choice([tree, *inner])
    if node and random.random() < 0.6:
        del node[random.choice(list(node))]
    else:
        node[random.choice(("nobody", "", "id", "userID", "a\0b"))] = 1


def _by_position(method: dict[str, Any], tree: dict[str, Any]) -> list[Any]:
    """The arguments as a list, up to the first that was left out."""
    given = itertools.takewhile(lambda each: each["wire"] in tree, method["params"])
    return [tree[each["wire"]] for each in given]


def _in_snake_case(tree: dict[str, Any]) -> dict[str, Any]:
    return {
        _SNAKE.sub(lambda found: f"_{found[1].lower()}", key): (
            _in_snake_case(value) if isinstance(value, dict) else value
        )
        for key, value in tree.items()
    }


def _has_cursor(tree: dict[str, Any]) -> bool:
    return str(tree.get("cursor", "")).startswith("cursor-")


def _damaged(random: Random, body: bytes) -> bytes:
    """Cut, doubled, or something else altogether."""
    return random.choice(
        (body[: len(body) // 2], body + body, b"\xc1", b"nonsense", b"[", b"\xff\xfe", b"[[" * 40)
    )
