// Peer: the two calls on Hono and better-sqlite3, as their guides write it.
// Pragmas and table are those of the other servers. BENCH_DATABASE is the file, BENCH_PORT the port.

import { randomUUID } from 'node:crypto'
import { serve } from '@hono/node-server'
import Database from 'better-sqlite3'
import { Hono } from 'hono'

const db = new Database(process.env.BENCH_DATABASE, { timeout: 30_000 })
db.pragma('journal_mode = WAL')
db.pragma('synchronous = FULL')
db.pragma('foreign_keys = ON')

const selectUser = db.prepare('SELECT id, email, name, created_at, updated_at FROM users WHERE id = ?')
const insertUser = db.prepare(
  'INSERT INTO users (id, email, name, created_at, updated_at) VALUES (?, ?, ?, ?, ?)',
)

const app = new Hono()

app.get('/users/:id', (c) => {
  const user = selectUser.get(c.req.param('id'))
  return user ? c.json(user) : c.json({ detail: 'There is no such user.' }, 404)
})

app.post('/users', async (c) => {
  const { email, name } = await c.req.json()
  if (typeof email !== 'string' || typeof name !== 'string') {
    return c.json({ detail: 'email and name are texts.' }, 422)
  }
  const now = Math.floor(Date.now() / 1000)
  const user = { id: randomUUID(), email, name, created_at: now, updated_at: now }
  insertUser.run(user.id, user.email, user.name, user.created_at, user.updated_at)
  return c.json(user, 201)
})

serve({ fetch: app.fetch, hostname: '127.0.0.1', port: Number(process.env.BENCH_PORT) })
