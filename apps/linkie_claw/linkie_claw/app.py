"""
The application: one database, one entrypoint, and the names that its consumers use.

`freehold dev linkie_claw.app:app` serves it; see the README beside this package.
"""

from __future__ import annotations

from pathlib import Path

from freehold import App, Database
from linkie_claw.entrypoints import DataLayer
from linkie_claw.schema import schema
from linkie_claw.seed import seed

app = App(
    "linkie_claw",
    databases=[
        Database("main", schema, migrations=Path(__file__).with_name("migrations"), seed=seed)
    ],
    entrypoints=[DataLayer],
)
