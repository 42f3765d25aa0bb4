"""
A repository in the shape of the first document: three workers on D1, before they move and after.

Its own search is of phase 6.1: the names of the bindings, and `.prepare(` outside the data layer.
"""

from __future__ import annotations

import re

_WRANGLER = """{
  // %(name)s
  "name": "hotmetal-%(name)s",
  "main": "src/index.ts",
%(bindings)s
}
"""
_D1 = """  "d1_databases": [
    {
      "binding": "%s",
      "database_name": "hotmetal",
      "database_id": "00000000-0000-0000-0000-000000000000",
    },
  ],"""
_DAL = '  "services": [{ "binding": "DAL", "service": "hotmetal-data-layer" }],'

_SESSIONS = """export class SessionManager {
  constructor(private db: D1Database) {}

  async getById(id: string): Promise<Session | null> {
    return await this.db
      .prepare('SELECT * FROM sessions WHERE id = ?')
      .bind(id)
      .first<Session>()
  }
}
"""
_ROUTES_BEFORE = """import { Hono } from 'hono'
import { SessionManager } from '../lib/session-manager'

const routes = new Hono<{ Bindings: WriterAgentEnv }>()
routes.get('/api/sessions/:id', async (c) => {
  const manager = new SessionManager(c.env.WRITER_DB)
  return c.json(await manager.getById(c.req.param('id')))
})
"""
_ROUTES_AFTER = """import { Hono } from 'hono'

const routes = new Hono<{ Bindings: WriterAgentEnv }>()
routes.get('/api/sessions/:id', async (c) => {
  return c.json(await c.env.DAL.getSessionById(c.req.param('id')))
})
"""
_AGENT_BEFORE = """export class WriterAgent extends Agent<WriterAgentEnv> {
  async onStart() {
    const row = await this.env.WRITER_DB
      .prepare('SELECT title, cms_post_id FROM sessions WHERE id = ?')
      .bind(this.name)
      .first<{ title: string }>()
    this.sql`CREATE TABLE IF NOT EXISTS drafts (id TEXT PRIMARY KEY)`
  }
}
"""
_AGENT_AFTER = """export class WriterAgent extends Agent<WriterAgentEnv> {
  async onStart() {
    const row = await this.env.DAL.getSessionById(this.name)
    // freehold: allow-database — the agent's drafts stay in its own object, by the document
    this.sql`CREATE TABLE IF NOT EXISTS drafts (id TEXT PRIMARY KEY)`
  }
}
"""
_CONTEXT_BEFORE = """export async function loadPublicationContext(
  db: D1Database, publicationId: string,
) {
  const row = await runWithRetry(() =>
    db.prepare('SELECT * FROM publications WHERE id = ?').bind(publicationId).first())
  return row
}
"""
_CONTEXT_AFTER = """import type { DataLayer } from '@hotmetal/data-layer'

export async function loadPublicationContext(
  dal: Service<DataLayer>, publicationId: string,
) {
  return await dal.getPublicationById(publicationId)
}
"""
_AUDIT_BEFORE = """export async function writeAuditLog(db: D1Database, entry: AuditLogEntry) {
  await db.prepare('INSERT INTO audit_logs (id) VALUES (?)').bind(entry.id).run()
}
"""
_AUDIT_AFTER = """export async function writeAuditLog(
  dal: Service<DataLayer>, entry: AuditLogEntry,
) {
  await dal.writeAuditLog(entry)
}
"""

