"""Arguments from a contract's types, as hypothesis draws them: right ones, and damaged ones."""

from __future__ import annotations

from typing import Any, Final

from hypothesis import strategies as st

from tests.lockstep import words

#: Said back by nobody but who said it: no error of another caller may hold it.
CANARY: Final = "zq7canary"
#: Each is text to a statement that binds it, and an end of the statement to one that does not.
INJECTIONS: Final = (
    f"' OR '1'='1 {CANARY}",
    f"'; DROP TABLE users; -- {CANARY}",
    f'"; DROP TABLE users; -- {CANARY}',
    f"1); DELETE FROM publications; -- {CANARY}",
    f"x' UNION SELECT key, digest FROM _freehold_keys -- {CANARY}",
    f"' UNION ALL SELECT sql FROM sqlite_master -- {CANARY}",
    f"'||(SELECT pg_sleep(5))||'{CANARY}",
    f"\\'; SELECT pg_sleep(5); -- {CANARY}",
    f"$1 $2 :id ?1 @p %s {{}} {CANARY}",
    f"%' ESCAPE '\\ {CANARY}",
    f"%{CANARY}%",
    f"_{CANARY}",
    f"$${CANARY}$$; ROLLBACK; $$",
    f"/* {CANARY} */ COMMIT; ATTACH 'x' AS y; PRAGMA query_only = 0",
    f"{CANARY}') RETURNING * --",
    f'{{"$result":[0,"{CANARY}"]}}',
    f"id\u0000{CANARY}",
    f"{CANARY} COLLATE NOCASE ORDER BY 1 DESC LIMIT 1 OFFSET 1",
    f"x'{CANARY}'",
    f"E'\\x27{CANARY}",
    f"\u02bc OR 1=1 {CANARY}",
    f"\uff07 OR 1=1 {CANARY}",
)
TEXTS: Final = (
    st.sampled_from(words.WORDS)
    | st.sampled_from(INJECTIONS)
    | st.sampled_from(words.TEXT_EDGES)
    | st.text(max_size=12)
)
WHOLES: Final = st.sampled_from(words.INT_EDGES) | st.integers(-5, 50)
ANYTHING: Final = st.recursive(
    st.none() | st.booleans() | WHOLES | st.floats() | TEXTS | st.binary(max_size=4),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3)
    ),
    max_leaves=8,
)


class Values:
    """
    Strategies for the arguments of the methods of one contract.

    Args:
        document: The contract.
    """

    def __init__(self, document: dict[str, Any]) -> None:
        self._types = document["types"]
        self.methods = {
            f"{entrypoint}.{wire}": method
            for entrypoint, said in document["entrypoints"].items()
            for wire, method in said["methods"].items()
        }

    def right(self, method: str) -> st.SearchStrategy[dict[str, Any]]:
        """Arguments that fit the types; what else is wrong with them the method says."""
        return self._fields(self.methods[method]["params"], 0)

    def wrong(self, method: str) -> st.SearchStrategy[Any]:
        """Arguments with something else in one place, left out, too many, or no object at all."""
        return _damaged(self.right(method))

    def _fields(self, fields: list[dict[str, Any]], depth: int) -> st.SearchStrategy[Any]:
        needed = {
            each["wire"]: self._of(each["type"], depth) for each in fields if each["required"]
        }
        others = {
            each["wire"]: self._of(each["type"], depth) for each in fields if not each["required"]
        }
        return st.fixed_dictionaries(needed, optional=others)

    def _of(self, said: dict[str, Any], depth: int) -> st.SearchStrategy[Any]:
        match said["t"]:
            case "optional":
                return st.none() | self._of(said["of"], depth)
            case "maybe":
                return self._of(said["of"], depth)
            case "list":
                return st.lists(self._of(said["of"], depth + 1), max_size=3 if depth < 2 else 1)
            case "dict":
                return st.dictionaries(TEXTS, self._of(said["of"], depth + 1), max_size=2)
            case "union":
                return st.one_of([self._of(each, depth) for each in said["of"]])
            case "literal":
                return st.sampled_from(said["values"])
            case "ref":
                return self._fields(self._types[said["name"]]["fields"], depth + 1)
        return self._plain(said["t"])

    def _plain(self, kind: str) -> st.SearchStrategy[Any]:
        match kind:
            case "bool":
                return st.booleans()
            case "int":
                return WHOLES
            case "float":
                return st.sampled_from(words.FLOAT_EDGES) | st.floats(allow_nan=False)
            case "epoch_seconds" | "epoch_millis":
                return st.sampled_from(words.TIME_EDGES) | st.integers(
                    words.START_S - 10, words.START_S + 10
                )
            case "int64":
                return st.sampled_from(words.INT64_EDGES)
            case "bytes":
                return st.binary(max_size=20)
            case "any":
                return ANYTHING
            case "none":
                return st.none()
        return TEXTS


@st.composite
def _damaged(draw: st.DrawFn, right: st.SearchStrategy[dict[str, Any]]) -> Any:
    tree: Any = draw(right)
    how = draw(st.sampled_from(["place", "place", "place", "missing", "more", "whole"]))
    if how == "whole":
        return draw(ANYTHING)
    if how == "more":
        tree[draw(st.text(max_size=8) | st.sampled_from(["id", "userId", "__proto__"]))] = 1
        return tree
    holder, key = tree, None
    while isinstance(holder, dict | list) and holder:
        keys: list[Any] = list(holder) if isinstance(holder, dict) else list(range(len(holder)))
        key = draw(st.sampled_from(keys))
        if not isinstance(holder[key], dict | list) or not holder[key] or draw(st.booleans()):
            break
        holder = holder[key]
    if key is not None:
        if how == "missing" and isinstance(holder, dict):
            del holder[key]
        else:
            holder[key] = draw(ANYTHING)
    return tree
