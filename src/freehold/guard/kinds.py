"""
What a file is, by its name: which reader it gets, or that nothing in it runs.
"""

from __future__ import annotations

import posixpath
import re
from typing import Final, Literal

Kind = Literal[
    "python", "typescript", "tsx", "javascript", "page", "notebook", "worker", "package",
    "compose", "json", "toml", "yaml", "settings", "environment", "script", "prisma", "unknown",
    "other",
]  # fmt: skip

_BY_ENDING: Final[dict[str, Kind]] = {
    ".py": "python", ".pyi": "python", ".pyw": "python",
    ".ts": "typescript", ".mts": "typescript", ".cts": "typescript", ".tsx": "tsx",
    ".js": "javascript", ".mjs": "javascript", ".cjs": "javascript", ".jsx": "javascript",
    ".vue": "page", ".svelte": "page", ".astro": "page", ".html": "page", ".htm": "page",
    ".ipynb": "notebook", ".json": "json", ".jsonc": "json", ".json5": "settings",
    ".toml": "toml", ".yaml": "yaml", ".yml": "yaml",
    ".ini": "settings", ".cfg": "settings", ".conf": "settings", ".properties": "settings",
    ".service": "settings", ".tf": "settings", ".tfvars": "settings", ".nix": "settings",
    ".env": "environment", ".envrc": "environment",
    ".sh": "script", ".bash": "script", ".zsh": "script", ".fish": "script", ".ps1": "script",
    ".bat": "script", ".cmd": "script", ".mk": "script", ".just": "script", ".dockerfile": "script",
    ".prisma": "prisma",
}  # fmt: skip
_BY_NAME: Final[dict[str, Kind]] = {
    "Dockerfile": "script", "Containerfile": "script", "Makefile": "script",
    "GNUmakefile": "script",
    "justfile": "script", "Justfile": "script", "Procfile": "script", "Jenkinsfile": "script",
    ".dev.vars": "environment", ".envrc": "environment", "package.json": "package",
    "wrangler.toml": "worker", "wrangler.json": "worker", "wrangler.jsonc": "worker",
}  # fmt: skip
_ENVIRONMENT: Final = re.compile(r"\.env(?:\..+)?|\.dev\.vars(?:\..+)?|env\.(?:example|sample)")
_COMPOSE: Final = re.compile(r"(?:docker-)?compose(?:[.-][\w.-]+)?\.ya?ml")
#: Locks name every package of the world; who uses one of them imports it.
_LOCKS: Final = frozenset({
    "package-lock.json", "npm-shrinkwrap.json", "pnpm-lock.yaml", "poetry.lock", "uv.lock",
    "yarn.lock", "bun.lock", "Pipfile.lock", "Cargo.lock", "composer.lock",
})  # fmt: skip
#: Languages in which a program can open a database, and which this room cannot read.
_OTHER_LANGUAGES: Final[dict[str, str]] = {
    ".go": "Go", ".rs": "Rust", ".rb": "Ruby", ".java": "Java", ".kt": "Kotlin", ".kts": "Kotlin",
    ".scala": "Scala", ".cs": "C#", ".fs": "F#", ".vb": "Visual Basic", ".php": "PHP", ".c": "C",
    ".h": "C", ".cc": "C++", ".cpp": "C++", ".hpp": "C++", ".cxx": "C++", ".m": "Objective-C",
    ".swift": "Swift", ".dart": "Dart", ".ex": "Elixir", ".exs": "Elixir", ".erl": "Erlang",
    ".hs": "Haskell", ".lua": "Lua", ".pl": "Perl", ".pm": "Perl", ".r": "R", ".jl": "Julia",
    ".clj": "Clojure", ".cljs": "ClojureScript", ".groovy": "Groovy", ".gradle": "Gradle",
    ".zig": "Zig", ".nim": "Nim", ".cr": "Crystal", ".ml": "OCaml", ".pyx": "Cython",
    ".coffee": "CoffeeScript", ".elm": "Elm", ".rakefile": "Ruby", ".gleam": "Gleam",
}  # fmt: skip
_INTERPRETERS: Final[tuple[tuple[str, Kind], ...]] = (
    ("python", "python"), ("node", "javascript"), ("deno", "typescript"), ("bun", "typescript"),
    ("sh", "script"), ("bash", "script"), ("zsh", "script"), ("dash", "script"), ("make", "script"),
)  # fmt: skip
#: How the grammar of each kind is called; the others need none.
GRAMMARS: Final[dict[Kind, str]] = {
    "typescript": "typescript", "tsx": "tsx", "javascript": "javascript", "page": "typescript",
    "json": "json", "package": "json", "toml": "toml", "yaml": "yaml", "compose": "yaml",
    "notebook": "json",
}  # fmt: skip


def kind_of(path: str) -> Kind:
    """What a file is by its name; `other` is a file in which nothing runs."""
    name = posixpath.basename(path)
    ending = posixpath.splitext(name)[1].lower()
    if name in _LOCKS:
        return "other"
    if name in _BY_NAME:
        return _BY_NAME[name]
    if _ENVIRONMENT.fullmatch(name):
        return "environment"
    if _COMPOSE.fullmatch(name):
        return "compose"
    if name.startswith(("Dockerfile.", "Containerfile.", "Makefile.")):
        return "script"
    if name == "Rakefile" or ending in _OTHER_LANGUAGES:
        return "unknown"
    return _BY_ENDING.get(ending, "other")


def language_of(path: str) -> str:
    """The name of a language that cannot be read."""
    return _OTHER_LANGUAGES.get(posixpath.splitext(path)[1].lower(), "Ruby")


def kind_by_first_line(line: bytes) -> Kind:
    """What a file without an ending is: a program says so in its first line."""
    if not line.startswith(b"#!"):
        return "other"
    words = line[2:].decode("latin-1").replace("/", " ").split()
    for word in words:
        for start, kind in _INTERPRETERS:
            if re.fullmatch(rf"{start}[\d.]*", word):
                return kind
    return "unknown"


def grammar_of(path: str, kind: Kind) -> str | None:
    """The grammar that a file needs, None when it needs none."""
    if kind == "worker":
        return "toml" if path.endswith(".toml") else "json"
    return GRAMMARS.get(kind)
