"""
Violations that are planted, one and more for each rule, and what is nearly one and is none.

Each is a whole small repository around one file, so that nothing else can be what is found.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from freehold.guard import Report, Settings, look

#: What every repository of these has: a data layer, in both languages.
AROUND = {
    "dal/__init__.py": "",
    "dal/schema.py": "import sqlite3\n",
    "dal/client.py": "def connect(): ...\n",
    "services/data-layer/package.json": '{"name": "@hot/data-layer", "dependencies": {"pg": "8"}}',
    "services/data-layer/src/sessions.ts": "export const list = () => env.DB.prepare('SELECT 1')\n",
}
SETTINGS = Settings(data_layer=["dal", "services/data-layer"], doors=["dal/client.py"])


@dataclass(frozen=True)
class Planted:
    """
    One violation.

    Args:
        rule: Its rule.
        path: Where it is planted.
        text: The file.
        at: Line and column where it must be found.
        near: The same file, nearly.
        more: Other files of the repository.
    """

    rule: str
    path: str
    text: str
    at: tuple[int, int]
    near: str
    more: dict[str, str] = field(default_factory=dict)
    settings: Settings = SETTINGS

    @property
    def name(self) -> str:
        """For the list of tests."""
        return f"{self.rule}: {' '.join(self.text.split())[:50]}"


def write_repository(root: Path, files: dict[str, str | bytes]) -> Path:
    """The files of a repository, without git."""
    for name, content in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return root


def looked_at(root: Path, files: dict[str, str | bytes], settings: Settings = SETTINGS) -> Report:
    """What is found in a repository of these files and a data layer."""
    return look(write_repository(root, {**AROUND, **files}), settings)


_PY = "services/writer/main.py"
_TS = "services/writer/src/index.ts"
_JS = "services/writer/src/index.js"
_YML = "compose.yaml"

PLANTED = [
    # -- Python ---------------------------------------------------------------------------
    Planted("python-driver", _PY, "import json\nimport sqlite3\n", (2, 1), "import json\n"),
    Planted("python-driver", _PY, "def f():\n    from psycopg2 import connect\n", (2, 5),
            "from psycopg_of_ours import connect\n"),
    Planted("python-driver", _PY,
            "import mysql.connector as c\n", (1, 1), "import mysql_of_ours\n"),
    Planted("python-driver", _PY, "import importlib\nm = importlib.import_module('sqlite3')\n",
            (2, 5), "import importlib\nm = importlib.import_module('json')\n"),
    Planted("python-driver", _PY, "m = __import__('apsw')\n", (1, 5), "m = __import__('json')\n"),
    Planted("python-driver", _PY,
            "ü = 'ä'; import asyncpg\n", (1, 10), "ü = 'ä'; import asyncio\n"),
    Planted("python-orm", _PY, "from sqlalchemy.orm import Session\n", (1, 1),
            "from sqlalchemist import Session\n"),
    Planted("python-orm", _PY, "from django.db import connection\n", (1, 1),
            "from django.http import HttpResponse\n"),
    Planted("python-orm", _PY, "from django import db\n", (1, 1), "from django import forms\n"),
    Planted("python-orm", _PY, "import databases\n", (1, 1), "from .databases import three\n"),
    Planted("python-data-layer", _PY, "from dal.schema import Idea\n", (1, 1),
            "from dal.client import connect\n"),
    Planted("python-data-layer", _PY, "from dal import schema\n", (1, 1),
            "from dali import schema\n"),
    Planted("python-data-layer", "dal_user/a.py", "from ..dal import schema\n", (1, 1),
            "from ..dal import client\n"),
    Planted("python-data-layer", _PY,
            "from freehold.drivers.sqlite import SqliteDatabase\n", (1, 1),
            "from freehold.client import connect\nfrom freehold.errors import NotFound\n"),
    Planted("python-connect", _PY, "def f(lib):\n    return lib.connect('data/main.db')\n", (2, 12),
            "def f(lib):\n    return lib.connect('main.example')\n"),
    Planted("python-connect", _PY, "f = open(f'{folder}/main.sqlite3', 'rb')\n", (1, 5),
            "f = open(f'{folder}/main.json', 'rb')\n"),
    Planted("python-sql", _PY, "def f(db):\n    db.execute('SELECT * FROM users')\n", (2, 5),
            "def f(task):\n    task.execute('select a dish')\n"),
    Planted("python-sql", _PY, "c.execute('INSERT INTO ' + table)\n", (1, 1),
            "log.info('INSERT INTO ' + table)\n"),
    Planted("python-unknown-import", _PY,
            "import importlib\nimportlib.import_module(name)\n", (2, 1),
            "import importlib\nimportlib.import_module('json')\n"),
    Planted("connection-string", _PY, "URL = 'postgresql://a:b@db/main'\n", (1, 7),
            "URL = 'https://a:b@db/main'\n"),
    Planted("connection-string", _PY, "URL = f'postgres://{user}@{host}'\n", (1, 7),
            "IS = url.startswith('postgres://')\n"),
    Planted("connection-string", _PY, "connect('host=db dbname=main')\n", (1, 1),
            "connect('host=db name=main')\n"),
    Planted("database-variable", _PY, "import os\nu = os.environ['DATABASE_URL']\n", (2, 5),
            "import os\nu = os.environ['FREEHOLD_DAL']\n"),
    Planted("database-variable", _PY, "import os\nu = os.getenv('PGPASSWORD')\n", (2, 5),
            "import os\nu = os.getenv('PAGER')\n"),
    Planted("command-line-client", _PY, "subprocess.run(['sqlite3', 'main.db'])\n", (1, 1),
            "subprocess.run(['sqlfluff', 'main.sql'])\n"),
    Planted("command-line-client", _PY, "os.system('cat x | psql main')\n", (1, 1),
            "os.system('echo psql')\n"),
    # -- TypeScript and JavaScript --------------------------------------------------------
    Planted("js-driver", _TS, "import Database from 'better-sqlite3'\n", (1, 22),
            "import Database from 'better-sqlite4'\n"),
    Planted("js-driver", _TS, "import type { Pool } from 'pg'\n", (1, 27),
            "import type { Pool } from './pg'\n"),
    Planted("js-driver", _TS, "const p = await import('postgres')\n", (1, 17),
            "const p = await import('postcss')\n"),
    Planted("js-driver", _TS, "import sqlite = require('node:sqlite')\n", (1, 25),
            "import fs = require('node:fs')\n"),
    Planted("js-driver", _JS, "const p = require('@neondatabase/serverless')\n", (1, 11),
            "const p = require('@neon/serverless')\n"),
    Planted("js-driver", _TS, "export { Client } from '@libsql/client/web'\n", (1, 24),
            "export { Client } from '@hot/client/web'\n"),
    Planted("js-driver", "services/site/App.vue",
            "<template><p/></template>\n<script setup lang=\"ts\">\n"
            "import pg from 'pg'\n</script>\n",
            (3, 16),
            "<template>import pg from 'pg'</template>\n<script>\nimport a from './a'\n</script>\n"),
    Planted("js-orm", _TS, "import { drizzle } from 'drizzle-orm/d1'\n", (1, 25),
            "import { drizzle } from './drizzle-orm'\n"),
    Planted("js-orm", _JS, "import { PrismaClient } from '@prisma/client'\n", (1, 30),
            "import { Prism } from 'prismjs'\n"),
    Planted("js-driver", _TS,
            "export type * from './x'\ninterface A<in out T> { t: T }\nimport 'pg'\n", (3, 8),
            "export type * from './x'\ninterface A<in out T> { t: T }\nimport './pg'\n"),
    Planted("js-data-layer", _TS,
            "import { list } from '../../data-layer/src/sessions.js'\n", (1, 22),
            "import type { list } from '../../data-layer/src/sessions.js'\n"),
    Planted("js-data-layer", _TS, "import { DataLayer } from '@hot/data-layer'\n", (1, 27),
            "import { type DataLayer } from '@hot/data-layer'\n"),
    Planted("js-connect", _TS, "const db = open('./main.db')\n", (1, 12),
            "const db = open('./main.html')\n"),
    Planted("js-connect", _TS, "const db = new Database('/data/main.sqlite')\n", (1, 12),
            "const db = new Database('/data/main')\n"),
    Planted("js-prepare", _TS, "await db.prepare('SELECT id FROM ideas').bind(1).first()\n", (1, 7),
            "await dish.prepare('tomatoes')\n"),
    Planted("js-prepare", _TS, "await x.prepare(text).bind(1)\n", (1, 7),
            "await x.prepare({ text }).save(1)\n"),
    Planted("js-prepare", _JS, "const s = a.b.c.prepare(`UPDATE a SET b = ${c}`)\n", (1, 11),
            "const s = a.b.c.prepare()\n"),
    Planted("js-sql", _TS, "await pool.query('SELECT 1')\n", (1, 7),
            "await pool.query('everything')\n"),
    Planted("js-sql", _TS, "await state.storage.sql.exec<Row>(`DELETE FROM drafts`)\n", (1, 1),
            "await state.storage.files.exec<Row>(`rm drafts`)\n"),
    Planted("js-sql-template", _TS, "const rows = await sql`SELECT ${id}`\n", (1, 20),
            "const rows = await html`SELECT ${id}`\n"),
    Planted("js-sql-template", _TS, "const q = await sql<Row[]>`SELECT ${id}`\n", (1, 17),
            "const q = await css<Row[]>`SELECT ${id}`\n"),
    Planted("js-sql-template", _TS, "const q = sql<Row>`SELECT ${id}`\n", (1, 11),
            "const q = css<Row>`SELECT ${id}`\n"),
    Planted("js-binding", _TS, "const m = new Ideas(c.env.WRITER_DB)\n", (1, 21),
            "const m = new Ideas(c.env.WRITER_DAL)\n"),
    Planted("js-binding", _TS, "const { PUBLISHER_DB: db } = env\n", (1, 9),
            "const { PUBLISHER_DB: db } = names\n"),
    Planted("js-binding", _TS, "f(this.env['X_DB'])\n", (1, 3), "f(this.flags['X_DB'])\n"),
    Planted("js-binding", _TS, "interface Env {\n  STORE: D1Database\n}\n", (2, 3),
            "interface Env {\n  STORE: KVNamespace\n}\n"),
    Planted("js-binding", _TS, "export const get = (all) => all.STORE\n", (1, 29),
            "export const get = (all) => all.SHOP\n",
            settings=Settings(data_layer=SETTINGS.data_layer, bindings=["STORE"])),
    Planted("js-database-type", _TS, "export function f(db: D1Database) {}\n", (1, 23),
            "export function f(db: R2Bucket) {}\n"),
    Planted("js-unknown-import", _TS, "const m = await import(name)\n", (1, 17),
            "const m = await import('./name.js')\n"),
    Planted("connection-string", _TS, "const u = `mysql://${user}:x@db`\n", (1, 11),
            "const u = `https://${user}:x@db`\n"),
    Planted("database-variable", _TS, "connect(process.env.DATABASE_URL!)\n", (1, 9),
            "connect(process.env.FREEHOLD_DAL!)\n"),
    Planted("database-variable", _JS, "Deno.env.get('POSTGRES_URL')\n", (1, 1),
            "Deno.env.get('POSTAL_URL')\n"),
    Planted("command-line-client", _JS, "execSync('sqlite3 main.db .dump')\n", (1, 1),
            "execSync('ls sqlite3')\n"),
    # -- settings -------------------------------------------------------------------------
    Planted("worker-binding", "services/scout/wrangler.jsonc",
            '{ // the scout\n  "d1_databases": [\n    { "binding": "WRITER_DB" },\n  ],\n}\n',
            (3, 5),
            '{ // the scout\n  "services": [\n    { "binding": "DAL" },\n  ],\n}\n'),
    Planted("worker-binding", "services/scout/wrangler.toml",
            'name = "x"\n[[env.staging.d1_databases]]\nbinding = "DB"\n', (2, 1),
            'name = "x"\n[[env.staging.services]]\nbinding = "DAL"\n'),
    Planted("worker-binding", "services/scout/wrangler.json",
            '{"hyperdrive": [{"binding": "H", "id": "1"}]}', (1, 17),
            '{"kv_namespaces": [{"binding": "H", "id": "1"}]}'),
    Planted("package-driver", "services/writer/package.json",
            '{"dependencies": {\n  "hono": "4",\n  "better-sqlite3": "12"\n}}', (3, 3),
            '{"devDependencies": {\n  "hono": "4",\n  "better-sqlite3": "12"\n}}'),
    Planted("command-line-client", "services/writer/package.json",
            '{"scripts": {"migrate": "wrangler d1 execute main --file x.sql"}}', (1, 14),
            '{"scripts": {"migrate": "wrangler deploy"}}'),
    Planted("prisma-datasource", "prisma/schema.prisma",
            'generator client {\n}\ndatasource db {\n  provider = "sqlite"\n}\n', (3, 1),
            '// datasource db {\ngenerator client {\n}\n'),
    Planted("compose-variable", _YML,
            "services:\n  writer:\n    environment:\n      - DATABASE_URL=postgres://db/main\n",
            (4, 9),
            "services:\n  writer:\n    environment:\n      - FREEHOLD_DAL=http://dal:8791\n"),
    Planted("compose-variable", _YML,
            "x-all: &all\n  PGPASSWORD: x\n"
            "services:\n  writer:\n    environment:\n      <<: *all\n",
            (2, 3),
            "services:\n  db:\n    image: postgres:18\n"
            "    environment:\n      POSTGRES_PASSWORD: x\n"),
    Planted("compose-volume", _YML,
            "services:\n  writer:\n    volumes:\n      - ./data/main.db:/data/main.db\n", (4, 9),
            "services:\n  writer:\n    volumes:\n      - ./data/images:/data/images\n"),
    Planted("compose-volume", _YML,
            "services:\n  dal:\n    command: freehold serve app.py\n    volumes: [data:/data]\n"
            "  writer:\n    volumes:\n      - type: volume\n        source: data\n", (8, 9),
            "services:\n  dal:\n    command: freehold serve app.py\n    volumes: [data:/data]\n"
            "  writer:\n    volumes:\n      - type: volume\n        source: own\n"),
    Planted("env-variable", "services/writer/.env.example",
            "PORT=1\nexport DATABASE_URL=\"postgres://a:b@db/main\"\n", (2, 8),
            "PORT=1\n# DATABASE_URL=postgres://a:b@db/main\nDATABASE_URL=\n"),
    Planted("env-variable", ".github/workflows/ci.yml",
            "jobs:\n  a:\n    env:\n      DATABASE_URL: ${{ secrets.URL }}\n", (4, 7),
            "jobs:\n  a:\n    env:\n      FREEHOLD_DAL: ${{ secrets.URL }}\n"),
    Planted("connection-string", "settings.toml", '[db]\nurl = "mysql://a:b@db/x"\n', (2, 1),
            '[db]\nurl = "https://db/x"\n'),
    Planted("connection-string", "deploy/chart.yaml",
            "a: {{ .Name }}\nb: postgres://a@b/c\n", (2, 1),
            "a: {{ .Name }}\nb: https://a@b/c\n"),
    Planted("command-line-client", "scripts/nightly.sh",
            "set -e\nsqlite3 main.db .dump > x\n", (2, 1),
            "set -e\n# sqlite3 main.db .dump\necho sqlite3\n"),
    Planted("command-line-client", "Makefile", "dump:\n\tpg_dump main > x\n", (2, 2),
            "dump:\n\tfreehold export > x\n"),
    Planted("command-line-client", "bin/tool", "#!/bin/sh\npsql main\n", (2, 1),
            "#!/bin/sh\nfreehold sql main\n"),
    # -- allowances -----------------------------------------------------------------------
    Planted("allowance-without-reason", _PY, "x = 1  # freehold: allow-database\n", (1, 8),
            "x = '# freehold: allow-database'\n"),
    Planted("unused-allowance", _PY, "x = 1  # freehold: allow-database — none\n", (1, 8),
            "x = 1  # freehold: a remark\n"),
]  # fmt: skip