#: What does not move: the data layer itself.
_DATA_LAYER = {
    "services/data-layer/package.json": '{ "name": "@hotmetal/data-layer", "private": true }',
    "services/data-layer/wrangler.jsonc": _WRANGLER
    % {"name": "data-layer", "bindings": _D1 % "DB"},
    "services/data-layer/src/domains/sessions.ts": (
        "export async function getSessionById(db: D1Database, id: string) {\n"
        "  return await db.prepare('SELECT * FROM sessions WHERE id = ?').bind(id).first()\n}\n"
    ),
    "services/data-layer/src/index.ts": (
        "import * as sessions from './domains/sessions'\n"
        "export class DataLayer extends WorkerEntrypoint<Env> {\n"
        "  getSessionById(id: string) { return sessions.getSessionById(this.env.DB, id) }\n}\n"
    ),
    "freehold-guard.toml": 'data_layer = ["services/data-layer"]\n',
    "package.json": '{ "name": "hotmetal", "scripts": { "dev": "turbo dev" } }',
    "README.md": "Search for WRITER_DB and .prepare( when you are done.\n",
}


def _worker(name: str, bindings: str) -> dict[str, str]:
    return {
        f"services/{name}/wrangler.jsonc": _WRANGLER % {"name": name, "bindings": bindings},
        f"services/{name}/package.json": f'{{ "name": "@hotmetal/{name}" }}',
    }


def before() -> dict[str, str]:
    """Two databases, three workers that hold them."""
    return {
        **_DATA_LAYER,
        **_worker("writer-agent", _D1 % "WRITER_DB"),
        **_worker("content-scout", _D1 % "WRITER_DB"),
        **_worker("publisher", _D1 % "PUBLISHER_DB"),
        "services/writer-agent/src/env.ts": (
            "export interface WriterAgentEnv {\n  WRITER_DB: D1Database\n  CMS_URL: string\n}\n"
        ),
        "services/writer-agent/src/lib/session-manager.ts": _SESSIONS,
        "services/writer-agent/src/routes/sessions.ts": _ROUTES_BEFORE,
        "services/writer-agent/src/agent/writer-agent.ts": _AGENT_BEFORE,
        "services/content-scout/src/steps/load-context.ts": _CONTEXT_BEFORE,
        "services/content-scout/src/workflow.ts": (
            "const context = await step.do('load-context', () =>\n"
            "  loadPublicationContext(this.env.WRITER_DB, publicationId))\n"
        ),
        "services/publisher/src/lib/audit.ts": _AUDIT_BEFORE,
        "services/publisher/src/routes/oauth.ts": (
            "await storeOAuthState(c.env.PUBLISHER_DB, state)\n"
        ),
    }


def after() -> dict[str, str]:
    """One data layer, three workers that call it."""
    return {
        **_DATA_LAYER,
        **_worker("writer-agent", _DAL),
        **_worker("content-scout", _DAL),
        **_worker("publisher", _DAL),
        "services/writer-agent/src/env.ts": (
            "import type { DataLayer } from '@hotmetal/data-layer'\n"
            "export interface WriterAgentEnv {\n  DAL: Service<DataLayer>\n  CMS_URL: string\n}\n"
        ),
        "services/writer-agent/src/routes/sessions.ts": _ROUTES_AFTER,
        "services/writer-agent/src/agent/writer-agent.ts": _AGENT_AFTER,
        "services/content-scout/src/steps/load-context.ts": _CONTEXT_AFTER,
        "services/content-scout/src/workflow.ts": (
            "const context = await step.do('load-context', () =>\n"
            "  loadPublicationContext(this.env.DAL, publicationId))\n"
        ),
        "services/publisher/src/lib/audit.ts": _AUDIT_AFTER,
        "services/publisher/src/routes/oauth.ts": (
            "await c.env.DAL.storeOAuthState(state, 'linkedin')\n"
        ),
    }


def searched(files: dict[str, str]) -> set[tuple[str, int]]:
    """What the document's two searches find: files of TypeScript, and lines in them."""
    names = re.compile(r"WRITER_DB|PUBLISHER_DB")
    return {
        (path, number)
        for path, text in files.items()
        if path.startswith("services/") and path.endswith(".ts")
        for number, line in enumerate(text.splitlines(), 1)
        if names.search(line) or (".prepare(" in line and "data-layer/" not in path)
    }
