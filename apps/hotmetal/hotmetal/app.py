"""
The application: one database, one entrypoint, and the names that the document gives them.

`freehold dev hotmetal.app:app` serves it; see the README beside this package.
"""

from __future__ import annotations

from pathlib import Path

from freehold import App, Database
from hotmetal.entrypoints import DataLayer
from hotmetal.schema import schema
from hotmetal.seed import seed

app = App(
    "hotmetal",
    databases=[
        Database("main", schema, migrations=Path(__file__).with_name("migrations"), seed=seed)
    ],
    entrypoints=[DataLayer],
    service="data-layer",
    # 64 hexadecimal characters, as the document has it; without it the secrets file is asked.
    column_keys_env="TOKEN_ENCRYPTION_KEY",
)
